#include "experiments/commands/roff.h"

#include <stdbool.h>
#include <string.h>

enum { WIDEST = 78 }; /* of a line of words, as they are escaped */

/* A minus is what one types, and so are the other characters for which a typesetter has nicer ones; a tab is a blank at
 * which no line is broken. NULL: the character itself. */
static const char *escaped(char c) {
    static const char *const texts[128] = {
        ['\\'] = "\\e",  ['-'] = "\\-",    ['~'] = "\\(ti", ['^'] = "\\(ha",
        ['`'] = "\\(ga", ['\''] = "\\(aq", ['\t'] = "\\ ",
    };
    return (unsigned char)c < 128 ? texts[(unsigned char)c] : NULL;
}

static void put_word(const char *word, size_t n, FILE *out) {
    for (size_t i = 0; i < n; i++) {
        const char *text = escaped(word[i]);
        if (text != NULL)
            fputs(text, out);
        else
            putc(word[i], out);
    }
}

static size_t width(const char *word, size_t n) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += escaped(word[i]) != NULL ? strlen(escaped(word[i])) : 1;
    return sum;
}

void roff_puts(const char *text, FILE *out) {
    if (*text == '.') fputs("\\&", out);
    put_word(text, strlen(text), out);
}

/* The words of one line, up to its "\n" or end, and the next line of roff after them. */
static void put_line(const char *text, FILE *out) {
    size_t at = 0;
    bool   ends = false; /* a sentence */
    for (size_t blanks = strspn(text, " "); blanks > 0; blanks--, text++) fputs("\\ ", out);
    while (*text != '\n' && *text != '\0') {
        size_t n = strcspn(text, " \n"), wide = width(text, n);
        bool   breaks = at > 0 && (ends || at + 1 + wide > WIDEST);
        if (at > 0) putc(breaks ? '\n' : ' ', out);
        if (*text == '.') fputs("\\&", out);
        put_word(text, n, out);
        at = (breaks || at == 0 ? 0 : at + 1) + wide;
        ends = n > 1 && strchr(".?!", text[n - 1]) != NULL && text[n - 2] != '.'; /* not after [OPTION]... */
        text += n;
        text += strspn(text, " ");
    }
    putc('\n', out);
}

void roff_text(const char *text, FILE *out) {
    bool paragraph = true; /* begins here: nothing is to be broken */
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        bool        empty = line[strspn(line, " ")] == '\n';
        if (empty && !paragraph) fputs(".PP\n", out);
        if (!empty && !paragraph) fputs(".br\n", out);
        if (!empty) put_line(line, out);
        paragraph = empty;
        line = end != NULL ? end + 1 : NULL;
    }
}

void roff_lines(const char *text, FILE *out) {
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        if (*line == '.') fputs("\\&", out);
        if (n == 0) fputs("\\&", out);
        put_word(line, n, out);
        putc('\n', out);
        line += n + (line[n] == '\n');
    }
}
