/* statistics.h - the statistics that results are told in, as functions of how many times each group is there, which is
 * what the bootstrap varies (bootstrap.h).
 *
 * Two means of a ratio such as tokens per step or a speed-up, which differ and are never called just "mean":
 *
 *     micro   sum of numerators / sum of denominators: of all tokens, what a service pays for
 *     macro   mean over the groups of their own ratio: each record counts the same, however short
 */
#ifndef ANALYSIS_STATISTICS_H
#define ANALYSIS_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* The statistic of the data in which group i is there times[i] times; NULL: once each, which gives the estimate itself.
 * NaN when there is none. */
typedef double statistic(const uint32_t *times, size_t groups, const void *data);

/* ---- ratios -------------------------------------------------------------------------------------------- */

/* Numerator and denominator of one group, such as its tokens and its steps, or plain decoding's time and the policy's.
 */
typedef struct {
    double part, whole;
} ratio_sum;

/* data: ratio_sum[groups]. NaN where no denominator is left (a micro mean), or where one group has none. */
statistic statistic_micro, statistic_macro;

/* Geometric mean of the groups' ratios: the same whichever of two arms is the base. NaN where one is negative or
 * missing. */
statistic statistic_geometric;

/* ---- medians ------------------------------------------------------------------------------------------- */

/* Values that know their group. A zeroed struct is empty. */
typedef struct {
    double value;
    size_t group;
} grouped_value;

typedef struct {
    grouped_value *at; /* ascending by value once sorted */
    size_t         n, cap;
} grouped_values;

int  grouped_values_add(grouped_values *v, size_t group, double value, err *e);
void grouped_values_sort(grouped_values *v);
void grouped_values_free(grouped_values *v);

/* data: grouped_values, sorted. The median over all values, those of a group that is there twice counted twice. NaN
 * when none is left. */
statistic statistic_median;

/* The quantile f of all values, each counted once; NaN without values. */
double grouped_values_quantile(const grouped_values *v, double f);

/* ---- contrasts ----------------------------------------------------------------------------------------- */

/* Two arms over the same groups, and the statistic that is compared. */
typedef struct {
    statistic  *f;
    const void *a, *b;
} contrast;

/* data: contrast. f(a) - f(b), and f(a) / f(b), of the same groups. */
statistic statistic_difference, statistic_quotient;

#endif
