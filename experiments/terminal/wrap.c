#include "experiments/terminal/wrap.h"

#include <stdbool.h>
#include <string.h>

/* One line of the text, up to its "\n" or end, from column `at`. */
static void print_line(FILE *out, const char *text, size_t at, size_t indent) {
    for (bool first = true; *text != '\n' && *text != '\0'; first = false) {
        size_t n = strcspn(text, " \n"), gap = first ? 0 : 1;
        if (!first && at + gap + n > WRAP_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            gap = 0;
        }
        fprintf(out, "%*s%.*s", (int)gap, "", (int)n, text);
        at += gap + n;
        text += n;
        text += strspn(text, " ");
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
