#include "analysis/counts.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/mem.h"

double tokens_per_step(size_t tokens, size_t steps) {
    return steps > 0 ? (double)tokens / (double)steps : NAN;
}

static void count_trial(cell_counts *c, const trial_row *t) {
    c->trials++;
    c->tokens += t->tokens;
    c->steps += t->steps;
    c->drafted += t->drafted;
    c->testable += t->testable;
    c->accepted += t->accepted;
    c->equal += t->equal == 1;
    c->logits_equal += t->logits_equal == 1;
    c->logits_none += t->logits_equal == 2;
    c->truncated += t->truncated == 1;
    bool timed = t->tokens > 1 && t->plain_tokens > 1;
    c->timed += timed;
    c->unequal += timed && t->equal != 1;
    int64_t at = t->first_divergence, least = c->first_divergence;
    if (at >= 0 && (least < 0 || at < least || (at == least && t->sample < c->divergence_sample))) {
        c->first_divergence = at;
        c->divergence_sample = t->sample;
    }
    /* NaN stays (C1). */
    bool first = c->trials == 1;
    if (first || isnan(t->max_abs_logit_diff) || t->max_abs_logit_diff > c->max_abs_logit_diff)
        c->max_abs_logit_diff = t->max_abs_logit_diff;
    if (first || isnan(t->min_margin) || t->min_margin < c->min_margin) c->min_margin = t->min_margin;
    c->log_likelihood = t->log_likelihood + (first ? 0 : c->log_likelihood);
    c->plain_log_likelihood = t->plain_log_likelihood + (first ? 0 : c->plain_log_likelihood);
    c->plain_tokens += t->plain_tokens;
    c->agreeing += at >= 0 ? (size_t)at : t->plain_tokens;
}

typedef struct {
    const store_data *d;
    cell_counts      *of; /* [d->n_cells] */
} counting;

static int visit(const store_trial *at, void *ctx, err *e) {
    const counting  *x = ctx;
    const trial_row *t = at->trial;
    if (t->cell >= x->d->n_cells || t->sample >= x->d->n_samples)
        return err_input(e, "trial %" PRIu32 " names cell %" PRIu32 " of %zu and sample %" PRIu32 " of %zu", t->trial,
                         t->cell, x->d->n_cells, t->sample, x->d->n_samples);
    count_trial(&x->of[t->cell], t);
    for (size_t i = 0; i < t->steps; i++) x->of[t->cell].drafting_steps += at->steps[i].drafted > 0;
    return 0;
}

int counts_make(const store_data *d, cell_counts **out, err *e) {
    *out = NULL;
    cell_counts *counts = mem_new(d->n_cells, sizeof *counts, e);
    if (counts == NULL) return -1;
    for (size_t c = 0; c < d->n_cells; c++) {
        counts[c].first_divergence = -1;
        counts[c].max_abs_logit_diff = counts[c].min_margin = NAN;
        counts[c].log_likelihood = counts[c].plain_log_likelihood = NAN;
    }
    if (store_visit(d, VISIT_STEPS, visit, &(counting){d, counts}, e) != 0) {
        free(counts);
        return -1;
    }
    *out = counts;
    return 0;
}
