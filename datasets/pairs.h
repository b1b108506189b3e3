/* pairs.h - the records of two files that hold outputs of the same prompts: which belong together, and whether they do.
 *
 *  P1  Records are paired by id; where no record of either file has one, by their lines, in an array by their places.
 *  P2  A pair has an output in each file, both as text or both as ids, and one prompt: a file may lack it, but the two
 *      may not differ.
 */
#ifndef DATASETS_PAIRS_H
#define DATASETS_PAIRS_H

#include "datasets/dataset.h"

typedef struct {
    size_t a, b; /* indices of the records in their datasets */
} record_pair;

typedef struct {
    record_pair *at; /* [n] in the order of the first file */
    size_t       n;
} record_pairs;

/* Pairs all records. ERR_INPUT with file and line at the first that has no partner or does not fit it; with `skip` such
 * are reported and left out, and it is an error when none are left. Free with pairs_free, also after an error. */
int  pairs_make(const dataset *a, const dataset *b, bool skip, dataset_report *report, void *ctx, record_pairs *out,
                err *e);
void pairs_free(record_pairs *p);

#endif
