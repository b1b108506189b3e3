/* prepare.h - converts activations to the form and the order in which products read them (floats.h, panel.h). */
#ifndef ENGINE_KERNELS_PREPARE_H
#define ENGINE_KERNELS_PREPARE_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/base/bits.h"
#include "engine/kernels/floats.h"
#include "engine/kernels/panel.h"
#include "engine/kernels/simd.h"
#include "engine/kernels/tiles.h"

/* ---- floats ------------------------------------------------------------------------------------------- */

/* Rounds to bf16 (nearest, ties to even) in the upper half; NaN stays NaN, and less than 2^-50 becomes zero. */
INLINE uint32_t bf16_bits(float x) {
    uint32_t bits = float_bits(x);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
    if (x != x) rounded = 0x7fc00000;
    return (rounded & 0x7fffffff) < 0x26800000 ? 0 : rounded;
}

/* The words of one token's block of activations, which is complete. */
INLINE void words_of(dtype type, const float *x, uint32_t words[2][FLOAT_LANES]) {
    for (size_t l = 0; l < FLOAT_LANES; l++) {
        if (type != DTYPE_BF16) {
            words[0][l] = float_bits(x[l]);
        } else if (FLOAT_PAIRS) {
            words[0][l] = bf16_bits(x[2 * l]) >> 16 | bf16_bits(x[2 * l + 1]);
        } else {
            words[0][l] = bf16_bits(x[2 * l + 1]);
            words[1][l] = bf16_bits(x[2 * l]);
        }
    }
}

INLINE void prepare_floats(dtype type, const float *x, void *out, size_t cols, size_t n_tokens, size_t begin,
                           size_t end) {
    const size_t parts = float_parts(type), width = FLOAT_LANES * float_pair(type);
    size_t       blocks = float_blocks(type, cols), groups = tile_groups(n_tokens, FLOAT_TILE_TOKENS);
    begin *= PANEL_COLS / width;
    end = end * PANEL_COLS < cols ? end * (PANEL_COLS / width) : blocks;
    for (size_t g = 0; g < groups; g++) {
        size_t first = tile_first(n_tokens, groups, g), T = tile_first(n_tokens, groups, g + 1) - first;
        size_t S = float_lanes(T);
        char  *group = (char *)out + first * blocks * FLOAT_LANES * parts * FLOAT_WORD;
        for (size_t b = begin; b < end; b++) {
            uint32_t words[FLOAT_TILE_TOKENS][2][FLOAT_LANES];
            size_t   n = cols - b * width;
            for (size_t t = 0; t < T; t++) {
                const float *from = x + (first + t) * cols + b * width;
                float        padded[2 * FLOAT_LANES] = {0};
                if (n < width) from = memcpy(padded, from, n * sizeof *from);
                words_of(type, from, words[t]);
            }
            for (size_t place = 0; place < FLOAT_LANES; place += S) {
                char *to = group + (place * blocks + b * S) * T * parts * FLOAT_WORD;
                for (size_t s = 0; s < S; s++)
                    for (size_t t = 0; t < T; t++)
                        for (size_t part = 0; part < parts; part++, to += FLOAT_WORD)
                            memcpy(to, &words[t][part][float_lane(place + s)], FLOAT_WORD);
            }
        }
    }
}

#define PREPARE_FLOATS(name)                                                                                           \
    static void prepare_##name(const float *x, void *out, size_t cols, size_t n_tokens, size_t begin, size_t end) {    \
        prepare_floats(DTYPE_##name, x, out, cols, n_tokens, begin, end);                                              \
    }
FLOAT_TYPES(PREPARE_FLOATS)

/* ---- blocks ------------------------------------------------------------------------------------------- */

/* 32 activations become integers and a scale, 0 or NaN when they have none (numerics.md). */
INLINE float quantize_activations(const float *x, int32_t *q) {
    uint32_t bits = 0; /* of the largest magnitude; NaN is above infinity */
    for (int i = 0; i < PANEL_COLS; i++) {
        uint32_t magnitude = float_bits(x[i]) & 0x7fffffff;
        bits = magnitude > bits ? magnitude : bits;
    }
    float amax = bits_float(bits);
    bool  normal = amax >= 0x1p-100f && amax < INFINITY;
    float inverse = normal ? 127 / amax : 0;
    /* Adding 1.5 * 2^23 rounds to an integer, ties to even, which is in the low bits then. */
    for (int i = 0; i < PANEL_COLS; i++)
        q[i] = (int32_t)(float_bits(normal ? x[i] * inverse + 0x1.8p+23f : 0x1.8p+23f) - 0x4b400000);
    return normal ? amax / 127 : bits >= 0x7f800000 ? NAN : 0;
}

INLINE int32_t sum_of(const int32_t *q, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += q[i];
    return sum;
}

INLINE void prepare_blocks(quant_family family, int zero, const float *x, void *out, size_t cols, size_t n_tokens,
                           size_t begin, size_t end) {
    size_t groups = tile_groups(n_tokens, PANEL_TILE_TOKENS);
    for (size_t g = 0; g < groups; g++) {
        size_t   first = tile_first(n_tokens, groups, g), T = tile_first(n_tokens, groups, g + 1) - first;
        char    *group = (char *)out + first * panel_activation_bytes(cols);
        float   *scale = (float *)(void *)(group + T * cols), *sum = scale + cols / PANEL_COLS * T;
        int32_t *bias = (int32_t *)(void *)sum;
        for (size_t b = begin; b < end; b++) {
            for (size_t t = 0; t < T; t++) {
                int32_t q[PANEL_COLS];
                int8_t  bytes[PANEL_COLS];
                size_t  at = b * T + t;
                scale[at] = quantize_activations(x + (first + t) * cols + b * PANEL_COLS, q);
                for (size_t i = 0; i < PANEL_COLS; i++) bytes[i] = (int8_t)q[i];
                for (size_t i = 0; i < PANEL_GROUPS; i++)
                    memcpy(group + ((b * PANEL_GROUPS + i) * T + t) * PANEL_GROUP, bytes + i * PANEL_GROUP,
                           PANEL_GROUP);
                int32_t first_sum = sum_of(q, PANEL_COLS / 2), other_sum = sum_of(q + PANEL_COLS / 2, PANEL_COLS / 2);
                if (family == QUANT_SCALE_MIN || family == QUANT_K) {
                    sum[at] = scale[at] * (float)(first_sum + other_sum);
                } else if (family == QUANT_K_PAIRS) {
                    bias[at] = (int32_t)((uint32_t)other_sum << 16 | (uint16_t)first_sum);
                } else if (family == QUANT_K_SIGNED) {
                    bias[2 * b * T + t] = -zero * first_sum;
                    bias[(2 * b + 1) * T + t] = -zero * other_sum;
                } else {
                    bias[at] = -zero * (first_sum + other_sum);
                }
            }
        }
    }
}

#define PREPARE_BLOCKS(name, family, bits, zero, block, levels)                                                        \
    static void prepare_##name(const float *x, void *out, size_t cols, size_t n_tokens, size_t begin, size_t end) {    \
        prepare_blocks(family, zero, x, out, cols, n_tokens, begin, end);                                              \
    }
QUANT_TYPES(PREPARE_BLOCKS)

#endif
