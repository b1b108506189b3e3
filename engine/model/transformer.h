/* transformer.h - the forward pass, with its KV cache.
 *
 * Numerics follow engine/docs/numerics.md: the logits of a position depend only on the weights and on the tokens up to
 * it. They are the same bits for every split into passes, thread count and instruction set.
 *
 * The cache of one layer and one head with 21 tokens (length = 21) and room for 48; each k or v is a float:
 *
 *     keys     panel 0              panel 1                   panel 2         values
 *     position 0  1  2  ...  15     16  ...  20 | 21 ... 31   32  ...  47     position 0   v v v ... v
 *     d = 0    k  k  k  ...   k      k  ...   k |  stale          stale                1   v v v ... v
 *     d = 1    k  k  k  ...   k      k  ...   k |                                     ...
 *     ...                                       |                                     20   v v v ... v
 *     d = 63   k  k  k  ...   k      k  ...   k |                                     21   stale
 *
 *     a row of a panel: one element of 16 keys                                a row: the value of one position
 *
 * So a kernel scores a panel with a position to each lane of a register and sums over d without crossing lanes.
 * transformer_rewind(t, 18) only sets length = 18: positions 18 to 20 are stale then, and the next pass overwrites
 * them.
 */
#ifndef ENGINE_MODEL_TRANSFORMER_H
#define ENGINE_MODEL_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/model/model.h"

typedef struct transformer transformer;

/* A sequence of its own over a shared model: a cache for `context` tokens (1 to shape.context; its memory is touched
 * only as it fills) and all scratch. threads >= 1. The kernels compute products when `product` is NULL. Otherwise
 * `product` does (blas.h), whose bits may depend on n, so that logits may depend on how tokens are split into passes.
 * ERR_RUN before model_pack, or with a `product` before model_decode. */
transformer *transformer_new(const model *m, size_t context, int threads, matrix_product *product, err *e);
void         transformer_free(transformer *t); /* NULL is fine */

size_t transformer_length(const transformer *t);  /* tokens in the cache */
size_t transformer_context(const transformer *t); /* tokens it can hold */

/* Runs n >= 1 tokens (ids in the vocabulary) after those in the cache, and writes the logits of the last `rows` of them
 * (rows <= n) to logits[rows, vocab], which may be NULL if rows is 0. Long runs are split inside.
 * ERR_INPUT when the context would overflow; nothing has changed then. */
int transformer_forward(transformer *t, const int32_t *ids, size_t n, size_t rows, float *logits, err *e);

/* Passes from now on go through the first `layers` only, or through all if there are fewer, and the output matrix:
 * their logits are of no use, their time says what a layer takes. */
void transformer_shorten(transformer *t, size_t layers);

/* Keeps only the first `length` tokens (length <= transformer_length), and forgets the last tree. */
void transformer_rewind(transformer *t, size_t length);

enum { TREE_CAP = 1025 }; /* most tokens of a tree: a pending token and the longest draft */

/* Runs a tree of 1 to TREE_CAP tokens below those in the cache, and writes the logits of all, [n, vocab]. parent[i] < i
 * is the token above token i; -1: the last one in the cache. Each token's logits are the bits that a pass over its path
 * gives, as for transformer_forward. The cache stays as long as it was until transformer_keep. ERR_INPUT when there are
 * too many tokens, a parent comes after its child, or a path would overflow the context: the cache is as before, and
 * there is no tree to keep. ERR_RUN: no memory.
 *
 *     cached  ── 0 ── 1 ── 3        parent  -1  0  0  1      positions after the cache   0  1  1  2
 *                └─── 2
 */
int transformer_forward_tree(transformer *t, const int32_t *ids, const int32_t *parent, size_t n, float *logits,
                             err *e);

/* Appends a path of the last tree to the cache: n of its tokens, from a root on, as they were computed. Once, and
 * before any other pass or rewind. */
void transformer_keep(transformer *t, const int32_t *path, size_t n);

#endif
