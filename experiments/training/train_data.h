/* train_data.h - the records of a training: number i of the run, as text or as a lesson.
 *
 * Which source record i of a step comes from, and what it says, follows from (seed, i, step) alone, so a training that
 * goes on needs no state of its data. A record that is too long for the context is replaced by another one.
 */
#ifndef EXPERIMENTS_TRAIN_DATA_H
#define EXPERIMENTS_TRAIN_DATA_H

#include <stdatomic.h>

#include "engine/tokenizer/tokenizer.h"
#include "experiments/training/train_config.h"

typedef struct {
    const train_config *c;
    const tokenizer    *tok;
    atomic_size_t       too_long; /* records replaced so far */
} train_data;

/* Record i for the tokenizer's training: one of the last step's mix, which is what the model is for. */
int train_data_text(const train_config *c, uint64_t i, example *x, err *e);

/* Fills lessons[0..batch) with those of this step; their memory is reused. */
int train_data_batch(train_data *d, size_t step, lesson *lessons, err *e);

/* Test records first, first + 1, ... of one source. */
int train_data_test(train_data *d, size_t source, lesson *lessons, size_t n, err *e);

#endif
