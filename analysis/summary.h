/* summary.h - statistics of a results file, one row per cell. All of it is recomputed from the raw tables. */
#ifndef ANALYSIS_SUMMARY_H
#define ANALYSIS_SUMMARY_H

#include "experiments/store/store.h"

/* Median and its spread: quartiles, and a 95% confidence interval by bootstrap over samples. */
typedef struct {
    double median, q1, q3;
    double lo, hi;
    size_t n; /* values that were there (not NaN) */
} spread;

typedef struct {
    const cell_row *cell;
    size_t          trials, tokens, steps, drafted, accepted;
    double          tokens_per_step; /* tokens / steps over all steps of the cell: what others call MAT */
    double          tps_lo, tps_hi;  /* its 95% bootstrap interval over samples; NaN below two samples */
    double          coverage;        /* share of steps with a draft */
    double          acceptance;      /* accepted / drafted; NaN when nothing was drafted */
    spread          speedup;         /* of the trials' wall-clock ratios; n = 0 in replay */
    spread          modeled;
    double          draft_ns_step;                               /* median over trials of draft time per step, in ns */
    size_t          equal, logits_equal, logits_none, truncated; /* trials */
} cell_summary;

/* New array of d->n_cells rows. */
int summary_make(const store_data *d, cell_summary **out, err *e);

spread spread_of(const double *values, size_t n); /* NaNs are left out; NaN fields when none remain */

#endif
