#include "store/tables.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static const column cell_columns[] = {
#define CELL_FIELDS
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(cell_row, name)},
#include "store/fields.def"
#undef CELL_FIELDS
};

static const column process_columns[] = {
#define PROCESS_FIELDS
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(process_row, name)},
#include "store/fields.def"
#undef PROCESS_FIELDS
};

static const column sample_columns[] = {
#define SAMPLE_FIELDS
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(sample_row, name)},
#include "store/fields.def"
#undef SAMPLE_FIELDS
};

static const column skipped_columns[] = {
#define SKIPPED_FIELDS
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(skipped_row, name)},
#include "store/fields.def"
#undef SKIPPED_FIELDS
};

static const column trial_columns[] = {
#define TRIAL_FIELDS
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(trial_row, name)},
#include "store/fields.def"
#undef TRIAL_FIELDS
};

static const column step_columns[] = {
#define STEP_FIELDS
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(step_row, name)},
#include "store/fields.def"
#undef STEP_FIELDS
};

#define COUNT(columns) (sizeof(columns) / sizeof *(columns))
#define TABLE(name, columns, row)                                                                                      \
    {                                                                                                                  \
        {#name, columns, COUNT(columns), sizeof(row)}, offsetof(store_data, name), offsetof(store_data, n_##name),     \
            offsetof(store_data, cap_##name)                                                                           \
    }

const store_table store_tables[TABLES] = {
    [TABLE_CELLS] = TABLE(cells, cell_columns, cell_row),
    [TABLE_PROCESSES] = TABLE(processes, process_columns, process_row),
    [TABLE_SAMPLES] = TABLE(samples, sample_columns, sample_row),
    [TABLE_SKIPPED] = TABLE(skipped, skipped_columns, skipped_row),
    [TABLE_TRIALS] = TABLE(trials, trial_columns, trial_row),
    [TABLE_STEPS] = TABLE(steps, step_columns, step_row),
};

_Static_assert(COUNT(cell_columns) <= COMPOUND_COLUMNS_MAX, "a record holds every column");
_Static_assert(COUNT(trial_columns) <= COMPOUND_COLUMNS_MAX, "a record holds every column");

/* ---- rows ----------------------------------------------------------------------------------------------- */

static void **rows_of(const store_table *t, const store_data *d) {
    return (void **)((char *)d + t->rows);
}

static size_t *count_of(const store_table *t, const store_data *d) {
    return (size_t *)((char *)d + t->n);
}

static size_t *room_of(const store_table *t, const store_data *d) {
    return (size_t *)((char *)d + t->cap);
}

int store_table_write(hid_t file, const store_table *t, const store_data *d, err *e) {
    return compound_write(file, &t->form, *rows_of(t, d), *count_of(t, d), e);
}

int store_table_read(hid_t file, const store_table *t, size_t most, store_data *d, err *e) {
    int ret = compound_read(file, &t->form, most, rows_of(t, d), count_of(t, d), e);
    *room_of(t, d) = *count_of(t, d);
    return ret;
}

int store_table_check(const store_table *t, size_t n, err *e) {
    return n < UINT32_MAX ? 0 : err_run(e, "%s: more than 2^32 - 1 rows", t->form.name);
}

int store_table_add(const store_table *t, store_data *d, const void *row, err *e) {
    size_t  *n = count_of(t, d), size = t->form.row_size;
    uint32_t number = (uint32_t)*n;
    if (store_table_check(t, *n, e) != 0 || mem_grow(rows_of(t, d), room_of(t, d), *n + 1, size, e) != 0) return -1;
    char *at = (char *)*rows_of(t, d) + *n * size;
    if (compound_row_copy(&t->form, at, row, e) != 0) return -1;
    memcpy(at + t->form.columns[0].offset, &number, sizeof number);
    ++*n;
    return 0;
}

void store_table_free(const store_table *t, store_data *d) {
    char *rows = *rows_of(t, d);
    if (rows == NULL) return; /* they may be in a file */
    for (size_t i = 0; i < *count_of(t, d); i++) compound_row_free(&t->form, rows + i * t->form.row_size);
    free(rows);
}
