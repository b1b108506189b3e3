/* table_writer.h - one table of rows and columns, written as text, Markdown, CSV or booktabs LaTeX.
 *
 * Two kinds of reader: people (text, md, latex) get rounded numbers, "-" for what is missing, and shares in
 * percent; programs (csv) get full precision and an empty field. A column may be for one kind only.
 *
 *  W1  The first error (memory) is kept in the table and comes out of table_write: building needs no checks.
 *  W2  A share is cut to one decimal, never rounded up: 100.0% means all of them.
 *  W3  Text comes from data files. Whatever has a meaning in the target format is escaped, and control
 *      characters, which could talk to a terminal, become "?" for people.
 */
#ifndef ANALYSIS_TABLE_WRITER_H
#define ANALYSIS_TABLE_WRITER_H

#include <stdio.h>

#include "analysis/tables.h"
#include "engine/base/err.h"

typedef enum { COLUMN_LEFT, COLUMN_RIGHT } column_side;

typedef struct table table;

table *table_new(err *e); /* NULL when memory is out */
void   table_free(table *t);

/* A line above the table, in the formats for people. Several calls make several lines; text is wrapped behind
 * commas and semicolons. */
void table_caption(table *t, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Declares the next column. `title` is for people and `name` for programs; NULL leaves the column out there.
 * All columns come before the first cell. A column for people without any value is left out and named above. */
void table_column(table *t, column_side side, const char *title, const char *name);

/* The next row begins a group: some space goes above it (text, latex). */
void table_group(table *t);

/* Fill cells from left to right, row by row. */
void table_put_text(table *t, const char *s); /* NULL is missing */
void table_put_count(table *t, size_t n);
void table_put_real(table *t, double x, int decimals); /* NaN is missing */
void table_put_range(table *t, double x, double lo, double hi,
                     int decimals);                        /* "x [lo, hi]"; [] goes with a NaN in it */
void table_put_share(table *t, size_t part, size_t whole); /* "63.2%"; missing when whole is 0 */
void table_put_of(table *t, size_t part, size_t whole);    /* "5/7"; missing when whole is 0 */
/* "5 of 7" for people and missing for programs: where a value of all seven would be, and two were not measured. */
void table_put_part(table *t, size_t part, size_t whole);
void table_put_missing(table *t);

/* The captions alone, for a heading over several tables. */
int table_write_captions(const table *t, table_format f, FILE *out, err *e);

int table_write(const table *t, table_format f, FILE *out, err *e);

/* Columns that a terminal needs for a UTF-8 text: 0 for combining marks, 2 for East Asian wide characters. */
size_t table_width(const char *s);

#endif
