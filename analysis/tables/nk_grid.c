/* nk_grid.c - what first repeats add up to over two axes.
 *
 * Cells that differ in nothing but n and k make one grid. Only first repeats count: more repeats do not make more
 * steps.
 *
 *             k = 4   k = 8       ns {1, 2}, ks {4, 8}: the values that some cell of the grid has
 *     n = 1   cell 2  cell 3
 *     n = 2   cell 4  -           no cell has n = 2 and k = 8
 */
#include "analysis/tables/nk_grid.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* The distinct values of n or k within a grid, ascending. */
typedef struct {
    int32_t *at;
    size_t   n;
} axis;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    const trial_row *t = at->trial;
    nk_sum          *sum = (nk_sum *)ctx + t->cell;
    (void)e;
    if (t->repeat > 0) return 0;
    sum->tokens += t->tokens;
    sum->steps += t->steps;
    sum->samples++;
    sum->ratios += tokens_per_step(t->tokens, t->steps);
    return 0;
}

static nk_sum *sum_first_repeats(const store_data *d, err *e) {
    nk_sum *sums = mem_new(d->n_cells, sizeof *sums, e);
    if (sums == NULL || store_visit(d, 0, add_trial, sums, e) == 0) return sums;
    free(sums);
    return NULL;
}

/* Where a grid is printed from, and which one. */
typedef struct {
    const table_source *x;
    const nk_table     *of;
    const nk_sum       *sums; /* [n_cells] */
} grid;

static bool has_nk(const grid *g, size_t cell) {
    const cell_row *c = &g->x->d->cells[cell];
    return c->n >= 0 && c->k >= 0 && (g->of->policy == NULL || strcmp(c->policy, g->of->policy) == 0);
}

static bool same_grid(const grid *g, size_t a, size_t b) {
    return has_nk(g, a) && has_nk(g, b) && cell_keys_same_but_nk(&g->x->keys, a, b);
}

/* Whether a grid begins with this cell: none before it is in the same one, and one after it is. */
static bool begins_grid(const grid *g, size_t cell) {
    size_t before = 0, after = cell + 1;
    while (before < cell && !same_grid(g, before, cell)) before++;
    while (after < g->x->d->n_cells && !same_grid(g, cell, after)) after++;
    return before == cell && after < g->x->d->n_cells;
}

static int compare_int(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* first: the cell that begins the grid */
static int axis_make(const grid *g, size_t first, bool of_k, axis *out, err *e) {
    const store_data *d = g->x->d;
    *out = (axis){mem_new(d->n_cells, sizeof *out->at, e), 0};
    if (out->at == NULL) return -1;
    for (size_t c = first; c < d->n_cells; c++)
        if (same_grid(g, first, c)) out->at[out->n++] = of_k ? d->cells[c].k : d->cells[c].n;
    qsort(out->at, out->n, sizeof *out->at, compare_int);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (kept == 0 || out->at[i] != out->at[kept - 1]) out->at[kept++] = out->at[i];
    out->n = kept;
    return 0;
}

/* The sums at (n, k); NULL when no cell is there. */
static const nk_sum *sum_at(const grid *g, size_t first, int32_t n, int32_t k) {
    for (size_t c = first; c < g->x->d->n_cells; c++)
        if (g->x->d->cells[c].n == n && g->x->d->cells[c].k == k && same_grid(g, first, c)) return &g->sums[c];
    return NULL;
}

static void put_value(const nk_matrix *m, const nk_sum *s, table *t) {
    double x = s != NULL && s->steps > 0 ? m->value(s) : (double)NAN;
    if (isnan(x))
        table_put_missing(t);
    else if (m->decimals == 0)
        table_put_count(t, (size_t)x);
    else
        table_put_real(t, x, m->decimals);
}

static int print_matrix(const grid *g, const nk_matrix *m, size_t first, const axis *ns, const axis *ks, err *e) {
    char  *group = cell_keys_group(&g->x->keys, first, e);
    table *t = group != NULL ? table_new(e) : NULL;
    if (t == NULL) {
        free(group);
        return -1;
    }
    table_caption(t, "%s by n (rows) and k (columns), %s", m->title, group);
    free(group);
    table_column(t, COLUMN_RIGHT, "n", NULL);
    for (size_t j = 0; j < ks->n; j++) {
        char title[24];
        snprintf(title, sizeof title, "k = %d", ks->at[j]);
        table_column(t, COLUMN_RIGHT, title, NULL);
    }
    for (size_t i = 0; i < ns->n; i++) {
        table_put_count(t, (size_t)ns->at[i]);
        for (size_t j = 0; j < ks->n; j++) put_value(m, sum_at(g, first, ns->at[i], ks->at[j]), t);
    }
    return table_finish(g->x, t, e);
}

static int print_grid(const grid *g, size_t first, err *e) {
    axis ns = {0}, ks = {0};
    int  status = axis_make(g, first, false, &ns, e);
    if (status == 0) status = axis_make(g, first, true, &ks, e);
    for (size_t i = 0; status == 0 && i < g->of->n; i++) {
        if (i > 0) fputc('\n', g->x->out);
        status = print_matrix(g, &g->of->matrices[i], first, &ns, &ks, e);
    }
    free(ns.at);
    free(ks.at);
    return status;
}

/* Above all grids. */
static int print_heading(const grid *g, err *e) {
    table *t = table_begin(g->x, e);
    if (t == NULL) return -1;
    table_caption(t, "tokens and steps of one pass over the data set (the first repeat)");
    int status = table_write_captions(t, g->x->format, g->x->out, e);
    table_free(t);
    return status;
}

/* All matrices of each grid in turn. */
static int print_for_people(const grid *g, err *e) {
    size_t grids = 0;
    for (size_t c = 0; c < g->x->d->n_cells; c++) {
        if (!begins_grid(g, c)) continue;
        if (grids++ > 0)
            fputc('\n', g->x->out);
        else if (print_heading(g, e) != 0)
            return -1;
        if (print_grid(g, c, e) != 0) return -1;
    }
    if (grids > 0) return 0;
    return err_input(e, "no two cells%s%s differ in the trigger length n or the copy length k alone: there is no grid",
                     g->of->policy != NULL ? " of policy " : "", g->of->policy != NULL ? g->of->policy : "");
}

static int print_for_programs(const grid *g, err *e) {
    table *t = table_begin(g->x, e);
    if (t == NULL) return -1;
    table_column(t, COLUMN_RIGHT, NULL, "samples");
    table_column(t, COLUMN_RIGHT, NULL, "tokens");
    for (size_t i = 0; i < g->of->n; i++) table_column(t, COLUMN_RIGHT, NULL, g->of->matrices[i].column);
    for (size_t c = 0; c < g->x->d->n_cells; c++) {
        if (!has_nk(g, c)) continue;
        table_begin_row(g->x, c, t);
        table_put_count(t, g->sums[c].samples);
        table_put_count(t, g->sums[c].tokens);
        for (size_t i = 0; i < g->of->n; i++) put_value(&g->of->matrices[i], &g->sums[c], t);
    }
    return table_finish(g->x, t, e);
}

int nk_grid_print(const table_source *x, const nk_table *of, err *e) {
    nk_sum *sums = sum_first_repeats(x->d, e);
    grid    g = {x, of, sums};
    if (sums == NULL) return -1;
    int status = x->format->for_programs ? print_for_programs(&g, e) : print_for_people(&g, e);
    free(sums);
    return status;
}

double nk_steps(const nk_sum *s) {
    return (double)s->steps;
}

double nk_pooled(const nk_sum *s) {
    return tokens_per_step(s->tokens, s->steps);
}

double nk_of_samples(const nk_sum *s) {
    return s->ratios / (double)s->samples;
}
