/* records.h - which records of a data set are the same one, or belong together: they are drawn as one in intervals. */
#ifndef ANALYSIS_RECORDS_H
#define ANALYSIS_RECORDS_H

#include "store/store.h"

/* For each sample the first one with the same content in its dataset, itself when there is none before it: [n_samples],
 * in new memory. */
size_t *records_originals(const store_data *d, err *e);

/* For each sample the first one of its group, itself when none is before it: [n_samples], in new memory. Duplicates are
 * one group. So are, with `by`
 *
 *   "conversation"   turns of one conversation
 *   "documents"      records with the same references
 *   a pattern        a regular expression (id_pattern.h): records of a dataset whose ids have the same text where its
 *                    first subexpression matches, or all of it when it has none: "^(.*)_[0-9]+$" groups doc_1 with
 *                    doc_2
 *
 * Records to which it does not apply stay apart. ERR_INPUT for a pattern that is none or takes too long, or when it
 * applies to none. */
size_t *records_groups(const store_data *d, const char *by, err *e);

/* For each cell, how many records its trials are of, and how many of these are distinct. */
typedef struct {
    size_t records, distinct;
} record_count;

/* New array of d->n_cells entries. */
record_count *records_count(const store_data *d, err *e);

#endif
