/* floats_prepare.h - activations in the order of floats.h, for an instruction set.
 *
 * Who includes this has defined FLOAT_MOST, the tokens of a group at most, and FLOAT_PAIRS, whether BF16 pairs are
 * multiplied at once.
 */
#ifndef ENGINE_KERNELS_FLOATS_PREPARE_H
#define ENGINE_KERNELS_FLOATS_PREPARE_H

#include <string.h>

#include "engine/base/bits.h"
#include "engine/kernels/floats.h"
#include "engine/kernels/simd.h"

/* Words of a lane and token. */
INLINE size_t float_parts(dtype type) {
    return type == DTYPE_BF16 && !FLOAT_PAIRS ? 2 : 1;
}

/* Rounds to bf16, nearest and ties to even, in the upper half; NaN stays NaN, and below 2^-50 is zero. */
INLINE uint32_t bf16_bits(float x) {
    uint32_t bits = float_bits(x);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
    if (x != x) rounded = 0x7fc00000;
    return (rounded & 0x7fffffff) < 0x26800000 ? 0 : rounded;
}

/* The words of a token's block of activations, which is all there. */
INLINE void float_words(dtype type, const float *x, uint32_t words[2][FLOAT_LANES]) {
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

INLINE void prepare(dtype type, const float *x, void *out, size_t cols, size_t tokens, size_t begin, size_t end) {
    const size_t parts = float_parts(type), width = FLOAT_LANES * float_pair(type);
    size_t       blocks = float_blocks(type, cols), groups = float_groups(tokens, FLOAT_MOST);
    begin *= PANEL_COLS / width;
    end = end * PANEL_COLS < cols ? end * (PANEL_COLS / width) : blocks;
    for (size_t g = 0; g < groups; g++) {
        size_t first = float_first(tokens, groups, g), T = float_first(tokens, groups, g + 1) - first;
        size_t S = float_lanes(T, FLOAT_MOST);
        char  *group = (char *)out + first * blocks * FLOAT_LANES * parts * FLOAT_WORD;
        for (size_t b = begin; b < end; b++) {
            uint32_t words[FLOAT_MOST][2][FLOAT_LANES];
            size_t   n = cols - b * width;
            for (size_t t = 0; t < T; t++) {
                const float *from = x + (first + t) * cols + b * width;
                float        padded[2 * FLOAT_LANES] = {0};
                if (n < width) from = memcpy(padded, from, n * sizeof *from);
                float_words(type, from, words[t]);
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

#endif
