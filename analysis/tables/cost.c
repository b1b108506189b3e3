/* cost.c - where the time goes: drafting, and the passes that check drafts. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

/* Sums over a cell's trials, in ns. */
typedef struct {
    double draft;  /* all steps: building an index over the references is in step 0 */
    double passes; /* after the prompt's */
    double decode; /* all but the prompt's pass */
    size_t n_passes;
} time_sums;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    const trial_row *t = at->trial;
    time_sums       *s = (time_sums *)ctx + t->cell;
    (void)e;
    s->draft += (double)t->draft_ns;
    s->passes += (double)t->verify_ns - (double)t->prefill_ns;
    s->decode += (double)t->decode_ns;
    s->n_passes += t->steps > 0 ? t->steps - 1 : 0;
    return 0;
}

static time_sums *sums_make(const store_data *d, err *e) {
    time_sums *sums = mem_new(d->n_cells, sizeof *sums, e);
    if (sums == NULL || store_visit(d, 0, add_trial, sums, e) == 0) return sums;
    free(sums);
    return NULL;
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : NAN;
}

static int print(const table_source *x, err *e) {
    time_sums *sums = sums_make(x->d, e);
    table     *t = sums != NULL ? table_begin(x, e) : NULL;
    if (t == NULL) {
        free(sums);
        return -1;
    }
    table_caption(t, "means: drafting over all steps, passes over all but the prompt's");
    table_column(t, COLUMN_RIGHT, "steps", "steps");
    table_column(t, COLUMN_RIGHT, "draft ns", "draft_ns_mean");
    table_column(t, COLUMN_RIGHT, "pass ns", "pass_ns_mean");
    table_column(t, COLUMN_RIGHT, "drafting %", "draft_share");
    for (size_t c = 0; c < x->d->n_cells; c++) {
        const time_sums *s = &sums[c];
        bool             timed = x->d->cells[c].timed != 0;
        table_begin_row(x, c, t);
        table_put_count(t, x->counts[c].steps);
        table_put_real(t, ratio(s->draft, (double)x->counts[c].steps), 0);
        table_put_real(t, timed ? ratio(s->passes, (double)s->n_passes) : NAN, 0);
        table_put_share(t, timed ? (size_t)s->draft : 0, timed ? (size_t)s->decode : 0);
    }
    free(sums);
    return table_finish(x, t, e);
}

const table_kind table_cost = {
    .name = "cost",
    .help = "where the time goes: drafting per step, a pass, and the share of drafting",
    .print = print,
};
