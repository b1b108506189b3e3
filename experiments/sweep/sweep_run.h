/* sweep_run.h - runs a plan from its first cell to the results file. */
#ifndef EXPERIMENTS_SWEEP_RUN_H
#define EXPERIMENTS_SWEEP_RUN_H

#include "experiments/sweep/runner.h"

/* The folder of a sweep's cells, finished and unfinished, and the file of its results; in new memory. */
char *sweep_folder(const config *c, err *e);
char *sweep_results(const config *c, err *e);

/* Checks every place that a sweep writes to, before any work. All processes that share a folder check, since the last
 * one to end writes the results. For a missing folder its nearest existing parent is checked; nothing is created. */
int sweep_check_places(const config *c, const char *dir, err *e);

/* Newer results replace older ones, but not, say, a training's curve of the same name. */
int sweep_check_replaced(const config *c, err *e);

/* Runs the missing cells and writes the results file; warnings and progress go to stderr. `all`, which is zeroed,
 * becomes the file's content, or stays empty where other processes have not ended; free it in any case. After a failed
 * cell the rest is still saved; its error is reported afterwards. ERR_RUN also, with `all` filled, when trials differ
 * from plain decoding although their rule promises the same tokens. */
int sweep_run(const plan *p, const runner_options *o, store_data *all, err *e);

#endif
