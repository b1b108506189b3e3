/* bootstrap.h - 95% percentile intervals from 1000 resamples (Efron and Tibshirani 1993, chapter 13).
 *
 *  B1  Groups are drawn, with replacement, and bring all their values along: the repeats of one record are not
 *      independent, nor are its duplicates.
 *  B2  Each interval starts the same generator anew (PCG, seed 1), so it depends on its own groups and nothing else.
 *  B3  Fewer than two groups have no interval: NaN.
 */
#ifndef ANALYSIS_BOOTSTRAP_H
#define ANALYSIS_BOOTSTRAP_H

#include <stddef.h>

#include "engine/base/err.h"

enum { BOOTSTRAP_RESAMPLES = 1000 };

typedef struct {
    double lo, hi; /* both NaN when there is no interval */
} interval;

/* Values that are drawn together lie side by side. A zeroed struct is empty.
 *
 *     at      a0 a1 | b0 | c0 c1 c2        groups = 3
 *     start   0       2    3         6     [groups + 1]
 */
typedef struct {
    double *at;
    size_t  n, cap;
    size_t *start;
    size_t  groups, cap_start;
    size_t  last; /* whose group the last one is */
} value_groups;

/* A value of `owner`, such as a record. Those of one owner come one after another and make one group. */
int  value_groups_add(value_groups *v, size_t owner, double value, err *e);
void value_groups_clear(value_groups *v); /* keeps the memory */
void value_groups_free(value_groups *v);

/* Numerator and denominator of one group. */
typedef struct {
    size_t part, whole;
} ratio_sum;

/* Memory for resamples, reused from one interval to the next. */
typedef struct bootstrap bootstrap;

bootstrap *bootstrap_new(err *e);
void       bootstrap_free(bootstrap *b); /* NULL is fine */

/* Of sum(part) / sum(whole). No interval either when a resample's whole is 0. */
int bootstrap_ratio(bootstrap *b, const ratio_sum *groups, size_t n, interval *out, err *e);

/* Of the median over all values. */
int bootstrap_median(bootstrap *b, const value_groups *v, interval *out, err *e);

/* GSL's quantile of sorted values (linear between order statistics), also where some are infinite. n > 0. */
double quantile_of_sorted(const double *sorted, size_t n, double f);

#endif
