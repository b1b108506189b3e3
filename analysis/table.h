/* table.h - one table of rows and columns, in memory. analysis/formats/ writes it.
 *
 * A format is for one of two kinds of reader. People get rounded numbers, titles, and shares in percent; programs get
 * names and full precision. A column may be for one kind only.
 *
 *  T1  The first error (memory) is kept in the table and comes out of table_write: building needs no checks.
 *  T2  A share is cut to one decimal, never rounded up: 100.0% means all of them.
 */
#ifndef ANALYSIS_TABLE_H
#define ANALYSIS_TABLE_H

#include <stddef.h>

#include "engine/base/err.h"

typedef enum { COLUMN_LEFT, COLUMN_RIGHT } column_side;

/* Cells of the results are told apart by keys, and a cell's rows by a label: these stand first. */
typedef enum { COLUMN_VALUE, COLUMN_CELL, COLUMN_LABEL } column_role;

typedef struct {
    char       *title, *name; /* NULL: not for people, not for programs */
    column_side side;
    column_role role;
} table_head;

typedef struct {
    char *text, *value; /* for people, for programs; NULL is missing */
} table_cell;

/* Cells are row by row, in order of the heads:
 *
 *     heads   h0 h1 h2
 *     cells   c0 c1 c2 | c3 c4 c5 | ...     groups {1}: the row of c3 begins one
 *
 * Formats read it; it is filled through the functions below. */
typedef struct {
    char      **captions;
    size_t      n_captions, cap_captions;
    table_head *heads;
    size_t      n_heads, cap_heads;
    table_cell *cells;
    size_t      n_cells, cap_cells;
    size_t     *groups; /* rows that begin one, ascending */
    size_t      n_groups, cap_groups;
    column_role role;  /* of columns from now on */
    char       *none;  /* what people read instead of a table without rows, or NULL */
    err         error; /* the first one */
} table;

table *table_new(err *e); /* NULL when memory is out */
void   table_free(table *t);

/* A line above the table, in the formats for people. Several calls make several lines; text is wrapped after
 * commas, semicolons and ">". */
void table_caption(table *t, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Declares the next column. `title` is for people and `name` for programs; NULL leaves the column out there.
 * All columns come before the first cell. A column for people without any value is left out and named above. */
void table_column(table *t, column_side side, const char *title, const char *name);

/* What the columns that are declared from now on are; at first, values. */
void table_role(table *t, column_role role);

/* The next row begins a group: formats for people may leave some space above it. */
void table_group(table *t);

/* What people read instead of titles when there are no rows. */
void table_when_empty(table *t, const char *sentence);

/* Fill cells from left to right, row by row. */
void table_put_text(table *t, const char *s); /* NULL is missing */
void table_put_count(table *t, size_t n);
void table_put_real(table *t, double x, int decimals);                        /* NaN is missing */
void table_put_range(table *t, double x, double lo, double hi, int decimals); /* "x [lo, hi]"; "x" with a NaN in them */
void table_put_share(table *t, size_t part, size_t whole);                    /* "63.2%"; missing when whole is 0 */
void table_put_of(table *t, size_t part, size_t whole);                       /* "5/7"; missing when whole is 0 */
void table_put_at_least(table *t, double x, double least, int decimals);      /* "<0.001" for people when x is below */
/* "5 of 7" for people and missing for programs: where a value of all seven would be, and two were not measured. */
void table_put_part(table *t, size_t part, size_t whole);
void table_put_missing(table *t);

#endif
