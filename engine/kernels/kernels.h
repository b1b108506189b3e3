/* kernels.h - the arithmetic of the forward pass as a table of functions.
 *
 * There is a table for each instruction set. Portable code defines what is computed; the best table that the CPU runs
 * is chosen once. engine/docs/numerics.md is the specification: every entry of every table gives the same bits.
 * HARNESS_ISA=portable|avx2|avx512|avx512bf16|neon forces a choice (an unusable one is an error). It is the only
 * environment variable that can change these numbers, and the choice is recorded. (With gemm = blas, which shows what
 * other engines do, OpenBLAS chooses its own kernels: OPENBLAS_CORETYPE.)
 */
#ifndef ENGINE_KERNELS_KERNELS_H
#define ENGINE_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/kernels/dtype.h"
#include "engine/kernels/panel.h"

/* How one weight type is multiplied. Activations are first converted to the form that the type's dot product is defined
 * over (numerics.md, "Weights"), once per pass. Then rows are computed in any order. */
typedef struct {
    /* Converts columns [begin, end) of x[tokens, cols], counted in PANEL_COLS (the last may be fewer), to
     * out[kernels_prepared_bytes(cols, tokens)], 64-byte aligned. */
    void (*prepare)(const float *x, void *out, size_t cols, size_t tokens, size_t begin, size_t end);
    /* y[t * y_stride + r] = W[r, :] . x[t, :] for r in [row0, row1), t in [0, tokens).
     * w: panels (panel.h), 64-byte aligned; row0 is a multiple of PANEL_ROWS.
     * x: all columns of these tokens (at least one token), prepared together by the same table. */
    void (*multiply)(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride);
} matmul_ops;

/* One token's query of one head, and its result: [head_dim] both. It sees positions [first, n), at least one. */
typedef struct {
    const float *q;
    float       *out;
    size_t       n;
    size_t       first; /* above 0 where a window ends */
} attend_query;

enum { ATTEND_QUERIES = 8 };

typedef struct {
    const char *isa; /* "portable", "avx2", "avx512", ... */
    matmul_ops  matmul[DTYPE_COUNT];
    /* out[i] = x[i] * rsqrt(mean(x^2) + eps) * w[i] */
    void (*rmsnorm)(const float *x, const float *w, float *out, size_t n, float eps);
    /* softmax(q . K * scale) V for up to ATTEND_QUERIES queries of one head of keys and values, each over its own
     * positions. cap > 0: scores s become cap * tanh(s / cap). keys: panels of 16 positions, [positions / 16, head_dim,
     * 16]; keys that a query does not see do not change its result. values: [positions, head_dim], finite. scores:
     * scratch [count][stride], with a stride of at least the positions rounded up to 16. */
    void (*attend)(const attend_query *queries, size_t count, const float *keys, const float *values, float *scores,
                   size_t stride, size_t head_dim, float scale, float cap);
    /* Rotates each pair of x by its own angle: elements 2i and 2i + 1, or i and pairs + i. */
    void (*rotate_neighbours)(float *x, const float *cosine, const float *sine, size_t pairs);
    void (*rotate_halves)(float *x, const float *cosine, const float *sine, size_t pairs);
    /* gate[i] = silu(gate[i]) * up[i], and the same with gelu */
    void (*swiglu)(float *gate, const float *up, size_t n);
    void (*geglu)(float *gate, const float *up, size_t n);
    /* x[i] += y[i] */
    void (*add)(float *x, const float *y, size_t n);
    /* x[i] *= factor */
    void (*scale)(float *x, float factor, size_t n);
    /* x[i] = cap * tanh(x[i] / cap) */
    void (*cap)(float *x, float cap, size_t n);
    /* out[i] = e^((x[i] - top) / temperature) in doubles, as det_exp */
    void (*exps)(const float *x, double *out, size_t n, double top, double temperature);
} kernel_table;

/* Enough for the prepared activations of any type. */
static inline size_t kernels_prepared_bytes(size_t cols, size_t n_tokens) {
    return (cols + PANEL_COLS - 1) / PANEL_COLS * PANEL_COLS * sizeof(float) * n_tokens;
}

/* Chooses on first use. ERR_INPUT when HARNESS_ISA names an instruction set that is unknown or cannot run here; ERR_RUN
 * when the chosen kernels give wrong bits (answers.h). */
const kernel_table *kernels_get(err *e);

/* The table of one instruction set by name, for tests; NULL when it is not built or cannot run here. */
const kernel_table *kernels_by_name(const char *isa);

#endif
