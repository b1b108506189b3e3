/* architecture.h - a family of models as data: what its GGUF files are called, what they say and what they hold.
 *
 * model.c reads files by such a description; export, make-model and quantize write by it. What is computed with the
 * weights is in transformer.c, by the numbers of shape.h. architectures.def says how to add one.
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
#include "engine/model/shape.h"

/* ---- keys: names are without the architecture's own and the dot after it ------------------------------- */

/* A key for a number of the shape. When it is missing, the number stays as the architecture has it. Offsets are of
 * members of model_shape. Writers add a key unless its number is 0. */
typedef struct {
    const char *name;
    size_t      member; /* of a size_t */
    bool        required;
    bool        zero; /* 0 is allowed: not used */
} size_key;

typedef struct {
    const char *name;
    size_t      member; /* of a float */
    bool        required;
} real_key;

/* One of either kind: its name, the member of model_shape, and what else holds. */
#define KEY(name_, member_, ...)                                                                                       \
    { .name = (name_), .member = offsetof(model_shape, member_), __VA_ARGS__ }

/* ---- tensors ------------------------------------------------------------------------------------------- */

typedef enum {
    EXTENT_NONE, /* 0 */
    EXTENT_ONE,
    EXTENT_VOCAB,
    EXTENT_DIM,
    EXTENT_FFN,      /* ffn_dim */
    EXTENT_HEAD,     /* head_dim */
    EXTENT_HEADS,    /* n_heads * head_dim */
    EXTENT_KV_HEADS, /* n_kv_heads * head_dim */
    EXTENT_PAIRS,    /* rope_dim / 2 */
    EXTENT_EXPERTS,  /* n_experts */
    EXTENT_EXPERT    /* expert_dim */
} tensor_extent;

typedef enum {
    TENSOR_VECTOR, /* floats: F32, F16 or BF16 */
    TENSOR_MATRIX, /* multiplied with */
    TENSOR_STACK,  /* n_experts matrices, one after another */
    TENSOR_TABLE   /* a matrix whose rows are looked up */
} tensor_kind;

typedef enum {
    NEED_ALWAYS,
    NEED_OPTIONAL,
    NEED_DENSE,          /* in a model without experts */
    NEED_OPTIONAL_DENSE, /* there, optional */
    NEED_EXPERTS         /* in a model with them */
} tensor_need;

typedef struct {
    const char   *name; /* "attn_q.weight"; in a file, "blk.N." precedes the name of a layer's tensor */
    tensor_kind   kind;
    tensor_extent rows, cols; /* of a vector, cols */
    size_t        member;     /* offset in model, for a layer's in layer_weights: of a const float * or a matrix */
    tensor_need   need;
    const char   *fallback;  /* the tensor that is read when this one is missing */
    const char   *whole;     /* or the one that has its rows (a vector's elements) among others, */
    tensor_extent before[2]; /* after these */
    float         around;    /* of a vector: the number that its elements lie around when they are made up */
} tensor_spec;

typedef struct {
    const char *name;               /* general.architecture; first, for the registry */
    const char *scope;              /* which of its models are taken, for messages */
    bool        fused;              /* its files have whole tensors, not their parts */
    model_shape preset;             /* what holds unless a key says otherwise */
    const char *must;               /* a flag that may not be false; NULL: there is none */
    void (*derive)(model_shape *s); /* sets what follows from other numbers, after all keys; NULL: nothing */
    const size_key    *sizes;       /* [n_sizes] beside those that every architecture has */
    size_t             n_sizes;
    const real_key    *reals; /* [n_reals], the same */
    size_t             n_reals;
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

/* Whether files of the architecture may have this number beside those that every architecture has: the offset of a
 * member of model_shape. */
bool architecture_has_size(const architecture *a, size_t member);

/* Reads and checks all keys of a file whose tokenizer has `vocab` ids. */
int architecture_read_shape(const architecture *a, const gguf *g, size_t vocab, model_shape *s, err *e);

/* What layer i of a file with this shape is. */
layer_kind architecture_read_layer(const architecture *a, const gguf *g, const model_shape *s, size_t i);

/* Adds the keys that say this shape. */
int architecture_put_shape(const architecture *a, const model_shape *s, gguf_writer *w, err *e);

/* ---- tensors by name ----------------------------------------------------------------------------------- */

enum { TENSOR_NAME = 64 };

/* "blk.LAYER.NAME" into buf, which is returned; NAME as it is when the tensor is of no layer (SIZE_MAX). */
const char *tensor_name(const char *name, size_t layer, char buf[TENSOR_NAME]);

/* The tensor with this name in a file, of the model or of any layer; of a whole tensor, its first part. NULL when there
 * is none. */
const tensor_spec *architecture_tensor(const architecture *a, const char *name);

size_t shape_extent(const model_shape *s, tensor_extent x);

/* Rows (a vector's elements) of the whole tensor that this one is a part of, and of those before it. */
size_t tensor_whole_rows(const tensor_spec *specs, size_t n, const tensor_spec *part, const model_shape *s);
size_t tensor_rows_before(const tensor_spec *part, const model_shape *s);

/* Whether files of this shape must have the tensor, and whether they may. */
bool tensor_is_needed(const tensor_spec *t, const model_shape *s);
bool tensor_is_allowed(const tensor_spec *t, const model_shape *s);

#endif
