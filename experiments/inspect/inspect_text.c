/* inspect_text.c - text from a file, for a terminal. */
#include <stdio.h>
#include <string.h>

#include "engine/base/quote.h"
#include "experiments/inspect/inspect.h"

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

void inspect_cut(const char *s, size_t n, size_t most) {
    bool cut = n > most;
    if (cut) {
        n = most;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) n--; /* s[n] begins a character */
    }
    inspect_text(s, n, "\\n", "\\t");
    if (cut) fputs("...", stdout);
}

void inspect_lines(const char *text) {
    for (size_t n; *text != '\0'; text += n) {
        n = strcspn(text, "\n");
        if (n > 0) fputs("    ", stdout);
        inspect_text(text, n, "", "\t");
        putchar('\n');
        if (text[n] == '\n') n++;
    }
}
