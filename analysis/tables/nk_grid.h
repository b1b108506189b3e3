/* nk_grid.h - for the tables over two axes, the trigger length n and the copy length k. */
#ifndef ANALYSIS_NK_GRID_H
#define ANALYSIS_NK_GRID_H

#include "analysis/tables/table_kind.h"

/* Of a cell's first repeats. */
typedef struct {
    size_t samples, tokens, steps;
    double ratios; /* sum over the samples of their own tokens per step */
} nk_sum;

/* One matrix for people, and one column for programs. */
typedef struct {
    const char *title, *column;
    int         decimals; /* 0: a count */
    double (*value)(const nk_sum *s);
} nk_matrix;

typedef struct {
    const char      *policy; /* only its cells; NULL: of all policies */
    const nk_matrix *matrices;
    size_t           n;
} nk_table;

/* Cells that differ in nothing but n and k make one grid, which has all matrices. */
int nk_grid_print(const table_source *x, const nk_table *of, err *e);

double nk_steps(const nk_sum *s);
double nk_pooled(const nk_sum *s);     /* all tokens / all steps */
double nk_of_samples(const nk_sum *s); /* mean over the samples of their own */

#endif
