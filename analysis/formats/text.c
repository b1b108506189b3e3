/* text.c - aligned columns for a terminal or a mail. */
#include <string.h>

#include "analysis/formats/table_format.h"
#include "engine/base/utf8.h"

enum { LINE = 80 };

static char *escape(const char *s, err *e) {
    return escape_for_people(s, NULL, e);
}

/* Bytes of s up to its next break, which is after a comma, a semicolon or the ">" between stages; that one is counted.
 */
static size_t to_break(const char *s) {
    size_t n = 0;
    while (s[n] != '\0' && !(strchr(",;>", s[n]) != NULL && s[n + 1] == ' ')) n++;
    return n + (s[n] != '\0');
}

/* Where that is further than a line, a part of it that ends before a blank and is as long as fits; a word at least. */
static size_t to_blank(const char *s, size_t n) {
    size_t fits = 0;
    for (size_t at = 1; at < n; at++) {
        if (s[at] != ' ') continue;
        if (fits > 0 && utf8_width(s, at) > LINE - 1) break;
        fits = at;
    }
    return fits > 0 ? fits : n;
}

/* Lines that go on an earlier one are indented. */
static void write_caption(const char *s, FILE *out) {
    size_t at = 0;
    for (size_t n; *s != '\0'; s += n) {
        n = to_break(s);
        if (utf8_width(s, n) > LINE - 1) n = to_blank(s, n);
        size_t width = utf8_width(s, n);
        if (at > 0 && at + width > LINE) {
            fputs("\n ", out);
            at = 1;
        }
        fwrite(s, 1, n, out);
        at += width;
    }
    fputc('\n', out);
}

/* Line `line` of a string, and its length; "" past its end. */
static const char *line_of(const char *s, size_t line, size_t *n) {
    for (; line > 0 && *s != '\0'; line--) {
        s += strcspn(s, "\n");
        s += *s == '\n';
    }
    *n = strcspn(s, "\n");
    return s;
}

static size_t count_lines(const char *s) {
    size_t n = 1;
    for (; *s != '\0'; s++) n += *s == '\n';
    return n;
}

static void pad(FILE *out, size_t n, char with) {
    while (n-- > 0) fputc(with, out);
}

/* The column of the part after this one; l->to at its end. */
static size_t next(const layout *l, size_t column) {
    return column + 1 == l->keys ? l->from : column + 1;
}

static size_t first(const layout *l) {
    return l->keys > 0 ? 0 : l->from;
}

/* The rows of a title with fewer lines stand at the bottom. Nothing is padded at a line's end. */
static void write_line(const layout *l, size_t row, size_t line, size_t lines, FILE *out) {
    size_t owed = 0;
    for (size_t c = first(l); c < l->to; c = next(l, c)) {
        const char *s = l->at[row * l->columns + c];
        size_t      above = row == 0 ? lines - count_lines(s) : 0, n = 0;
        const char *at = line >= above ? line_of(s, line - above, &n) : "";
        size_t      gap = l->width[c] - utf8_width(at, n);
        if (c != first(l)) owed += 2;
        if (n > 0) {
            pad(out, owed + (l->side[c] == COLUMN_RIGHT ? gap : 0), ' ');
            fwrite(at, 1, n, out);
            owed = l->side[c] == COLUMN_RIGHT ? 0 : gap;
        } else {
            owed += gap;
        }
    }
    fputc('\n', out);
}

static void write_row(const layout *l, size_t row, FILE *out) {
    size_t lines = 1;
    for (size_t c = first(l); c < l->to; c = next(l, c)) {
        size_t n = count_lines(l->at[row * l->columns + c]);
        if (n > lines) lines = n;
    }
    for (size_t line = 0; line < lines; line++) write_line(l, row, line, lines, out);
}

static void write_header(const layout *l, FILE *out) {
    write_row(l, 0, out);
    for (size_t c = first(l); c < l->to; c = next(l, c)) {
        if (c != first(l)) fputs("  ", out);
        pad(out, l->width[c], '-');
    }
    fputc('\n', out);
}

const table_format table_format_text = {
    .name = "text",
    .help = "aligned columns, in lines of 80",
    .widest = LINE,
    .missing = "-",
    .escape = escape,
    .caption = write_caption,
    .after_captions = "\n",
    .header = write_header,
    .row = write_row,
    .above_group = "\n",
    .end = "",
};
