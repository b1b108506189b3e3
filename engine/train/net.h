/* net.h - the Llama forward pass for training and its backward pass, written by hand.
 *
 * The same function that engine/model/transformer.c computes (RMSNorm, rotary positions on neighbouring pairs, causal
 * attention, SwiGLU, the embedding as output matrix), in f32 over many tokens at once, with matrix products through
 * CBLAS. Here sums may run in any order: training needs gradients, not the bits of numerics.md. The same machine,
 * BLAS and batch give the same bits again, because a net is used by one thread and BLAS is told to use one.
 *
 * Parameters and gradients are flat arrays in the order of net_tensor_at, so that an optimizer and a checkpoint see
 * numbers and nothing else.
 */
#ifndef ENGINE_TRAIN_NET_H
#define ENGINE_TRAIN_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#ifdef NET_DOUBLE /* tests compare gradients with finite differences in double */
typedef double real;
#else
typedef float real;
#endif

typedef struct {
    size_t layers, dim, heads, ffn, vocab; /* dim / heads is even */
    double rope_theta, rms_eps;
} net_shape;

/* One weight tensor: rows x cols, row-major; a norm has one row. */
typedef struct {
    char   name[48]; /* as GGUF spells it: "blk.0.attn_q.weight" */
    size_t at;       /* offset in the flat arrays */
    size_t rows, cols;
    bool   norm;
} net_tensor;

size_t     net_tensor_count(const net_shape *s);
net_tensor net_tensor_at(const net_shape *s, size_t i);
size_t     net_params(const net_shape *s); /* length of the flat arrays */

/* Draws parameters with PCG from the seed so that copying, which takes one head that looks at the token before and one
 * that looks for its like (Olsson et al., arXiv 2209.11895), is found soon:
 * - Norms are 1. Matrices are normal with deviation 1 / sqrt(dim): queries and keys have unit variance, so that
 *   attention does not start flat.
 * - Matrices that write into the residual stream are 0, so that later layers first see the tokens themselves.
 * - Embeddings are normal with deviation 1 / sqrt(dim), plus a row of half that deviation that all of them share:
 * without biases, only what tokens have in common lets a head choose by position. As the output matrix is the
 * same, the shared row adds the same to all logits, which changes nothing. */
int net_init(const net_shape *s, uint64_t seed, real *params, err *e);

/* Sequences one after the other. The loss of position i is weight[i] * -log p(next[i] | tokens of its sequence up to
 * i); positions of weight 0 cost no output row. */
typedef struct {
    size_t         n;      /* tokens of all sequences */
    const int32_t *ids;    /* [n] below vocab */
    const int32_t *next;   /* [n] read where the weight is not 0 */
    const float   *weight; /* [n] >= 0 */
    const size_t  *starts; /* [n_seqs + 1] starts[n_seqs] = n */
    size_t         n_seqs;
} net_batch;

typedef struct {
    double loss;    /* weighted sum */
    double weight;  /* sum of weights */
    size_t targets; /* positions with a weight */
    size_t correct; /* of those, where the likeliest id is `next` */
} net_score;

typedef struct net net;

/* Scratch for batches of at most `tokens` tokens in sequences of at most `longest`. ERR_RUN without memory or BLAS. */
net *net_new(const net_shape *s, size_t tokens, size_t longest, err *e);
void net_free(net *n); /* NULL is fine */

/* Scores the batch, adds to *score, and, unless `grad` is NULL, adds the gradient of the loss to grad[net_params].
 * The batch must fit net_new's sizes. */
void net_run(net *n, const real *params, const net_batch *b, real *grad, net_score *score);

#endif
