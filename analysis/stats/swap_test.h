/* swap_test.h - whether two arms' totals differ by more than chance: a permutation test of pairs.
 *
 * Fisher, "The Design of Experiments" (1935); Pitman, "Significance tests which may be applied to samples from any
 * populations", JRSS Supplement 4 (1937). Where it is a matter of chance which arm a record's sums are of, each record
 * may as well have them the other way round. The statistic is the ratio of the two micro means, of whichever arm is
 * larger; p is the share of all ways in which it is at least as large as in the data.
 *
 *  S1  Up to SWAP_EXACT records all ways are gone through, so that p is exact. Beyond, random ways are drawn (PCG, seed
 *      1), and the data count as one more (Phipson and Smyth, "Permutation p-values should never be zero", 2010).
 *  S2  p is of both sides, and no smaller than 2 / 2^n. Of `family` tests of which the smallest p is multiplied by
 *      their number (holm.h), as many ways are drawn as p < 0.05 takes, twice over, and 9999 at least.
 *  S3  Records with large sums decide, as they decide the totals; ranks (signed_rank.h) count each record the same.
 */
#ifndef ANALYSIS_SWAP_TEST_H
#define ANALYSIS_SWAP_TEST_H

#include "analysis/stats/statistics.h"

enum { SWAP_EXACT = 13, SWAP_DRAWS = 9999 };

/* a, b: [n]. *p: NaN where one of the totals is missing. */
int swap_test(const ratio_sum *a, const ratio_sum *b, size_t n, size_t family, double *p, err *e);

#endif
