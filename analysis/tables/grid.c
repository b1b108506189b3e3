/* grid.c - steps and tokens per step over two axes, the trigger length n and the copy length k.
 *
 * Cells that differ in nothing but n and k make one grid. Only first repeats count: more repeats do not make more
 * steps.
 *
 *             k = 4   k = 8       ns {1, 2}, ks {4, 8}: the values that some cell of the grid has
 *     n = 1   cell 2  cell 3
 *     n = 2   cell 4  -           no cell has n = 2 and k = 8
 */
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

/* Of a cell's first repeats. */
typedef struct {
    size_t tokens, steps;
} pass_sum;

/* The distinct values of n or k within a grid, ascending. */
typedef struct {
    int32_t *at;
    size_t   n;
} axis;

static pass_sum *sum_first_repeats(const store_data *d, err *e) {
    pass_sum *sums = mem_new(d->n_cells, sizeof *sums, e);
    for (size_t i = 0; sums != NULL && i < d->n_trials; i++) {
        const trial_row *t = &d->trials[i];
        if (t->repeat > 0) continue;
        sums[t->cell].tokens += t->tokens;
        sums[t->cell].steps += t->steps;
    }
    return sums;
}

static bool has_nk(const cell_row *c) {
    return c->n >= 0 && c->k >= 0;
}

static bool same_grid(const table_source *x, size_t a, size_t b) {
    return has_nk(&x->d->cells[a]) && has_nk(&x->d->cells[b]) && cell_keys_same_but_nk(&x->keys, a, b);
}

/* Whether a grid begins with this cell: none before it is in the same one, and one after it is. */
static bool begins_grid(const table_source *x, size_t cell) {
    size_t before = 0, after = cell + 1;
    while (before < cell && !same_grid(x, before, cell)) before++;
    while (after < x->d->n_cells && !same_grid(x, cell, after)) after++;
    return before == cell && after < x->d->n_cells;
}

static int compare_int(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* first: the cell that begins the grid */
static int axis_make(const table_source *x, size_t first, bool of_k, axis *out, err *e) {
    *out = (axis){mem_new(x->d->n_cells, sizeof *out->at, e), 0};
    if (out->at == NULL) return -1;
    for (size_t c = first; c < x->d->n_cells; c++)
        if (same_grid(x, first, c)) out->at[out->n++] = of_k ? x->d->cells[c].k : x->d->cells[c].n;
    qsort(out->at, out->n, sizeof *out->at, compare_int);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (kept == 0 || out->at[i] != out->at[kept - 1]) out->at[kept++] = out->at[i];
    out->n = kept;
    return 0;
}

/* The sums at (n, k); zero when no cell is there. */
static pass_sum sum_at(const table_source *x, const pass_sum *sums, size_t first, int32_t n, int32_t k) {
    for (size_t c = first; c < x->d->n_cells; c++)
        if (x->d->cells[c].n == n && x->d->cells[c].k == k && same_grid(x, first, c)) return sums[c];
    return (pass_sum){0};
}

/* One n x k matrix: steps, or tokens per step. */
static int print_matrix(const table_source *x, const pass_sum *sums, size_t first, const axis *ns, const axis *ks,
                        bool steps, err *e) {
    char  *group = cell_keys_group(&x->keys, first, e);
    table *t = group != NULL ? table_new(e) : NULL;
    if (t == NULL) {
        free(group);
        return -1;
    }
    table_caption(t, "%s by n (rows) and k (columns), %s", steps ? "steps" : "tokens per step", group);
    free(group);
    table_column(t, COLUMN_RIGHT, "n", NULL);
    for (size_t j = 0; j < ks->n; j++) {
        char title[24];
        snprintf(title, sizeof title, "k = %d", ks->at[j]);
        table_column(t, COLUMN_RIGHT, title, NULL);
    }
    for (size_t i = 0; i < ns->n; i++) {
        table_put_count(t, (size_t)ns->at[i]);
        for (size_t j = 0; j < ks->n; j++) {
            pass_sum sum = sum_at(x, sums, first, ns->at[i], ks->at[j]);
            if (steps && sum.steps > 0)
                table_put_count(t, sum.steps);
            else if (steps)
                table_put_missing(t);
            else
                table_put_real(t, tokens_per_step(sum.tokens, sum.steps), 2);
        }
    }
    return table_finish(x, t, e);
}

static int print_grid(const table_source *x, const pass_sum *sums, size_t first, err *e) {
    axis ns = {0}, ks = {0};
    int  status = axis_make(x, first, false, &ns, e);
    if (status == 0) status = axis_make(x, first, true, &ks, e);
    if (status == 0) status = print_matrix(x, sums, first, &ns, &ks, true, e);
    if (status == 0) {
        fputc('\n', x->out);
        status = print_matrix(x, sums, first, &ns, &ks, false, e);
    }
    free(ns.at);
    free(ks.at);
    return status;
}

/* Above all grids. */
static int print_heading(const table_source *x, err *e) {
    table *t = keyed_table(x, e);
    if (t == NULL) return -1;
    table_caption(t, "tokens and steps of one pass over the data set (the first repeat)");
    int status = table_write_captions(t, x->format, x->out, e);
    table_free(t);
    return status;
}

/* Two matrices for each grid in turn. */
static int print_for_people(const table_source *x, const pass_sum *sums, err *e) {
    size_t grids = 0;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        if (!begins_grid(x, c)) continue;
        if (grids++ > 0)
            fputc('\n', x->out);
        else if (print_heading(x, e) != 0)
            return -1;
        if (print_grid(x, sums, c, e) != 0) return -1;
    }
    if (grids > 0) return 0;
    return err_input(e, "no two cells differ in the trigger length n or the copy length k alone: there is no grid");
}

static int print_for_programs(const table_source *x, const pass_sum *sums, err *e) {
    table *t = keyed_table(x, e);
    if (t == NULL) return -1;
    table_column(t, COLUMN_RIGHT, NULL, "tokens");
    table_column(t, COLUMN_RIGHT, NULL, "steps");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step");
    for (size_t c = 0; c < x->d->n_cells; c++) {
        if (!has_nk(&x->d->cells[c])) continue;
        put_keys(x, c, t);
        table_put_count(t, sums[c].tokens);
        table_put_count(t, sums[c].steps);
        table_put_real(t, tokens_per_step(sums[c].tokens, sums[c].steps), 2);
    }
    return table_finish(x, t, e);
}

static int print(const table_source *x, err *e) {
    pass_sum *sums = sum_first_repeats(x->d, e);
    if (sums == NULL) return -1;
    int status = x->format->for_programs ? print_for_programs(x, sums, e) : print_for_people(x, sums, e);
    free(sums);
    return status;
}

const table_kind table_grid = {
    .name = "grid",
    .help = "steps and tokens per step by trigger length n and copy length k",
    .print = print,
};
