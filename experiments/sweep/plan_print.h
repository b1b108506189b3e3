/* plan_print.h - the grid as text, for --dry-run, and what a run of it will not be able to say. */
#ifndef EXPERIMENTS_PLAN_PRINT_H
#define EXPERIMENTS_PLAN_PRINT_H

#include <stdio.h>

#include "experiments/sweep/runner.h"

/* This shard's part of the grid: a heading for each (model, dataset, rule) group, a line for each cell (id, trials, how
 * many of them are done, policy with parameters; the baseline first), the totals, and about how long the rest will
 * take. `dir`: the sweep's folder, which need not be there. The caller checks `out` for write errors. */
int plan_print(const plan *p, const char *dir, const runner_options *o, FILE *out, err *e);

/* A line for each kind of value that will be missing: modeled speed-ups beyond a cost file, speed-ups without a clock
 * to compare with; and for a cost file that looks like noise. */
void plan_warn(const plan *p, const char *dir, const runner_options *o, FILE *out);

#endif
