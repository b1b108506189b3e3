#include "experiments/terminal/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/quote.h"

bool terminal_redraws(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
}

bool terminal_colours(int fd) {
    const char *no_color = getenv("NO_COLOR");
    return terminal_redraws(fd) && (no_color == NULL || *no_color == '\0');
}

void terminal_print(const char *s, size_t n, const char *line_end, const char *tab) {
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
