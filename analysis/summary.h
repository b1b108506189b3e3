/* summary.h - statistics of a results file, one row per cell. All of it is recomputed from the raw tables.
 *
 *  S1  NaN means "was not measured" and never counts as 0. A statistic over trials of which some were not measured is
 *      NaN: those that were are no fair sample of the others. How many there are is told instead.
 *  S2  Ratios are ratios of sums over the whole cell, never means of ratios, and their denominators are
 *      all steps (tokens per step, coverage) or all testable draft tokens (acceptance).
 *  S3  Intervals come from resampling records: the repeats of one record are not independent and stay
 *      together, and so do duplicates of it. Seed and stream are fixed and the same for every cell, so a cell's
 * interval does not depend on what else is in the file.
 */
#ifndef ANALYSIS_SUMMARY_H
#define ANALYSIS_SUMMARY_H

#include "store/store.h"

enum { BOOTSTRAP_RESAMPLES = 1000 };

/* Median and its spread: quartiles, and a 95% confidence interval by bootstrap over records. */
typedef struct {
    double median, q1, q3; /* NaN when n < of (S1) */
    double lo, hi;         /* also NaN below two distinct records */
    size_t n;              /* values that were there (not NaN) */
    size_t of;             /* values that there could be */
} spread;

typedef struct {
    const cell_row *cell;
    size_t          trials, tokens, steps, drafting_steps, drafted, testable, accepted;
    size_t          records, distinct; /* records of the trials; duplicates count once in `distinct` */
    double          tokens_per_step;   /* tokens / steps over all steps of the cell: what others call MAT */
    double          tps_lo, tps_hi;    /* its 95% bootstrap interval over records; NaN below two distinct ones */
    double          coverage;          /* share of steps with a draft */
    double          acceptance;        /* accepted / testable; NaN when nothing was testable */
    size_t          timed;             /* trials that decode after the prompt's pass, as their plain decoding does */
    size_t          unequal;           /* of those, trials whose output has other ids than plain decoding's */
    spread          speedup;           /* of the timed trials' wall-clock ratios; n = 0 in replay */
    spread          modeled;
    double          draft_ns_step;                               /* median over trials of draft time per step, in ns */
    size_t          equal, logits_equal, logits_none, truncated; /* trials */
    int64_t         first_divergence;                            /* smallest over the trials; -1 = none diverges */
    uint32_t        divergence_sample;                           /* the first sample that diverges there */
    double          max_abs_logit_diff;                          /* largest; NaN unless all trials have one */
    double          min_margin;                                  /* smallest; NaN unless all trials have one */
} cell_summary;

/* New array of d->n_cells rows. ERR_INPUT when a row names a cell, sample or trial that is not there. */
int summary_make(const store_data *d, cell_summary **out, err *e);

/* For each sample the first one with the same content in its dataset, itself when there is none before it: [n_samples],
 * in new memory. */
size_t *summary_originals(const store_data *d, err *e);

/* For each cell, how many records its trials are of, and how many of these are distinct. */
typedef struct {
    size_t records, distinct;
} record_count;

/* New array of d->n_cells entries. */
record_count *summary_records(const store_data *d, err *e);

/* Of n values, each a record of its own; NaN fields when one is NaN or there are none. */
int spread_of(const double *values, size_t n, spread *out, err *e);

/* What happened at one draft position, in steps. */
typedef struct {
    size_t reached;  /* drafts with at least this many testable tokens */
    size_t tested;   /* of those, with everything before this position accepted */
    size_t accepted; /* of those, with this position accepted */
} position_count;

typedef struct {
    position_count *at; /* [n], at[0] is the first draft token */
    size_t          n;  /* most testable tokens of a draft in the cell */
} cell_positions;

/* New array of d->n_cells entries, in the order of d->cells. */
int  positions_make(const store_data *d, cell_positions **out, err *e);
void positions_free(cell_positions *p, size_t n_cells);

#endif
