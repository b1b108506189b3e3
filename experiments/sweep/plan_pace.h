/* plan_pace.h - the pace of a plan's cells. */
#ifndef EXPERIMENTS_PLAN_PACE_H
#define EXPERIMENTS_PLAN_PACE_H

#include "experiments/sweep/pace.h"
#include "experiments/sweep/plan.h"

typedef struct {
    const plan *p;
    pace        of;   /* the plan's cells */
    uint64_t  **work; /* [p->n_samples][samples] of a trial */
} plan_pace;

/* missing: [p->n_cells] trials that there are to run. */
int  plan_pace_open(plan_pace *x, const plan *p, const size_t *missing, err *e);
void plan_pace_close(plan_pace *x);

/* A trial of this cell took so long. */
void plan_pace_add(plan_pace *x, size_t cell, size_t at, uint64_t ns);

#endif
