/* report_parts.h - what report.c, report_cells.c and report_trials.c share. */
#ifndef ANALYSIS_REPORT_PARTS_H
#define ANALYSIS_REPORT_PARTS_H

#include "analysis/cell_keys.h"
#include "analysis/counts.h"
#include "analysis/positions.h"
#include "analysis/report/cell_sums.h"
#include "analysis/report/json_out.h"
#include "analysis/report/report.h"
#include "analysis/report/scenario_sums.h"
#include "analysis/report/shown_trials.h"
#include "analysis/spreads.h"

typedef struct {
    const store_data   *d;
    const report_texts *texts;
    const char         *pattern; /* of records that are drawn together; or NULL */
    cell_keys           keys;
    size_t             *group; /* [n_cells] cells of one group can be compared: they agree in all but the policy */
    size_t              n_groups;
    cell_counts        *counts;
    cell_spreads       *spreads;
    cell_positions     *positions;
    cell_sums          *sums;
    scenario_sums       scenarios;
    pass_time          *passes;
    size_t              n_passes;
    shown_trials        choice;
} report_data;

/* The keys of the object that is the page's data; each begins with the comma that it needs. */
void report_cells(const report_data *r, json_out *j);
int  report_trials(const report_data *r, json_out *j, err *e);

#endif
