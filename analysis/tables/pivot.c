/* pivot.c - one number of each cell, by one key of theirs: a column for each of its values.
 *
 *     --by k      k = 4   k = 8        a row is what cells agree on, except the key and digests
 *     llma n = 1  cell 2  cell 3
 *     llma n = 2  cell 4  -            no cell has n = 2 and k = 8
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/record_sums.h"
#include "analysis/spreads.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

typedef struct {
    const table_source *x;
    const cell_key     *key;  /* in x->keys */
    cell_keys           rest; /* without it */
    const metric       *metric;
    estimate           *at;    /* [n_cells] */
    size_t             *value; /* [n_cells] a cell with each of the values */
    size_t              n_values, without;
} pivot;

/* Which metrics all trials have. */
typedef struct {
    bool speedup, modeled;
} measured;

static int look_at(const store_trial *t, void *ctx, err *e) {
    measured *m = ctx;
    ratio_sum sum = {0, 0};
    (void)e;
    m->speedup = m->speedup && metric_speedup.add(t->trial, &sum);
    m->modeled = m->modeled && metric_modeled_speedup.add(t->trial, &sum);
    return 0;
}

/* Of the cells that can have one: in replay there is no clock. NULL when the trials cannot be read. */
static const metric *preset_metric(const table_source *x, err *e) {
    bool     any = x->d->n_trials > 0, timed = x->d->n_cells > 0;
    measured all = {any, any};
    if (store_visit(x->d, 0, look_at, &all, e) != 0) return NULL;
    for (size_t c = 0; c < x->d->n_cells; c++) timed = timed && x->d->cells[c].timed != 0;
    if (timed && all.speedup) return &metric_speedup;
    return all.modeled ? &metric_modeled_speedup : &metric_tokens_per_step;
}

static int measure(pivot *p, err *e) {
    const table_source *x = p->x;
    placed_trials       trials;
    record_sums         sums = {0};
    bootstrap          *b = bootstrap_new(e);
    int                 status = b != NULL ? placed_trials_make(x->d, x->o->pattern, &trials, e) : -1;
    if (status != 0) {
        bootstrap_free(b);
        return -1;
    }
    for (size_t c = 0; status == 0 && c < x->d->n_cells; c++) {
        p->at[c] = (estimate){NAN, interval_none()};
        status = placed_trials_of(&trials, c, e);
        if (status == 0) status = record_sums_make(&trials, c, p->metric, &sums, e);
        if (status != 0 || sums.missing || sums.n == 0) continue;
        p->at[c].value = statistic_micro(NULL, sums.n, sums.at);
        status = bootstrap_interval(b, sums.n, statistic_micro, sums.at, &p->at[c].ci, e);
    }
    record_sums_free(&sums);
    placed_trials_free(&trials);
    bootstrap_free(b);
    return status;
}

/* ---- values of the key --------------------------------------------------------------------------------- */

static bool comes_before(const pivot *p, size_t a, size_t b) {
    const char *u = p->key->at[a], *v = p->key->at[b];
    if (!p->key->number) return false; /* in the order of the cells */
    return strtod(u, NULL) < strtod(v, NULL);
}

static void list_values(pivot *p) {
    for (size_t c = 0; c < p->x->d->n_cells; c++) {
        size_t i = 0;
        if (p->key->at[c] == NULL) {
            p->without++;
            continue;
        }
        while (i < p->n_values && strcmp(p->key->at[p->value[i]], p->key->at[c]) != 0) i++;
        if (i < p->n_values) continue;
        for (i = p->n_values++; i > 0 && comes_before(p, c, p->value[i - 1]); i--) p->value[i] = p->value[i - 1];
        p->value[i] = c;
    }
}

/* The cell of a row, which begins with `first`, in a column; n_cells when there is none. */
static size_t cell_at(const pivot *p, size_t first, size_t column) {
    const char *want = p->key->at[p->value[column]];
    size_t      c = 0, n = p->x->d->n_cells;
    while (c < n && (p->key->at[c] == NULL || strcmp(p->key->at[c], want) != 0 || !cell_keys_same(&p->rest, first, c)))
        c++;
    return c;
}

static bool begins_row(const pivot *p, size_t cell) {
    if (p->key->at[cell] == NULL) return false;
    for (size_t c = 0; c < cell; c++)
        if (p->key->at[c] != NULL && cell_keys_same(&p->rest, c, cell)) return false;
    return true;
}

/* Two cells in one place differ in digests only: one of them would go unseen. */
static int refuse_twins(const pivot *p, err *e) {
    const cell_row *cells = p->x->d->cells;
    for (size_t b = 1; b < p->x->d->n_cells; b++)
        for (size_t a = 0; a < b; a++)
            if (cell_keys_same(&p->x->keys, a, b))
                return err_input(
                    e, "cells %s and %s are the same point of the grid (--where build=ID or alike leaves one)",
                    cells[a].id, cells[b].id);
    return 0;
}

static int pivot_new(const table_source *x, pivot *p, err *e) {
    *p = (pivot){.x = x, .metric = x->o->metric != NULL ? x->o->metric : preset_metric(x, e)};
    if (p->metric == NULL) return -1;
    p->key = cell_keys_find(&x->keys, x->o->by, strlen(x->o->by));
    if (p->key == NULL || (x->d->n_cells > 0 && !p->key->applies))
        return err_input(e, "--by \"%.100s\": no cell has such a key (harness tables --format csv names them)",
                         x->o->by);
    p->at = mem_new(x->d->n_cells, sizeof *p->at, e);
    p->value = mem_new(x->d->n_cells, sizeof *p->value, e);
    if (p->at == NULL || p->value == NULL || cell_keys_make(x->d, &p->rest, e) != 0) return -1;
    cell_keys_drop(&p->rest, p->key->column);
    list_values(p);
    return refuse_twins(p, e) == 0 ? measure(p, e) : -1;
}

static void pivot_free(pivot *p) {
    cell_keys_free(&p->rest);
    free(p->at);
    free(p->value);
}

/* ---- printing ------------------------------------------------------------------------------------------ */

static void fill_wide(const pivot *p, table *t) {
    cell_keys_columns(&p->rest, t);
    for (size_t i = 0; i < p->n_values; i++) {
        char        title[80];
        const char *value = p->key->at[p->value[i]];
        snprintf(title, sizeof title, "%.30s = %.40s", p->key->name, value);
        table_column(t, COLUMN_RIGHT, p->key->number ? title : value, NULL);
    }
    for (size_t c = 0, last = SIZE_MAX; c < p->x->d->n_cells; c++) {
        if (!begins_row(p, c)) continue;
        if (last != SIZE_MAX && !cell_keys_same_but_policy(&p->rest, last, c)) table_group(t);
        last = c;
        cell_keys_put(&p->rest, c, t);
        for (size_t i = 0; i < p->n_values; i++) {
            size_t at = cell_at(p, c, i);
            table_put_real(t, at < p->x->d->n_cells ? p->at[at].value : NAN, 2);
        }
    }
}

/* A row for each cell. */
static void fill_long(const pivot *p, table *t) {
    static const char *const names[] = {"value", "value_lo", "value_hi"};
    table_column(t, COLUMN_LEFT, NULL, "metric");
    for (size_t i = 0; i < 3; i++) table_column(t, COLUMN_RIGHT, NULL, names[i]);
    table_column(t, COLUMN_RIGHT, NULL, "trials");
    for (size_t c = 0; c < p->x->d->n_cells; c++) {
        table_begin_row(p->x, c, t);
        table_put_text(t, p->metric->name);
        table_put_real(t, p->at[c].value, 2); /* NOLINT(clang-analyzer-core.NullDereference): [n_cells] */
        table_put_real(t, p->at[c].ci.lo, 2);
        table_put_real(t, p->at[c].ci.hi, 2);
        table_put_count(t, p->x->counts[c].trials);
    }
}

static int print_pivot(const pivot *p, err *e) {
    table_source heading = *p->x;
    bool         wide = !p->x->format->for_programs;
    if (wide) heading.keys = p->rest;
    table *t = wide ? table_heading(&heading, e) : table_begin(p->x, e);
    if (t == NULL) return -1;
    table_caption(t, "%s by %s", p->metric->title, p->key->name);
    table_caption(t, "%s: %s", p->metric->title, p->metric->help);
    if (p->without > 0)
        table_caption(t, "%zu cell%s no %s, and %s left out", p->without, p->without == 1 ? " has" : "s have",
                      p->key->name, p->without == 1 ? "is" : "are");
    if (wide)
        fill_wide(p, t);
    else
        fill_long(p, t);
    return table_finish(p->x, t, e);
}

static int print(const table_source *x, err *e) {
    pivot p;
    int   status = pivot_new(x, &p, e);
    if (status == 0) status = print_pivot(&p, e);
    pivot_free(&p);
    return status;
}

const table_kind table_pivot = {
    .name = "pivot",
    .help = "one number of each cell, with a column for each value of a key (--by KEY, --metric M)",
    .print = print,
};
