/* floats.c - laying out panels of floats, once, when a model is opened. */
#include "engine/kernels/floats.h"

#include <string.h>

size_t float_panel_bytes(dtype t, size_t cols) {
    return float_blocks(t, cols) * FLOAT_LANES * float_lane_bytes(t);
}

/* Below 2^-50 a bf16 number counts as zero (numerics.md, "BF16"). */
static uint16_t bf16_flushed(uint16_t h) {
    return (h & 0x7fff) < 0x2680 ? 0 : h;
}

/* A block of a row: to every PANEL_ROWS-th element of its four quartets, `quartet` bytes apart. `size` is a constant
 * where this is inlined. */
static inline void scatter(const char *block, size_t size, size_t quartet, char *out) {
    for (size_t place = 0; place < FLOAT_LANES; place++)
        memcpy(out + place / FLOAT_QUARTET * quartet + place % FLOAT_QUARTET * PANEL_ROWS * size,
               block + float_lane(place) * size, size);
}

/* n elements of a row from `at` on, with zeros up to a block, into `block`. */
static void take(dtype t, const char *at, size_t n, char block[FLOAT_LANES * sizeof(float)]) {
    memset(block, 0, FLOAT_LANES * sizeof(float));
    memcpy(block, at, dtype_bytes(t, n));
    if (t != DTYPE_BF16) return;
    uint16_t h[2 * FLOAT_LANES];
    memcpy(h, block, sizeof h);
    for (size_t i = 0; i < 2 * FLOAT_LANES; i++) h[i] = bf16_flushed(h[i]);
    memcpy(block, h, sizeof h);
}

void float_pack(dtype t, const void *w, size_t rows, size_t cols, size_t begin, size_t end, void *out) {
    size_t size = float_lane_bytes(t) / PANEL_ROWS, blocks = float_blocks(t, cols), width = FLOAT_LANES * float_pair(t);
    size_t quartet = float_panel_bytes(t, cols) / FLOAT_QUARTETS;
    for (size_t p = begin; p < end; p++) {
        char *panel = (char *)out + p * float_panel_bytes(t, cols);
        for (size_t b = 0; b < blocks; b++) {
            size_t n = cols - b * width < width ? cols - b * width : width;
            for (size_t r = 0; r < PANEL_ROWS; r++) {
                char   block[FLOAT_LANES * sizeof(float)] = {0};
                size_t row = p * PANEL_ROWS + r;
                char  *to = panel + (b * FLOAT_QUARTET * PANEL_ROWS + r) * size;
                if (row < rows)
                    take(t, (const char *)w + row * dtype_bytes(t, cols) + b * dtype_bytes(t, width), n, block);
                if (size == sizeof(float))
                    scatter(block, sizeof(float), quartet, to);
                else
                    scatter(block, sizeof(uint16_t), quartet, to);
            }
        }
    }
}
