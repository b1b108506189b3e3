/* generic.c - all kernels but products over panels and AVX-512's over rows, in portable C, written so that compilers
 * vectorize it; the Makefile compiles it once for each instruction set. numerics.md says what is computed; this file
 * also shows it.
 *
 * The 16 lanes of a sum are an array of 16 floats whose inner loop has no dependence between lanes: one
 * AVX-512 register, two of AVX2, four of NEON. A block of rows times tokens keeps its sums in registers, and
 * weights are brought into f32 once for all tokens of a pass, a piece that fits the first-level cache.
 * Compiled with -ffp-contract=off: a fused multiply-add happens where fmaf is written.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernels/detmath.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/panel.h"
#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/rows_multiply.h"

#define INLINE static inline __attribute__((always_inline))

#define ALONE static __attribute__((noinline)) /* so that its sums get all registers */

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

/* ---- f32, f16, bf16: lanes along the row ------------------------------------------------------------- */

/* A bf16 number in the high half of `bits`; below 2^-50 it counts as zero (numerics.md, "BF16"). */
INLINE float bf16_flushed(uint32_t bits) {
    return bits_float((bits & 0x7fffffff) < 0x26800000 ? 0 : bits);
}

/* Prepared activations are f32 in the order of the lanes, with zeros up to whole lanes. */
static size_t f32_prepared_bytes(size_t cols) {
    return round_up(cols, LANES) * sizeof(float);
}

static void f32_prepare(const float *x, void *out, size_t cols) {
    float *to = out;
    memcpy(to, x, cols * sizeof *x);
    for (size_t i = cols; i < round_up(cols, LANES); i++) to[i] = 0;
}

/* Rounds to bf16, nearest and ties to even; NaN stays NaN. */
INLINE float bf16_round(float x) {
    uint32_t bits = float_bits(x);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
    return bf16_flushed(x != x ? 0x7fc00000 : rounded);
}

#ifdef __AVX512BF16__
static size_t pairs_prepared_bytes(size_t cols) {
    return round_up(cols, 2 * LANES) * sizeof(uint16_t);
}

static void pairs_prepare(const float *x, void *out, size_t cols) {
    uint16_t *to = out;
    for (size_t i = 0; i < cols; i++) to[i] = (uint16_t)(float_bits(bf16_round(x[i])) >> 16);
    for (size_t i = cols; i < round_up(cols, 2 * LANES); i++) to[i] = 0;
}
#else
static size_t bf16_prepared_bytes(size_t cols) {
    return round_up(cols, 2 * LANES) * sizeof(float);
}

static void bf16_prepare(const float *x, void *out, size_t cols) {
    float *to = out;
    for (size_t i = 0; i < cols; i += 2 * LANES) {
        for (size_t l = 0; l < LANES; l++) {
            size_t even = i + 2 * l, odd = even + 1;
            to[i + l] = odd < cols ? bf16_round(x[odd]) : 0;
            to[i + LANES + l] = even < cols ? bf16_round(x[even]) : 0;
        }
    }
}
#endif

/* ---- products over rows, where a register does not hold 16 lanes (else rows_avx512.c) --------------------- */

#ifdef __AVX512F__
#define rows_f32  rows_f32_avx512
#define rows_f16  rows_f16_avx512
#define rows_bf16 rows_bf16_avx512
#else
enum {
    ROWS = 2,
    TOKENS = 3,  /* so that the sums of a block fill the registers */
    BATCH = 64,  /* tokens that share one unpacking of a weight */
    CHUNK = 256, /* elements of a row unpacked at a time */
};

/* Elements [from, from + n) of a row in storage, as f32 in the order of the lanes and with zeros up to whole
 * lanes: in `buf` [CHUNK], or the storage itself when it is that already. */
typedef const float *unpack_fn(const void *row, size_t from, size_t n, float *buf);

static const float *unpack_f32(const void *row, size_t from, size_t n, float *buf) {
    const float *w = (const float *)row + from;
    if (n % LANES == 0) return w;
    for (size_t i = 0; i < round_up(n, LANES); i++) buf[i] = i < n ? w[i] : 0;
    return buf;
}

INLINE float unpack_half(uint16_t h) {
    uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
    uint32_t special = magnitude >= 0x0f800000 ? 0x7f800000 : 0; /* infinity or NaN */
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    return bits_float(float_bits(bits_float(magnitude) * 0x1p+112f) | special | sign);
}

static const float *unpack_f16(const void *row, size_t from, size_t n, float *buf) {
    const uint16_t *w = (const uint16_t *)row + from;
    for (size_t i = 0; i < n; i++) buf[i] = unpack_half(w[i]);
    for (size_t i = n; i < round_up(n, LANES); i++) buf[i] = 0;
    return buf;
}

/* The order of bf16 sums, odd element of a pair first, is 16 lanes over odd and even elements by turns. */
static const float *unpack_bf16(const void *row, size_t from, size_t n, float *buf) {
    const uint16_t *w = (const uint16_t *)row + from;
    size_t          i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        for (size_t l = 0; l < LANES; l++) {
            buf[i + l] = bf16_flushed((uint32_t)w[i + 2 * l + 1] << 16);
            buf[i + LANES + l] = bf16_flushed((uint32_t)w[i + 2 * l] << 16);
        }
    }
    for (; i < n; i += 2 * LANES) {
        for (size_t l = 0; l < LANES; l++) {
            size_t even = i + 2 * l, odd = even + 1;
            buf[i + l] = odd < n ? bf16_flushed((uint32_t)w[odd] << 16) : 0;
            buf[i + LANES + l] = even < n ? bf16_flushed((uint32_t)w[even] << 16) : 0;
        }
    }
    return buf;
}

/* Adds w[r][0..n) . x[t][0..n) to the lanes of acc[t][r] for ROWS rows and T tokens. */
INLINE void dot_block(const float *const w[ROWS], const float *x, size_t x_stride, float (*acc)[ROWS][LANES], size_t n,
                      int T) {
    float sum[TOKENS][ROWS][LANES];
    UNROLL for (int t = 0; t < T; t++) {
        UNROLL for (int r = 0; r < ROWS; r++) {
            for (int l = 0; l < LANES; l++) sum[t][r][l] = acc[t][r][l];
        }
    }
    for (size_t i = 0; i < n; i += LANES) {
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int t = 0; t < T; t++) {
                for (int l = 0; l < LANES; l++)
                    sum[t][r][l] = fmaf(w[r][i + (size_t)l], x[(size_t)t * x_stride + i + (size_t)l], sum[t][r][l]);
            }
        }
    }
    UNROLL for (int t = 0; t < T; t++) {
        UNROLL for (int r = 0; r < ROWS; r++) {
            for (int l = 0; l < LANES; l++) acc[t][r][l] = sum[t][r][l];
        }
    }
}

typedef void dot_fn(const float *const w[ROWS], const float *x, size_t x_stride, float (*acc)[ROWS][LANES], size_t n);

#define DOT(T)                                                                                                         \
    ALONE void dot_##T(const float *const w[ROWS], const float *x, size_t x_stride, float(*acc)[ROWS][LANES],          \
                       size_t n) {                                                                                     \
        dot_block(w, x, x_stride, acc, n, T);                                                                          \
    }
DOT(1)
DOT(2)
DOT(3)
static dot_fn *const dots[TOKENS] = {dot_1, dot_2, dot_3};

/* Rows past the last one repeat it and are not stored. `cols` elements take `padded` floats in x. */
static void multiply_lanes(unpack_fn *unpack, const void *w, size_t row_bytes, const float *x, float *y, size_t cols,
                           size_t padded, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    float buf[ROWS][CHUNK], acc[BATCH][ROWS][LANES];
    for (; tokens > 0; tokens -= tokens < BATCH ? tokens : BATCH, x += BATCH * padded, y += BATCH * y_stride) {
        size_t batch = tokens < BATCH ? tokens : BATCH;
        for (size_t row = row0; row < row1; row += ROWS) {
            memset(acc, 0, batch * sizeof *acc);
            for (size_t from = 0; from < cols; from += CHUNK) {
                size_t       n = cols - from < CHUNK ? cols - from : CHUNK;
                size_t       n_padded = padded - from < CHUNK ? padded - from : CHUNK;
                const float *rows[ROWS];
                for (size_t r = 0; r < ROWS; r++) {
                    size_t at = row + r < row1 ? row + r : row1 - 1;
                    rows[r] = unpack((const char *)w + at * row_bytes, from, n, buf[r]);
                }
                for (size_t t = 0, step; t < batch; t += step) {
                    step = batch - t < TOKENS ? batch - t : TOKENS;
                    dots[step - 1](rows, x + t * padded + from, padded, acc + t, n_padded);
                }
            }
            for (size_t t = 0; t < batch; t++)
                for (size_t r = 0; r < ROWS && row + r < row1; r++) y[t * y_stride + row + r] = lanes_sum(acc[t][r]);
        }
    }
}

static void rows_f32(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride) {
    multiply_lanes(unpack_f32, w, cols * sizeof(float), x, y, cols, round_up(cols, LANES), row0, row1, tokens,
                   y_stride);
}

static void rows_f16(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride) {
    multiply_lanes(unpack_f16, w, cols * sizeof(uint16_t), x, y, cols, round_up(cols, LANES), row0, row1, tokens,
                   y_stride);
}

static void rows_bf16(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                      size_t y_stride) {
    multiply_lanes(unpack_bf16, w, cols * sizeof(uint16_t), x, y, cols, round_up(cols, 2 * LANES), row0, row1, tokens,
                   y_stride);
}
#endif

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

INLINE void panel_prepare(quant_family family, int zero, const float *x, void *out, size_t cols) {
    int8_t  *q = out;
    float   *scale = (float *)(void *)(q + cols), *whole = scale + cols / PANEL_COLS;
    int32_t *bias = (int32_t *)(void *)whole;
    for (size_t b = 0; b < cols / PANEL_COLS; b++, x += PANEL_COLS, q += PANEL_COLS) {
        int32_t sum[2] = {0, 0};
        scale[b] = quantize_activations(x, q);
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
    static void prepare_##name(const float *x, void *out, size_t cols) {                                               \
        panel_prepare(family, zero, x, out, cols);                                                                     \
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
#define PANEL_ISA KERNEL_ISA /* panels may have fewer versions */
#endif
#define PANEL_ENTRY(name, ...)                                                                                         \
    .matmul[DTYPE_##name] = {panel_activation_bytes, prepare_##name, PASTE(panel_##name##_, PANEL_ISA)},

extern const kernel_table KERNELS;

const kernel_table KERNELS = {
    .isa = QUOTE(KERNEL_ISA),
    .matmul[DTYPE_F32] = {f32_prepared_bytes, f32_prepare, rows_f32},
    .matmul[DTYPE_F16] = {f32_prepared_bytes, f32_prepare, rows_f16},
#ifdef __AVX512BF16__
    .matmul[DTYPE_BF16] = {pairs_prepared_bytes, pairs_prepare, rows_bf16_pairs_avx512},
#else
    .matmul[DTYPE_BF16] = {bf16_prepared_bytes, bf16_prepare, rows_bf16},
#endif
    QUANT_TYPES(PANEL_ENTRY).rmsnorm = rmsnorm,
    .attend = attend,
    .rotate = rotate,
    .swiglu = swiglu,
    .add = add,
};
