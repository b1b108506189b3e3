#include "engine/base/suggest.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 40 }; /* longer words get no suggestion */

/* Levenshtein distance in one row: row[j] is the distance between the part of `a` read so far and b[0..j). */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST) return LONGEST;
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

const char *suggest(const char *wrong, const char *const *names, size_t n) {
    const char *nearest = NULL;
    size_t      least = 1 + strlen(wrong) / 3; /* a third of the word may be wrong */
    for (size_t i = 0; i < n; i++) {
        size_t d = edit_distance(wrong, names[i]);
        if (d < strlen(names[i]) && (d < least || (d == least && nearest == NULL))) {
            nearest = names[i];
            least = d;
        }
    }
    return nearest;
}

int err_unknown(err *e, const char *where, const char *what, const char *wrong, const char *const *names, size_t n) {
    char        allowed[900] = "none", meant[128] = "";
    const char *nearest = suggest(wrong, names, n);
    if (n > 0) err_list(allowed, sizeof allowed, names, n);
    if (nearest != NULL) snprintf(meant, sizeof meant, "; did you mean \"%s\"?", nearest);
    err_input(e, "unknown %s \"%.200s\"%s (allowed: %s)", what, wrong, meant, allowed);
    return where != NULL ? err_prefix(e, "%s", where) : -1;
}
