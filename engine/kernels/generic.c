/* generic.c - all kernels but products, in portable C, written so that compilers vectorize it; the Makefile compiles it
 * once for each instruction set. numerics.md says what is computed; this file also shows it.
 *
 * The 16 lanes of a sum are an array of 16 floats whose inner loop has no dependence between lanes: one
 * AVX-512 register, two of AVX2, four of NEON.
 * Compiled with -ffp-contract=off: a fused multiply-add happens where fmaf is written.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernels/detmath.h"
#include "engine/kernels/floats.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/panel_multiply.h"

#define INLINE static inline __attribute__((always_inline))

/* gcc keeps an array in registers when the loops over tokens and rows are unrolled and the one over lanes is
 * not; clang does so by itself. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL   _Pragma("GCC unroll 8")
#define LANEWISE _Pragma("GCC unroll 1")
#else
#define UNROLL
#define LANEWISE
#endif

enum { LANES = 16 };

_Static_assert((int)LANES == (int)PANEL_ROWS, "a panel of keys has a position for each lane");

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* The sum of 16 lanes by the fixed tree. */
INLINE float lanes_sum(const float a[LANES]) {
    float b[8], c[4];
    for (int l = 0; l < 8; l++) b[l] = a[l] + a[l + 8];
    for (int l = 0; l < 4; l++) c[l] = b[l] + b[l + 4];
    return (c[0] + c[2]) + (c[1] + c[3]);
}

/* ---- block-quantized types: panels (panel.h) ---------------------------------------------------------- */

/* 32 activations become integers and a scale, 0 or NaN when they have none (numerics.md). */
INLINE float quantize_activations(const float *x, int8_t *q) {
    uint32_t bits = 0; /* of the largest magnitude; NaN is above infinity */
    for (int i = 0; i < PANEL_COLS; i++) {
        uint32_t magnitude = float_bits(x[i]) & 0x7fffffff;
        bits = magnitude > bits ? magnitude : bits;
    }
    float amax = bits_float(bits);
    bool  normal = amax >= 0x1p-100f && amax < INFINITY;
    float inverse = normal ? 127 / amax : 0;
    /* Adding 1.5 * 2^23 rounds to an integer, ties to even, which then stands in the low bits. */
    for (int i = 0; i < PANEL_COLS; i++)
        q[i] = (int8_t)(float_bits(normal ? x[i] * inverse + 0x1.8p+23f : 0x1.8p+23f) - 0x4b400000);
    return normal ? amax / 127 : bits >= 0x7f800000 ? NAN : 0;
}

INLINE void panel_prepare(quant_family family, int zero, const float *x, void *out, size_t cols, size_t begin,
                          size_t end) {
    int8_t  *codes = out;
    float   *scale = (float *)(void *)(codes + cols), *whole = scale + cols / PANEL_COLS;
    int32_t *bias = (int32_t *)(void *)whole;
    for (size_t b = begin; b < end; b++) {
        int8_t *q = codes + b * PANEL_COLS;
        int32_t sum[2] = {0, 0};
        scale[b] = quantize_activations(x + b * PANEL_COLS, q);
        for (size_t h = 0; h < 2; h++)
            for (size_t i = 0; i < PANEL_COLS / 2; i++) sum[h] += q[h * PANEL_COLS / 2 + i];
        if (family == QUANT_SCALE_MIN || family == QUANT_K) {
            whole[b] = scale[b] * (float)(sum[0] + sum[1]);
        } else if (family == QUANT_SCALE) {
            bias[b] = -zero * (sum[0] + sum[1]);
        } else {
            bias[2 * b] = -zero * sum[0];
            bias[2 * b + 1] = -zero * sum[1];
        }
    }
}

#define PREPARE(name, family, bits, zero, block)                                                                       \
    static void prepare_##name(const float *x, void *out, size_t cols, size_t tokens, size_t begin, size_t end) {      \
        for (size_t t = 0; t < tokens; t++)                                                                            \
            panel_prepare(family, zero, x + t * cols, (char *)out + t * panel_activation_bytes(cols), cols, begin,     \
                          end);                                                                                        \
    }
QUANT_TYPES(PREPARE)

/* ---- the rest of the forward pass --------------------------------------------------------------------- */

static void rmsnorm(const float *x, const float *w, float *out, size_t n, float eps) {
    float  sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] = fmaf(x[i + l], x[i + l], sum[l]);
    for (size_t l = 0; i + l < n; l++) sum[l] = fmaf(x[i + l], x[i + l], sum[l]);
    float scale = det_rsqrtf(lanes_sum(sum) / (float)n + eps);
    for (i = 0; i < n; i++) out[i] = (x[i] * scale) * w[i];
}

/* scores -> exp(scores - max); returns their sum. */
static float softmax_terms(float *scores, size_t n) {
    float  max[LANES], sum[LANES] = {0};
    size_t i = 0;
    for (size_t l = 0; l < LANES; l++) max[l] = scores[0];
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) max[l] = scores[i + l] > max[l] ? scores[i + l] : max[l];
    for (size_t l = 0; i + l < n; l++) max[l] = scores[i + l] > max[l] ? scores[i + l] : max[l];
    float top = max[0];
    for (size_t l = 1; l < LANES; l++) top = max[l] > top ? max[l] : top;

    for (i = 0; i < n; i++) scores[i] = det_expf(scores[i] - top);
    for (i = 0; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += scores[i + l];
    for (size_t l = 0; i + l < n; l++) sum[l] += scores[i + l];
    return lanes_sum(sum);
}

enum {
    NEAR = 64, /* positions */
    MIX = 32,  /* elements of a result at a time */
};

/* Scores of P panels of 16 positions: a position to a lane, so that nothing is summed across lanes. */
INLINE void score_panels(const float *q, const float *keys, float *scores, size_t head_dim, float scale, int P) {
    float sum[4][LANES];
    UNROLL for (int p = 0; p < P; p++) {
        LANEWISE for (int l = 0; l < LANES; l++) sum[p][l] = 0;
    }
    for (size_t d = 0; d < head_dim; d++) {
        UNROLL for (int p = 0; p < P; p++) {
            const float *key = keys + ((size_t)p * head_dim + d) * LANES;
            LANEWISE for (int l = 0; l < LANES; l++) sum[p][l] = fmaf(q[d], key[l], sum[p][l]);
        }
    }
    UNROLL for (int p = 0; p < P; p++) {
        LANEWISE for (int l = 0; l < LANES; l++) scores[p * LANES + l] = sum[p][l] * scale;
    }
}

/* Adds weights[t] values[t][0..width) over n positions to four chains, position t to chain t mod 4; what came before
 * was a multiple of 4. */
INLINE void mix(const float *weights, const float *values, size_t stride, size_t n, float sums[4][MIX], size_t width) {
    float  sum[4][MIX];
    size_t t = 0;
    UNROLL for (size_t c = 0; c < 4; c++) {
        LANEWISE for (size_t d = 0; d < width; d++) sum[c][d] = sums[c][d];
    }
    for (; t + 4 <= n; t += 4) {
        UNROLL for (size_t c = 0; c < 4; c++) {
            LANEWISE for (size_t d = 0; d < width; d++) sum[c][d] =
                fmaf(weights[t + c], values[(t + c) * stride + d], sum[c][d]);
        }
    }
    for (size_t c = 0; t + c < n; c++)
        LANEWISE for (size_t d = 0; d < width; d++) sum[c][d] =
            fmaf(weights[t + c], values[(t + c) * stride + d], sum[c][d]);
    UNROLL for (size_t c = 0; c < 4; c++) {
        LANEWISE for (size_t d = 0; d < width; d++) sums[c][d] = sum[c][d];
    }
}

/* The positions of a query in the block of NEAR from `from` on. */
INLINE size_t near(const attend_query *x, size_t from) {
    return x->n <= from ? 0 : x->n - from < NEAR ? x->n - from : NEAR;
}

/* Elements [d, d + width) of all results, from the terms of the softmax and one over their sums. */
INLINE void mix_queries(const attend_query *queries, size_t count, const float *values, const float *scores,
                        size_t stride, size_t positions, size_t head_dim, const float *inverse, size_t d,
                        size_t width) {
    float sums[ATTEND_QUERIES][4][MIX] = {{{0}}};
    for (size_t from = 0; from < positions; from += NEAR)
        for (size_t i = 0; i < count; i++)
            mix(scores + i * stride + from, values + from * head_dim + d, head_dim, near(&queries[i], from), sums[i],
                width);
    for (size_t i = 0; i < count; i++) {
        float(*sum)[MIX] = sums[i], *out = queries[i].out + d;
        LANEWISE for (size_t l = 0; l < width; l++) out[l] =
            ((sum[0][l] + sum[2][l]) + (sum[1][l] + sum[3][l])) * inverse[i];
    }
}

/* Keys and values of NEAR positions stay in the first-level cache while all queries meet them. */
INLINE void attend_sized(const attend_query *queries, size_t count, const float *keys, const float *values,
                         float *scores, size_t stride, size_t head_dim, float scale) {
    float  inverse[ATTEND_QUERIES];
    size_t panel = head_dim * LANES, positions = 0, d = 0;
    for (size_t i = 0; i < count; i++) positions = queries[i].n > positions ? queries[i].n : positions;
    for (size_t from = 0; from < positions; from += NEAR) {
        const float *block = keys + from / LANES * panel;
        for (size_t i = 0; i < count; i++) {
            size_t panels = round_up(near(&queries[i], from), LANES) / LANES, p = 0;
            float *to = scores + i * stride + from;
            for (; p + 4 <= panels; p += 4)
                score_panels(queries[i].q, block + p * panel, to + p * LANES, head_dim, scale, 4);
            for (; p < panels; p++) score_panels(queries[i].q, block + p * panel, to + p * LANES, head_dim, scale, 1);
        }
    }
    for (size_t i = 0; i < count; i++) inverse[i] = 1 / softmax_terms(scores + i * stride, queries[i].n);
    for (; d + MIX <= head_dim; d += MIX)
        mix_queries(queries, count, values, scores, stride, positions, head_dim, inverse, d, MIX);
    for (; d + LANES <= head_dim; d += LANES)
        mix_queries(queries, count, values, scores, stride, positions, head_dim, inverse, d, LANES);
    if (d < head_dim)
        mix_queries(queries, count, values, scores, stride, positions, head_dim, inverse, d, head_dim - d);
}

/* The usual sizes of heads as constants, so that their loops unroll. */
static void attend(const attend_query *queries, size_t count, const float *keys, const float *values, float *scores,
                   size_t stride, size_t head_dim, float scale) {
    switch (head_dim) {
    case 8:
        attend_sized(queries, count, keys, values, scores, stride, 8, scale);
        break;
    case 32:
        attend_sized(queries, count, keys, values, scores, stride, 32, scale);
        break;
    case 64:
        attend_sized(queries, count, keys, values, scores, stride, 64, scale);
        break;
    case 128:
        attend_sized(queries, count, keys, values, scores, stride, 128, scale);
        break;
    default:
        attend_sized(queries, count, keys, values, scores, stride, head_dim, scale);
    }
}

static void rotate(float *x, const float *cosine, const float *sine, size_t pairs) {
    for (size_t i = 0; i < pairs; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = fmaf(a, cosine[i], -(b * sine[i]));
        x[2 * i + 1] = fmaf(a, sine[i], b * cosine[i]);
    }
}

static void swiglu(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1 + det_expf(-gate[i])) * up[i];
}

static void add(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define QUOTE_(a)    #a
#define QUOTE(a)     QUOTE_(a)
#define KERNELS      PASTE(kernels_, KERNEL_ISA)
#ifndef PANEL_ISA
#define PANEL_ISA KERNEL_ISA /* avx512bf16 has products of its own for BF16 alone */
#endif
#define PANEL_ENTRY(name, ...) .matmul[DTYPE_##name] = {prepare_##name, PASTE(panel_##name##_, PANEL_ISA)},
#define FLOAT_ENTRY(name, isa)                                                                                         \
    .matmul[DTYPE_##name] = {PASTE(float_prepare_##name##_, isa), PASTE(float_multiply_##name##_, isa)}

extern const kernel_table KERNELS;

const kernel_table KERNELS = {
    .isa = QUOTE(KERNEL_ISA),
    FLOAT_ENTRY(F32, PANEL_ISA),
    FLOAT_ENTRY(F16, PANEL_ISA),
    FLOAT_ENTRY(BF16, KERNEL_ISA),
    QUANT_TYPES(PANEL_ENTRY).rmsnorm = rmsnorm,
    .attend = attend,
    .rotate = rotate,
    .swiglu = swiglu,
    .add = add,
};
