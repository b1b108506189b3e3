/* runner.h - runs the cells of a plan and leaves one file for each.
 *
 * R1  A cell file exists if and only if the cell is finished; it is never rewritten.
 * R2  The baseline of a sample is decoded, and read from its file, before the other cells decode that sample.
 * R3  A trial that fails ends the work on its cell: its finished trials are kept, the other cells go on.
 * R4  SIGINT and SIGTERM stop after the trial in flight; finished trials stay.
 * R5  A result that cannot be saved stops the sweep: no other could be saved either.
 * R6  Processes over the same folder share its units of work (share.h). Results do not depend on who ran what.
 */
#ifndef EXPERIMENTS_RUNNER_H
#define EXPERIMENTS_RUNNER_H

#include "experiments/sweep/plan.h"

typedef enum { COLLECT_YES, COLLECT_NO, COLLECT_ONLY } collecting; /* of what sweep_run does after its cells */

typedef struct {
    size_t jobs;    /* worker processes; 1 = in this process */
    size_t parts;   /* that each cell is split into by samples; 0: as many as the jobs need */
    size_t lease;   /* of claims, s; 0: CLAIMS_LEASE */
    size_t collect; /* a `collecting` */
    bool   quiet;
} runner_options;

typedef struct {
    size_t cells, reused, failed; /* of the plan; that were finished before; that failed in this process */
    size_t kept;                  /* trials of unfinished cells that were there before */
    size_t trials;                /* that this process ran */
    bool   left;                  /* other processes are running the rest */
    double seconds;               /* wall time of running them */
} runner_report;

/* `dir`: the sweep's folder, which exists with its folder of cells. The first failure's text is in `e` when the
 * return value is -1; finished trials are kept in any case. */
int runner_run(const plan *p, const char *dir, const runner_options *o, runner_report *report, err *e);

#endif
