/* shape.h - what a model computes, as numbers: sizes, scales, rotations, windows. transformer.c reads nothing else.
 *
 * A number that is 0 is not used: no cap, no window, no scale. So a plain Llama leaves most of them alone.
 */
#ifndef ENGINE_MODEL_SHAPE_H
#define ENGINE_MODEL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { ACTIVATION_SILU, ACTIVATION_GELU } activation;

typedef enum {
    SCALING_NONE,
    SCALING_LINEAR,  /* positions are divided by a factor */
    SCALING_YARN,    /* slow frequencies alone are (Peng et al. 2023, arXiv 2309.00071) */
    SCALING_LONGROPE /* each frequency by its own factor, from a tensor (Ding et al. 2024, arXiv 2402.13753) */
} rope_scaling;

typedef struct {
    size_t n_layers;
    size_t dim;        /* width of the residual stream */
    size_t n_heads;    /* query heads */
    size_t n_kv_heads; /* key and value heads; divides n_heads (grouped-query attention) */
    size_t head_dim;   /* of queries, keys and values; dim / n_heads unless a key says otherwise */
    size_t ffn_dim;
    size_t vocab;
    size_t context; /* longest sequence it was made for, in tokens */
    float  rms_eps;

    /* Mixture of experts; n_experts = 0: none. */
    size_t     n_experts, n_used_experts; /* of each layer, for each token */
    size_t     expert_dim;                /* ffn_dim of an expert */
    activation act;

    /* Attention */
    float  attention_scale; /* of scores; 0: 1 / sqrt(head_dim) */
    float  attention_cap;   /* of scores */
    bool   qk_norm_whole;   /* queries and keys are normalized as one row, not head by head */
    size_t window;          /* positions that a layer with a window sees, its own among them */
    size_t window_period;   /* every window_period-th layer has none; 0: all layers have it */

    /* Rotation: of all layers, or of those without a window when local_theta is set. */
    size_t       rope_dim;       /* leading elements of a head that are rotated; even, <= head_dim */
    bool         rope_halves;    /* pairs (i, rope_dim / 2 + i), not (2i, 2i + 1) */
    size_t       no_rope_period; /* every no_rope_period-th layer is not rotated */
    float        rope_theta;     /* base of the frequencies */
    rope_scaling scaling;
    float        rope_scale;     /* positions are multiplied by this */
    float        rope_amplitude; /* of cosine and sine */
    float        yarn_ext, yarn_fast, yarn_slow;
    size_t       original_context;         /* before scaling, in tokens */
    float        local_theta, local_scale; /* of layers with a window */

    float embedding_scale; /* of embedding rows */
    float residual_scale;  /* of what a block adds to the stream */
    float logit_scale;     /* logits are divided by this */
    float logit_cap;
} model_shape;

/* What a layer has that its neighbour may not have. */
typedef enum { ROPE_GLOBAL, ROPE_LOCAL, ROPE_NONE } layer_rope;
typedef struct {
    layer_rope rope;
    size_t     window; /* 0: it sees all positions */
} layer_kind;

/* Of layer i, by the periods. */
layer_kind shape_layer(const model_shape *s, size_t i);

/* The same where the file says which layers have a window. */
layer_kind shape_layer_windowed(const model_shape *s, size_t i, bool windowed);

#endif
