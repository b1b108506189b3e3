/* grid.h - the sweeps behind a recommendation, as INI files that can be run again. */
#ifndef EXPERIMENTS_GRID_H
#define EXPERIMENTS_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

typedef enum {
    GRID_READ,   /* the records and their outputs, to be read only */
    GRID_DECODE, /* the model decodes the records plainly: what it says is what policies are replayed on */
    GRID_REPLAY, /* every candidate over recorded outputs, with the times of a cost file */
    GRID_CHECK   /* the chosen ones with the model, in wall-clock time beside plain decoding */
} grid_kind;

typedef struct {
    const char        *name, *output;       /* of the sweep */
    const char        *model, *cost, *data; /* paths; cost NULL where there is none */
    const char        *format, *chat;       /* of the data; NULL: auto */
    bool               as_turn;
    size_t             limit, max_new_tokens, threads;
    size_t             widest;   /* tokens of the longest pass whose time is known */
    const char *const *policies; /* [n_policies] specs, such as "llma:n=2,k=4"; none in a replay: all that are worth */
    size_t             n_policies; /* trying */
} grid;

/* Candidates of a command line, before anything is written: ERR_INPUT for what is no policy with parameters, for plain
 * decoding, which is compared in any case, for policies that a replay cannot run, and for one that is there twice,
 * whatever the order of its parameters and whichever are left at their presets. */
int grid_check(const char *const *specs, size_t n, err *e);

/* Writes the config to `path`, atomically. Its paths are absolute, those within parameters too:
 * they mean the same from its folder as from where the command runs. Plain decoding is in it without a spec. */
int grid_write(const char *path, grid_kind kind, const grid *g, err *e);

#endif
