/* holm.h - p values of several tests at once.
 *
 * Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979): the
 * i-th smallest of m is multiplied by m - i + 1, and none may be below one before it. Whoever rejects where the result
 * is below 0.05 rejects a true hypothesis anywhere in the family with probability 5% at most, whatever depends on what.
 */
#ifndef ANALYSIS_HOLM_H
#define ANALYSIS_HOLM_H

#include <stddef.h>

#include "engine/base/err.h"

#define HOLM_LEVEL 0.05

/* The fewest records with which an exact test of both sides, whose p is 2 / 2^n at least, can come below HOLM_LEVEL
 * when the smallest of `family` p is multiplied by their number. With fewer nothing can be rejected, whatever the
 * records say. family > 0. */
size_t holm_records(size_t family);

/* adjusted[i] is that of p[i]. NaN is no test: it stays and does not count. `adjusted` may be p. */
int holm_adjust(const double *p, size_t n, double *adjusted, err *e);

#endif
