#include "experiments/terminal/tokenizer_report.h"

#include <stdio.h>

void tokenizer_report(const tokenizer *t, const char *path) {
    const char *warning = tokenizer_warning(t);
    if (warning != NULL) fprintf(stderr, "harness: %s: %s\n", path, warning);
}
