/* transformer_impl.h - what the transformer's own files share: transformer.c (a sequence, and the order of a pass),
 * products.c (matrices times activations), attention.c (rotation, the cache, attention), tree.c (the order in which a
 * tree's tokens enter the cache), feed_forward.c.
 *
 * Invariants:
 *  T1  cache positions [0, length) hold the keys (rotated) and values of the tokens seen. What is after them is stale
 *      and is written before it is used. So rewinding only lowers `length`.
 *  T2  a row of activations depends on other rows of its pass only through the cache. So a pass over m tokens leaves
 *      the bits of m passes over one.
 *  T3  nothing is allocated after transformer_new, except memory for trees, with the first one.
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

/* The tokens of a pass over a tree, in the order in which they were given: parents come first. Arrays are for TREE_CAP
 * tokens, or for the context if that is shorter, and NULL before the first tree. */
typedef struct {
    size_t   n;      /* 0: the pass is over a chain */
    size_t   at;     /* tokens before the batch that is in the layers */
    int32_t *parent; /* -1: the last token in the cache */
    int32_t *depth;  /* 0 below the cache */
    int32_t *order;  /* depth first, siblings as given */
    int32_t *placed; /* by depth, the tokens that the cache holds: a path */
    float   *keys;   /* [n_layers, kv_dim] of every token seen, rotated */
    float   *values;
} token_tree;

struct transformer {
    const model        *m;
    const kernel_table *kernels;
    int                 threads;
    matrix_product     *product; /* computes y = W x; NULL: the kernels do */
    size_t              context, length;
    size_t              layers; /* that passes go through: all, unless transformer_shorten was called */

    /* The cache (transformer.h): keys in panels of 16 positions, as kernels read them, and values. */
    float     *keys;                      /* [n_layers, n_kv_heads, context / 16, head_dim, 16] */
    float     *values;                    /* [n_layers, n_kv_heads, context, head_dim] */
    rope       rotations[ROPE_LOCAL + 1]; /* by layer_rope */
    token_tree tree;

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

/* The position in the context of the i-th token of the batch. */
static inline size_t position_of(const transformer *t, size_t i) {
    return t->length + (t->tree.n > 0 ? (size_t)t->tree.depth[t->tree.at + i] : i);
}

/* Puts a token's key and value, each of kv_dim, into the cache. */
void cache_put(transformer *t, size_t layer, size_t position, const float *k, const float *v);

/* Attention for n tokens of the batch at positions from `position` on, whose path the cache holds: from t->q to
 * t->mixed. members: their indices in the batch; NULL: the first n. */
void attend(transformer *t, size_t layer, const int32_t *members, size_t n, size_t position);

/* Of a tree: takes t->k and t->v of the n tokens of the batch, and attends to each with its path in the cache. */
void tree_attend(transformer *t, size_t layer, size_t n);

void tree_close(transformer *t);

/* Begins a pass over a tree; *positions: how many its longest path takes. ERR_INPUT: it is no tree that fits. */
int tree_begin(transformer *t, const int32_t *parent, size_t n, size_t *positions, err *e);

/* From t->normed, of n tokens after those in the cache, to t->delta. */
void attention_run(transformer *t, size_t layer, size_t n);
void feed_forward_run(transformer *t, size_t layer, size_t n);

#endif
