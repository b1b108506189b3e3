/* architecture.h - a family of models as data: what its GGUF files are called, what they say and what they hold.
 *
 * model.c reads files by such a description; export, make-model and quantize write by it. What is computed with the
 * weights is in transformer.c: rotation of neighbouring pairs, SwiGLU. architectures.def says how to add one.
 */
#ifndef ENGINE_MODEL_ARCHITECTURE_H
#define ENGINE_MODEL_ARCHITECTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/registry.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/gguf_write.h"

typedef struct {
    size_t n_layers;
    size_t dim;        /* width of the residual stream */
    size_t n_heads;    /* query heads */
    size_t n_kv_heads; /* key and value heads; divides n_heads (grouped-query attention) */
    size_t head_dim;   /* dim / n_heads unless a key says otherwise */
    size_t rope_dim;   /* leading elements of a head that are rotated; even, <= head_dim */
    size_t ffn_dim;
    size_t vocab;
    size_t context; /* longest sequence it was made for, in tokens */
    float  rms_eps;
    float  rope_theta; /* base of the rotation frequencies */
    float  rope_scale; /* linear scaling: positions are multiplied by this (1 = none) */
} model_shape;

/* ---- keys: names are without the architecture's own and the dot after it ------------------------------- */

#define KEY_REQUIRED SIZE_MAX

/* A key for a size of the model, at least 1. `member` and `preset` are offsets of size_t members of model_shape. */
typedef struct {
    const char *name;
    size_t      member;
    size_t      preset;  /* the size that it is when the key is missing; KEY_REQUIRED: the key must be there */
    const char *must;    /* where the preset comes from, if the key may say nothing else; NULL: it may */
    bool        written; /* whether writers add it */
} size_key;

/* A key for a positive number, a float of model_shape. Writers add them all. */
typedef struct {
    const char *name;
    size_t      member; /* its offset */
    float       preset; /* what it is when the key is missing; 0: the key must be there */
} real_key;

/* A key for arithmetic that transformer.c does not do: files may only say that it is off. */
typedef struct {
    const char *name;
    enum { ALLOWS_NOTHING, ALLOWS_ZERO, ALLOWS_TRUE } allows; /* no such key is always fine */
} key_limit;

/* ---- tensors ------------------------------------------------------------------------------------------- */

typedef enum {
    EXTENT_ONE,
    EXTENT_VOCAB,
    EXTENT_DIM,
    EXTENT_FFN,     /* ffn_dim */
    EXTENT_HEADS,   /* n_heads * head_dim */
    EXTENT_KV_HEADS /* n_kv_heads * head_dim */
} tensor_extent;

typedef enum {
    TENSOR_NORM,   /* F32, for each element of a row */
    TENSOR_MATRIX, /* multiplied with */
    TENSOR_TABLE   /* a matrix whose rows are looked up */
} tensor_kind;

typedef struct {
    const char   *name; /* "attn_q.weight"; in a file, "blk.N." precedes the name of a layer's tensor */
    tensor_kind   kind;
    tensor_extent rows, cols;
    size_t
        member; /* offset in model, for a layer's in layer_weights: of a const float * for a norm, else of a matrix */
    const char *fallback; /* the tensor that is read when this one is missing; NULL: it must be there */
} tensor_spec;

typedef struct {
    const char        *name;  /* general.architecture; first, for the registry */
    const char        *scope; /* which of its models are taken, for messages */
    const size_key    *sizes; /* [n_sizes]; read in this order after those that are KEY_REQUIRED */
    size_t             n_sizes;
    const real_key    *reals; /* [n_reals] */
    size_t             n_reals;
    const key_limit   *limits; /* [n_limits] */
    size_t             n_limits;
    const tensor_spec *tensors; /* [n_tensors], one of each */
    size_t             n_tensors;
    const tensor_spec *layer_tensors; /* [n_layer_tensors] of each layer */
    size_t             n_layer_tensors;
} architecture;

#define ARCHITECTURE(name) extern const architecture architecture_##name;
#include "engine/model/architectures.def"
#undef ARCHITECTURE

extern const registry architecture_registry;

/* The architecture of a file. ERR_INPUT that lists the known ones when it is none of them. */
const architecture *architecture_of(const gguf *g, err *e);

/* "llama.NAME" into buf, which is returned. */
enum { ARCHITECTURE_KEY = 96 };
const char *architecture_key(const architecture *a, const char *name, char buf[ARCHITECTURE_KEY]);

/* "blk.LAYER.NAME" into buf, which is returned. */
enum { TENSOR_NAME = 64 };
const char *tensor_layer_name(const tensor_spec *t, size_t layer, char buf[TENSOR_NAME]);

/* The tensor with this name in a file, of the model or of any layer; NULL when there is none. */
const tensor_spec *architecture_tensor(const architecture *a, const char *name);

size_t shape_extent(const model_shape *s, tensor_extent x);

/* Adds the keys that say this shape; rope_scale, which no writer needs, is left out. */
int architecture_put_shape(const architecture *a, const model_shape *s, gguf_writer *w, err *e);

#endif
