/* mix.h - the type of each matrix of a file: one for all, or llama.cpp's usual mixtures. */
#ifndef ENGINE_MODEL_MIX_H
#define ENGINE_MODEL_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/kernels/dtype.h"
#include "engine/model/architecture.h"

typedef struct {
    const char *name; /* "q4_k", "q4_k_m", ...: without regard to case */
    uint32_t    file_type;
    dtype       most; /* of matrices; of all unless it is a mixture */
    /* Of a mixture: the type of a layer's matrix. NULL when it is none. */
    dtype (*of)(const char *part, size_t layer, size_t n_layers);
} type_mix;

/* NULL and an ERR_INPUT "WHERE: ..." that lists the names when there is none of this name. */
const type_mix *type_mix_named(const char *where, const char *name, err *e);

/* What mixtures depend on. */
typedef struct {
    const architecture *arch;
    size_t              n_layers, n_heads, n_kv_heads;
    size_t              n_experts; /* 0: none */
    bool                tied;      /* the embedding is the output matrix too, which is Q6_K in mixtures */
} mix_model;

/* The type of a matrix by its GGUF name. When `cols` is no multiple of the type's block, the type is the one that
 * llama.cpp falls back to: Q5_0 from Q4_K, Q5_1 from Q5_K, Q8_0 from Q6_K, Q4_0 from Q2_K and Q3_K, IQ4_NL from IQ4_XS;
 * F16 when that does not fit. */
dtype type_mix_of(const type_mix *mix, const mix_model *m, const char *tensor, size_t cols);

/* Encodes n rows of `cols` floats, whole blocks of the type, into out[n * dtype_bytes(t, cols)]; threads
 * share the rows. */
void mix_encode_rows(dtype t, const float *rows, size_t n, size_t cols, int threads, void *out);

#endif
