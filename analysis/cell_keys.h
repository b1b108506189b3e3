/* cell_keys.h - what tells the cells of a results file apart: their settings (store/settings.h), and the parameters
 * of policies and rules that have no column of their own. A key that says the same for every cell
 * belongs above a table, not into it. Digests (of the program that made a cell, of its data and its model) are shown to
 * people only where cells differ in nothing else: files of one sweep can be of several versions of each.
 */
#ifndef ANALYSIS_CELL_KEYS_H
#define ANALYSIS_CELL_KEYS_H

#include <stdbool.h>

#include "analysis/table.h"
#include "store/settings.h"

typedef struct {
    char          *name;
    char          *column; /* name in CSV: as in HDF5; policy_NAME and rule_NAME for parameters */
    char          *owner;  /* the one policy or rule that has this parameter; NULL when several have it */
    char         **at;     /* [cells] canonical text; NULL where the key does not apply */
    char         **brief;  /* [cells] what people see instead (brief.h), or NULL; then `common` is what it leaves out */
    char          *common;
    setting_role   role;
    const setting *setting; /* NULL for a parameter */
    bool           number;
    bool           hidden;  /* from people: a digest that tells no two cells apart which look the same otherwise */
    bool           varies;  /* takes two values or more, "does not apply" not counted */
    bool           applies; /* to some cell */
} cell_key;

typedef struct {
    cell_key  *keys; /* in the order in which people read them */
    size_t     n, cap, n_cells;
    cell_key **csv;      /* [n] in the order of CSV's columns */
    bool       need_ids; /* there are cells that only their ids tell apart */
    bool       fold;     /* so many parameters vary that people see them in one column */
} cell_keys;

/* ERR_INPUT when a cell's params are not the JSON that they should be. */
int  cell_keys_make(const store_data *d, cell_keys *out, err *e);
void cell_keys_free(cell_keys *k);

/* The keys as columns: for people those that vary (`policy` always), in the order that cells are sorted by, many
 * parameters as "name=value ..." in one; for programs all. cell_keys_put fills one row's cells of the same columns. */
void cell_keys_columns(const cell_keys *k, table *t);
void cell_keys_put(const cell_keys *k, size_t cell, table *t);

/* "name = value, ..." of the keys that are the same everywhere they apply, a parameter as "llma.cut = 768" when only
 * one policy or rule has it, and of what brief texts leave out; the caller frees it. */
char *cell_keys_constant(const cell_keys *k, err *e);

/* Leaves a key out of tables and of everything below: where it is what rows are added up over. */
void cell_keys_drop(cell_keys *k, const char *column);

/* "name = value, ..." of cell's keys that vary and are no policy's: what it has in common with those it can be compared
 * with; the caller frees it. */
char *cell_keys_setup(const cell_keys *k, size_t cell, err *e);

/* Leaves these keys out of tables for people. */
void cell_keys_hide_setup(cell_keys *k);

/* The key by its column, by its name where only one key has it, or as captions name it, "llma.cut"; NULL when there is
 * none. `n`: of the name. */
const cell_key *cell_keys_find(const cell_keys *k, const char *name, size_t n);

/* What a name stands for: a key, its values where one policy or rule has it ("llma.memory"), or a parameter of the
 * policies within its texts ("chain.llma.cut"). */
typedef struct {
    const cell_key *key;
    const cell_key *owners; /* NULL: of all */
    const char     *owner, *policy, *name;
    size_t          n_owner, n_policy, n_name;
} cell_value;

/* The same names, and those of parameters within texts, as captions have them: false when there is none. Points into
 * `name`. */
bool cell_keys_name(const cell_keys *k, const char *name, size_t n, cell_value *out);

/* Its value in a cell, *n bytes; NULL where it does not apply. */
const char *cell_value_at(const cell_value *v, size_t cell, size_t *n);

/* Whether "NAME" or "NAME:KEY=VALUE,KEY=VALUE..." names this cell's policy and parameters of it. ERR_INPUT for a key
 * that no policy has. */
int cell_keys_selects(const cell_keys *k, const char *selector, size_t cell, bool *selects, err *e);

/* "llma n=1 k=4": the cell's policy and those parameters of it that vary; the caller frees it. */
char *cell_keys_label(const cell_keys *k, size_t cell, err *e);

/* Cells a and b agree in every key that is not a digest. */
bool cell_keys_same(const cell_keys *k, size_t a, size_t b);

/* Cells a and b agree in every key but n and k. */
bool cell_keys_same_but_nk(const cell_keys *k, size_t a, size_t b);

/* Cells a and b agree in every key but the policy and its parameters: they can be compared. */
bool cell_keys_same_but_policy(const cell_keys *k, size_t a, size_t b);

/* "name = value, ..." of cell's keys that vary, n and k left out; the caller frees it. */
char *cell_keys_group(const cell_keys *k, size_t cell, err *e);

#endif
