/* bca.h - BCa intervals, from the statistic of the resamples, of the data, and of the data without each part of it.
 *
 * Efron, "Better bootstrap confidence intervals", JASA 82 (1987); Efron and Tibshirani, "An Introduction to the
 * Bootstrap" (1993), chapter 14, equations 14.9 to 14.15; of several samples, DiCiccio and Efron, "Bootstrap confidence
 * intervals", Statistical Science 11 (1996). SciPy's stats.bootstrap does the same.
 *
 *  C1  A resample whose statistic equals the data's counts half below it: medians of few values tie often.
 *  C2  Where BCa cannot be had, which is when the statistic of all resamples lies on one side of the data's, when it is
 *      infinite somewhere, or when the correction is not finite, the interval is of plain percentiles and says so.
 */
#ifndef ANALYSIS_BCA_H
#define ANALYSIS_BCA_H

#include <stddef.h>

#include "analysis/stats/interval.h"

/* z0, the bias correction: the normal quantile of the share of resamples below `estimate` (C1). It may be infinite. */
double bca_bias(const double *resampled, size_t n, double estimate);

/* The statistic without each part of the data in turn. A part is a group, or a block of groups. */
typedef struct {
    const double *left_out; /* [n] */
    const size_t *sample;   /* [n] whose part it is, ascending; NULL: there is one sample */
    size_t        n;
} jackknife;

/* a, the acceleration: 0 where leaving out changes nothing, NaN where a statistic is not finite. */
double bca_acceleration(const jackknife *j);

/* At the level 1 - alpha. `sorted`: the statistic of the resamples, ascending, n > 0, none of them NaN. */
interval bca_interval(const double *sorted, size_t n, double bias, double acceleration, double alpha);

#endif
