/* record_sums.h - a cell's trials by the group that is drawn together (stats/bootstrap.h), and what they add up to.
 *
 *  R1  A group is a record with its repeats and its duplicates; with a pattern, all records whose ids have the same
 *      text where it matches, such as those of one document or conversation (records.h).
 */
#ifndef ANALYSIS_RECORD_SUMS_H
#define ANALYSIS_RECORD_SUMS_H

#include <stdint.h>

#include "analysis/metrics.h"

typedef struct {
    const trial_row *row;
    size_t           group; /* the first sample that belongs to it */
} placed_trial;

/* The trials of each cell, sorted by group, sample and repeat. Where they are in a file, those of one cell are in
 * memory at a time, or of all of them (placed_trials_all). */
typedef struct {
    const store_data *d;
    size_t           *group; /* [d->n_samples] of each sample */
    placed_trial     *at;    /* [n] of the cells that are in memory */
    trial_row        *rows;  /* [n] what they point to */
    size_t           *first; /* [d->n_cells + 1] where those of each cell begin; meaningful for cells in memory */
    size_t            n, cap, cap_rows;
    size_t            cell; /* in memory, or PLACED_ALL or PLACED_NONE */
} placed_trials;

#define PLACED_ALL  SIZE_MAX
#define PLACED_NONE (SIZE_MAX - 1)

/* pattern: NULL, or as records_groups takes it. No cell's trials are there yet. */
int  placed_trials_make(const store_data *d, const char *pattern, placed_trials *out, err *e);
void placed_trials_free(placed_trials *p);

/* Makes those of a cell, or of all cells, at[first[cell]] to at[first[cell + 1]]. */
int placed_trials_of(placed_trials *p, size_t cell, err *e);
int placed_trials_all(placed_trials *p, err *e);

/* Where the group that begins at `first` ends; n: where the cell ends. */
size_t placed_trials_end(const placed_trials *p, size_t first, size_t n);

/* A metric's sums over each group of one cell that has something to measure. */
typedef struct {
    ratio_sum *at;     /* [n] in the order of the groups */
    size_t    *group;  /* [n] which */
    size_t    *trials; /* [n] of each */
    size_t     n, cap, cap_group, cap_trials;
    bool       missing; /* some trial was not measured */
} record_sums;

/* Replaces what `out`, zeroed before its first use, holds. The cell's trials are in memory. */
int  record_sums_make(const placed_trials *p, size_t cell, const metric *m, record_sums *out, err *e);
void record_sums_free(record_sums *r);

#endif
