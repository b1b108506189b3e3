/* latex.c - a tabular with the rules of the package booktabs. */
#include "analysis/formats/table_format.h"

static const char *special(char c) {
    switch (c) {
    case '&':
        return "\\&";
    case '%':
        return "\\%";
    case '$':
        return "\\$";
    case '#':
        return "\\#";
    case '_':
        return "\\_";
    case '{':
        return "\\{";
    case '}':
        return "\\}";
    case '~':
        return "\\textasciitilde{}";
    case '^':
        return "\\textasciicircum{}";
    case '\\':
        return "\\textbackslash{}";
    case '<':
        return "\\textless{}";
    case '>':
        return "\\textgreater{}";
    case '|':
        return "\\textbar{}";
    case '"':
        return "''"; /* the same in every font encoding */
    default:
        return NULL;
    }
}

static char *escape(const char *s, err *e) {
    return escape_for_people(s, special, e);
}

static void write_caption(const char *s, FILE *out) {
    fprintf(out, "\\smallskip\\noindent %s\\par\n", s);
}

static void write_row(const layout *l, size_t row, FILE *out) {
    layout_write_row(l, row, " & ", true, out);
    fputs(" \\\\\n", out);
}

static void write_header(const layout *l, FILE *out) {
    fputs("\\noindent\\begin{tabular}{@{}", out);
    for (size_t c = 0; c < l->columns; c++) fputc(l->side[c] == COLUMN_RIGHT ? 'r' : 'l', out);
    fputs("@{}}\n\\toprule\n", out);
    write_row(l, 0, out);
    fputs("\\midrule\n", out);
}

const table_format table_format_latex = {
    .name = "latex",
    .help = "a tabular with booktabs' rules",
    .missing = "--",
    .escape = escape,
    .caption = write_caption,
    .after_captions = "\\smallskip\n",
    .header = write_header,
    .row = write_row,
    .above_group = "\\addlinespace\n",
    .end = "\\bottomrule\n\\end{tabular}\n",
};
