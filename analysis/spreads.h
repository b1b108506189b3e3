/* spreads.h - medians, quartiles and intervals of each cell, over its trials.
 *
 *  S1  A spread of values of which some are missing is NaN; how many there are is told instead.
 *  S2  Intervals draw records (bootstrap.h): a record's repeats and its duplicates are one group.
 */
#ifndef ANALYSIS_SPREADS_H
#define ANALYSIS_SPREADS_H

#include "analysis/bootstrap.h"
#include "analysis/counts.h"

typedef struct {
    double   median, q1, q3; /* NaN when n < of (S1) */
    interval ci;             /* of the median; also NaN below two distinct records */
    size_t   n;              /* values that were there */
    size_t   of;             /* values that there could be */
} spread;

typedef struct {
    interval tokens_per_step;
    spread   speedup; /* of the timed trials' wall-clock ratios; n = 0 in replay */
    spread   modeled;
    double   draft_ns_step; /* median over trials of draft time per step, in ns */
} cell_spreads;

/* New array of d->n_cells entries. counts: of the same data. */
int spreads_make(const store_data *d, const cell_counts *counts, cell_spreads **out, err *e);

/* Of the values, which it sorts, where there could be `of`. */
int spread_of(bootstrap *b, value_groups *v, size_t of, spread *out, err *e);

#endif
