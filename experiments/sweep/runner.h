/* runner.h - runs the cells of a plan and leaves one file for each.
 *
 * R1  A cell file exists if and only if the cell is finished; it is never rewritten.
 * R2  The baseline of a sample is decoded, and read from its file, before the other cells decode that sample.
 * R3  A trial that fails ends the work on its cell: its finished trials are kept, the other cells go on.
 * R4  SIGINT and SIGTERM stop after the trial in flight; finished trials stay.
 * R5  A result that cannot be saved stops the sweep: no other could be saved either.
 * R6  Work is handed out in cells. Where there are fewer cells than shards or jobs, cells are split by samples.
 */
#ifndef EXPERIMENTS_RUNNER_H
#define EXPERIMENTS_RUNNER_H

#include "experiments/sweep/cell.h"
#include "experiments/sweep/plan.h"

typedef struct {
    size_t jobs;            /* worker processes; 1 = in this process */
    size_t shard, n_shards; /* this run takes the units i with i % n_shards == shard (and their baselines) */
    bool   quiet;
} runner_options;

/* Trials of a unit. */
size_t unit_trials(const plan *p, const cell_unit *u);

/* The units of a plan that belong to this shard, baselines first; *n_first of them. In new memory. */
cell_unit *runner_units(const plan *p, const runner_options *o, size_t *n_first, size_t *n, err *e);

typedef struct {
    size_t cells, reused, failed; /* of this shard */
    size_t kept;                  /* trials of unfinished cells that were there before */
    size_t trials;                /* in this run */
    double seconds;               /* wall time of running them */
} runner_report;

/* `dir`: the sweep's folder, which exists with its folder of cells. The first failure's text is in `e` when the
 * return value is -1; finished trials are kept in any case. */
int runner_run(const plan *p, const char *dir, const runner_options *o, runner_report *report, err *e);

#endif
