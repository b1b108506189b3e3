/* floats_portable.c - what a product over panels of floats is. */
#include <math.h>

#include "engine/kernels/floats.h"
#include "engine/kernels/simd.h"

/* The weight of a lane's row: of BF16 the odd element of the pair (part 0) or the even one. */
INLINE float weight(dtype type, const void *lane, size_t row, size_t part) {
    const uint16_t *half = lane;
    if (type == DTYPE_F32) return ((const float *)lane)[row];
    return type == DTYPE_F16 ? f16_to_f32(half[row]) : bf16_to_f32(half[2 * row + 1 - part]);
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
                    for (size_t part = 0; part < parts; part++, at += FLOAT_WORD)
                        for (size_t r = 0; r < PANEL_ROWS; r++)
                            lane[r] = fmaf(weight(type, from, r, part), float_word(at), lane[r]);
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
