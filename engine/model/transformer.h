/* transformer.h - the forward pass, with its key-value cache.
 *
 * Numerics follow engine/docs/numerics.md: the logits of a position are a function of the weights and
 * the tokens before it alone, the same bits for every split into passes, thread count and instruction
 * set.
 */
#ifndef ENGINE_MODEL_TRANSFORMER_H
#define ENGINE_MODEL_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/model/model.h"

typedef struct transformer transformer;

/* A sequence of its own over a shared model: cache for `context` tokens (1 to shape.context; memory is
 * touched only as it fills) and all scratch. threads >= 1. Products go through the kernels when `instead` is NULL;
 * through others (blas.h), where bits depend on n, logits depend on how tokens are split into passes. ERR_RUN before
 * model_lay_out, for others model_decode. */
transformer *transformer_new(const model *m, size_t context, int threads, matrix_product *instead, err *e);
void         transformer_free(transformer *t); /* NULL is fine */

size_t transformer_length(const transformer *t);  /* tokens in the cache */
size_t transformer_context(const transformer *t); /* tokens it can hold */

/* Runs n >= 1 tokens (ids in the vocabulary) after those in the cache, and leaves the logits of the last
 * `rows` of them (rows <= n) in logits[rows, vocab], NULL if rows is 0. Any n is taken; long runs are split inside.
 * ERR_INPUT when the context would overflow: nothing has changed then. */
int transformer_forward(transformer *t, const int32_t *ids, size_t n, size_t rows, float *logits, err *e);

/* Forgets all but the first `length` tokens (length <= transformer_length). */
void transformer_rewind(transformer *t, size_t length);

#endif
