/* estimate.h - how long the rest of a sweep will take. */
#ifndef EXPERIMENTS_ESTIMATE_H
#define EXPERIMENTS_ESTIMATE_H

#include "experiments/sweep/runner.h"

typedef struct {
    double seconds;
    bool is_guess; /* some of it assumes that each output is as long as it may be, and that drafts neither save nor cost
                      time */
} estimate;

/* For all cells. Uses the mean time of finished trials of the same model and data; if there are none, decodes a few
 * tokens of the first record. `dir`: the sweep's folder, which need not exist. */
int estimate_make(const plan *p, const char *dir, const runner_options *o, estimate *out, err *e);

#endif
