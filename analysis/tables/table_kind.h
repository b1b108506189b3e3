/* table_kind.h - what `harness tables` can print. Each kind is one file here, listed in tables.def. */
#ifndef ANALYSIS_TABLE_KIND_H
#define ANALYSIS_TABLE_KIND_H

#include <stdio.h>

#include "analysis/cell_keys.h"
#include "analysis/counts.h"
#include "analysis/formats/table_format.h"
#include "analysis/metrics.h"
#include "analysis/positions.h"
#include "analysis/spreads.h"

/* What is computed only for kinds that need it. */
enum { NEEDS_SPREADS = 1, NEEDS_POSITIONS = 2 };

/* What is requested. */
typedef struct {
    const table_format *format;
    const char         *pattern; /* of ids that are drawn together (records.h), or NULL */
    const char         *by;      /* of the table pivot: a key of cells; and what it shows */
    const metric       *metric;  /* NULL: speed-up, or what there is */
} table_options;

/* What a table is made from. */
typedef struct {
    const store_data    *d;
    cell_counts         *counts;    /* [n_cells] */
    cell_spreads        *spreads;   /* [n_cells] or NULL: NEEDS_SPREADS */
    cell_positions      *positions; /* [n_cells] or NULL: NEEDS_POSITIONS */
    cell_keys            keys;
    const table_format  *format;
    const table_options *o;
    FILE                *out;
} table_source;

typedef struct {
    const char *name, *help;
    unsigned    needs;
    int (*print)(const table_source *x, err *e);
} table_kind;

extern const registry table_registry; /* the first is printed when none is named */

/* d is as store_check wants it. What was written before an error stays in `out`. */
int table_print(const table_kind *kind, const store_data *d, const table_options *o, FILE *out, err *e);

/* ---- for the tables ------------------------------------------------------------------------------------ */

/* A table without columns. Above it are the sweep's name, what is the same in all cells, unfinished cells and records
 * that were left out or are duplicates. NULL when that fails. */
table *table_heading(const table_source *x, err *e);

/* The same, which begins with the cells' keys. */
table *table_begin(const table_source *x, err *e);

/* Begins a row with the keys of a cell; space goes above it where it cannot be compared with the cell before it. */
void table_begin_row(const table_source *x, size_t cell, table *t);

/* Writes the table and frees it. */
int table_finish(const table_source *x, table *t, err *e);

#endif
