/* inspect_text.c - text from a file, for a terminal. */
#include <stdio.h>

#include "engine/base/quote.h"
#include "experiments/inspect.h"

void inspect_text(const char *s, size_t n, const char *line_end, const char *tab) {
    for (size_t i = 0, length; i < n; i += length) {
        unsigned long code = 0;
        length = utf8_length(s + i, n - i, &code);
        if (length == 1 && code == '\n') {
            fputs(line_end, stdout);
        } else if (length == 1 && code == '\t') {
            fputs(tab, stdout);
        } else if (length == 0 || utf8_is_hidden(code)) {
            putchar('?');
            if (length == 0) length = 1;
        } else {
            fwrite(s + i, 1, length, stdout);
        }
    }
}
