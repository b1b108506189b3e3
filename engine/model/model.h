/* model.h - a Llama-architecture model: its shape and its weights, bound and checked once.
 *
 * model_open binds every tensor by name, type and shape; a forward pass afterwards checks nothing.
 * Weights stay in the memory-mapped file until model_lay_out lays them out as kernels read them, and gives the file's
 * pages back, but for the embedding's, or model_decode decodes them for BLAS. After that a model is immutable and safe
 * to share between threads and forked processes.
 */
#ifndef ENGINE_MODEL_MODEL_H
#define ENGINE_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/gguf/gguf.h"
#include "engine/model/matrix.h"
#include "engine/tokenizer/tokenizer.h"

typedef struct {
    size_t n_layers;
    size_t dim;        /* width of the residual stream */
    size_t n_heads;    /* query heads */
    size_t n_kv_heads; /* key and value heads; divides n_heads (grouped-query attention) */
    size_t head_dim;   /* dim / n_heads */
    size_t rope_dim;   /* leading elements of a head that are rotated; even, <= head_dim */
    size_t ffn_dim;
    size_t vocab;
    size_t context; /* longest sequence it was made for, in tokens */
    float  rms_eps;
    float  rope_theta; /* base of the rotation frequencies */
    float  rope_scale; /* linear scaling: positions are multiplied by this (1 = none) */
} model_shape;

typedef struct {
    const float *attn_norm; /* [dim] */
    matrix       wq;        /* [n_heads * head_dim, dim] */
    matrix       wk, wv;    /* [n_kv_heads * head_dim, dim] */
    matrix       wo;        /* [dim, n_heads * head_dim] */
    const float *ffn_norm;  /* [dim] */
    matrix       gate, up;  /* [ffn_dim, dim] */
    matrix       down;      /* [dim, ffn_dim] */
} layer_weights;

enum { LAYER_MATRICES = 7 };

/* Matrix i of a layer, in the order above. */
matrix *layer_matrix(layer_weights *w, size_t i);

typedef struct model {
    gguf          *file;
    tokenizer     *tok;
    model_shape    shape;
    dtype          embed_type;
    const void    *embed;             /* [vocab, dim] as it is stored: rows are looked up */
    layer_weights *layers;            /* [n_layers] */
    const float   *norm;              /* [dim] */
    matrix         output;            /* [vocab, dim]; of the embedding's numbers when the file ties them */
    bool           laid_out, decoded; /* all matrices are ready for kernels, for BLAS */
} model;

model *model_open(const char *path, err *e);

/* Makes the weights ready for a transformer, with all processors; once is enough. The threads have ended when it
 * returns: a process may fork then. */
int model_lay_out(model *m, err *e);

/* The same for products through BLAS, which it opens: F32, F16 and BF16 weights alone, as f32. */
int model_decode(model *m, err *e);

void model_close(model *m); /* NULL is fine */

#endif
