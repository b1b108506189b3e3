/* floats_portable.c - what a product over panels of floats is. */
#include <math.h>

#include "engine/base/bits.h"
#include "engine/kernels/floats.h"
#include "engine/kernels/simd.h"

/* Without branches, so that compilers vectorize it. */
INLINE float half_value(uint16_t h) {
    uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
    uint32_t special = magnitude >= 0x0f800000 ? 0x7f800000 : 0; /* infinity or NaN */
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    return bits_float(float_bits(bits_float(magnitude) * 0x1p+112f) | special | sign);
}

/* The weights of a lane: of BF16 the odd elements of the pairs (part 0) or the even ones. */
INLINE void weights_of(dtype type, const void *lane, size_t part, float out[PANEL_ROWS]) {
    const uint16_t *half = lane;
    for (size_t r = 0; r < PANEL_ROWS; r++)
        out[r] = type == DTYPE_F32   ? ((const float *)lane)[r]
                 : type == DTYPE_F16 ? half_value(half[r])
                                     : bits_float((uint32_t)half[2 * r + 1 - part] << 16);
}

INLINE void multiply(dtype type, const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                     size_t tokens, size_t y_stride) {
    const size_t blocks = float_blocks(type, cols), parts = float_parts(type);
    for (size_t row = row0; row < row1; row += PANEL_ROWS) {
        const char *panel = (const char *)w + row / PANEL_ROWS * float_panel_bytes(type, cols);
        const char *at = x;
        for (size_t t = 0; t < tokens; t++) {
            float sum[FLOAT_LANES][PANEL_ROWS] = {{0}};
            for (size_t place = 0; place < FLOAT_LANES; place++) {
                const char *quartet = panel + place / FLOAT_QUARTET * blocks * FLOAT_QUARTET * float_lane_bytes(type);
                float      *lane = sum[float_lane(place)];
                for (size_t b = 0; b < blocks; b++) {
                    const char *from = quartet + (b * FLOAT_QUARTET + place % FLOAT_QUARTET) * float_lane_bytes(type);
                    for (size_t part = 0; part < parts; part++, at += FLOAT_WORD) {
                        float weights[PANEL_ROWS];
                        weights_of(type, from, part, weights);
                        for (size_t r = 0; r < PANEL_ROWS; r++) lane[r] = fmaf(weights[r], float_word(at), lane[r]);
                    }
                }
            }
            for (size_t h = FLOAT_LANES / 2; h > 0; h /= 2)
                for (size_t l = 0; l < h; l++)
                    for (size_t r = 0; r < PANEL_ROWS; r++) sum[l][r] += sum[l + h][r];
            for (size_t r = 0; r < PANEL_ROWS && row + r < row1; r++) y[t * y_stride + row + r] = sum[0][r];
        }
    }
}

#define MULTIPLY(name)                                                                                                 \
    void float_##name##_portable(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,        \
                                 size_t tokens, size_t y_stride) {                                                     \
        multiply(DTYPE_##name, w, x, y, cols, row0, row1, tokens, y_stride);                                           \
    }
FLOAT_TYPES(MULTIPLY)
