/* plan_print.h - the grid as text, for --dry-run, and warnings about results that a run will lack. */
#ifndef EXPERIMENTS_PLAN_PRINT_H
#define EXPERIMENTS_PLAN_PRINT_H

#include <stdio.h>

#include "experiments/sweep/runner.h"

/* The grid: a heading for each (model, dataset, rule) group, a line for each cell (id, trials, how many of them are
 * done, policy with parameters; the baseline first), the totals, and an estimate of the remaining time. `dir`: the
 * sweep's folder, which need not exist. The caller checks `out` for write errors. */
int plan_print(const plan *p, const char *dir, const runner_options *o, FILE *out, err *e);

/* A line for each kind of value that will be missing: modeled speed-ups beyond a cost file, speed-ups without a time to
 * compare with. Also a line for each cost file that looks like noise. */
void plan_warn(const plan *p, const char *dir, const runner_options *o, FILE *out);

#endif
