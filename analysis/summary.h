/* summary.h - statistics of a results file, one row per cell. All of it is recomputed from the raw tables.
 *
 *  S1  NaN means "was not measured": it is left out and never counts as 0. A statistic with nothing to
 *      stand on is NaN.
 *  S2  Ratios are ratios of sums over the whole cell, never means of ratios, and their denominators are
 *      all steps (tokens per step, coverage) or all draft tokens (acceptance).
 *  S3  Intervals come from resampling samples: the repeats of one sample are not independent and stay
 *      together. Seed and stream are fixed and the same for every cell, so a cell's interval does not
 *      depend on what else is in the file.
 */
#ifndef ANALYSIS_SUMMARY_H
#define ANALYSIS_SUMMARY_H

#include "experiments/store/store.h"

enum { BOOTSTRAP_RESAMPLES = 1000 };

/* Median and its spread: quartiles, and a 95% confidence interval by bootstrap over samples. */
typedef struct {
    double median, q1, q3;
    double lo, hi; /* NaN below two samples */
    size_t n;      /* values that were there (not NaN) */
} spread;

typedef struct {
    const cell_row *cell;
    size_t          trials, tokens, steps, drafting_steps, drafted, accepted;
    double          tokens_per_step; /* tokens / steps over all steps of the cell: what others call MAT */
    double          tps_lo, tps_hi;  /* its 95% bootstrap interval over samples; NaN below two samples */
    double          coverage;        /* share of steps with a draft */
    double          acceptance;      /* accepted / drafted; NaN when nothing was drafted */
    spread          speedup;         /* of the trials' wall-clock ratios; n = 0 in replay */
    spread          modeled;
    double          draft_ns_step;                               /* median over trials of draft time per step, in ns */
    size_t          equal, logits_equal, logits_none, truncated; /* trials */
    int64_t         first_divergence;                            /* smallest over the trials; -1 = none diverges */
    uint32_t        divergence_sample;                           /* the first sample that diverges there */
    double          max_abs_logit_diff;                          /* largest; NaN when no trial has logits */
    double          min_margin;                                  /* smallest; NaN when no trial has logits */
} cell_summary;

/* New array of d->n_cells rows. ERR_INPUT when a row names a cell, sample or trial that is not there. */
int summary_make(const store_data *d, cell_summary **out, err *e);

/* Of n values, each a sample of its own; NaNs are left out; NaN fields when none remain. */
int spread_of(const double *values, size_t n, spread *out, err *e);

/* What happened at one draft position, in steps. */
typedef struct {
    size_t reached;  /* drafts at least this long */
    size_t tested;   /* of those, with everything before this position accepted */
    size_t accepted; /* of those, with this position accepted */
} position_count;

typedef struct {
    position_count *at; /* [n], at[0] is the first draft token */
    size_t          n;  /* length of the cell's longest draft */
} cell_positions;

/* New array of d->n_cells entries, in the order of d->cells. */
int  positions_make(const store_data *d, cell_positions **out, err *e);
void positions_free(cell_positions *p, size_t n_cells);

#endif
