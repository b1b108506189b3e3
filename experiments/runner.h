/* runner.h - runs the cells of a plan and leaves one file for each.
 *
 * R1  A cell file exists if and only if the cell is finished; it is never rewritten.
 * R2  A cell's baseline is finished, and read from its file, before the cell runs.
 * R3  A trial that fails makes its cell fail: nothing of it is kept, the others go on.
 * R4  SIGINT and SIGTERM stop after the trial in flight; cells in flight are lost, finished ones stay.
 */
#ifndef EXPERIMENTS_RUNNER_H
#define EXPERIMENTS_RUNNER_H

#include "experiments/plan.h"
#include "experiments/store/store.h"

typedef struct {
    size_t jobs;            /* worker processes; 1 = in this process */
    size_t shard, n_shards; /* this run takes the cells i with i % n_shards == shard (and their baselines) */
    bool   quiet;
} runner_options;

typedef struct {
    size_t cells, reused, failed; /* of this shard */
    size_t trials;                /* run now */
    double seconds;               /* wall time of running them */
} runner_report;

/* `dir`: the folder of cell files, which exists. The first failure's text is in `e` when the
 * return value is -1; finished cells are kept in any case. */
int runner_run(const plan *p, const char *dir, const runner_options *o, runner_report *report, err *e);

#endif
