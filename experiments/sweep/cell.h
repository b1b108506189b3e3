/* cell.h - runs one cell, or a part of its samples: every repeat, checked against the baseline, saved.
 *
 * A sweep's folder holds
 *
 *     cells/ID.h5                   a finished cell; never rewritten
 *     unfinished/ID/PROCESS.N.h5    finished trials of an unfinished cell, as a process has saved them
 *
 *  C1  A process saves its trials of an unfinished cell about once a minute, when they take 16 MiB of
 *      memory, when it is stopped, when a trial fails, and at the end of its part; then it forgets them. A killed
 *      process loses a minute of work. Of the files that a process has made, every sixteen are joined.
 *  C2  The process that finds all trials of a cell writes the cell's file, then removes those of its parts. The file
 *      does not depend on which process ran what, except for times and /processes.
 *  C3  A trial's wall-clock speed-up is known only where plain decoding of the same sample ran in the same process, or
 *      together with it (paired): other processes may have had another machine, or another load.
 *  C4  Where a policy remembers, one process runs a repeat's samples in order, and each repeat begins with nothing
 *      learned. What stopped halfway through a repeat runs its earlier samples again, to learn from them.
 */
#ifndef EXPERIMENTS_CELL_H
#define EXPERIMENTS_CELL_H

#include <signal.h>

#include "experiments/sweep/plain_runs.h"
#include "experiments/sweep/plan.h"
#include "store/store.h"

#define STOPPED "stopped; finished trials are kept, and the same command goes on with the others"

/* Which trials of one cell there are. */
typedef struct {
    bool  *there; /* [n] at sample * repeats + repeat */
    size_t n, repeats;
} cell_trials;

/* The part of a cell that one worker runs: the samples s with s % parts == part. A cell whose policy remembers is in
 * one part (C4). */
typedef struct {
    size_t cell, part, parts;
} cell_unit;

/* State that a worker keeps from one cell to the next. */
typedef struct {
    const plan                  *p;
    const char                  *dir;         /* the sweep's folder */
    const volatile sig_atomic_t *stop;        /* becomes true when the user asked to stop */
    void (*trial_done)(void *ctx, size_t at); /* called after each trial, of this sample; may be NULL */
    void       *ctx;
    process_row process;  /* this one */
    plain_runs  baseline; /* the one read or run last */
    size_t      baseline_cell;
    bool        has_baseline;
    bool       *warm;    /* [p->n_models] weights were read through once, outside all timing */
    unsigned    files;   /* that it has made of unfinished cells: the next one's number */
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

/* How many trials of a unit have been kept while its cell is unfinished, and unless `all` is NULL, of the whole cell.
 */
int cell_count_kept(const plan *p, const char *dir, const cell_unit *u, size_t *n, size_t *all, err *e);

/* ---- cell_files.c: for cell.c ---- */

/* None of them is there yet. */
int  cell_trials_init(cell_trials *t, const plan *p, size_t cell, err *e);
void cell_trials_free(cell_trials *t);
bool cell_trials_complete(const cell_trials *t);

/* Finds the trials of a cell in its file or in those of its parts. Each that was not there yet is given to `each` with
 * the requested parts (VISIT_STEPS, ...); d is what it was read from. */
typedef int each_kept(const store_trial *t, const store_data *d, void *ctx, err *e);
int cell_trials_load(cell_trials *t, const plan *p, const char *dir, size_t cell, unsigned parts, each_kept *each,
                     void *ctx, err *e);

/* Writes the trials in memory as the file PROCESS.NUMBER.h5 of an unfinished cell. */
int cell_part_save(const store_data *trials, const char *dir, const plan_cell *c, const char *process, unsigned number,
                   err *e);

/* Joins files of one process, numbers[n], n <= STORE_JOINED, in one of a new number, and removes them. On failure,
 * *gone says that some were not there: another process has joined them. */
int cell_parts_join(const store_data *frame, const char *dir, const plan_cell *c, const char *process,
                    const unsigned *numbers, size_t n, unsigned number, bool *gone, err *e);

/* Removes the files of a finished cell's parts. Errors are ignored: nothing depends on it. */
void cell_remove_parts(const char *dir, const plan_cell *c);

/* Writes the finished cell from the trials in memory and the files of its parts, and removes these. Where there are
 * many, some are joined first, into files that are numbered from *number on. */
int cell_finish(const store_data *trials, const char *dir, const plan_cell *c, const char *process, unsigned *number,
                err *e);

/* ---- cell_rows.c: for cell.c ---- */

/* Everything in the store except trials. */
int cell_frame(const plan *p, const plan_cell *c, const process_row *own, store_data *out, err *e);

/* Times of plain decoding: in all, and of each token's step; 0 and none when there are none to compare with. */
typedef struct {
    uint64_t  ns;
    uint64_t *step_ns; /* [n] draft_ns + verify_ns */
    size_t    n, cap;
} plain_times;

/* A trial beside plain decoding. */
typedef struct {
    const trial_trace *trace;
    const plain_run   *plain;      /* the baseline's trial; NULL when this is a baseline */
    const uint64_t    *plain_hash; /* logits hashes of the output that it was compared with; NULL without logits */
    comparison         same;
    plain_times        times;
} trial_result;

/* Appends one trial. */
int cell_add_trial(store_data *trials, const plan *p, const plan_cell *c, size_t sample, size_t repeat,
                   const trial_result *r, err *e);

#endif
