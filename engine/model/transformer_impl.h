/* transformer_impl.h - what the transformer's own files share: transformer.c (a sequence, and the order of a pass),
 * products.c (matrices times activations), attention.c (rotation, the cache, attention), feed_forward.c.
 *
 * Invariants:
 *  T1  cache positions [0, length) hold the keys (rotated) and values of the tokens seen. What is after them is stale
 *      and is written before it is used. So rewinding only lowers `length`.
 *  T2  a row of activations depends on other rows of its pass only through the cache. So a pass over m tokens leaves
 *      the bits of m passes over one.
 *  T3  nothing is allocated after transformer_new.
 */
#ifndef ENGINE_MODEL_TRANSFORMER_IMPL_H
#define ENGINE_MODEL_TRANSFORMER_IMPL_H

#include "engine/base/parallel.h"
#include "engine/kernels/kernels.h"
#include "engine/model/rope.h"
#include "engine/model/transformer.h"

enum {
    BATCH = 64,           /* tokens that go through the layers together */
    THREAD_WORK = 1 << 16 /* multiply-adds below which waking a thread costs more than it saves */
};

struct transformer {
    const model        *m;
    const kernel_table *kernels;
    int                 threads;
    matrix_product     *product; /* computes y = W x; NULL: the kernels do */
    size_t              context, length;

    /* The cache (transformer.h): keys in panels of 16 positions, as kernels read them, and values. */
    float *keys;                      /* [n_layers, n_kv_heads, context / 16, head_dim, 16] */
    float *values;                    /* [n_layers, n_kv_heads, context, head_dim] */
    rope   rotations[ROPE_LOCAL + 1]; /* by layer_rope */

    float *x;         /* [BATCH, dim]: the residual stream */
    float *normed;    /* [BATCH, dim] */
    float *q, *mixed; /* [BATCH, n_heads * head_dim] */
    float *k, *v;     /* [BATCH, n_kv_heads * head_dim] */
    float *gate, *up; /* [BATCH, ffn_dim or expert_dim] */
    float *delta;     /* [BATCH, dim]: what a block adds to the stream */
    float *scores;    /* [threads, ATTEND_QUERIES, panel_positions] */
    void  *prepared;  /* activations as a weight type wants them */

    /* Of experts */
    float  *routed;   /* [BATCH, n_experts] logits of the router */
    size_t *chosen;   /* [BATCH, n_used_experts] the likeliest first, */
    float  *shares;   /* [BATCH, n_used_experts] and their weights */
    float  *gathered; /* [BATCH, dim] inputs of one expert */
    float  *answers;  /* [BATCH, n_used_experts, dim] outputs of all, by token and rank */
};

/* One product of a pass: y[n, w->rows] = x[n, w->cols] W^T. */
typedef struct {
    const matrix *w;
    float        *y;
} output;

/* Products that share their input x. */
void products_run(transformer *t, const float *x, size_t n, const output *outputs, size_t count);

/* Adds a bias to each of n rows; NULL: there is none. */
void bias_add(const transformer *t, float *rows, size_t n, const float *bias, size_t width);

/* out = rmsnorm(x) of n rows; `out` may be `x`. weight NULL: no norm, x is copied. */
void rows_normalize(const transformer *t, const float *x, const float *weight, float *out, size_t n, size_t width);

/* Elements of the keys of one position. */
static inline size_t kv_dim(const model_shape *s) {
    return s->n_kv_heads * s->head_dim;
}

/* Positions of whole panels of keys. */
static inline size_t panel_positions(const transformer *t) {
    return panel_count(t->context) * PANEL_ROWS;
}

/* From t->normed, of n tokens after those in the cache, to t->delta. */
void attention_run(transformer *t, size_t layer, size_t n);
void feed_forward_run(transformer *t, size_t layer, size_t n);

#endif
