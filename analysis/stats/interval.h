/* interval.h - what a confidence interval is, here: always at 95%, and never without the method that gave it. */
#ifndef ANALYSIS_INTERVAL_H
#define ANALYSIS_INTERVAL_H

#include <math.h>

typedef enum {
    INTERVAL_NONE,      /* there is none: lo and hi are NaN */
    INTERVAL_BCA,       /* bias-corrected and accelerated (bca.h) */
    INTERVAL_PERCENTILE /* plain percentiles of the resamples, where BCa cannot be had */
} interval_method;

typedef struct {
    double          lo, hi;
    interval_method method;
} interval;

static inline interval interval_none(void) {
    return (interval){NAN, NAN, INTERVAL_NONE};
}

#endif
