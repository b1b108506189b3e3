/* signed_rank.h - whether paired differences lie around zero: Wilcoxon's signed-rank test.
 *
 * Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945). The absolute differences are
 * ranked, those that tie by the mean of their ranks, and the ranks of the positive ones are summed. When signs are a
 * matter of chance, each rank is in the sum with probability 1/2.
 *
 *  W1  Differences of zero: dropped before ranking, as Wilcoxon did, or ranked and dropped afterwards (Pratt, "Remarks
 *      on zeros and ties in the Wilcoxon signed rank procedures", JASA 54 (1959)), so that the ranks of the others say
 *      how many were equal.
 *  W2  Up to SIGNED_RANK_EXACT differences other than zero p is exact, with ties too: the distribution of the sum over
 *      all signs, for just these ranks. Beyond, it is that of the normal distribution with the variance of these ranks,
 *      a quarter of the sum of their squares, which corrects for ties, and a continuity correction of 1/2.
 *  W3  p is of both sides: twice the smaller one, at most 1.
 */
#ifndef ANALYSIS_SIGNED_RANK_H
#define ANALYSIS_SIGNED_RANK_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

enum { SIGNED_RANK_EXACT = 100 };

typedef enum { ZEROS_DROPPED, ZEROS_RANKED } zero_handling;

typedef struct {
    double sum;     /* of the ranks of positive differences */
    double excess;  /* of it over what chance gives: above 0 where most are positive */
    double p;       /* 1 when all differences are zero; NaN without any */
    size_t n, zero; /* differences other than zero, and equal to it */
    bool   exact;
} signed_rank;

/* d: [n], finite or infinite; none may be NaN. `exact_most`: SIGNED_RANK_EXACT, or another number for comparing. */
int signed_rank_test(const double *d, size_t n, zero_handling zeros, size_t exact_most, signed_rank *out, err *e);

#endif
