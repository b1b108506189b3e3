/* shown_trials.h - which trials a report shows token by token: all, or a choice by a fixed rule that the page states.
 *
 *  C1  The first trials whose ids or logits differ from plain decoding's, in the file's order, and plain decoding's of
 *      the same records.
 *  C2  Of each group of cells that are compared, the same records in every cell, in repeat 0: as many as fit, at most
 *      RECORDS_MOST, spread evenly over the group's records.
 *  C3  Where not even one record fits, that of every second, fourth, ... cell, and of plain decoding's.
 */
#ifndef ANALYSIS_REPORT_SHOWN_TRIALS_H
#define ANALYSIS_REPORT_SHOWN_TRIALS_H

#include "store/store.h"

enum { RECORDS_MOST = 12, DIVERGING_MOST = 12 };

typedef struct {
    size_t    *trials; /* [n] ascending: their numbers in the file */
    size_t     n;
    store_data rows;      /* n trials, their steps and outputs, copied into memory; nothing else */
    size_t     records;   /* of each group (C2) */
    size_t     stride;    /* of its cells (C3); 1: all of them */
    size_t     diverging; /* taken by C1 alone or also */
    size_t     diverge;   /* all that differ */
    size_t     longest;   /* records of the group with the most */
} shown_trials;

/* About how many bytes of the page a trial takes. */
size_t shown_trials_bytes(const trial_row *t);

/* group: [d->n_cells], values below n_groups. budget: bytes of all trials taken, roughly. */
int  shown_trials_make(const store_data *d, const size_t *group, size_t n_groups, size_t budget, shown_trials *out,
                       err *e);
void shown_trials_free(shown_trials *c);

#endif
