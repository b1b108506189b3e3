/* share.h - a sweep's units of work, and which of them a worker runs next.
 *
 * Workers, of this process and of others over the same folder, take units from one list through claims (claims.h).
 *
 *  S1  A lane is a baseline, or a part of its samples, followed by the same samples of the cells that are compared with
 *      it. A worker stays in its lane while there is work, so that plain decoding ran in its own process where that can
 *      be (C3 of cell.h).
 *  S2  A worker without work begins a lane that nobody has begun, and then helps in others.
 *  S3  A unit is run when its baseline's trials are there. While another process runs those, and nothing else is left,
 *      a worker waits, since that process may die.
 *  S4  Units of claims that have ended are taken when nothing else is left: what killed one process may kill the next.
 *  S5  What other processes are seen to run is left to them; a process ends when that is all there is.
 *  S6  All processes split cells into the same number of parts, or some records are decoded twice.
 *  S7  A part whose trials are all there is left to those who run the cell's other parts: the last of them finishes it.
 */
#ifndef EXPERIMENTS_SHARE_H
#define EXPERIMENTS_SHARE_H

#include <signal.h>
#include <stdatomic.h>

#include "experiments/sweep/cell.h"
#include "experiments/sweep/claims.h"

/* What this process knows of a unit. */
enum { UNIT_OPEN, UNIT_CLAIMED, UNIT_LEFT, UNIT_FAILED, UNIT_DONE };

typedef struct {
    const plan   *p;
    const char   *dir;
    cell_unit    *units;   /* [n] lane by lane */
    size_t       *lane;    /* [n] the unit that its lane begins with: its baseline */
    size_t       *after;   /* [n] of such a unit: the first one of the next lane */
    size_t       *missing; /* [n] trials that were not there at the start */
    size_t       *group;   /* [p->n_cells] of a baseline: the first unit of its lanes */
    size_t        n, parts;
    atomic_uchar *state;    /* [n] shared with forked workers */
    atomic_uchar *begun;    /* [n] by a worker of this process; shared with them */
    atomic_uchar *finished; /* [p->n_cells] the cell's file was seen; shared with them */
    size_t        shared_bytes;
} share;

/* The number of parts for a plan: `wanted`, or if that is 0 as many as `jobs` workers need to have a lane each. Cells
 * have no more parts than samples. */
size_t share_parts(const plan *p, size_t wanted, size_t jobs);

/* Trials of a unit. */
size_t unit_trials(const plan *p, const cell_unit *u);

/* All units of a plan, as if nothing had been run. */
int  share_open(share *s, const plan *p, const char *dir, size_t parts, err *e);
void share_close(share *s);

/* What the folder holds of a cell that is not finished: reads its trials once and sets `missing` of its units. */
int share_count(share *s, size_t cell, err *e);

/* A unit of a cell whose file is there; returns whether the process did not know that of the unit, and of the cell. */
bool share_unit_done(share *s, size_t unit);
bool share_cell_finished(share *s, size_t cell);

/* The name of a unit's claim, in new memory. */
char *share_unit_name(const share *s, size_t unit, err *e);

/* One worker. */
typedef struct {
    share                       *s;
    claims                      *c;
    claim_watch                 *seen;  /* [n] */
    bool                        *ready; /* [n] of a lane's first unit: its trials are there */
    size_t                       at;    /* the lane that it stays in */
    const volatile sig_atomic_t *stop;
    void (*finished)(void *ctx, size_t unit); /* another process, or worker (begun), has finished it; may be NULL */
    void (*waiting)(void *ctx, const char *for_whom); /* called once; may be NULL */
    void *ctx;
    bool  waited, unsaved; /* unsaved: claims cannot be made, and so nothing can be saved */
} share_worker;

int  share_worker_open(share_worker *w, share *s, unsigned lease, err *e);
void share_worker_close(share_worker *w);

/* 1: *unit is this worker's until share_worker_give; 0: nothing is left; -1: *unit failed, the others go on unless
 * `unsaved`. */
int  share_worker_next(share_worker *w, size_t *unit, err *e);
void share_worker_give(share_worker *w);

#endif
