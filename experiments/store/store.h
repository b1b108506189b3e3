/* store.h - results in HDF5, schema version 1: cell files, and the file collected from them.
 *
 * A results file holds root attributes (provenance), /configs, the tables /cells, /samples, /trials and
 * /steps, and /tokens. A cell file is the same with one cell, plus /tokens/logits_hash, from which later
 * runs check their trials against a baseline. Either appears under its name only when it is complete:
 * written to a temporary name beside it, closed, synced, renamed, the folder synced.
 *
 * Strings are fixed-size, sized to the longest in their table, so that every HDF5 reader opens them.
 */
#ifndef EXPERIMENTS_STORE_STORE_H
#define EXPERIMENTS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define STORE_SCHEMA_VERSION 1

/* Row structs: names are the columns' own. */
#define FIELD_C_U8  uint8_t
#define FIELD_C_U16 uint16_t
#define FIELD_C_U32 uint32_t
#define FIELD_C_U64 uint64_t
#define FIELD_C_I32 int32_t
#define FIELD_C_I64 int64_t
#define FIELD_C_F64 double
#define FIELD_C_STR char * /* owned by the store_data; never NULL */
#define FIELD_C_ID  char *

typedef struct {
#define CELL_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "experiments/store/fields.def"
#undef CELL_FIELDS
} cell_row;

typedef struct {
#define SAMPLE_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "experiments/store/fields.def"
#undef SAMPLE_FIELDS
} sample_row;

typedef struct {
#define TRIAL_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "experiments/store/fields.def"
#undef TRIAL_FIELDS
} trial_row;

typedef struct {
#define STEP_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "experiments/store/fields.def"
#undef STEP_FIELDS
} step_row;

/* Root attributes. */
typedef struct {
    char    *sweep, *harness_version, *git_commit, *created, *cpu, *isa, *compiler, *flags;
    uint32_t threads;
} provenance;

typedef struct {
    char *name, *text;
} config_text;

/* The whole content of a results or cell file, in memory. A zeroed struct is empty; all is owned. */
typedef struct {
    provenance   from;
    config_text *configs;
    size_t       n_configs;
    cell_row    *cells;
    size_t       n_cells, cap_cells;
    sample_row  *samples;
    size_t       n_samples, cap_samples;
    trial_row   *trials;
    size_t       n_trials, cap_trials;
    step_row    *steps;
    size_t       n_steps, cap_steps;
    int32_t     *ids; /* every trial's output, one after another */
    size_t       n_ids, cap_ids;
    uint64_t    *offset;      /* [n_trials + 1] */
    uint64_t    *logits_hash; /* [n_ids] in cell files with logits; else NULL */
} store_data;

void store_free(store_data *d);

/* Appending rows: strings are copied. */
int store_add_config(store_data *d, const char *name, const char *text, err *e);
int store_add_cell(store_data *d, const cell_row *row, err *e);
int store_add_sample(store_data *d, const sample_row *row, err *e);
/* The trial's steps and output come with it; hash is NULL without logits. */
int store_add_trial(store_data *d, const trial_row *row, const step_row *steps, size_t n_steps, const int32_t *ids,
                    size_t n_ids, const uint64_t *hash, err *e);

/* Writes atomically. `exclusive`: an existing file is left as it is and counts as success (no run ever
 * rewrites a finished cell). On failure nothing appears under `path` and the temporary file is removed. */
int store_write(const char *path, const store_data *d, bool exclusive, err *e);

/* Reads a results or cell file and checks it: schema version, columns, sums (steps contiguous and in
 * order, sum of emitted = tokens, offsets). ERR_INPUT names the file and what is wrong. */
int store_read(const char *path, store_data *out, err *e);

/* Merges cell files into one results file's content: tables sorted by (cell, sample, repeat), cells in the
 * order of `paths`, indices rewritten, samples of one (dataset, model) kept once, configs united. */
int store_collect(const char *const *paths, size_t n, store_data *out, err *e);

#endif
