/* plan_print.h - the grid as text, for --dry-run. */
#ifndef EXPERIMENTS_PLAN_PRINT_H
#define EXPERIMENTS_PLAN_PRINT_H

#include <stdio.h>

#include "experiments/plan.h"

/* A heading for each (model, dataset, rule) group, a line for each cell (id, trials, policy with parameters;
 * the baseline first), the totals. The caller checks `out` for write errors. */
void plan_print(const plan *p, FILE *out);

#endif
