/* comparison.h - what comparing policies (policies.c) and runs (runs.c) share. */
#ifndef ANALYSIS_COMPARISON_H
#define ANALYSIS_COMPARISON_H

#include "analysis/compare/arms.h"
#include "analysis/compare/compare.h"

typedef struct {
    const view            *v;
    const compare_options *o;
    const metric          *metric;
    cell_counts           *counts;
    cell_keys              keys; /* without the config */
    placed_trials          trials;
    uint64_t              *outputs; /* [trials] a digest of each one's ids */
    bootstrap             *resamples;
    compare_verdict       *verdict;
    FILE                  *out;
} comparison;

/* Outputs and logits of two cells, trial by trial. */
typedef struct {
    size_t trials, ids;         /* in both, and with other ids */
    size_t with_logits, logits; /* known in both, and not the same */
} unlike;

unlike comparison_unlike(const comparison *c, size_t a, size_t b);

/* Whether the cell is finished and was measured; otherwise it is counted. */
typedef struct {
    size_t unfinished, unmeasured;
} left_out;

bool comparison_takes(const comparison *c, size_t cell, left_out *left);
/* "record", "groups of records": what is drawn, n of them. */
const char *comparison_drawn(const comparison *c, size_t n);
void        comparison_captions(const comparison *c, const left_out *left, table *t);

/* Both columns of a paired estimate for people, and all of it for programs. */
void comparison_column(table *t, const char *title, const char *name);
void comparison_put(table *t, const estimate *m, int decimals);

/* Both p, adjusted for people, "<0.001" where they are smaller; and what they are, with how many records it takes to
 * have any below 0.05 where there are fewer. */
void comparison_columns_p(table *t);
void comparison_put_p(table *t, const compared *by);
void comparison_caption_p(table *t, size_t family, size_t records);

/* Against o->least; family: comparisons that are adjusted together. */
int comparison_judge(comparison *c, size_t cell, const compared *by, size_t family, err *e);

/* ERR_INPUT unless both cells are of the same records and weights, with outputs cut at the same length. */
int comparison_check(const comparison *c, size_t a, size_t b, err *e);

/* The two ways to compare. */
bool runs_are(const comparison *c);
int  runs_print(comparison *c, err *e);
int  policies_print(comparison *c, err *e);

#endif
