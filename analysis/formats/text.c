/* text.c - aligned columns for a terminal or a mail. */
#include "analysis/formats/table_format.h"
#include "engine/base/utf8.h"

static char *escape(const char *s, err *e) {
    return escape_for_people(s, NULL, e);
}

/* Bytes of s up to its next break, which is after a comma or a semicolon; that one is counted. */
static size_t to_break(const char *s) {
    size_t n = 0;
    while (s[n] != '\0' && !((s[n] == ',' || s[n] == ';') && s[n + 1] == ' ')) n++;
    return n + (s[n] != '\0');
}

/* Lines that go on an earlier one are indented. */
static void write_caption(const char *s, FILE *out) {
    enum { LINE = 80 };
    size_t at = 0;
    for (size_t n; *s != '\0'; s += n) {
        n = to_break(s);
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

static void write_row(const layout *l, size_t row, FILE *out) {
    layout_write_row(l, row, "  ", false, out);
    fputc('\n', out);
}

static void write_header(const layout *l, FILE *out) {
    write_row(l, 0, out);
    for (size_t c = 0; c < l->columns; c++) {
        if (c > 0) fputs("  ", out);
        for (size_t i = 0; i < l->width[c]; i++) fputc('-', out);
    }
    fputc('\n', out);
}

const table_format table_format_text = {
    .name = "text",
    .help = "aligned columns",
    .missing = "-",
    .escape = escape,
    .caption = write_caption,
    .after_captions = "\n",
    .header = write_header,
    .row = write_row,
    .above_group = "\n",
    .end = "",
};
