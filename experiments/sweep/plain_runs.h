/* plain_runs.h - what plain decoding gave and took, for the trials of a cell that are compared with it.
 *
 *     at[sample * repeats + repeat] --> output of the repeat that came first <-- at[...] of those that gave the same
 *
 * So memory holds an output for each sample, and 40 bytes for each trial.
 */
#ifndef EXPERIMENTS_PLAIN_RUNS_H
#define EXPERIMENTS_PLAIN_RUNS_H

#include "store/store.h"

/* One trial of plain decoding. */
typedef struct {
    uint32_t tokens;
    bool     there; /* it has been run */
    bool     timed; /* its steps have times */
    uint64_t decode_ns;
    double   log_likelihood;
    size_t   output, times; /* where its output and the times of its steps begin */
} plain_run;

typedef struct {
    plain_run *at; /* [n] */
    size_t     n, repeats;
    size_t    *first; /* [n / repeats] of the sample's trials, the one that came first; SIZE_MAX: none has */
    int32_t   *ids;   /* outputs */
    size_t     n_ids, cap_ids;
    uint64_t  *hash; /* [n_ids] of their logits; NULL without logits */
    size_t     cap_hash;
    uint64_t  *step_ns; /* draft_ns + verify_ns: a step of plain decoding emits one token */
    size_t     n_steps, cap_steps;
} plain_runs;

/* Room for n = samples * repeats trials, of which none has been run. */
int  plain_runs_init(plain_runs *p, size_t n, size_t repeats, err *e);
void plain_runs_free(plain_runs *p);
bool plain_runs_complete(const plain_runs *p);

/* Adds a trial with its output, hashes and, if there are any, its steps, whose times are wanted then. Its sample and
 * repeat are within range. One that is there already stays as it is. */
int plain_runs_add(plain_runs *p, const store_trial *t, err *e);

/* The trial, or NULL when it has not been run. */
const plain_run *plain_runs_find(const plain_runs *p, size_t sample, size_t repeat);

/* Its output [run->tokens], and the hashes of its logits; NULL without logits. */
const int32_t  *plain_run_output(const plain_runs *p, const plain_run *run);
const uint64_t *plain_run_hashes(const plain_runs *p, const plain_run *run);

#endif
