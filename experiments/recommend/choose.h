/* choose.h - which cell of a replay would take the least time, and how sure that is.
 *
 * A record's time under a policy is the modeled time of its passes, T(1 + drafted, context) of the cost file, plus the
 * time that drafting took when it was replayed. Its speed-up is plain decoding's time over that; that of several
 * records is the ratio of the sums, which is what a service pays for.
 *
 *  R1  Duplicates are one record, and groups of records are drawn as one (records_groups).
 *  R2  The records separate a candidate from the best one where the ratio of their total times, paired by record,
 *      differs from 1: Student's t of its logarithm with the bootstrap's standard error, adjusted for all candidates
 *      (Holm). Not to be separated does not mean to be as good.
 *  R3  The best of many looks better than it is. What choosing the best adds is estimated by choosing in each resample
 *      and looking at how much worse that choice is in the data (Efron 1983), and subtracted.
 *  R4  The times of passes have errors, too: the standard error of a speed-up is, to first order, that of the sums of
 *      times that it is made of, which share T(1).
 *  R5  Candidates with a pass longer than the longest measured have no time. They are left out and counted.
 *  R6  A record whose output is one token has nothing to decode after the prompt's pass: it is in no number but
 *      `undecoded`.
 */
#ifndef EXPERIMENTS_CHOOSE_H
#define EXPERIMENTS_CHOOSE_H

#include "analysis/stats/bootstrap.h"
#include "experiments/sweep/plan.h"
#include "store/store.h"

typedef struct {
    size_t           cell, plan_cell; /* in the results, and in the plan */
    const ratio_sum *times;           /* [groups] plain decoding's and its own, in ns */
    double           speedup;         /* of totals */
    interval         ci;
    double           cost_error; /* R4: relative */
    double           behind;     /* its total time / that of the best one; 1 for that */
    interval         behind_ci;  /* paired */
    double           p;          /* R2, adjusted; NaN for the best */
    bool             level;      /* not separated from the best one */
    size_t           slower;     /* groups that take longer than plain decoding, by more than 1% */
    double           worst;      /* the smallest speed-up of a group */
    double           tokens_per_step;
    double           draft_share; /* of its time */
} candidate;

/* A row of the results that are compared. */
typedef struct {
    candidate *at; /* [n] the best one first */
    size_t     n;
    ratio_sum *times;    /* [n * groups] */
    size_t    *group_of; /* [n_samples] of the results; of those that decode (R6) */
    size_t    *example;  /* [groups] the first sample of each */
    size_t     groups, records, tokens;
    size_t     undecoded; /* R6 */
    double     context;   /* tokens in the cache, the mean over plain decoding's passes */
    double     optimism;  /* R3: of log speed-up */
    double     wins;      /* share of resamples in which the best one is the best */
    double     bound;     /* the speed-up that no copying from these sources exceeds; NaN without `oracle` */
    size_t     at_once;   /* records that `oracle` finishes with the prompt's pass, whose time is in no speed-up */
    size_t     too_wide;  /* R5 */
    double     more;      /* groups that it would take to tell the first two apart, beyond those there are; NaN */
} choice;

/* d: the results of a replay of `p`, which has a cost file; by: as in records_groups. ERR_INPUT when nothing can be
 * compared. */
int  choose(const plan *p, const store_data *d, const char *by, choice *out, err *e);
void choice_free(choice *c);

/* "llma:n=2,k=4": what --policy takes, parameters that have their preset left out. In new memory. */
char *candidate_spec(const plan *p, const candidate *c, err *e);

#endif
