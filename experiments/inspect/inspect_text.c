/* inspect_text.c - text from a file, for a terminal. */
#include <stdio.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "experiments/inspect/inspect.h"

void inspect_text(const char *s, size_t n, const char *line_end, const char *tab) {
    utf8_rules rules = utf8_one_line;
    rules.newline = line_end;
    rules.tab = tab;
    utf8_write(s, n, &rules, stdout);
}

void inspect_cut(const char *s, size_t n, size_t most) {
    inspect_text(s, utf8_cut(s, n, most), "\\n", "\\t");
    if (n > most) fputs("...", stdout);
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
