#include "analysis/tables/step_sums.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

typedef struct {
    const step_classes *classes;
    step_sums          *at; /* [n_cells, classes->n] */
} summing;

/* Step 0 is left out: in it the prompt's pass hides what a draft brings. */
static int add_trial(const store_trial *t, void *ctx, err *e) {
    summing *sum = ctx;
    (void)e;
    for (size_t i = 1; i < t->trial->steps; i++) {
        const step_row *s = &t->steps[i];
        step_sums      *at = &sum->at[t->trial->cell * sum->classes->n + sum->classes->row_of(s)];
        at->steps++;
        at->emitted += s->emitted;
        at->testable += s->testable;
        at->accepted += s->accepted;
        at->own_ns += (double)s->draft_ns + (double)s->verify_ns;
        at->plain_ns += (double)s->plain_ns;
        at->unpaired += s->plain_ns == 0;
    }
    return 0;
}

static step_sums *sums_make(const store_data *d, const step_classes *classes, err *e) {
    summing sum = {classes, mem_new(d->n_cells, classes->n * sizeof *sum.at, e)};
    if (sum.at == NULL || store_visit(d, VISIT_STEPS, add_trial, &sum, e) == 0) return sum.at;
    free(sum.at);
    return NULL;
}

static void put_sums(const step_sums *s, const step_sums *all, bool timed, table *t) {
    bool paired = timed && s->unpaired == 0 && s->own_ns > 0;
    table_put_count(t, s->steps);
    table_put_share(t, s->steps, all->steps);
    table_put_share(t, s->emitted, all->emitted);
    table_put_share(t, timed ? (size_t)s->own_ns : 0, timed ? (size_t)all->own_ns : 0);
    table_put_real(t, tokens_per_step(s->emitted, s->steps), 2);
    table_put_share(t, s->accepted, s->testable);
    table_put_real(t, paired ? s->plain_ns / s->own_ns : (double)NAN, 2);
}

static void put_cell(const table_source *x, size_t cell, const step_classes *classes, const step_sums *sums, table *t) {
    step_sums all = {0};
    for (size_t i = 0; i < classes->n; i++) {
        all.steps += sums[i].steps;
        all.emitted += sums[i].emitted;
        all.own_ns += sums[i].own_ns;
    }
    for (size_t i = 0; i < classes->n; i++) {
        if (sums[i].steps == 0) continue;
        table_begin_row(x, cell, t);
        classes->put(i, t);
        put_sums(&sums[i], &all, x->d->cells[cell].timed != 0, t);
    }
}

int step_sums_print(const table_source *x, const step_classes *classes, const char *title, const char *name, err *e) {
    step_sums *sums = sums_make(x->d, classes, e);
    table     *t = sums != NULL ? table_begin(x, e) : NULL;
    int        ret = -1;
    if (t != NULL) {
        table_caption(t, "steps after the prompt's; speed-up: plain decoding's time at the positions that they "
                         "emitted / theirs");
        table_role(t, COLUMN_LABEL);
        table_column(t, COLUMN_LEFT, title, name);
        table_role(t, COLUMN_VALUE);
        table_column(t, COLUMN_RIGHT, NULL, "steps");
        table_column(t, COLUMN_RIGHT, "of steps", "share_of_steps");
        table_column(t, COLUMN_RIGHT, "of tokens", "share_of_tokens");
        table_column(t, COLUMN_RIGHT, "of time", "share_of_time");
        table_column(t, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
        table_column(t, COLUMN_RIGHT, "acceptance", "acceptance");
        table_column(t, COLUMN_RIGHT, "speed-up", "speedup");
        for (size_t c = 0; c < x->d->n_cells; c++) put_cell(x, c, classes, sums + c * classes->n, t);
        ret = table_finish(x, t, e);
    }
    free(sums);
    return ret;
}
