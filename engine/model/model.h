/* model.h - a model from a GGUF file: its shape and its weights, bound and checked once.
 *
 * model_open binds every tensor by name, type and shape; a forward pass afterwards checks nothing.
 * Weights stay mapped until model_pack copies them into kernel layout and releases the file's pages (except the
 * embedding's), or model_decode converts them to f32 for BLAS. After that a model is immutable and safe to share
 * between threads and forked processes.
 */
#ifndef ENGINE_MODEL_MODEL_H
#define ENGINE_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/gguf/gguf.h"
#include "engine/model/architecture.h"
#include "engine/model/matrix.h"
#include "engine/tokenizer/tokenizer.h"

/* What transformer.c reads of a layer; the architecture says under which names a file has it. NULL, or a matrix of no
 * rows: the layer does without. heads = n_heads * head_dim, kv = n_kv_heads * head_dim. */
typedef struct {
    layer_kind kind;

    const float *attn_norm;                /* [dim] */
    matrix       wq;                       /* [heads, dim] */
    matrix       wk, wv;                   /* [kv, dim] */
    const float *q_bias, *k_bias, *v_bias; /* [heads], [kv], [kv] */
    const float *q_norm, *k_norm;          /* [head_dim]; [heads] and [kv] when shape.qk_norm_whole */
    matrix       wo;                       /* [dim, heads] */
    const float *o_bias;                   /* [dim] */
    const float *attn_post_norm;           /* [dim] */

    const float *ffn_norm;                        /* [dim] */
    matrix       gate, up;                        /* [ffn_dim, dim] */
    matrix       down;                            /* [dim, ffn_dim] */
    const float *gate_bias, *up_bias, *down_bias; /* [ffn_dim], [ffn_dim], [dim] */
    matrix       router;                          /* [n_experts, dim] */
    matrix      *gates, *ups, *downs;             /* [n_experts], each as above with expert_dim for ffn_dim */
    const float *ffn_post_norm;                   /* [dim] */
} layer_weights;

typedef struct model {
    gguf               *file;
    tokenizer          *tok;
    const architecture *arch;
    model_shape         shape;
    matrix              embed;        /* [vocab, dim]: rows are looked up as they are stored */
    layer_weights      *layers;       /* [n_layers] */
    const float        *norm;         /* [dim] */
    matrix              output;       /* [vocab, dim]; the embedding's numbers when the file ties them */
    const float        *rope_factors; /* [rope_dim / 2]: frequencies are divided by them; NULL: there are none */
    const float        *rope_long;    /* the same for contexts longer than shape.original_context, */
    const float        *rope_short;   /* and for others */
    float              *vectors;      /* the memory of all norms, biases and factors */
    matrix             *experts;      /* the memory of all gates, ups and downs */
    void               *panels;       /* the memory of all panels [panel_bytes], NULL until model_pack */
    size_t              panel_bytes;
    bool                packed, decoded; /* whether all matrices are ready for the kernels, for BLAS */
} model;

model *model_open(const char *path, err *e);

/* Matrix i of those that passes multiply with: all layers' in order, then the output; NULL after the last. */
matrix *model_matrix(model *m, size_t i);

/* Packs the weights for the kernels, with all processors; once is enough. The threads have ended when it returns: a
 * process may fork then. */
int model_pack(model *m, err *e);

/* Converts the weights (F32, F16 or BF16 only) to f32 for products through BLAS, which it opens. */
int model_decode(model *m, err *e);

void model_close(model *m); /* NULL is fine */

#endif
