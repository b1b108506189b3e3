/* counts.h - what the trials and steps of each cell add up to. All of it is recomputed from the raw tables.
 *
 *  C1  NaN means "was not measured" and never counts as 0. A statistic over trials of which some were not measured is
 *      NaN: those that were are no fair sample of the others.
 *  C2  Ratios are ratios of sums over the whole cell, never means of ratios, and their denominators are
 *      all steps (tokens per step, coverage) or all testable draft tokens (acceptance).
 */
#ifndef ANALYSIS_COUNTS_H
#define ANALYSIS_COUNTS_H

#include "store/store.h"

typedef struct {
    size_t   trials, tokens, steps, drafting_steps, drafted, testable, accepted;
    size_t   timed;   /* trials that decode after the prompt's pass, as their plain decoding does */
    size_t   unequal; /* of those, trials whose output has other ids than plain decoding's */
    size_t   equal, logits_equal, logits_none, truncated; /* trials */
    int64_t  first_divergence;                            /* smallest over the trials; -1 = none diverges */
    uint32_t divergence_sample;                           /* the first sample that diverges there */
    double   max_abs_logit_diff;                          /* largest; NaN unless all trials have one */
    double   min_margin;                                  /* smallest; NaN unless all trials have one */
    double   log_likelihood, plain_log_likelihood;        /* sums; NaN unless all trials have one */
    size_t   plain_tokens, agreeing;                      /* plain decoding's, and those before the first divergence */
} cell_counts;

/* New array of d->n_cells entries. ERR_INPUT when a trial names a cell or sample that is not there, or has more steps
 * than there are. */
int counts_make(const store_data *d, cell_counts **out, err *e);

/* tokens / steps, what others call MAT; NaN without steps. */
double tokens_per_step(size_t tokens, size_t steps);

#endif
