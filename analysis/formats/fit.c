#include "analysis/formats/fit.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"

/* Columns of text become no narrower; keys in one column may be wider where there are parts anyway. */
enum { GAP = 2, NARROWEST = 12, NARROWEST_CELL = 14, CELL_OF_PARTS = 28 };

/* ---- breaking a text ----------------------------------------------------------------------------------- */

/* Bytes of the next piece of s, which no line is broken within; a blank after it is not counted. */
static size_t piece_of(const char *s) {
    size_t n = strcspn(s, " ,/:\n");
    return n + (s[n] != '\0' && strchr(",/:", s[n]) != NULL);
}

typedef struct {
    char  *out;
    size_t n, at; /* bytes written; columns of the last line */
} lines;

static void put(lines *l, const char *s, size_t n) {
    memcpy(l->out + l->n, s, n);
    l->n += n;
    l->at += utf8_width(s, n);
}

static void break_line(lines *l) {
    l->out[l->n++] = '\n';
    l->at = 0;
}

/* Anywhere, when it does not fit. */
static void put_broken(lines *l, const char *s, size_t n, size_t width) {
    for (size_t at = 0, bytes; at < n; at += bytes) {
        bytes = utf8_length(s + at, n - at, NULL);
        if (bytes == 0) bytes = 1;
        if (l->at > 0 && l->at + utf8_width(s + at, bytes) > width) break_line(l);
        put(l, s + at, bytes);
    }
}

/* A piece that is wider than a line goes on from line to line, after "_" or "=" where that helps. */
static void put_piece(lines *l, const char *s, size_t n, size_t width) {
    bool wide = utf8_width(s, n) > width;
    for (size_t at = 0, part; at < n; at += part) {
        part = wide ? strcspn(s + at, "_=") + 1 : n;
        if (part > n - at) part = n - at;
        if (l->at > 0 && l->at + utf8_width(s + at, part) > width) break_line(l);
        put_broken(l, s + at, part, width);
    }
}

char *wrap_cell(const char *s, size_t width, err *e) {
    lines       l = {.out = mem_new(2 * strlen(s) + 1, 1, e)}; /* at most a break before each byte */
    const char *begin = s;
    if (l.out == NULL) return NULL;
    while (*s != '\0') {
        size_t n = piece_of(s), blank = s > begin && s[-1] == ' ';
        if (l.at > 0 && l.at + blank + utf8_width(s, n) > width)
            break_line(&l);
        else if (blank)
            put(&l, " ", 1);
        put_piece(&l, s, n, width);
        s += n + (s[n] == ' ');
    }
    return l.out;
}

/* ---- widths -------------------------------------------------------------------------------------------- */

static size_t width_of_lines(const char *s) {
    size_t most = 0;
    for (size_t n; *s != '\0'; s += n + (s[n] == '\n')) {
        n = strcspn(s, "\n");
        size_t width = utf8_width(s, n);
        if (width > most) most = width;
    }
    return most;
}

static size_t widest_piece(const char *s) {
    size_t most = 0;
    for (size_t n; *s != '\0'; s += n + (s[n] == ' ')) {
        n = piece_of(s);
        size_t width = utf8_width(s, n);
        if (width > most) most = width;
    }
    return most;
}

/* Of a column's values, row 0 left out. */
static size_t width_of_values(const layout *l, size_t column) {
    size_t most = 0;
    for (size_t row = 1; row < l->rows; row++) {
        size_t width = width_of_lines(l->at[row * l->columns + column]);
        if (width > most) most = width;
    }
    return most;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* What a column takes with its title broken. */
static size_t with_broken_title(const layout *l, size_t column) {
    return larger(width_of_values(l, column), widest_piece(l->at[column]));
}

static size_t narrowest(const layout *l, size_t column, bool parts) {
    return l->role[column] != COLUMN_CELL ? NARROWEST : parts ? CELL_OF_PARTS : NARROWEST_CELL;
}

static size_t total(const layout *l) {
    size_t sum = 0;
    for (size_t c = 0; c < l->columns; c++) sum += l->width[c] + (c > 0 ? GAP : 0);
    return sum;
}

/* With titles broken and texts as narrow as they may be. */
static size_t least_total(const layout *l) {
    size_t sum = 0;
    for (size_t c = 0; c < l->columns; c++) {
        size_t width = with_broken_title(l, c), least = narrowest(l, c, false);
        sum += (l->side[c] == COLUMN_LEFT && width > least ? least : width) + (c > 0 ? GAP : 0);
    }
    return sum;
}

/* ---- one column for all keys of a cell ----------------------------------------------------------------- */

static size_t count_role(const layout *l, column_role role) {
    size_t n = 0;
    for (size_t c = 0; c < l->columns; c++) n += l->role[c] == role;
    return n;
}

/* "llma n=1 k=4" of a row; what is missing is not said. */
static char *merged(const layout *l, size_t row, err *e) {
    char *text = mem_strdup("", e);
    for (size_t c = 0; text != NULL && c < l->columns; c++) {
        const char *title = l->at[c], *value = l->at[row * l->columns + c];
        if (l->role[c] != COLUMN_CELL || strcmp(value, l->missing) == 0) continue;
        bool  named = strcmp(title, "policy") != 0 && strcmp(title, "parameters") != 0;
        char *longer =
            mem_printf(e, "%s%s%s%s%s", text, *text != '\0' ? " " : "", named ? title : "", named ? "=" : "", value);
        free(text);
        text = longer;
    }
    return text;
}

/* Replaces the strings of the first key by the merged ones, and takes the other keys out of the row. */
static int merge_row(layout *l, size_t row, size_t to, err *e) {
    char  *text = row == 0 ? mem_strdup("cell", e) : merged(l, row, e);
    char **at = l->at + row * l->columns;
    if (text == NULL) return -1;
    for (size_t c = 0; c < l->columns; c++) {
        if (l->role[c] != COLUMN_CELL) continue;
        free(at[c]);
        at[c] = c == to ? text : NULL;
    }
    return 0;
}

/* Closes the gaps that the merged columns have left. */
static void close_gaps(layout *l, size_t first) {
    size_t kept = 0, columns = l->columns;
    for (size_t row = 0; row < l->rows; row++)
        for (size_t c = 0; c < columns; c++)
            if (l->role[c] != COLUMN_CELL || c == first) l->at[kept++] = l->at[row * columns + c];
    for (size_t c = l->columns = 0; c < columns; c++) {
        if (l->role[c] == COLUMN_CELL && c != first) continue;
        l->role[l->columns] = l->role[c];
        l->side[l->columns] = l->side[c];
        l->width[l->columns++] = l->width[c];
    }
}

static int merge_keys(layout *l, err *e) {
    size_t first = 0;
    while (l->role[first] != COLUMN_CELL) first++;
    for (size_t row = l->rows; row-- > 0;) /* titles, which the rows are made from, last */
        if (merge_row(l, row, first, e) != 0) return -1;
    l->side[first] = COLUMN_LEFT;
    close_gaps(l, first);
    l->width[first] = larger(width_of_values(l, first), width_of_lines(l->at[first]));
    return 0;
}

/* ---- fitting ------------------------------------------------------------------------------------------- */

/* Breaks the column's strings, or only its title, into lines of this width. */
static int wrap_column(layout *l, size_t column, size_t width, bool title_only, err *e) {
    for (size_t row = 0; row < (title_only ? 1 : l->rows); row++) {
        char **at = &l->at[row * l->columns + column], *broken = wrap_cell(*at, width, e);
        if (broken == NULL) return -1;
        free(*at);
        *at = broken;
    }
    l->width[column] = larger(width_of_values(l, column), width_of_lines(l->at[column]));
    return 0;
}

static int wrap_titles(layout *l, err *e) {
    for (size_t c = 0; c < l->columns; c++)
        if (wrap_column(l, c, with_broken_title(l, c), true, e) != 0) return -1;
    return 0;
}

static int narrow(layout *l, size_t most, bool parts, err *e) {
    size_t *target = mem_new(l->columns, sizeof *target, e), width = total(l);
    int     ret = target != NULL ? 0 : -1;
    for (size_t c = 0; ret == 0 && c < l->columns; c++) target[c] = l->width[c];
    for (; ret == 0 && width > most; width--) {
        size_t widest = l->columns;
        for (size_t c = 0; c < l->columns; c++)
            if (l->side[c] == COLUMN_LEFT && target[c] > narrowest(l, c, parts) &&
                (widest == l->columns || target[c] > target[widest]))
                widest = c;
        if (widest == l->columns) break;
        target[widest]--;
    }
    for (size_t c = 0; ret == 0 && c < l->columns; c++)
        if (target[c] < l->width[c]) ret = wrap_column(l, c, target[c], false, e);
    free(target);
    return ret;
}

int layout_fit(layout *l, size_t most, err *e) {
    if (total(l) <= most) return 0;
    if (least_total(l) > most && count_role(l, COLUMN_CELL) > 1 && merge_keys(l, e) != 0) return -1;
    bool parts = least_total(l) > most;
    if (wrap_titles(l, e) != 0) return -1;
    return narrow(l, most, parts, e);
}

size_t layout_part(layout *l, size_t from, size_t most) {
    size_t width = 0;
    for (size_t c = 0; c < l->keys; c++) width += l->width[c] + GAP;
    l->from = l->to = from;
    while (l->to < l->columns && (l->to == from || width + l->width[l->to] <= most)) width += l->width[l->to++] + GAP;
    return l->to;
}
