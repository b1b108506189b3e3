/* records.h - records as ids, prompts and references and outputs, for replaying them. */
#ifndef EXPERIMENTS_RECOMMEND_RECORDS_H
#define EXPERIMENTS_RECOMMEND_RECORDS_H

#include "experiments/sweep/plan.h"
#include "store/store.h"

/* Which records to write: those whose group (conversation, else references, else themselves) has an even or odd number
 * in the order in which groups begin. */
typedef enum { RECORDS_ALL, RECORDS_EVEN, RECORDS_ODD } record_half;

/* Writes the samples of a plan's only dataset as native JSONL, atomically. Outputs are those of `decoded`, a decoding
 * of the same samples by the plan's first cell, or, where that is NULL, the records' own. *n: how many there are. */
int records_write(const char *path, const plan *p, const store_data *decoded, record_half half, size_t *n, err *e);

#endif
