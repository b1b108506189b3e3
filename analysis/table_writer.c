#include "analysis/table_writer.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/utf8.h"

typedef struct {
    char       *title, *name; /* NULL: not for people, not for programs */
    column_side side;
} column;

typedef struct {
    char *text, *value; /* for people, for programs; NULL is missing */
} cell;

struct table {
    char  **captions;
    size_t  n_captions, cap_captions;
    column *columns;
    size_t  n_columns, cap_columns;
    cell   *cells; /* row by row */
    size_t  n_cells, cap_cells;
    size_t *groups; /* rows that begin one, ascending */
    size_t  n_groups, cap_groups;
    err     error; /* the first one */
};

table *table_new(err *e) {
    return mem_new(1, sizeof(table), e);
}

void table_free(table *t) {
    if (t == NULL) return;
    for (size_t i = 0; i < t->n_captions; i++) free(t->captions[i]);
    for (size_t i = 0; i < t->n_columns; i++) {
        free(t->columns[i].title);
        free(t->columns[i].name);
    }
    for (size_t i = 0; i < t->n_cells; i++) {
        free(t->cells[i].text);
        free(t->cells[i].value);
    }
    free(t->captions);
    free(t->columns);
    free(t->cells);
    free(t->groups);
    free(t);
}

/* ---- building ---------------------------------------------------------------------------------------- */

/* A copy, or NULL for NULL; failure is kept in the table. */
static char *copy(table *t, const char *s) {
    return s != NULL && t->error.kind == ERR_NONE ? mem_strdup(s, &t->error) : NULL;
}

void table_caption(table *t, const char *fmt, ...) {
    if (t->error.kind != ERR_NONE || mem_reserve(&t->captions, &t->cap_captions, t->n_captions + 1, &t->error) != 0)
        return;
    va_list args;
    va_start(args, fmt);
    char *s = mem_vprintf(&t->error, fmt, args);
    va_end(args);
    if (s != NULL) t->captions[t->n_captions++] = s;
}

void table_column(table *t, column_side side, const char *title, const char *name) {
    if (t->error.kind != ERR_NONE || mem_reserve(&t->columns, &t->cap_columns, t->n_columns + 1, &t->error) != 0)
        return;
    t->columns[t->n_columns++] = (column){copy(t, title), copy(t, name), side};
}

void table_group(table *t) {
    if (t->error.kind != ERR_NONE || t->n_cells == 0 ||
        mem_reserve(&t->groups, &t->cap_groups, t->n_groups + 1, &t->error) != 0)
        return;
    t->groups[t->n_groups++] = t->n_cells / t->n_columns;
}

static void put(table *t, const char *text, const char *value) {
    if (t->error.kind != ERR_NONE || mem_reserve(&t->cells, &t->cap_cells, t->n_cells + 1, &t->error) != 0) return;
    t->cells[t->n_cells++] = (cell){copy(t, text), copy(t, value)};
}

void table_put_text(table *t, const char *s) {
    put(t, s, s);
}

void table_put_missing(table *t) {
    put(t, NULL, NULL);
}

void table_put_part(table *t, size_t part, size_t whole) {
    char s[64];
    snprintf(s, sizeof s, "%zu of %zu", part, whole);
    put(t, s, NULL);
}

void table_put_count(table *t, size_t n) {
    char s[32];
    snprintf(s, sizeof s, "%zu", n);
    put(t, s, s);
}

/* The number for programs: it reads back the same. */
static void exact(double x, char *s, size_t size) {
    snprintf(s, size, "%.*g", real_digits(x), x);
}

void table_put_real(table *t, double x, int decimals) {
    char text[400], value[40]; /* the largest double has 309 digits before the point */
    if (isnan(x)) {
        put(t, NULL, NULL);
        return;
    }
    snprintf(text, sizeof text, "%.*f", decimals, x);
    exact(x, value, sizeof value);
    put(t, text, value);
}

void table_put_range(table *t, double x, double lo, double hi, int decimals) {
    char text[1200], value[40];
    if (isnan(x)) {
        put(t, NULL, NULL);
        return;
    }
    if (isnan(lo) || isnan(hi))
        snprintf(text, sizeof text, "%.*f", decimals, x);
    else
        snprintf(text, sizeof text, "%.*f [%.*f, %.*f]", decimals, x, decimals, lo, decimals, hi);
    exact(x, value, sizeof value);
    put(t, text, value);
}

void table_put_share(table *t, size_t part, size_t whole) {
    char text[48], value[40];
    if (whole == 0) {
        put(t, NULL, NULL);
        return;
    }
    size_t permille = part * 1000 / whole; /* cut: keeps W2 */
    snprintf(text, sizeof text, "%zu.%zu%%", permille / 10, permille % 10);
    exact((double)part / (double)whole, value, sizeof value);
    put(t, text, value);
}

void table_put_of(table *t, size_t part, size_t whole) {
    char text[64];
    if (whole == 0) {
        put(t, NULL, NULL);
        return;
    }
    snprintf(text, sizeof text, "%zu/%zu", part, whole);
    put(t, text, text);
}

/* ---- characters -------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at s, and its code point; a byte that begins none is one of its own. */
static size_t character_next(const char *s, unsigned long *point) {
    size_t n = utf8_length(s, 4, point); /* never reads past the NUL */
    if (n > 0) return n;
    *point = (unsigned char)*s;
    return 1;
}

static bool within(unsigned long point, const uint32_t (*ranges)[2], size_t n) {
    for (size_t i = 0; i < n; i++)
        if (point >= ranges[i][0] && point <= ranges[i][1]) return true;
    return false;
}

size_t table_width(const char *s) {
    static const uint32_t zero[][2] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x64B, 0x65F},
                                       {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x20D0, 0x20FF},
                                       {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
    static const uint32_t wide[][2] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF}, {0xAC00, 0xD7A3},
                                       {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6},
                                       {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
    size_t                width = 0;
    for (unsigned long point; *s != '\0';) {
        s += character_next(s, &point);
        width += within(point, zero, sizeof zero / sizeof *zero)   ? 0
                 : within(point, wide, sizeof wide / sizeof *wide) ? 2
                                                                   : 1;
    }
    return width;
}

/* What stands for byte c; NULL when it stands for itself. */
static const char *escape_latex(char c) {
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

static const char *escape_md(char c) {
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
    case '<':
        return "&lt;";
    case '&':
        return "&amp;";
    default:
        return NULL;
    }
}

/* A new string: `s` as this format must write it. Keeps W3. */
static char *escape(const char *s, table_format f, err *e) {
    enum { LONGEST = 18 };
    size_t n = strlen(s);
    if (f == TABLE_CSV) {
        bool  quote = strpbrk(s, ",\"\r\n") != NULL;
        char *out = mem_new(2 * n + 3, 1, e), *at = out;
        if (out == NULL) return NULL;
        if (quote) *at++ = '"';
        for (; *s != '\0'; s++) {
            if (*s == '"') *at++ = '"';
            *at++ = *s;
        }
        if (quote) *at = '"';
        return out;
    }
    char *out = n < SIZE_MAX / LONGEST ? mem_new(LONGEST * n + 1, 1, e) : NULL, *at = out;
    if (out == NULL) return NULL;
    unsigned long point;
    for (size_t len; *s != '\0'; s += len) {
        len = character_next(s, &point);
        const char *as = f == TABLE_LATEX ? escape_latex(*s) : f == TABLE_MD ? escape_md(*s) : NULL;
        bool        bad = point < 0x20 || (point >= 0x7F && point < 0xA0) || (len == 1 && point >= 0x80);
        if (bad) as = "?";
        if (as != NULL)
            at = stpcpy(at, as);
        else {
            memcpy(at, s, len);
            at += len;
        }
    }
    return out;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

/* The table as this format shows it: escaped strings, the header as row 0, hidden columns gone. */
typedef struct {
    size_t       rows, columns;
    char       **at;    /* [rows][columns] */
    size_t      *width; /* [columns] */
    column_side *side;  /* [columns] */
    bool        *group; /* [rows]: space goes above */
} layout;

static void layout_free(layout *l) {
    if (l->at != NULL)
        for (size_t i = 0; i < l->rows * l->columns; i++) free(l->at[i]);
    free(l->at);
    free(l->width);
    free(l->side);
    free(l->group);
}

static bool shown(const table *t, size_t c, bool people) {
    if (!people) return t->columns[c].name != NULL;
    if (t->columns[c].title == NULL) return false;
    for (size_t i = c; i < t->n_cells; i += t->n_columns)
        if (t->cells[i].text != NULL) return true;
    return t->n_cells == 0;
}

static int layout_make(const table *t, table_format f, layout *l, err *e) {
    bool people = f != TABLE_CSV;
    *l = (layout){.rows = 1 + (t->n_columns > 0 ? t->n_cells / t->n_columns : 0)};
    bool *show = mem_new(t->n_columns, sizeof *show, e);
    if (show == NULL) return -1;
    for (size_t c = 0; c < t->n_columns; c++) l->columns += show[c] = shown(t, c, people);
    if ((l->at = mem_new(l->rows * l->columns, sizeof *l->at, e)) == NULL ||
        (l->width = mem_new(l->columns, sizeof *l->width, e)) == NULL ||
        (l->side = mem_new(l->columns, sizeof *l->side, e)) == NULL ||
        (l->group = mem_new(l->rows, sizeof *l->group, e)) == NULL)
        goto fail;
    for (size_t i = 0; i < t->n_groups; i++) l->group[1 + t->groups[i]] = true;
    const char *missing = f == TABLE_CSV ? "" : f == TABLE_LATEX ? "--" : "-";
    for (size_t row = 0; row < l->rows; row++)
        for (size_t c = 0, to = 0; c < t->n_columns; c++) {
            if (!show[c]) continue;
            const column *col = &t->columns[c];
            const cell   *from = row > 0 ? &t->cells[(row - 1) * t->n_columns + c] : &(cell){col->title, col->name};
            const char   *s = people ? from->text : from->value;
            char        **into = &l->at[row * l->columns + to];
            *into = s != NULL ? escape(s, f, e) : mem_strdup(missing, e);
            if (*into == NULL) goto fail;
            size_t width = table_width(*into);
            if (width > l->width[to]) l->width[to] = width;
            l->side[to++] = col->side;
        }
    free(show);
    return 0;
fail:
    free(show);
    layout_free(l);
    return -1;
}

static void pad(FILE *out, size_t n) {
    while (n-- > 0) fputc(' ', out);
}

/* One row, padded; `last` pads the last column too. */
static void write_row(const layout *l, size_t row, const char *between, bool last, FILE *out) {
    for (size_t c = 0; c < l->columns; c++) {
        const char *s = l->at[row * l->columns + c];
        size_t      gap = l->width[c] - table_width(s);
        if (c > 0) fputs(between, out);
        if (l->side[c] == COLUMN_RIGHT) pad(out, gap);
        fputs(s, out);
        if (l->side[c] == COLUMN_LEFT && (last || c + 1 < l->columns)) pad(out, gap);
    }
}

static void write_text(const layout *l, FILE *out) {
    for (size_t row = 0; row < l->rows; row++) {
        if (l->group[row]) fputc('\n', out);
        write_row(l, row, "  ", false, out);
        fputc('\n', out);
        for (size_t c = 0; row == 0 && c < l->columns; c++) {
            if (c > 0) fputs("  ", out);
            for (size_t i = 0; i < l->width[c]; i++) fputc('-', out);
        }
        if (row == 0) fputc('\n', out);
    }
}

static void write_md(const layout *l, FILE *out) {
    for (size_t row = 0; row < l->rows; row++) {
        fputs("| ", out);
        write_row(l, row, " | ", true, out);
        fputs(" |\n", out);
        for (size_t c = 0; row == 0 && c < l->columns; c++) {
            fputs(c == 0 ? "|" : "", out);
            /* A right-aligned column's rule ends in a colon. */
            for (size_t i = 0; i < l->width[c] + 1; i++) fputc('-', out);
            fputs(l->side[c] == COLUMN_RIGHT ? ":|" : "-|", out);
        }
        if (row == 0) fputc('\n', out);
    }
}

static void write_csv(const layout *l, FILE *out) {
    for (size_t row = 0; row < l->rows; row++)
        for (size_t c = 0; c < l->columns; c++)
            fprintf(out, "%s%s", l->at[row * l->columns + c], c + 1 < l->columns ? "," : "\n");
}

static void write_latex(const layout *l, FILE *out) {
    fputs("\\noindent\\begin{tabular}{@{}", out);
    for (size_t c = 0; c < l->columns; c++) fputc(l->side[c] == COLUMN_RIGHT ? 'r' : 'l', out);
    fputs("@{}}\n\\toprule\n", out);
    for (size_t row = 0; row < l->rows; row++) {
        if (l->group[row]) fputs("\\addlinespace\n", out);
        write_row(l, row, " & ", true, out);
        fputs(" \\\\\n", out);
        if (row == 0) fputs("\\midrule\n", out);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", out);
}

/* Lines break behind a comma or semicolon; those that go on an earlier one are indented. */
static void write_wrapped(char *s, FILE *out) {
    enum { LINE = 100 };
    size_t at = 0;
    while (*s != '\0') {
        size_t n = 0; /* bytes up to the next break, that one's comma included */
        while (s[n] != '\0' && !((s[n] == ',' || s[n] == ';') && s[n + 1] == ' ')) n++;
        n += s[n] != '\0';
        char kept = s[n];
        s[n] = '\0';
        size_t width = table_width(s);
        if (at > 0 && at + width > LINE) {
            fputs("\n ", out);
            at = 1;
        }
        fputs(s, out);
        at += width;
        s[n] = kept;
        s += n;
    }
    fputc('\n', out);
}

static int write_caption(const char *text, table_format f, FILE *out, err *e) {
    char *s = escape(text, f, e);
    if (s == NULL) return -1;
    if (f == TABLE_TEXT)
        write_wrapped(s, out);
    else
        fprintf(out, f == TABLE_LATEX ? "\\smallskip\\noindent %s\\par\n" : "%s  \n", s);
    free(s);
    return 0;
}

/* The columns that are left out for want of values are named. */
int table_write_captions(const table *t, table_format f, FILE *out, err *e) {
    for (size_t i = 0; i < t->n_captions; i++)
        if (write_caption(t->captions[i], f, out, e) != 0) return -1;
    char  *list = NULL;
    size_t left_out = 0;
    for (size_t c = 0; c < t->n_columns; c++) {
        const char *title = t->columns[c].title;
        if (title == NULL || shown(t, c, true)) continue;
        char *longer = mem_printf(e, "%s%s%s", list != NULL ? list : "no values: ", left_out++ > 0 ? "; " : "", title);
        free(list);
        if ((list = longer) == NULL) return -1;
    }
    int status = list != NULL ? write_caption(list, f, out, e) : 0;
    if (t->n_captions + left_out > 0) fputs(f == TABLE_LATEX ? "\\smallskip\n" : "\n", out);
    free(list);
    return status;
}

int table_write(const table *t, table_format f, FILE *out, err *e) {
    layout l;
    if (t->error.kind != ERR_NONE) {
        if (e != NULL) *e = t->error;
        return -1;
    }
    if (f != TABLE_CSV && table_write_captions(t, f, out, e) != 0) return -1;
    if (layout_make(t, f, &l, e) != 0) return -1;
    switch (f) {
    case TABLE_TEXT:
        write_text(&l, out);
        break;
    case TABLE_MD:
        write_md(&l, out);
        break;
    case TABLE_CSV:
        write_csv(&l, out);
        break;
    case TABLE_LATEX:
        write_latex(&l, out);
        break;
    }
    layout_free(&l);
    return ferror(out) ? err_errno(e, "table", "cannot write") : 0;
}
