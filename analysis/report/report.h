/* report.h - a results file as one HTML page that needs nothing else: no network, no other file.
 *
 *  R1  The page holds numbers and texts as JSON (json_out.h) and the scripts that draw them. What comes from files
 *      never becomes markup.
 *  R2  Its size is bounded, however many steps there are: cells are sums, and of the trials a choice is shown step by
 *      step (shown_trials.h). The page says which, and of how many.
 *  R3  The same data and texts give the same bytes.
 */
#ifndef ANALYSIS_REPORT_REPORT_H
#define ANALYSIS_REPORT_REPORT_H

#include <stdio.h>

#include "analysis/report/texts.h"
#include "store/store.h"

/* About how many bytes of trials, and of prompts and references, a page holds at most. */
enum { REPORT_TRIAL_BYTES = 2200000, REPORT_SOURCE_BYTES = 1000000, REPORT_POSITIONS = 40000 };

/* `name`: of the results file. `group`: which records are drawn together in intervals (records.h), or NULL. Errors of
 * the stream are the caller's to find (ferror). ERR_INPUT when a cell's params are not the JSON that they should be. */
int report_write(FILE *out, const char *name, const store_data *d, const char *group, const report_texts *texts,
                 err *e);

#endif
