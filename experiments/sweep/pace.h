/* pace.h - how much of a sweep's work is done, in time, while cells cost differently and most have not begun.
 *
 * A trial's work is what can be said of it beforehand: its tokens. The time for it is learned: of a cell from its own
 * trials, and of one that has none yet from others: of the same group (model and data), and of the same policy.
 *
 *     log(time / work) = group's term + policy's term
 *
 * fitted to the cells that have run. A policy that has not run with these parameters is taken for the mean of its
 * family, those that have; a family that has not, for the mean of the others apart from plain decoding; a group that
 * has not, for the mean group.
 */
#ifndef EXPERIMENTS_PACE_H
#define EXPERIMENTS_PACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* A cell before anything is run. Policy and family 0 are plain decoding. */
typedef struct {
    size_t group, policy, family; /* policy: with its parameters */
    size_t trials;                /* that are missing */
    double work;                  /* of one of them, on average */
} pace_cell;

/* What has become of it; shared with forked workers. */
typedef struct {
    atomic_size_t        trials, others; /* of its trials: run here; by other processes */
    atomic_uint_fast64_t work, ns;       /* of those run here */
} pace_seen;

typedef struct {
    pace_cell *cells; /* [n] */
    pace_seen *seen;  /* [n] */
    size_t     n, groups, policies;
    double    *term, *sum, *weight; /* [groups + policies] of the fit */
    size_t    *family;              /* [policies] */
    double    *families, *known;    /* [policies] sum of the terms of a family's policies; their number */
} pace;

/* `p` owns its memory afterwards; cells are copied. */
int  pace_open(pace *p, const pace_cell *cells, size_t n, err *e);
void pace_close(pace *p);

/* A trial of this cell, with so much work, took so long. */
void pace_add(pace *p, size_t cell, uint64_t work, uint64_t ns);

/* Other processes have run so many. */
void pace_add_others(pace *p, size_t cell, size_t trials);

/* The share of all time that is spent, between 0 (nothing is known) and 1. */
double pace_done(pace *p);

#endif
