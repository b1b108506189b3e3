/* rows.h - trials, steps and outputs that are read from, or written to, a results file one trial after another. For the
 * store's own files.
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/h5_file.h"
#include "store/tables.h"

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* An open results file, shared by the cells whose rows are in it. */
struct store_file {
    char   *path;
    h5_file h5;
    size_t  most; /* bytes that its contents can have */
    size_t  n_samples, n_processes;
    bool    hashed;  /* it has hashes of logits */
    size_t  uses;    /* it is closed when nobody uses it */
    bool    checked; /* errors name the file; before that, its opener names it in all errors */
};

void store_file_use(struct store_file *f, store_place *place); /* the place is zeroed */
void store_file_leave(struct store_file *f);

/* store_open_trials for those who name the file in all errors. */
int store_open_tables(const char *path, store_data *out, err *e);

/* A place among the trials of cells whose rows are in files. */
typedef struct {
    const store_data        *d;
    unsigned                 parts;
    size_t                   cell, to;       /* the one it is in; where it ends */
    size_t                   of_cell, trial; /* trials of it that were read; the next one's number */
    const struct store_file *file;           /* whose lists are open */
    compound_rows            trial_rows, step_rows;
    h5_rows                  id_rows, hash_rows;
    trial_row                row; /* of the trial read last, and the rest of it */
    step_row                *steps;
    int32_t                 *ids;
    uint64_t                *hash;
    size_t                   cap_steps, cap_ids, cap_hash;
} store_cursor;

/* Before the first trial of the cells [from, to). The cursor borrows d. */
void store_cursor_begin(store_cursor *v, const store_data *d, size_t from, size_t to, unsigned parts);

/* 1: *t is the next trial with the requested parts, until the next call; 0: there is none; -1 and the error. */
int store_cursor_next(store_cursor *v, store_trial *t, err *e);

/* Like h5_close. */
int store_cursor_end(store_cursor *v, int ret, err *e);

/* ---- checking, in check.c ----------------------------------------------------------------------------------- */

/* S1 and S6 of all but trials and steps. */
int store_check_frame(const store_data *d, err *e);

/* S1, S2, S6 and S7 of trials, one after another. */
typedef struct {
    trial_row last;
    size_t    n, of_cell; /* trials; of the last one's cell */
    uint64_t  steps, tokens;
} trials_check;

int store_check_trial(const store_data *d, trials_check *k, const trial_row *t, err *e);
int store_check_end(const store_data *d, const trials_check *k, err *e);

/* One value of tokens/offset, that of trial i, and the one after it. */
int store_check_offset(const trial_row *t, size_t i, uint64_t from, uint64_t to, err *e);

/* S3 to S5 and S8 of one trial, whose steps begin at row `first`. */
int store_check_steps(const trial_row *t, const step_row *steps, size_t first, err *e);

/* ---- writing, in write.c ------------------------------------------------------------------------------------ */

typedef struct {
    size_t trials, steps, ids;
    bool   hashed; /* there are hashes of logits */
} store_counts;

/* Writes a results file trial by trial. */
typedef struct {
    hid_t         file, tokens;
    compound_rows trials, steps;
    h5_rows       ids, offset, hash;
    store_counts  want, n;
} store_writer;

/* Begins with all of `d` except trials, steps, outputs and processes. Close it also on failure, like h5_close. */
int store_writer_open(store_writer *w, hid_t file, const store_data *d, store_counts want, err *e);

/* The next trial; rows are numbered here. */
int store_writer_add(store_writer *w, const store_trial *t, err *e);

/* Ends with the processes, after all that was wanted has been added. */
int store_writer_finish(store_writer *w, const store_data *d, err *e);
int store_writer_close(store_writer *w, int ret, err *e);

#endif
