/* step_sums.h - steps after the prompt's, by some property of theirs: for tables with a row for each value of it. */
#ifndef ANALYSIS_STEP_SUMS_H
#define ANALYSIS_STEP_SUMS_H

#include "analysis/tables/table_kind.h"

typedef struct {
    size_t steps, emitted, testable, accepted;
    double own_ns;   /* drafting and the passes */
    double plain_ns; /* plain decoding of the same positions */
    size_t unpaired; /* steps without that */
} step_sums;

/* How steps become rows. */
typedef struct {
    size_t n;                           /* rows of a cell */
    size_t (*row_of)(const step_row *); /* below n */
    void (*put)(size_t row, table *t);  /* the row's first cell, which says what is in it */
} step_classes;

/* A table with a row for each cell and class that has steps. `title` and `name` are those of the class's column. */
int step_sums_print(const table_source *x, const step_classes *classes, const char *title, const char *name, err *e);

#endif
