#include "analysis/stats/bca.h"

#include <gsl/gsl_cdf.h>
#include <stdbool.h>

#include "analysis/stats/quantile.h"

double bca_bias(const double *resampled, size_t n, double estimate) {
    size_t below = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        below += resampled[i] < estimate;
        equal += resampled[i] == estimate;
    }
    return gsl_cdf_ugaussian_Pinv(((double)below + (double)equal / 2) / (double)n);
}

/* The parts of one sample, from `first` up to the result. */
static size_t end_of_sample(const jackknife *j, size_t first) {
    size_t i = first + 1;
    if (j->sample == NULL) return j->n;
    while (i < j->n && j->sample[i] == j->sample[first]) i++;
    return i;
}

double bca_acceleration(const jackknife *j) {
    double squares = 0, cubes = 0;
    bool   differ = false;
    for (size_t first = 0, end; first < j->n; first = end) {
        double sum = 0;
        end = end_of_sample(j, first);
        double n = (double)(end - first);
        for (size_t i = first; i < end; i++) {
            sum += j->left_out[i];
            differ = differ || j->left_out[i] != j->left_out[first];
        }
        if (!isfinite(sum)) return NAN;
        for (size_t i = first; i < end; i++) {
            double u = (n - 1) * (sum / n - j->left_out[i]) / n;
            squares += u * u;
            cubes += u * u * u;
        }
    }
    return differ && squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

/* Which quantile of the resamples stands for the quantile z of a normal distribution (equation 14.10). */
static double corrected(double z, double bias, double acceleration) {
    double shifted = bias + z, denominator = 1 - acceleration * shifted;
    return denominator > 0 ? gsl_cdf_ugaussian_P(bias + shifted / denominator) : NAN;
}

interval bca_interval(const double *sorted, size_t n, double bias, double acceleration, double alpha) {
    double z = gsl_cdf_ugaussian_Qinv(alpha / 2);
    double low = corrected(-z, bias, acceleration), high = corrected(z, bias, acceleration);
    bool   plain = !isfinite(bias) || isnan(low) || isnan(high) || isinf(sorted[0]) || isinf(sorted[n - 1]);
    return (interval){quantile_of_sorted(sorted, n, plain ? alpha / 2 : low),
                      quantile_of_sorted(sorted, n, plain ? 1 - alpha / 2 : high),
                      plain ? INTERVAL_PERCENTILE : INTERVAL_BCA};
}
