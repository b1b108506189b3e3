/* tables.h - the tables of a results file: columns from fields.def, rows in a store_data. */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "store/compound.h"
#include "store/store.h"

/* In the order of the files. */
enum { TABLE_CELLS, TABLE_PROCESSES, TABLE_SAMPLES, TABLE_SKIPPED, TABLE_TRIALS, TABLE_STEPS, TABLES };

typedef struct {
    compound form;
    size_t   rows, n, cap; /* offsets in store_data of the array, its length and its room */
} store_table;

extern const store_table store_tables[TABLES];

int store_table_write(hid_t file, const store_table *t, const store_data *d, err *e);

/* Reads a table that is empty in d; on failure it holds the rows read so far. */
int store_table_read(hid_t file, const store_table *t, size_t most, store_data *d, err *e);

/* Refuses a row after the n-th: rows are counted in 32 bits, and one number is left for "no row". */
int store_table_check(const store_table *t, size_t n, err *e);

/* Appends a copy of a row, whose first column, its own number, becomes its index. On failure nothing is appended. */
int store_table_add(const store_table *t, store_data *d, const void *row, err *e);

/* Frees the rows and their texts. */
void store_table_free(const store_table *t, store_data *d);

#endif
