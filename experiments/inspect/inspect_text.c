/* inspect_text.c - text from a file, for a terminal. */
#include <stdio.h>
#include <string.h>

#include "experiments/inspect/inspect.h"
#include "experiments/terminal/terminal.h"

void inspect_cut(const char *s, size_t n, size_t most) {
    bool cut = n > most;
    if (cut) {
        n = most;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) n--; /* s[n] begins a character */
    }
    terminal_print(s, n, "\\n", "\\t");
    if (cut) fputs("...", stdout);
}

void inspect_lines(const char *text) {
    for (size_t n; *text != '\0'; text += n) {
        n = strcspn(text, "\n");
        if (n > 0) fputs("    ", stdout);
        terminal_print(text, n, "", "\t");
        putchar('\n');
        if (text[n] == '\n') n++;
    }
}
