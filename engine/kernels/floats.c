/* floats.c - packs panels of floats, once, when a model is opened. */
#include "engine/kernels/floats.h"

#include "engine/kernels/simd.h"

size_t float_panel_bytes(dtype t, size_t cols) {
    return float_blocks(t, cols) * FLOAT_LANES * float_lane_bytes(t);
}

/* Below 2^-50 a bf16 number counts as zero (numerics.md, "BF16"). */
static uint16_t bf16_flushed(uint16_t h) {
    return (h & 0x7fff) < 0x2680 ? 0 : h;
}

/* Copies a block of a row, n elements and then zeros, to one row of a panel's lanes. */
INLINE void pack_block(dtype t, const char *at, size_t n, size_t blocks, char *out) {
    const size_t size = float_lane_bytes(t) / PANEL_ROWS, bytes = FLOAT_LANES * size;
    char         block[FLOAT_LANES * sizeof(float)] = {0};
    if (n == FLOAT_LANES * float_pair(t))
        memcpy(block, at, bytes);
    else if (n > 0)
        memcpy(block, at, n * (size / float_pair(t)));
    if (t == DTYPE_BF16) {
        uint16_t h[2 * FLOAT_LANES];
        memcpy(h, block, sizeof h);
        for (size_t i = 0; i < 2 * FLOAT_LANES; i++) h[i] = bf16_flushed(h[i]);
        memcpy(block, h, sizeof h);
    }
    for (size_t place = 0; place < FLOAT_LANES; place++)
        memcpy(out + (place / FLOAT_QUARTET * blocks * FLOAT_QUARTET + place % FLOAT_QUARTET) * float_lane_bytes(t),
               block + float_lane(place) * size, size);
}

INLINE void pack(dtype t, const char *w, size_t rows, size_t cols, size_t begin, size_t end, char *out) {
    const size_t width = FLOAT_LANES * float_pair(t), size = float_lane_bytes(t) / PANEL_ROWS;
    size_t       blocks = float_blocks(t, cols), row_bytes = dtype_bytes(t, cols);
    for (size_t p = begin; p < end; p++) {
        for (size_t b = 0; b < blocks; b++) {
            char  *lanes = out + p * float_panel_bytes(t, cols) + b * FLOAT_QUARTET * float_lane_bytes(t);
            size_t n = cols - b * width < width ? cols - b * width : width;
            for (size_t r = 0; r < PANEL_ROWS; r++) {
                size_t row = p * PANEL_ROWS + r;
                bool   there = row < rows;
                pack_block(t, there ? w + row * row_bytes + b * FLOAT_LANES * size : NULL, there ? n : 0, blocks,
                           lanes + r * size);
            }
        }
    }
}

void float_pack(dtype t, const void *w, size_t rows, size_t cols, size_t begin, size_t end, void *out) {
    switch (t) {
    case DTYPE_F32:
        pack(DTYPE_F32, w, rows, cols, begin, end, out);
        break;
    case DTYPE_F16:
        pack(DTYPE_F16, w, rows, cols, begin, end, out);
        break;
    default:
        pack(DTYPE_BF16, w, rows, cols, begin, end, out);
    }
}
