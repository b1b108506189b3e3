/* distinct.h - which records of a dataset differ only in their ids. */
#ifndef DATASETS_DISTINCT_H
#define DATASETS_DISTINCT_H

#include "datasets/dataset.h"

/* first[i] becomes the index of the first record with the prompt, references and output of record i: i itself where no
 * earlier one has them. first[d->n] is the caller's. */
int dataset_distinct(const dataset *d, size_t *first, err *e);

#endif
