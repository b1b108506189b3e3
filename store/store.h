/* store.h - results in HDF5: cell files, and the file collected from them.
 *
 * A results file holds root attributes, /configs, /costs, the tables /cells, /processes, /samples, /skipped, /trials
 * and /steps, and /tokens. A cell file is the same with one cell, plus /tokens/logits_hash, from which later runs
 * use to check their trials against a baseline. A file of an unfinished cell is a cell file with fewer trials than its
 * cell's row says. A file gets its name only when it is complete: it is
 * written under a temporary name in the same folder, synced and renamed, and the folder is synced. results/README.md
 * explains every column.
 *
 * Strings are fixed-size, sized to the longest in their table, so that every HDF5 reader opens them.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define STORE_SCHEMA_VERSION 7

typedef enum {
    FIELD_U8,
    FIELD_U16,
    FIELD_U32,
    FIELD_U64,
    FIELD_I32,
    FIELD_I64,
    FIELD_F64,
    FIELD_STR,
    FIELD_ID
} field_kind;

/* Row structs: members are named after the columns. */
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
#include "store/fields.def"
#undef CELL_FIELDS
} cell_row;

typedef struct {
#define PROCESS_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "store/fields.def"
#undef PROCESS_FIELDS
} process_row;

typedef struct {
#define SAMPLE_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "store/fields.def"
#undef SAMPLE_FIELDS
} sample_row;

typedef struct {
#define SKIPPED_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "store/fields.def"
#undef SKIPPED_FIELDS
} skipped_row;

typedef struct {
#define TRIAL_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "store/fields.def"
#undef TRIAL_FIELDS
} trial_row;

typedef struct {
#define STEP_FIELDS
#define FIELD(kind, name) FIELD_C_##kind name;
#include "store/fields.def"
#undef STEP_FIELDS
} step_row;

/* A file that the results depend on, stored with them. */
typedef struct {
    char *name, *text;
} kept_text;

typedef struct {
    kept_text *at; /* names differ */
    size_t     n, cap;
} kept_texts;

/* The whole content of a results or cell file, in memory. A zeroed struct is empty; it owns all of
 * its memory, which comes from the functions below or, for texts, from engine/base/mem.h. A NULL text is written as "".
 */
typedef struct {
    char        *sweep, *created; /* root attributes */
    kept_texts   configs, costs;
    cell_row    *cells;
    size_t       n_cells, cap_cells;
    process_row *processes;
    size_t       n_processes, cap_processes;
    sample_row  *samples;
    size_t       n_samples, cap_samples;
    skipped_row *skipped;
    size_t       n_skipped, cap_skipped;
    trial_row   *trials;
    size_t       n_trials, cap_trials;
    step_row    *steps;
    size_t       n_steps, cap_steps;
    int32_t     *ids; /* every trial's output, one after another */
    size_t       n_ids, cap_ids;
    uint64_t    *offset; /* [n_trials + 1]; NULL while there are no trials */
    size_t       cap_offset;
    uint64_t    *logits_hash; /* [n_ids] in cell files with logits; else NULL */
    size_t       cap_hash;
} store_data;

void store_free(store_data *d);

/* Appending rows. Texts are copied; each row's own number (cell, sample, trial, step, and a step's trial) is
 * set to its index, whatever the argument holds. On failure nothing is appended. */

/* `name` is a file's base name. The same name with the same text is stored once; with another text it is stored as
 * "NAME (2)", and so on. *kept, unless NULL, becomes the index of the entry that holds the text. */
int store_keep_text(kept_texts *texts, const char *name, const char *text, size_t *kept, err *e);
int store_keep_texts(kept_texts *texts, const kept_texts *more, err *e);
int store_add_cell(store_data *d, const cell_row *row, err *e);
int store_add_sample(store_data *d, const sample_row *row, err *e);
int store_add_skipped(store_data *d, const skipped_row *row, err *e);
/* One row for each id: a duplicate is not added. *at, unless NULL, becomes its index. */
int store_add_process(store_data *d, const process_row *row, uint32_t *at, err *e);
/* Appends a trial with its steps and output; trials come in the order (cell, sample, repeat). Without logits, hash is
 * NULL for all trials. */
int store_add_trial(store_data *d, const trial_row *row, const step_row *steps, size_t n_steps, const int32_t *ids,
                    size_t n_ids, const uint64_t *hash, err *e);

/* Checks the invariants of the schema:
 *  S1  each row's own number is its index; every trial names a cell, a sample and a process that exist
 *  S2  trials ascend strictly by (cell, sample, repeat)
 *  S3  steps of a trial are contiguous and in order; their number is the trial's `steps`
 *  S4  in each step emitted = accepted + 1; position is the sum of emitted before it; accepted <= depth <= testable <=
 *      drafted; 1 + depth tokens fit between position and the output's end, exactly if testable < drafted
 *  S5  a trial's tokens, drafted, testable and accepted are the sums over its steps; its output has `tokens` ids
 *  S6  settings of kind U8, equal and truncated are 0 or 1, logits_equal 0 to 2; ids and builds have 16 characters
 *  S7  no cell has more trials than its row says
 * ERR_INPUT names the row and the violation. Writing and reading call it. */
int store_check(const store_data *d, err *e);

/* Writes atomically. `exclusive`: an existing file is left as it is and counts as success (no run ever
 * rewrites a finished cell). The same data gives the same bytes. On failure (ERR_RUN "PATH: cannot write: ...")
 * nothing appears under `path` and the temporary file is removed. */
int store_write(const char *path, const store_data *d, bool exclusive, err *e);

/* Reads a results or cell file and checks it: schema version, columns, store_check. Unknown columns, attributes and
 * datasets are ignored. ERR_INPUT names the file and what is wrong; `out` is then empty. */
int store_read(const char *path, store_data *out, err *e);

/* The schema version of a results or cell file, which may differ from this program's. ERR_INPUT "PATH: ..." when it is
 * not such a file or is truncated. */
int store_version(const char *path, int64_t *version, err *e);

/* Merges cell files into the content of one results file. Neither the order of `paths` nor a duplicate among them
 * matters: cells are sorted by settings_compare, tables by (cell, sample, repeat), and all indices are rewritten.
 *
 * Samples: one block for each (dataset, model), in order of first appearance; cells share it when their
 * samples are the same, or its first ones (another `limit`). A changed dataset makes a new block.
 * Configs are merged, and a cell's `config` names its own even where two texts had the same name; with `config`, every
 * cell counts as a point of that config's grid, whichever it was first run for. Cost files, processes and skipped
 * records are merged; `created` is the latest cell's. ERR_INPUT: no files, a file that store_read refuses or that does
 * not hold exactly one cell, two sweeps, one cell in two files, an unfinished cell; with `config` also a file that is
 * not named ID.h5 after its cell. */
int store_collect(const char *const *paths, size_t n, const kept_text *config, store_data *out, err *e);

/* Which trials of a cell to take. */
typedef bool trial_choice(const trial_row *t, void *ctx);

/* Appends the chosen trials of `from` to `to`, which is empty or holds the same cell. They may be in any order
 * afterwards; store_pick sorts them. Everything else except the processes comes from the first file. */
int store_join(store_data *to, const store_data *from, trial_choice *keep, void *ctx, err *e);

/* One cell with the chosen trials, sorted by (sample, repeat), ready for store_write. Rows and texts are copied. The
 * cell's columns that say what it ran on (ORIGIN_FIELDS of fields.def) list the values of these trials' processes,
 * joined by ", ". */
int store_pick(const store_data *from, trial_choice *keep, void *ctx, store_data *out, err *e);

#endif
