/* plan_cells.h - the cells of a plan: counted from the configuration, made once its files are open. */
#ifndef EXPERIMENTS_PLAN_CELLS_H
#define EXPERIMENTS_PLAN_CELLS_H

#include "experiments/sweep/plan.h"

/* Cells of the whole grid, baselines included; ERR_INPUT when they are too many. */
int plan_cells_count(const config *c, size_t *out, err *e);

/* Appends the cells of one model and one dataset, given as indices into the plan, to p->cells, which has room: for each
 * rule the baseline, then the policies in file order, the last parameter varying fastest. */
int plan_cells_add(plan *p, size_t model_at, size_t dataset_at, size_t samples_at, err *e);

void plan_cells_free(plan *p);

#endif
