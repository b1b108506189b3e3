#include "analysis/counts.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/mem.h"

double tokens_per_step(size_t tokens, size_t steps) {
    return steps > 0 ? (double)tokens / (double)steps : NAN;
}

/* Every index that the rows hold, checked once. */
static int check(const store_data *d, err *e) {
    for (size_t i = 0; i < d->n_trials; i++)
        if (d->trials[i].cell >= d->n_cells || d->trials[i].sample >= d->n_samples)
            return err_input(e, "trial %zu names cell %u of %zu and sample %u of %zu", i, d->trials[i].cell, d->n_cells,
                             d->trials[i].sample, d->n_samples);
    for (size_t i = 0; i < d->n_steps; i++)
        if (d->steps[i].trial >= d->n_trials)
            return err_input(e, "step row %zu names trial %u of %zu", i, d->steps[i].trial, d->n_trials);
    return 0;
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
}

int counts_make(const store_data *d, cell_counts **out, err *e) {
    *out = NULL;
    if (check(d, e) != 0) return -1;
    cell_counts *counts = mem_new(d->n_cells, sizeof *counts, e);
    if (counts == NULL) return -1;
    for (size_t c = 0; c < d->n_cells; c++) {
        counts[c].first_divergence = -1;
        counts[c].max_abs_logit_diff = counts[c].min_margin = NAN;
    }
    for (size_t i = 0; i < d->n_trials; i++) count_trial(&counts[d->trials[i].cell], &d->trials[i]);
    for (size_t i = 0; i < d->n_steps; i++)
        counts[d->trials[d->steps[i].trial].cell].drafting_steps += d->steps[i].drafted > 0;
    *out = counts;
    return 0;
}
