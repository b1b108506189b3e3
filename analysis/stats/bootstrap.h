/* bootstrap.h - intervals of any statistic of groups, the one bootstrap of the project.
 *
 * What is drawn, with replacement, are groups: a record with all its repeats and its duplicates, or all records of one
 * document or conversation. Values within a group are not independent; counting them as more data would make intervals
 * too narrow. A resample is how many times each group was drawn, and a statistic is a function of these numbers:
 *
 *     groups      a  b  c        the data: 1 1 1        a resample that drew a, c, a: 2 0 1
 *
 *  B1  Each interval starts the same generator anew (PCG, seed 1), so it depends on its own groups and on nothing else,
 *      and two statistics of the same number of groups see the same resamples: a paired contrast is the statistic
 *      "f of one arm minus f of the other".
 *  B2  Intervals are BCa (bca.h) from 2000 resamples. Resamples of few groups vary too little, by a factor of
 *      sqrt((n - 1) / n), and know nothing of Student's distribution: the level is the one at which a normal interval
 * is as wide as that of Student's with n - 1 degrees of freedom, times sqrt(n / (n - 1)) (Hesterberg, "What teachers
 *      should know about the bootstrap", The American Statistician 69 (2015)). 95% becomes 98.3% for 10
 *      groups, 95.8% for 50. The jackknife leaves out one group at a time; of more than 1000, one of 1000 blocks of
 *      neighbours.
 *  B3  Fewer than BOOTSTRAP_LEAST groups have no interval, for what could be shown would not hold what it promises
 *      (analysis/README.md has the measured coverage). None either where the statistic is missing (NaN) in the data, in
 *      a resample, or when a group is left out.
 *  B4  Strata, such as several data sets in one total, are drawn each for itself: they do not vary, their groups do.
 */
#ifndef ANALYSIS_BOOTSTRAP_H
#define ANALYSIS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/stats/interval.h"
#include "analysis/stats/statistics.h"
#include "engine/base/err.h"

enum { BOOTSTRAP_RESAMPLES = 2000, BOOTSTRAP_SEED = 1, BOOTSTRAP_LEAST = 10, BOOTSTRAP_BLOCKS = 1000 };

/* Memory for resamples, reused from one interval to the next. */
typedef struct bootstrap bootstrap;

bootstrap *bootstrap_new(err *e);
void       bootstrap_free(bootstrap *b); /* NULL is fine */

/* Intervals of two groups and more from now on: for measuring how few are too few. */
void bootstrap_of_any_number(bootstrap *b);

/* The 95% interval of f over `groups` groups. */
int bootstrap_interval(bootstrap *b, size_t groups, statistic *f, const void *data, interval *out, err *e);

/* The same where the first sizes[0] groups are one stratum, the next sizes[1] another, and so on (B4). Every stratum
 * needs two groups, and all together BOOTSTRAP_LEAST. */
int bootstrap_interval_of_strata(bootstrap *b, const size_t *sizes, size_t n, statistic *f, const void *data,
                                 interval *out, err *e);

/* times[groups] of each resample in turn, for what is no interval, such as how often a cell is the best one: calls
 * see() BOOTSTRAP_RESAMPLES times with the resamples that the intervals of as many groups are made from. */
typedef void resample_seen(const uint32_t *times, size_t groups, void *ctx);
int          bootstrap_each(bootstrap *b, size_t groups, resample_seen *see, void *ctx, err *e);

#endif
