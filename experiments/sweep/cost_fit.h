/* cost_fit.h - smooth times of passes from measured ones.
 *
 *     T(k, c) = t(k) + c (u + v k)
 *
 * t(k), what a pass over k tokens takes with an empty cache, is free but does not fall with k. Attention reads the
 * cache once for a pass (u, per token of the context) and multiplies with it for each token (v).
 *
 *  F1  Errors are relative: a pass of 400 ms may be off by as many times more than one of 10 ms.
 *  F2  One bad minute does not bend the fit: Huber's M-estimate (1964) by reweighted least squares, where errors
 *      beyond 1.345 standard deviations, estimated from their median, count in proportion to their size.
 *  F3  u and v are not negative; with one context both are 0, and t(k) is the measured times made ascending by
 *      pooling adjacent violators (Barlow et al. 1972), weighted by F1.
 *  F4  No time is below 1 ns, whatever the measured ones are.
 */
#ifndef EXPERIMENTS_COST_FIT_H
#define EXPERIMENTS_COST_FIT_H

#include "engine/base/err.h"
#include "engine/decode.h" /* pass_times */

/* How the fit and the measured times differ. */
typedef struct {
    double median, largest; /* of |fitted / measured - 1| */
    size_t at;              /* index of the largest */
} fit_errors;

/* Writes the fitted times, in ns, to out[t->n_contexts * t->n]. */
int cost_fit(const pass_times *t, double *out, fit_errors *errors, err *e);

#endif
