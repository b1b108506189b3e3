#include "experiments/terminal/tokenizer_report.h"

#include <stdio.h>

#include "engine/base/number.h"

void tokenizer_report(const tokenizer *t, const char *path) {
    const char *warning = tokenizer_warning(t);
    if (warning != NULL) fprintf(stderr, "harness: %s: %s\n", path, warning);
}

void tokenizer_report_omitted(const tokenizer *t, const char *what, const char *text, size_t n) {
    size_t omitted = tokenizer_omitted(t, text, n);
    if (omitted > 0)
        fprintf(stderr, "harness: %s: %zu byte%s left out: no token spells %s\n", what, omitted, plural(omitted),
                omitted == 1 ? "it" : "them");
}
