/* md.c - a table of GitHub Flavored Markdown. */
#include "analysis/formats/table_format.h"

static const char *special(char c) {
    switch (c) {
    case '\\':
        return "\\\\";
    case '|':
        return "\\|";
    case '`':
        return "\\`";
    case '*':
        return "\\*";
    case '_':
        return "\\_";
    case '~':
        return "\\~";
    case '[':
        return "\\[";
    case ']':
        return "\\]";
    case '$':
        return "\\$";
    case '<':
        return "&lt;";
    case '&':
        return "&amp;";
    default:
        return NULL;
    }
}

static char *escape(const char *s, err *e) {
    return escape_for_people(s, special, e);
}

/* Two blanks at a line's end keep the next caption on a line of its own. */
static void write_caption(const char *s, FILE *out) {
    fprintf(out, "%s  \n", s);
}

static void write_row(const layout *l, size_t row, FILE *out) {
    fputs("| ", out);
    layout_write_row(l, row, " | ", true, out);
    fputs(" |\n", out);
}

/* The rule of a right-aligned column ends in a colon. */
static void write_header(const layout *l, FILE *out) {
    write_row(l, 0, out);
    for (size_t c = 0; c < l->columns; c++) {
        fputs(c == 0 ? "|" : "", out);
        for (size_t i = 0; i < l->width[c] + 1; i++) fputc('-', out);
        fputs(l->side[c] == COLUMN_RIGHT ? ":|" : "-|", out);
    }
    fputc('\n', out);
}

const table_format table_format_md = {
    .name = "md",
    .help = "Markdown",
    .missing = "-",
    .escape = escape,
    .caption = write_caption,
    .after_captions = "\n",
    .header = write_header,
    .row = write_row,
    .above_group = "",
    .end = "",
};
