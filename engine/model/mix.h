/* mix.h - the type of each matrix of a file: one for all, or llama.cpp's usual mixtures. */
#ifndef ENGINE_MODEL_MIX_H
#define ENGINE_MODEL_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/kernels/dtype.h"

typedef struct {
    const char *name; /* "q4_k", "q4_k_m", ...: without regard to case */
    uint32_t    file_type;
    dtype       most; /* of matrices */
    dtype better; /* of the output matrix, and of attention's values and the second feed-forward matrix in about half
                     of the layers: the same as `most` unless it is a mixture */
} type_mix;

/* NULL and an ERR_INPUT "WHERE: ..." that lists the names when there is none of this name. */
const type_mix *type_mix_named(const char *where, const char *name, err *e);

/* The type of a matrix by its GGUF name, in a model of n_layers; `tied`: the embedding is the output matrix too. When
 * `cols` is no multiple of the type's block, Q8_0 or, at last, F16. */
dtype type_mix_of(const type_mix *m, const char *tensor, size_t cols, size_t n_layers, bool tied);

/* Encodes n rows of `cols` floats, whole blocks of the type, into out[n * dtype_bytes(t, cols)]; threads
 * share the rows. */
void mix_encode_rows(dtype t, const float *rows, size_t n, size_t cols, int threads, void *out);

#endif
