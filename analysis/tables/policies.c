/* policies.c - each policy at its best: of the cells of one policy the one with the largest speed-up of totals, else
 * with the largest modeled one, else with the most tokens per step. Cells that can be compared stand together, best
 * first.
 *
 * Parameters that were chosen on some records look better on these than on others; the more cells a policy has, the
 * more so. `harness compare` says which policies are told apart.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/captions.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

typedef enum { BY_SPEEDUP, BY_MODELED, BY_STEPS } criterion;

/* One policy in one set of cells that can be compared. */
typedef struct {
    size_t best, cells, set; /* the best cell, how many there are, the first cell of the set */
} contender;

static const estimate *value_of(const table_source *x, size_t cell, criterion by) {
    const cell_spreads *s = &x->spreads[cell];
    return by == BY_SPEEDUP ? &s->speedup_total : by == BY_MODELED ? &s->modeled_total : &s->tokens_per_step;
}

/* What all cells have; modeled speed-ups may be missing in some, which then are the worst. */
static criterion choose(const table_source *x) {
    bool all = true, modeled = false;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        all = all && x->d->cells[c].timed != 0 && !isnan(x->spreads[c].speedup_total.value);
        modeled = modeled || !isnan(x->spreads[c].modeled_total.value);
    }
    return all ? BY_SPEEDUP : modeled ? BY_MODELED : BY_STEPS;
}

static bool is_better(const table_source *x, size_t a, size_t b, criterion by) {
    double u = value_of(x, a, by)->value, v = value_of(x, b, by)->value;
    return u > v || (isnan(v) && !isnan(u));
}

static size_t set_of(const table_source *x, size_t cell) {
    size_t first = 0;
    while (!cell_keys_same_but_policy(&x->keys, first, cell)) first++;
    return first;
}

/* In order of the sets, each best first; in new memory. */
static contender *list_contenders(const table_source *x, criterion by, size_t *n, err *e) {
    const cell_row *cells = x->d->cells;
    contender      *l = mem_new(x->d->n_cells, sizeof *l, e);
    *n = 0;
    for (size_t c = 0; l != NULL && c < x->d->n_cells; c++) {
        size_t i = 0, set = set_of(x, c);
        while (i < *n && (l[i].set != set || strcmp(cells[l[i].best].policy, cells[c].policy) != 0)) i++;
        if (i == *n) l[(*n)++] = (contender){c, 0, set};
        l[i].cells++;
        if (is_better(x, c, l[i].best, by)) l[i].best = c;
    }
    for (size_t i = 1; l != NULL && i < *n; i++) {
        contender moved = l[i];
        size_t    at = i;
        for (; at > 0 && (l[at - 1].set > moved.set ||
                          (l[at - 1].set == moved.set && is_better(x, moved.best, l[at - 1].best, by)));
             at--)
            l[at] = l[at - 1];
        l[at] = moved;
    }
    return l;
}

static void put_estimate(table *t, const estimate *m) {
    table_put_range(t, m->value, m->ci.lo, m->ci.hi, 2);
    table_put_real(t, m->ci.lo, 2);
    table_put_real(t, m->ci.hi, 2);
}

static void add_columns(criterion by, table *t) {
    static const char *const titles[] = {"speed-up", "modeled speed-up"};
    static const char *const names[][3] = {
        {"speedup_total", "speedup_total_lo", "speedup_total_hi"},
        {"modeled_speedup_total", "modeled_speedup_total_lo", "modeled_speedup_total_hi"},
        {"tokens_per_step", "tokens_per_step_lo", "tokens_per_step_hi"}};
    table_column(t, COLUMN_RIGHT, "of", "cells");
    for (criterion i = BY_SPEEDUP; i < BY_STEPS; i++) {
        table_column(t, COLUMN_RIGHT, i == by ? titles[i] : NULL, names[i][0]);
        table_column(t, COLUMN_RIGHT, NULL, names[i][1]);
        table_column(t, COLUMN_RIGHT, NULL, names[i][2]);
    }
    for (size_t i = 0; i < 3; i++) table_column(t, COLUMN_RIGHT, i == 0 ? "tokens/step" : NULL, names[BY_STEPS][i]);
    table_column(t, COLUMN_RIGHT, "coverage", "coverage");
    table_column(t, COLUMN_RIGHT, "acceptance", "acceptance");
}

static int print(const table_source *x, err *e) {
    static const char *const criteria[] = {"speed-up of totals", "modeled speed-up of totals", "tokens/step"};
    size_t                   n;
    criterion                by = choose(x);
    contender               *l = list_contenders(x, by, &n, e);
    table                   *t = l != NULL ? table_begin(x, e) : NULL;
    if (t == NULL) {
        free(l);
        return -1;
    }
    table_caption(t, "each policy's cell with the largest %s, of as many as it has; in brackets: 95%% intervals",
                  criteria[by]);
    table_caption(t, "parameters chosen on these records look better here than on others");
    caption_speedups(t, x->d, x->counts, x->spreads);
    add_columns(by, t);
    for (size_t i = 0; i < n; i++) {
        const cell_counts *c = &x->counts[l[i].best];
        if (i > 0 && l[i].set != l[i - 1].set) table_group(t);
        table_put_count(t, l[i].best);
        table_put_text(t, x->d->cells[l[i].best].id);
        cell_keys_put(&x->keys, l[i].best, t);
        table_put_count(t, l[i].cells);
        for (criterion k = BY_SPEEDUP; k <= BY_STEPS; k++) put_estimate(t, value_of(x, l[i].best, k));
        table_put_share(t, c->drafting_steps, c->steps);
        table_put_share(t, c->accepted, c->testable);
    }
    free(l);
    return table_finish(x, t, e);
}

const table_kind table_policies = {
    .name = "policies",
    .help = "each policy at its best: the cell with the largest speed-up, or what there is",
    .needs = NEEDS_SPREADS,
    .print = print,
};
