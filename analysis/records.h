/* records.h - which records of a data set are the same one: duplicates count once in intervals. */
#ifndef ANALYSIS_RECORDS_H
#define ANALYSIS_RECORDS_H

#include "store/store.h"

/* For each sample the first one with the same content in its dataset, itself when there is none before it: [n_samples],
 * in new memory. */
size_t *records_originals(const store_data *d, err *e);

/* For each cell, how many records its trials are of, and how many of these are distinct. */
typedef struct {
    size_t records, distinct;
} record_count;

/* New array of d->n_cells entries. */
record_count *records_count(const store_data *d, err *e);

#endif
