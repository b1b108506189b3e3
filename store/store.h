/* store.h - results in HDF5: cell files, and the file collected from them.
 *
 * A results file holds root attributes, /configs, /costs, the tables /cells, /processes, /samples, /skipped, /trials
 * and /steps, and /tokens. A cell file is the same with one cell, plus /tokens/logits_hash, by which later runs check
 * their trials against a baseline. A file of an unfinished cell is a cell file with fewer trials than its cell's row
 * says. A file gets its name only when it is complete: it is written under a temporary name in the same folder, synced
 * and renamed, and the folder is synced. results/README.md explains every column.
 *
 * Strings are fixed-size, sized to the longest in their table, so that every HDF5 reader opens them.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define STORE_SCHEMA_VERSION 10

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

/* Where a cell's trials, steps and outputs are in a file that is open. */
typedef struct {
    struct store_file *file;
    size_t             trial, step, id;    /* rows there: the first of each */
    size_t             trials, steps, ids; /* how many */
    size_t             sample;             /* what is added to a trial's sample */
    const uint32_t    *process;            /* what a trial's process becomes; NULL: what it is */
} store_place;

/* The content of a results or cell file. All of it is in memory, or all but trials, steps and outputs, of which there
 * may be very many: those are then read from the open file when somebody asks for them (store_visit). A zeroed struct
 * is empty; it owns all of its memory, which comes from the functions below or, for texts, from engine/base/mem.h. A
 * NULL text is written as "".
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
    store_place *places; /* [n_cells] where rows are in files: trials, steps, ids, offset and logits_hash are NULL then,
                            n_trials, n_steps and n_ids their numbers; NULL where they are in memory */
    uint32_t **process_maps; /* what places[].process points into */
    size_t     n_process_maps, cap_process_maps;
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

/* Takes all trials out again, of data in memory. */
void store_drop_trials(store_data *d);

/* A trial with its steps, [trial->steps], its output and the hashes of its logits, [trial->tokens]; NULL where they
 * were not requested, and where there are no hashes. */
typedef struct {
    const trial_row *trial;
    const step_row  *steps;
    const int32_t   *ids;
    const uint64_t  *hash;
} store_trial;

enum { VISIT_STEPS = 1, VISIT_OUTPUTS = 2, VISIT_HASHES = 4, VISIT_ALL = 7 };

/* 0, or -1 to stop there. */
typedef int store_visitor(const store_trial *t, void *ctx, err *e);

/* Calls `visit` for every trial in order, with the requested parts: wherever they are, one trial's are in
 * memory at a time, until `visit` returns. `d` has passed store_check. Fails with `visit`, and when a file cannot be
 * read. */
int store_visit(const store_data *d, unsigned parts, store_visitor *visit, void *ctx, err *e);

/* The same for one cell. */
int store_visit_cell(const store_data *d, size_t cell, unsigned parts, store_visitor *visit, void *ctx, err *e);

/* Checks the invariants of the schema:
 *  S1  each row's own number is its index; every trial names a cell, a sample and a process that exist
 *  S2  trials ascend strictly by (cell, sample, repeat)
 *  S3  steps of a trial are contiguous and in order; their number is the trial's `steps`
 *  S4  in each step emitted = accepted + 1; position is the sum of emitted before it; accepted <= depth <= testable <=
 *      drafted; 1 + depth tokens fit between position and the output's end, exactly if testable < drafted
 *  S5  a trial's tokens, drafted, testable and accepted are the sums over its steps; its output has `tokens` ids
 *  S6  settings of kind U8, equal and truncated are 0 or 1, logits_equal 0 to 2; ids and builds have 16 characters
 *  S7  no cell has more trials than its row says
 *  S8  steps of an equal trial are equal, and once one is not, none after it is; where a trial's logits are equal, its
 *      steps' are, and where it has none, they have none; a trial's min_margin is the smallest of its steps' margins
 * ERR_INPUT names the row and the violation. Writing and reading call it. */
int store_check(const store_data *d, err *e);

/* Writes atomically. `exclusive`: an existing file is left as it is and counts as success (no run ever
 * rewrites a finished cell). The same data gives the same bytes. On failure (ERR_RUN "PATH: cannot write: ...")
 * nothing appears under `path` and the temporary file is removed. */
int store_write(const char *path, const store_data *d, bool exclusive, err *e);

/* Reads a results or cell file and checks it: schema version, columns, store_check. Unknown columns, attributes and
 * datasets are ignored. ERR_INPUT names the file and what is wrong; `out` is then empty. */
int store_read(const char *path, store_data *out, err *e);

/* The same, but trials, steps and outputs stay in the file, which stays open until store_free. Trials and steps are
 * checked once, now; outputs are only counted, and damage to them is an error when they are read. */
int store_open(const char *path, store_data *out, err *e);

/* The same, but steps are not looked at, either: whoever reads them finds out whether they are sound. */
int store_open_trials(const char *path, store_data *out, err *e);

/* Hashes of what each cell found, XXH3-64, into of_cells [n_cells], and of these in their order. Times, provenance and
 * the versions of things are not in them: the same results have the same hashes everywhere (results_hash.c). `d` has
 * passed store_check. */
int store_results_hash(const store_data *d, uint64_t *of_cells, uint64_t *of_all, err *e);

/* The schema version of a results or cell file, which may differ from this program's. ERR_INPUT "PATH: ..." when it is
 * not such a file or is truncated. */
int store_version(const char *path, int64_t *version, err *e);

/* Is told now and then how many trials have been written, of all that there are. */
typedef void store_progress(void *ctx, size_t done, size_t all);

/* Merges cell files into the results file `to`, which appears whole or not at all, and which `out` becomes as
 * store_open gives it. Memory holds one trial at a time. `told` may be NULL. Neither the order of `paths` nor a
 * duplicate among them matters: cells are sorted by settings_compare, tables by (cell, sample, repeat), and all indices
 * are rewritten.
 *
 * Samples: one block for each (dataset, model), in order of first appearance; cells share it when their
 * samples are the same, or its first ones (another `limit`). A changed dataset makes a new block.
 * Configs are merged, and a cell's `config` names its own even where two texts had the same name; with `config`, every
 * cell counts as a point of that config's grid, whichever it was first run for. Cost files, processes and skipped
 * records are merged; `created` is the latest cell's. ERR_INPUT: no files, a file that store_read refuses or that does
 * not hold exactly one cell, two sweeps, one cell in two files, an unfinished cell; with `config` also a file that is
 * not named ID.h5 after its cell. ERR_RUN: a file that changes meanwhile, and what store_write fails with. */
int store_collect(const char *const *paths, size_t n, const kept_text *config, const char *to, store_progress *told,
                  void *ctx, store_data *out, err *e);

/* One view of several results files, or of some cells of one: the cells for which `keep` (over all cells, part by part;
 * NULL keeps all) holds, with their trials; those of several parts in the order of a results file. Samples, skipped
 * records and cost files are all there, part by part, and processes are named once. Hashes of logits that cell files
 * keep for each token are left out. (*part)[c], unless `part` is NULL, is the part that cell c came from, in new
 * memory. Rows of the parts are all in memory, or all in files, and stay there; then all processes are named. The parts
 * may be freed afterwards. `sweep` lists the names of the sweeps. */
int store_unite(const store_data *parts, size_t n, const bool *keep, store_data *out, size_t **part, err *e);

/* Writes one cell: all but trials and processes is that of `rows`; trials are those of `rows`, in memory and in any
 * order, and those of the n files, which hold trials of the same cell and stay open together (STORE_JOINED at most).
 * They are sorted by (sample, repeat); what is there twice is taken from `rows` or the first of the files. Memory holds
 * one trial of each file. The cell's columns that say what it ran on (ORIGIN_FIELDS of fields.def) list the values of
 * its trials' processes, joined by ", ". `created` is when. `finished`: all trials of the cell must be there, and a
 * file that is there stays as it is and counts as success. Errors are store_write's, and store_read's of a file. */
enum { STORE_JOINED = 16 };
int store_write_cell(const char *path, const store_data *rows, const char *const *files, size_t n, const char *created,
                     bool finished, err *e);

#endif
