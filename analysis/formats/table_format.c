#include "analysis/formats/table_format.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/formats/fit.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

#define TABLE_FORMAT(name) extern const table_format table_format_##name;
#include "analysis/formats/formats.def"
#undef TABLE_FORMAT

static const void *const all[] = {
#define TABLE_FORMAT(name) &table_format_##name,
#include "analysis/formats/formats.def"
#undef TABLE_FORMAT
};

const registry table_format_registry = REGISTRY("table format", all);

/* ---- text ---------------------------------------------------------------------------------------------- */

char *escape_for_people(const char *s, char_escape *escape, err *e) {
    static const utf8_rules rules = {.invalid = "?", .control = "?", .newline = "?", .tab = "?"};
    char                   *clean = utf8_clean(s, strlen(s), &rules, e);
    size_t                  size = 1;
    if (clean == NULL || escape == NULL) return clean;
    /* What is escaped is ASCII, and no byte of a longer character looks like it. */
    for (const char *at = clean; *at != '\0'; at++) size += escape(*at) != NULL ? strlen(escape(*at)) : 1;
    char *out = mem_new(size, 1, e), *to = out;
    for (const char *at = clean; out != NULL && *at != '\0'; at++) {
        const char *as = escape(*at);
        if (as != NULL)
            to = stpcpy(to, as);
        else
            *to++ = *at;
    }
    free(clean);
    return out;
}

/* ---- layout -------------------------------------------------------------------------------------------- */

static void layout_free(layout *l) {
    if (l->at != NULL)
        for (size_t i = 0; i < l->rows * l->columns; i++) free(l->at[i]);
    free(l->at);
    free(l->width);
    free(l->side);
    free(l->role);
    free(l->group);
}

static bool is_shown(const table *t, size_t column, bool for_programs) {
    if (for_programs) return t->heads[column].name != NULL;
    if (t->heads[column].title == NULL) return false;
    for (size_t i = column; i < t->n_cells; i += t->n_heads)
        if (t->cells[i].text != NULL) return true;
    return t->n_cells == 0;
}

static int layout_new(layout *l, size_t rows, size_t columns, err *e) {
    *l = (layout){.rows = rows, .columns = columns, .missing = ""};
    l->at = mem_new(rows * columns, sizeof *l->at, e);
    l->width = mem_new(columns, sizeof *l->width, e);
    l->side = mem_new(columns, sizeof *l->side, e);
    l->role = mem_new(columns, sizeof *l->role, e);
    l->group = mem_new(rows, sizeof *l->group, e);
    if (l->at != NULL && l->width != NULL && l->side != NULL && l->role != NULL && l->group != NULL) return 0;
    layout_free(l);
    return -1;
}

/* Column `from` of the table becomes column `to`. */
static int layout_column(layout *l, size_t to, const table *t, size_t from, const table_format *f, err *e) {
    const table_head *head = &t->heads[from];
    const char       *s = f->for_programs ? head->name : head->title;
    l->side[to] = head->side;
    l->role[to] = head->role;
    for (size_t row = 0; row < l->rows; row++) {
        if (row > 0) {
            const table_cell *c = &t->cells[(row - 1) * t->n_heads + from];
            s = f->for_programs ? c->value : c->text;
        }
        char *shown = s != NULL ? f->escape(s, e) : mem_strdup(f->missing, e);
        if (shown == NULL) return -1;
        l->at[row * l->columns + to] = shown;
        size_t width = utf8_width(shown, strlen(shown));
        if (width > l->width[to]) l->width[to] = width;
    }
    return 0;
}

static int layout_make(const table *t, const table_format *f, layout *l, err *e) {
    size_t columns = 0, rows = 1 + (t->n_heads > 0 ? t->n_cells / t->n_heads : 0);
    for (size_t c = 0; c < t->n_heads; c++) columns += is_shown(t, c, f->for_programs);
    if (layout_new(l, rows, columns, e) != 0) return -1;
    l->missing = f->missing;
    for (size_t i = 0; i < t->n_groups; i++) l->group[1 + t->groups[i]] = true;
    for (size_t c = 0, to = 0; c < t->n_heads; c++)
        if (is_shown(t, c, f->for_programs) && layout_column(l, to++, t, c, f, e) != 0) {
            layout_free(l);
            return -1;
        }
    if (f->widest > 0 && layout_fit(l, f->widest, e) != 0) {
        layout_free(l);
        return -1;
    }
    while (l->keys < l->columns && l->role[l->keys] != COLUMN_VALUE) l->keys++;
    if (l->keys == l->columns) l->keys = 0; /* keys alone are the table */
    l->from = l->keys;
    l->to = l->columns;
    return 0;
}

static void pad(FILE *out, size_t n) {
    while (n-- > 0) fputc(' ', out);
}

void layout_write_row(const layout *l, size_t row, const char *between, bool last, FILE *out) {
    for (size_t c = 0; c < l->columns; c++) {
        const char *s = l->at[row * l->columns + c];
        size_t      gap = l->width[c] - utf8_width(s, strlen(s));
        if (c > 0) fputs(between, out);
        if (l->side[c] == COLUMN_RIGHT) pad(out, gap);
        fputs(s, out);
        if (l->side[c] == COLUMN_LEFT && (last || c + 1 < l->columns)) pad(out, gap);
    }
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static int write_caption(const char *text, const table_format *f, FILE *out, err *e) {
    char *s = f->escape(text, e);
    if (s == NULL) return -1;
    f->caption(s, out);
    free(s);
    return 0;
}

/* The titles of columns that are left out for want of values, as a caption: *out is NULL when there are none. */
static int list_left_out(const table *t, char **out, err *e) {
    *out = NULL;
    for (size_t c = 0; c < t->n_heads; c++) {
        const char *title = t->heads[c].title;
        if (title == NULL || is_shown(t, c, false)) continue;
        char *longer = *out == NULL ? mem_printf(e, "no values: %s", title) : mem_printf(e, "%s; %s", *out, title);
        free(*out);
        if ((*out = longer) == NULL) return -1;
    }
    return 0;
}

int table_write_captions(const table *t, const table_format *f, FILE *out, err *e) {
    char *left_out;
    if (t->error.kind != ERR_NONE) {
        if (e != NULL) *e = t->error;
        return -1;
    }
    if (f->for_programs) return 0;
    for (size_t i = 0; i < t->n_captions; i++)
        if (write_caption(t->captions[i], f, out, e) != 0) return -1;
    if (list_left_out(t, &left_out, e) != 0) return -1;
    int status = left_out != NULL ? write_caption(left_out, f, out, e) : 0;
    if (t->n_captions > 0 || left_out != NULL) fputs(f->after_captions, out);
    free(left_out);
    return status;
}

static void write_part(const layout *l, const table_format *f, FILE *out) {
    f->header(l, out);
    for (size_t row = 1; row < l->rows; row++) {
        if (l->group[row]) fputs(f->above_group, out);
        f->row(l, row, out);
    }
}

static int check_written(FILE *out, err *e) {
    return ferror(out) ? err_errno(e, "table", "cannot write") : 0;
}

int table_write(const table *t, const table_format *f, FILE *out, err *e) {
    layout l;
    if (table_write_captions(t, f, out, e) != 0) return -1;
    if (t->n_cells == 0 && t->none != NULL && !f->for_programs)
        return write_caption(t->none, f, out, e) == 0 ? check_written(out, e) : -1;
    if (layout_make(t, f, &l, e) != 0) return -1;
    size_t from = l.keys;
    do {
        if (from > l.keys) fputc('\n', out);
        from = f->widest > 0 ? layout_part(&l, from, f->widest) : l.columns;
        write_part(&l, f, out);
    } while (from < l.columns);
    fputs(f->end, out);
    layout_free(&l);
    return check_written(out, e);
}
