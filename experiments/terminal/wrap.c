#include "experiments/terminal/wrap.h"

#include <stdbool.h>
#include <string.h>

static void print_word(FILE *out, const char *word, size_t n) {
    for (size_t i = 0; i < n; i++) putc(word[i] == '\t' ? ' ' : word[i], out);
}

/* One line of the text, up to its "\n" or end, from column `at`. */
static void print_line(FILE *out, const char *text, size_t at, size_t indent) {
    for (size_t gap = 0; *text != '\n' && *text != '\0';) {
        size_t n = strcspn(text, " \n");
        if (gap > 0 && at + gap + n > WRAP_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            gap = 0;
        }
        fprintf(out, "%*s", (int)gap, "");
        print_word(out, text, n);
        at += gap + n;
        text += n;
        gap = strspn(text, " ");
        text += gap;
    }
    putc('\n', out);
}

void wrap_print(FILE *out, const char *text, size_t at, size_t indent) {
    for (const char *line = text; line != NULL;) {
        const char *end = strchr(line, '\n');
        size_t      blanks = strspn(line, " "), hanging = indent + blanks;
        bool        empty = line[blanks] == '\n' || line[blanks] == '\0';
        size_t      from = line == text ? at + blanks : hanging;
        if (!empty) fprintf(out, "%*s", (int)(line == text ? blanks : hanging), "");
        print_line(out, line + blanks, from, hanging);
        line = end != NULL ? end + 1 : NULL;
    }
}
