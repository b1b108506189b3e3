/* spreads.h - medians, quartiles, ratios of totals and intervals of each cell, over its trials.
 *
 *  S1  A spread of values of which some are missing is NaN; how many there are is told instead.
 *  S2  Intervals draw groups of trials (record_sums.h): a record's repeats and its duplicates are one.
 */
#ifndef ANALYSIS_SPREADS_H
#define ANALYSIS_SPREADS_H

#include "analysis/counts.h"
#include "analysis/stats/bootstrap.h"

typedef struct {
    double   value; /* NaN where it is missing */
    interval ci;
} estimate;

typedef struct {
    double   median, q1, q3; /* NaN when n < of (S1) */
    interval ci;             /* of the median */
    size_t   n;              /* values that were there */
    size_t   of;             /* values that there could be */
} spread;

typedef struct {
    estimate tokens_per_step;       /* the micro mean */
    double   tokens_per_step_macro; /* over records; duplicates and repeats count once */
    spread   speedup;               /* of the timed trials' wall-clock ratios; n = 0 in replay */
    spread   modeled;
    estimate speedup_total, modeled_total; /* sum of plain decoding's times / sum of the cell's */
    double   speedup_geometric;            /* geometric mean over records of the records' own */
    double   draft_ns_step;                /* median over trials of draft time per step, in ns */
} cell_spreads;

/* New array of d->n_cells entries. counts: of the same data; pattern: which records are drawn together (records.h), or
 * NULL. */
int spreads_make(const store_data *d, const cell_counts *counts, const char *pattern, cell_spreads **out, err *e);

/* Of the values, which it sorts, where there could be `of`. */
int spread_of(bootstrap *b, grouped_values *v, size_t groups, size_t of, spread *out, err *e);

#endif
