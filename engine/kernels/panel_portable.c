/* panel_portable.c - what a product over panels is. */
#include <math.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/simd.h"

/* What the code at a byte of group g stands for. */
INLINE int value_at(panel_format f, const uint8_t *codes, size_t g, size_t at) {
    const int      low = panel_low_bits(f.bits);
    const uint8_t *high = codes + low * PANEL_VECTOR + at;
    int            u;
    if (f.bits == 8)
        u = codes[g * PANEL_VECTOR + at];
    else if (low == 4)
        u = codes[g % 4 * PANEL_VECTOR + at] >> g / 4 * 4 & 15;
    else
        u = codes[g / 4 * PANEL_VECTOR + at] >> g % 4 * 2 & 3;
    if (f.bits == low + 1) u |= (*high >> g & 1) << low;
    if (f.bits == 6) u |= (high[g / 4 * PANEL_VECTOR] >> g % 4 * 2 & 3) << low;
    return (f.levels != NULL ? f.levels[u] : u) - f.zero;
}

/* Adds v q over group g of 32 columns to the sums of 16 rows. */
INLINE void add_group(panel_format f, const uint8_t *codes, size_t g, const int8_t *q, int32_t sum[PANEL_ROWS]) {
    for (size_t r = 0; r < PANEL_ROWS; r++)
        for (size_t i = 0; i < PANEL_GROUP; i++)
            sum[r] += value_at(f, codes, g, r * PANEL_GROUP + i) * q[g * PANEL_GROUP + i];
}

/* Groups [first, last), with their scales: j numbers the small integers of the block. */
INLINE void add_part(panel_format f, const uint8_t *codes, const uint8_t *scales, size_t j, size_t first, size_t last,
                     const int8_t *q, float dx, float x_sum, float acc[PANEL_ROWS]) {
    const uint16_t *d = (const uint16_t *)scales, *e = d + PANEL_ROWS;
    const uint8_t  *s = scales + (f.family == QUANT_K ? 4 : 2) * PANEL_ROWS;
    int32_t         sum[PANEL_ROWS] = {0};
    for (size_t g = first; g < last; g++) add_group(f, codes, g, q, sum);
    for (size_t r = 0; r < PANEL_ROWS; r++) {
        float scale = f.family == QUANT_POWER ? quant_power(scales[r]) : f16_to_f32(d[r]);
        if (f.family == QUANT_K) scale *= (float)s[2 * j * PANEL_ROWS + r];
        if (f.family == QUANT_K_SIGNED || f.family == QUANT_K_LEVELS) scale *= (float)(int8_t)s[j * PANEL_ROWS + r];
        acc[r] = fmaf(scale * dx, (float)sum[r], acc[r]);
        if (f.family == QUANT_SCALE_MIN) acc[r] = fmaf(f16_to_f32(e[r]), x_sum, acc[r]);
        if (f.family == QUANT_K)
            acc[r] = fmaf(-(f16_to_f32(e[r]) * (float)s[(2 * j + 1) * PANEL_ROWS + r]), x_sum, acc[r]);
    }
}

/* 32 columns with two scales and two minima. */
INLINE void add_pairs(panel_format f, const uint8_t *codes, const uint8_t *scales, size_t j, const int8_t *q, float dx,
                      int32_t x_pair, float acc[PANEL_ROWS]) {
    const uint16_t *d = (const uint16_t *)scales, *e = d + PANEL_ROWS;
    const uint8_t  *small = scales + (4 + 2 * j) * PANEL_ROWS;
    int32_t         total[PANEL_ROWS] = {0}, low[PANEL_ROWS] = {0};
    const int32_t   x_sum[2] = {(int16_t)(x_pair & 0xffff), x_pair >> 16};
    for (size_t part = 0; part < 2; part++, small += PANEL_ROWS) {
        int32_t sum[PANEL_ROWS] = {0};
        for (size_t g = 4 * part; g < 4 * part + 4; g++) add_group(f, codes, g, q, sum);
        for (size_t r = 0; r < PANEL_ROWS; r++) {
            total[r] += (small[r] & 15) * sum[r];
            low[r] += (small[r] >> 4) * x_sum[part];
        }
    }
    for (size_t r = 0; r < PANEL_ROWS; r++) {
        acc[r] = fmaf(f16_to_f32(d[r]) * dx, (float)total[r], acc[r]);
        acc[r] = fmaf(-(f16_to_f32(e[r]) * dx), (float)low[r], acc[r]);
    }
}

INLINE void multiply(panel_format f, size_t bytes, const void *w, const void *x, float *y, size_t cols, size_t row0,
                     size_t row1, size_t tokens, size_t y_stride) {
    for (size_t row = row0; row < row1; row += PANEL_ROWS) {
        const uint8_t *panel = (const uint8_t *)w + row / PANEL_ROWS * bytes;
        for (size_t t = 0; t < tokens; t++) {
            panel_activations a = panel_activations_at(x, cols, t, 1);
            float             acc[PANEL_ROWS] = {0};
            for (size_t b = 0; b < cols / PANEL_COLS; b++) {
                panel_place    at = panel_place_of(f.family, f.bits, b);
                const uint8_t *codes = panel + at.codes, *scales = panel + at.scales;
                const int8_t  *q = a.q + b * PANEL_COLS;
                size_t         j = b % (f.cols / PANEL_COLS);
                if (f.family == QUANT_K_SIGNED) {
                    add_part(f, codes, scales, 2 * j, 0, 4, q, a.scale[b], 0, acc);
                    add_part(f, codes, scales, 2 * j + 1, 4, 8, q, a.scale[b], 0, acc);
                } else if (f.family == QUANT_K_PAIRS) {
                    add_pairs(f, codes, scales, j, q, a.scale[b], a.bias[b], acc);
                } else {
                    add_part(f, codes, scales, j, 0, 8, q, a.scale[b], a.sum[b], acc);
                }
            }
            for (size_t r = 0; r < PANEL_ROWS && row + r < row1; r++) y[t * y_stride + row + r] = acc[r];
        }
    }
}

#define MULTIPLY(name, ...)                                                                                            \
    void panel_##name##_portable(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,        \
                                 size_t tokens, size_t y_stride) {                                                     \
        multiply((panel_format){__VA_ARGS__}, panel_bytes(DTYPE_##name, cols), w, x, y, cols, row0, row1, tokens,      \
                 y_stride);                                                                                            \
    }
QUANT_TYPES(MULTIPLY)
