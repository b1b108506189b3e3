/* cell.h - runs one cell, or a part of its samples: every repeat, checked against the baseline, saved.
 *
 * A sweep's folder holds
 *
 *     cells/ID.h5                 a finished cell; never rewritten
 *     unfinished/ID/PROCESS.h5    the finished trials of an unfinished cell, by the process that ran them
 *
 *  C1  A process writes its trials of an unfinished cell about once a minute, when it is stopped, when a trial fails,
 *      and at the end of its part. A killed process loses a minute of work.
 *  C2  The process that finds all trials of a cell writes the cell's file, then removes those of its parts. The file
 *      does not depend on which process ran what, except for times and /processes.
 *  C3  A trial's wall-clock speed-up is known only where plain decoding of the same sample ran in the same process, or
 *      together with it (paired): other processes may have had another machine, or another load.
 */
#ifndef EXPERIMENTS_CELL_H
#define EXPERIMENTS_CELL_H

#include <signal.h>

#include "experiments/sweep/plan.h"
#include "store/store.h"

#define STOPPED "stopped; finished trials are kept, and the same command goes on with the others"

/* The trials of one cell, in any order. */
typedef struct {
    store_data rows; /* one cell */
    size_t    *at;   /* [samples * repeats], at sample * repeats + repeat: index in rows.trials, or NOT_THERE */
    size_t     n, repeats;
} cell_trials;

#define NOT_THERE SIZE_MAX

/* The part of a cell that one worker runs: the samples s with s % parts == part. */
typedef struct {
    size_t cell, part, parts;
} cell_unit;

/* State that a worker keeps from one cell to the next. */
typedef struct {
    const plan                  *p;
    const char                  *dir;  /* the sweep's folder */
    const volatile sig_atomic_t *stop; /* becomes true when the user asked to stop */
    void (*trial_done)(void *ctx);     /* called after each trial; may be NULL */
    void       *ctx;
    process_row process;  /* this one */
    cell_trials baseline; /* the one read last */
    size_t      baseline_cell;
    bool        has_baseline;
    bool       *warm;    /* [p->n_models] weights were read through once, outside all timing */
    bool        unsaved; /* results could not be written: later ones could not be saved, either */
} cell_worker;

int  cell_worker_open(cell_worker *w, const plan *p, const char *dir, err *e);
void cell_worker_close(cell_worker *w);

/* Runs the missing trials of a unit, whose baseline has its trials of the same samples. *finished: the cell's file now
 * exists. Finished trials are kept even on failure. */
int cell_run(cell_worker *w, const cell_unit *u, bool *finished, err *e);

/* The file of a cell, in new memory. */
char *cell_path(const char *dir, const plan_cell *c, err *e);

/* Whether it exists: 1 or 0, or -1 when that cannot be determined. */
int cell_exists(const char *dir, const plan_cell *c, err *e);

/* How many trials of a unit have been kept while its cell is unfinished. */
int cell_count_kept(const plan *p, const char *dir, const cell_unit *u, size_t *n, err *e);

/* ---- cell_files.c: for cell.c ---- */

/* Makes room for the trials of a cell; none are there yet. */
int  cell_trials_init(cell_trials *t, const plan *p, size_t cell, err *e);
void cell_trials_free(cell_trials *t);

/* Reads the trials of a cell that are not there yet, from its file or from those of its parts. */
int  cell_trials_load(cell_trials *t, const plan *p, const char *dir, size_t cell, err *e);
bool cell_trials_complete(const cell_trials *t);

/* Writes this process's trials as a file of an unfinished cell. */
int cell_trials_save(cell_trials *t, const char *dir, const plan_cell *c, const process_row *own, err *e);

/* Removes the files of a finished cell's parts. Errors are ignored: nothing depends on it. */
void cell_remove_parts(const char *dir, const plan_cell *c);

/* Writes the finished cell, and removes the files of its parts. */
int cell_trials_finish(cell_trials *t, const char *dir, const plan_cell *c, err *e);

/* ---- cell_rows.c: for cell.c ---- */

/* Everything in the store except trials. */
int cell_frame(const plan *p, const plan_cell *c, const process_row *own, store_data *out, err *e);

/* Appends one trial. `plain`: the baseline's trial, NULL when this is a baseline. plain_ns: plain decoding's time, 0
 * when there is none to compare with. */
int cell_add_trial(cell_trials *t, const plan *p, const plan_cell *c, size_t sample, size_t repeat,
                   const trial_trace *trace, const comparison *same, const trial_row *plain, uint64_t plain_ns, err *e);

#endif
