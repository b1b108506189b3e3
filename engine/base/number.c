#include "engine/base/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int real_digits(double x) {
    char text[40];
    int  digits = 15;
    for (; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    return digits;
}

bool count_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    char *end;
    if (*text < '0' || *text > '9') return false; /* strtoull takes blanks and signs */
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0 || v < min || v > max) return false;
    *out = v;
    return true;
}

const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

double percent_of(double share) {
    return floor(1000 * share + 1e-9) / 10; /* 0.29 is a little less than 29% */
}
