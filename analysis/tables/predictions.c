/* predictions.c - what the times of passes promised, beside what was measured: speed-ups of totals, and where they
 * part.
 *
 *     predicted   plain passes, modeled / (passes, modeled + drafting)
 *     measured    plain decoding's time / the cell's
 *
 * Both are of the same trials, those with an output of two tokens or more. What makes them differ is in the columns
 * after: whether passes take what the cost file says (context, other load), and what is no pass.
 */
#include <math.h>
#include <stdlib.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

/* Sums over a cell's trials, in ns. */
typedef struct {
    double plain, own;                 /* measured, the prompt's pass left out */
    double plain_modeled, own_modeled; /* passes */
    double draft, passes;              /* measured parts of `own` */
    bool   missing;                    /* some trial has no time, or no modeled one */
} prediction_sums;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    const trial_row *t = at->trial;
    prediction_sums *s = (prediction_sums *)ctx + t->cell;
    (void)e;
    if (t->tokens < 2 || t->plain_tokens < 2) return 0;
    s->missing |= t->plain_ns == 0 || isnan(t->modeled_ns) || isnan(t->plain_modeled_ns);
    s->plain += (double)t->plain_ns;
    s->own += (double)t->decode_ns;
    s->plain_modeled += t->plain_modeled_ns;
    s->own_modeled += t->modeled_ns;
    s->draft += (double)t->draft_ns;
    s->passes += (double)t->verify_ns - (double)t->prefill_ns;
    return 0;
}

static prediction_sums *sums_make(const store_data *d, err *e) {
    prediction_sums *sums = mem_new(d->n_cells, sizeof *sums, e);
    if (sums == NULL || store_visit(d, 0, add_trial, sums, e) == 0) return sums;
    free(sums);
    return NULL;
}

static void put_sums(const prediction_sums *s, interval ci, table *t) {
    bool   there = !s->missing && s->own > 0 && s->own_modeled > 0;
    double predicted = s->plain_modeled / (s->own_modeled + s->draft), measured = s->plain / s->own;
    double rest = s->own - s->draft - s->passes;
    table_put_real(t, there ? predicted : NAN, 2);
    table_put_range(t, there ? measured : NAN, ci.lo, ci.hi, 2);
    table_put_real(t, there ? 100 * (predicted / measured - 1) : NAN, 1);
    table_put_real(t, there ? s->plain / s->plain_modeled : NAN, 2);
    table_put_real(t, there ? s->passes / s->own_modeled : NAN, 2);
    table_put_share(t, there ? (size_t)s->draft : 0, there ? (size_t)s->own : 0);
    table_put_share(t, there && rest > 0 ? (size_t)rest : 0, there ? (size_t)s->own : 0);
}

static int print(const table_source *x, err *e) {
    prediction_sums *sums = sums_make(x->d, e);
    table           *t = sums != NULL ? table_begin(x, e) : NULL;
    int              ret = -1;
    if (t != NULL) {
        table_caption(t, "speed-ups of totals; in brackets 95%% intervals; predicted: from the cost file's times of "
                         "passes, and the measured time of drafting");
        table_caption(t, "plain passes, passes: measured / modeled time; draft: share of the time; rest: accepting and "
                         "rewinding");
        table_column(t, COLUMN_RIGHT, "predicted", "predicted");
        table_column(t, COLUMN_RIGHT, "measured", "measured");
        table_column(t, COLUMN_RIGHT, "error %", "error_percent");
        table_column(t, COLUMN_RIGHT, "plain passes", "plain_passes");
        table_column(t, COLUMN_RIGHT, "passes", "passes");
        table_column(t, COLUMN_RIGHT, "draft", "drafting");
        table_column(t, COLUMN_RIGHT, "rest", "rest");
        for (size_t c = 0; c < x->d->n_cells; c++) {
            table_begin_row(x, c, t);
            put_sums(&sums[c], x->spreads[c].speedup_total.ci, t);
        }
        ret = table_finish(x, t, e);
    }
    free(sums);
    return ret;
}

const table_kind table_predictions = {
    .name = "predictions",
    .needs = NEEDS_SPREADS,
    .help = "speed-ups that the times of passes promised, those measured, and where the two part",
    .print = print,
};
