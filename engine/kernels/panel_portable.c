/* panel_portable.c - what a product over panels is. */
#include <math.h>

#include "engine/kernels/panel.h"
#include "engine/kernels/panel_multiply.h"

/* A block's integer dot products of 16 rows with one token. */
static void block_sums(const unsigned char *block, const int8_t *q, int32_t bias, int32_t sum[PANEL_ROWS]) {
    for (size_t r = 0; r < PANEL_ROWS; r++) sum[r] = bias;
    for (size_t g = 0; g < PANEL_GROUPS; g++, block += PANEL_ROWS * PANEL_GROUP, q += PANEL_GROUP)
        for (size_t r = 0; r < PANEL_ROWS; r++)
            for (size_t i = 0; i < PANEL_GROUP; i++) sum[r] += block[r * PANEL_GROUP + i] * q[i];
}

void panel_multiply_portable(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                             size_t tokens, size_t y_stride) {
    size_t blocks = cols / PANEL_COLS, bytes = panel_bytes(DTYPE_Q8_0, cols);
    for (size_t row = row0; row < row1; row += PANEL_ROWS) {
        const unsigned char *panel = (const unsigned char *)w + row / PANEL_ROWS * bytes;
        const uint16_t      *scales = (const uint16_t *)(panel + blocks * PANEL_BLOCK);
        for (size_t t = 0; t < tokens; t++) {
            panel_activations a = panel_activations_at(x, cols, t);
            float             acc[PANEL_ROWS] = {0};
            for (size_t b = 0; b < blocks; b++) {
                int32_t sum[PANEL_ROWS];
                block_sums(panel + b * PANEL_BLOCK, a.q + b * PANEL_COLS, a.bias[b], sum);
                for (size_t r = 0; r < PANEL_ROWS; r++)
                    acc[r] = fmaf(f16_to_f32(scales[b * PANEL_ROWS + r]) * a.scale[b], (float)sum[r], acc[r]);
            }
            for (size_t r = 0; r < PANEL_ROWS && row + r < row1; r++) y[t * y_stride + row + r] = acc[r];
        }
    }
}
