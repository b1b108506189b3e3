/* compound.h - compound tables of HDF5 from lists of columns.
 *
 * A row in memory is a C struct whose texts are pointers. A row in the file is packed and little-endian; its
 * texts have a fixed size, the longest of the column, at least 1. Only this module knows both forms.
 */
#ifndef STORE_COMPOUND_H
#define STORE_COMPOUND_H

#include <hdf5.h>
#include <stdbool.h>

#include "store/h5_rows.h"
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

/* A row as it is in the file. */
typedef struct {
    hid_t  type; /* the compound */
    hid_t  part[COMPOUND_COLUMNS_MAX];
    size_t part_size[COMPOUND_COLUMNS_MAX];
    size_t size; /* sum of the parts: no padding */
} compound_record;

/* A table that is written or read from front to back. It may be closed when it is zeroed, too. */
typedef struct {
    const compound *t;
    compound_record record;
    h5_rows         rows;
} compound_rows;

/* A new dataset of n rows, all of which must be put before compound_finish. Its texts are as wide as those of n_rows
 * rows. Close it also on failure, like h5_close. */
int compound_create(hid_t file, const compound *t, const void *rows, size_t n_rows, size_t n, compound_rows *c, err *e);
int compound_put(compound_rows *c, const void *row, err *e);
int compound_finish(compound_rows *c, err *e);

/* Opens a dataset that has at least these columns, each with its class and size; others are ignored. `most` bounds the
 * bytes of all rows. Close it also on failure. */
int compound_open(hid_t file, const compound *t, size_t most, compound_rows *c, err *e);
int compound_get(compound_rows *c, void *row, err *e); /* the next one; its texts are new */
int compound_close(compound_rows *c, int ret, err *e);

/* Writes n rows as a new dataset. */
int compound_write(hid_t file, const compound *t, const void *rows, size_t n, err *e);

/* Reads a dataset. The caller frees the array, which holds *n rows, also on failure. */
int compound_read(hid_t file, const compound *t, size_t most, void **rows, size_t *n, err *e);

/* The same for lists of plain numbers, I32 or U64; on failure numbers_read gives nothing. */
int numbers_create(hid_t where, const char *name, field_kind k, size_t n, h5_rows *r, err *e);
int numbers_open(hid_t where, const char *name, field_kind k, size_t most, h5_rows *r, err *e);
int numbers_read(hid_t where, const char *name, field_kind k, size_t most, void **at, size_t *n, err *e);

/* Rows as values: a copy owns its texts (NULL becomes ""); on failure nothing is owned. */
int  compound_row_copy(const compound *t, void *to, const void *from, err *e);
bool compound_row_equal(const compound *t, const void *a, const void *b); /* no NaN in cells and samples */
void compound_row_free(const compound *t, void *row);

#endif
