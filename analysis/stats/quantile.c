#include "analysis/stats/quantile.h"

#include <gsl/gsl_statistics.h>
#include <math.h>

double quantile_of_sorted(const double *sorted, size_t n, double f) {
    if (n == 0) return NAN;
    double at = f * (double)(n - 1);
    size_t i = (size_t)at;
    /* GSL would compute infinity minus infinity, or 0 times it. */
    if (i + 1 >= n || at == (double)i || sorted[i] == sorted[i + 1]) return sorted[i];
    return gsl_stats_quantile_from_sorted_data(sorted, 1, n, f);
}

double quantile_between(double a, double b) {
    return a == b ? a : (a + b) / 2;
}
