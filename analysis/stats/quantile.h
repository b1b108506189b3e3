/* quantile.h - quantiles that are linear between order statistics (GSL's, and type 7 of Hyndman and Fan 1996, which R
 * and NumPy take when nothing is said), also where some values are infinite. */
#ifndef ANALYSIS_QUANTILE_H
#define ANALYSIS_QUANTILE_H

#include <stddef.h>

/* Of values in ascending order; 0 <= f <= 1. NaN when n is 0. */
double quantile_of_sorted(const double *sorted, size_t n, double f);

/* (a + b) / 2, also of two infinite values of the same sign. */
double quantile_between(double a, double b);

#endif
