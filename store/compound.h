/* compound.h - compound tables of HDF5 from lists of columns.
 *
 * A row in memory is a C struct whose texts are pointers. A row in the file is packed and little-endian; its
 * texts have a fixed size, the longest of the column, at least 1. Only this module knows both forms.
 */
#ifndef STORE_COMPOUND_H
#define STORE_COMPOUND_H

#include <hdf5.h>
#include <stdbool.h>

#include "store/store.h"

enum { COMPOUND_COLUMNS_MAX = 32, COMPOUND_ID_SIZE = 16 };

typedef struct {
    const char *name;
    field_kind  kind;
    size_t      offset; /* in the row struct */
} column;

typedef struct {
    const char   *name; /* of the dataset */
    const column *columns;
    size_t        n_columns;
    size_t        row_size;
} compound;

/* Writes n rows as a new dataset of the file. */
int compound_write(hid_t file, const compound *t, const void *rows, size_t n, err *e);

/* Reads a dataset that has at least these columns, each with its class and size; others are ignored. `most`
 * bounds the bytes of all rows. The caller frees the array, which holds *n rows, also on failure. */
int compound_read(hid_t file, const compound *t, size_t most, void **rows, size_t *n, err *e);

/* The same for lists of plain numbers; on failure nothing is owned. */
int numbers_write_i32(hid_t where, const char *name, const int32_t *at, size_t n, err *e);
int numbers_write_u64(hid_t where, const char *name, const uint64_t *at, size_t n, err *e);
int numbers_read_i32(hid_t where, const char *name, size_t most, int32_t **at, size_t *n, err *e);
int numbers_read_u64(hid_t where, const char *name, size_t most, uint64_t **at, size_t *n, err *e);

/* Rows as values: a copy owns its texts (NULL becomes ""); on failure nothing is owned. */
int  compound_row_copy(const compound *t, void *to, const void *from, err *e);
bool compound_row_equal(const compound *t, const void *a, const void *b); /* no NaN in cells and samples */
void compound_row_free(const compound *t, void *row);

#endif
