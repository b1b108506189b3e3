/* train_state.h - what a training leaves on disk while it runs: its checkpoint, and its loss curve as HDF5.
 *
 * OUTPUT/NAME.checkpoint holds parameters, moments and the curve, and a hash of all that. Both files appear whole or
 * not at all, and contain no time or place: the same training gives the same bytes.
 */
#ifndef EXPERIMENTS_TRAIN_STATE_H
#define EXPERIMENTS_TRAIN_STATE_H

#include "engine/train/trainer.h"
#include "experiments/training/train_config.h"

/* One step, or (source >= 0) one source's validation after it. */
typedef struct {
    uint64_t step;     /* from 0; for a validation: steps done */
    uint64_t tokens;   /* of this step's records */
    uint64_t targets;  /* tokens with a loss */
    int64_t  source;   /* of [source ...] sections, from 0; -1: a step's own batch */
    double   loss;     /* mean over targets, in nats */
    double   accuracy; /* share of targets that were the likeliest token */
    double   norm;     /* of the gradient before clipping; NaN for a validation */
    double   rate;     /* of learning; NaN for a validation */
} curve_point;

typedef struct {
    curve_point *points;
    size_t       n, cap;
} curve;

int curve_add(curve *c, curve_point p, err *e);

int checkpoint_write(const char *path, const train_config *c, const trainer *t, const curve *v, err *e);

/* Resumes a training from its checkpoint: 1. Without that file: 0, and nothing changes. ERR_INPUT when the file is
 * damaged or belongs to another config or tokenizer. */
int checkpoint_read(const char *path, const train_config *c, trainer *t, curve *v, err *e);

/* HDF5: /curve and /validation as compound tables, the config's text and digest as attributes. */
int curve_write(const char *path, const train_config *c, const curve *v, err *e);

/* The content of such a file. */
typedef struct {
    uint32_t step;
    uint64_t tokens, targets;
    double   loss, accuracy, norm, rate;
    char    *source; /* of a validation */
} curve_row;

typedef struct {
    char      *name, *config; /* of the training; the config's text */
    curve_row *steps, *validations;
    size_t     n_steps, n_validations;
} curve_file;

/* Whether an HDF5 file is one of these. */
bool curve_is_at(const char *path);
int  curve_read(const char *path, curve_file *out, err *e);
void curve_file_free(curve_file *f);

/* ERR_INPUT when the file at `path` was not made by curve_write. */
int curve_check_place(const char *path, err *e);

/* ERR_INPUT when the file at `path` is not a checkpoint of this config. Reads only its first bytes. */
int checkpoint_check_place(const char *path, const train_config *c, err *e);

#endif
