/* drafting.c - what each cell's drafts are worth, and the time that they take.
 *
 * The bound of a cell is the control `oracle` with from = copies in the same group: no policy takes fewer steps that
 * copies one run per step, no longer than the control's, from references, prompt or output. A cell's share of it is the
 * bound's steps over its own, where both gave as many tokens. One that takes fewer steps has other sources, and the
 * bound says nothing of it. Of several such controls the one with the largest k counts.
 *
 * The first step of a trial indexes the prompt and the references, too: its time has a column of its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/tally.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

/* Times of a cell's steps in ns. */
typedef struct {
    tally first, later;
} step_times;

static bool is_bound(const table_source *x, size_t cell) {
    for (size_t i = 0; i < x->keys.n; i++) {
        const cell_key *k = &x->keys.keys[i];
        if (strcmp(k->column, "policy_from") == 0 && k->at[cell] != NULL && strcmp(k->at[cell], "copies") == 0)
            return strcmp(x->d->cells[cell].policy, "oracle") == 0;
    }
    return false;
}

/* The cell that bounds this one, or NOT_THERE. */
#define NOT_THERE SIZE_MAX
static size_t bound_of(const table_source *x, size_t cell) {
    size_t best = NOT_THERE;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        if (!is_bound(x, c) || !cell_keys_same_but_policy(&x->keys, cell, c)) continue;
        if (best == NOT_THERE || x->d->cells[c].k > x->d->cells[best].k) best = c;
    }
    return best;
}

static void put_share_of_bound(const table_source *x, size_t cell, table *t) {
    size_t             at = bound_of(x, cell);
    const cell_counts *own = &x->counts[cell], *bound = at != NOT_THERE ? &x->counts[at] : NULL;
    if (bound != NULL && bound->tokens == own->tokens && bound->steps <= own->steps)
        table_put_share(t, bound->steps, own->steps);
    else
        table_put_missing(t);
}

static void put_quantile(table *t, tally *of, double q, double unit) {
    table_put_real(t, tally_quantile(of, q) / unit, unit > 1 ? 1 : 0);
}

static int add_trial(const store_trial *t, void *ctx, err *e) {
    step_times *of = (step_times *)ctx + t->trial->cell;
    for (size_t i = 0; i < t->trial->steps; i++)
        if (tally_add(i == 0 ? &of->first : &of->later, t->steps[i].draft_ns, e) != 0) return -1;
    return 0;
}

static void times_free(step_times *of, size_t n_cells) {
    for (size_t c = 0; of != NULL && c < n_cells; c++) {
        tally_free(&of[c].first);
        tally_free(&of[c].later);
    }
    free(of);
}

static void add_columns(table *t) {
    table_column(t, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
    table_column(t, COLUMN_RIGHT, "of bound", "share_of_bound");
    table_column(t, COLUMN_RIGHT, "coverage", "coverage");
    table_column(t, COLUMN_RIGHT, "acceptance", "acceptance");
    table_column(t, COLUMN_RIGHT, "wasted/token", "wasted_per_token");
    table_column(t, COLUMN_RIGHT, "draft ns p50", "draft_ns_p50");
    table_column(t, COLUMN_RIGHT, "p99", "draft_ns_p99");
    table_column(t, COLUMN_RIGHT, "first step us", "first_step_us_p50");
}

static void put_row(const table_source *x, size_t cell, step_times *times, table *t) {
    const cell_counts *n = &x->counts[cell];
    table_begin_row(x, cell, t);
    table_put_real(t, tokens_per_step(n->tokens, n->steps), 2);
    put_share_of_bound(x, cell, t);
    table_put_share(t, n->drafting_steps, n->steps);
    table_put_share(t, n->accepted, n->testable);
    table_put_real(t, n->tokens > 0 ? (double)(n->drafted - n->accepted) / (double)n->tokens : NAN, 2);
    put_quantile(t, &times->later, 0.5, 1);
    put_quantile(t, &times->later, 0.99, 1);
    put_quantile(t, &times->first, 0.5, 1000);
}

static int print(const table_source *x, err *e) {
    size_t      n = x->d->n_cells;
    step_times *times = mem_new(n, sizeof *times, e);
    table      *t = NULL;
    int         ret = -1;
    if (times != NULL && store_visit(x->d, VISIT_STEPS, add_trial, times, e) == 0) t = table_begin(x, e);
    if (t != NULL) {
        table_caption(
            t,
            "of bound: steps of the control oracle with from = copies and the largest k, over the cell's own; a cell "
            "that takes fewer has other sources, and no share");
        table_caption(t, "wasted/token: drafted tokens that were not accepted, over tokens of the output");
        table_caption(t, "draft ns: of a step after a trial's first one, which indexes what is there from the start");
        add_columns(t);
        for (size_t c = 0; c < n; c++) put_row(x, c, &times[c], t);
        ret = table_finish(x, t, e);
    }
    times_free(times, n);
    return ret;
}

const table_kind table_drafting = {
    .name = "drafting",
    .help = "tokens per step against the bound of copying, and the time of drafting: median and 99th percentile",
    .print = print,
};
