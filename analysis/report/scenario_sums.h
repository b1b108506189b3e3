/* scenario_sums.h - each cell's trials by scenario. */
#ifndef ANALYSIS_REPORT_SCENARIO_SUMS_H
#define ANALYSIS_REPORT_SCENARIO_SUMS_H

#include "store/store.h"

typedef struct {
    size_t trials, tokens, steps;
    double speedup; /* the median over the trials; NaN unless all that decode after the prompt's pass have one */
} scenario_sum;

typedef struct {
    const char  **names; /* [n] in order of the samples; borrowed */
    size_t        n, cap;
    scenario_sum *at; /* [n_cells, n] */
} scenario_sums;

int  scenario_sums_make(const store_data *d, scenario_sums *out, err *e);
void scenario_sums_free(scenario_sums *s);

#endif
