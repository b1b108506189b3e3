/* arms.h - cells over the same records, compared in pairs.
 *
 *  A1  Arms have their records in common and as many trials of each; records that one of them lacks are left out.
 *  A2  Difference and ratio are of the metric's micro means, and their intervals are paired: each resample draws the
 *      same groups for both arms.
 *  A3  Two tests: Wilcoxon's signed-rank test over the groups' own ratios, as differences of their logarithms, zeros
 *      ranked; and a permutation test of the totals (stats/swap_test.h). Both are adjusted by Holm over the family.
 *  A4  Two arms are told apart when both p, adjusted, are below 0.05 and the interval of the difference does not hold
 *      0; where there is no interval, when ranks and difference point to the same side. Totals that a few long records
 *      decide are not passed off as a rule, nor the other way round.
 *  A5  The best arm is selected by the same records, so its p beside another arm is smaller than chance alone would
 *      make it. What holds in spite of that is about the arms that are not told apart from it: an arm that is truly the
 *      best drops out only when the one that was selected beats it beyond doubt. Each of the other arms may be that
 *      one, which Holm's factor makes up for; the larger side of a test of both sides is never used. So the set holds
 *      the truly best arm in 95% of experiments or more: tests/bench/best_set.c counts it.
 */
#ifndef ANALYSIS_ARMS_H
#define ANALYSIS_ARMS_H

#include "analysis/record_sums.h"
#include "analysis/spreads.h"

typedef struct {
    ratio_sum **of;   /* [arms][n] */
    size_t      arms; /* cells */
    size_t      n;    /* groups that all have */
    size_t      left; /* groups that only some have */
} arms;

/* ERR_INPUT when a record has another number of trials in one of the cells. Every cell was measured. */
int  arms_make(const store_data *d, const placed_trials *p, const size_t *cells, size_t n, const metric *m, arms *out,
               err *e);
void arms_free(arms *a);

typedef struct {
    estimate value;             /* with its own interval, which says nothing about pairs */
    estimate difference, ratio; /* of this arm and the base */
    double   p, adjusted;       /* of ranks; NaN: of the base itself */
    double   excess;            /* of ranks in favour of this arm's larger values */
    double   p_totals, adjusted_totals;
    size_t   groups;
} compared;

/* No comparison: everything is missing. */
compared compared_none(void);

/* One arm beside the base, in a family of so many comparisons. `adjusted` becomes p; who compares several arms adjusts
 * it. */
int arms_compare(const arms *a, size_t arm, size_t base, size_t family, bootstrap *b, compared *out, err *e);

/* Holm over those of n comparisons that are tests. */
int compared_adjust(compared *at, size_t n, err *e);

/* All arms beside the base, adjusted: [a->arms]. */
int arms_compare_all(const arms *a, size_t base, bootstrap *b, compared *out, err *e);

/* A4. */
bool compared_apart(const compared *c);

/* The arm whose metric is best, the first of equal ones. */
size_t arms_best(const arms *a, const metric *m);

/* In which share of the resamples each arm is the best: [arms]. */
int arms_best_shares(const arms *a, const metric *m, bootstrap *b, double *shares, err *e);

#endif
