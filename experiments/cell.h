/* cell.h - runs one cell: every sample, every repeat, checked against its baseline, saved as one file. */
#ifndef EXPERIMENTS_CELL_H
#define EXPERIMENTS_CELL_H

#include <signal.h>
#include <stdatomic.h>

#include "experiments/plan.h"
#include "experiments/store/store.h"

#define STOPPED "stopped; finished cells are kept, the same command goes on with the others"

/* What a worker keeps from one cell to the next. */
typedef struct {
    const plan                  *p;
    const char                  *dir;  /* folder of cell files */
    const volatile sig_atomic_t *stop; /* becomes true when the user asked to stop */
    void (*trial_done)(void *ctx);     /* called after each trial; may be NULL */
    void      *ctx;
    store_data baseline; /* content of the baseline file read last */
    size_t     baseline_cell;
    bool       has_baseline;
    bool      *warm; /* [p->n_models] weights were read through once, outside all timing */
} cell_worker;

int  cell_worker_open(cell_worker *w, const plan *p, const char *dir, err *e);
void cell_worker_close(cell_worker *w);

/* The file of a cell, in new memory. */
char *cell_path(const char *dir, const plan_cell *c, err *e);

/* Runs cell `cell`, whose baseline is finished, and writes its file. */
int cell_run(cell_worker *w, size_t cell, err *e);

#endif
