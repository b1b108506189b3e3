/* estimate.h - how long what is left of a sweep will take. */
#ifndef EXPERIMENTS_ESTIMATE_H
#define EXPERIMENTS_ESTIMATE_H

#include "experiments/sweep/runner.h"

typedef struct {
    double seconds;
    bool is_guess; /* some of it assumes that each output is as long as it may be, and that drafts neither save nor cost
                      time */
} estimate;

/* For the units of this shard. Where trials of the same model and data are finished, their mean time counts; else the
 * first record is decoded for a few tokens. `dir`: the sweep's folder, which need not be there. */
int estimate_make(const plan *p, const char *dir, const runner_options *o, estimate *out, err *e);

#endif
