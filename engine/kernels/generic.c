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

#include "engine/kernels/attend.h"
#include "engine/kernels/detmath.h"
#include "engine/kernels/floats.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/lanes.h"
#include "engine/kernels/panel_multiply.h"

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
