/* panel_tiles.h - products over panels from tiles of one panel by up to PANEL_TOKENS tokens.
 *
 * Who includes this has defined PANEL_ISA and
 *
 *     INLINE void tile(panel_format f, const uint8_t *panel, size_t bytes, size_t blocks, const panel_activations *a,
 *                      float y[][PANEL_ROWS], int T);
 *
 * which computes y[T][16] over blocks of 32 columns; `bytes` further stands the next panel. It becomes
 * panel_NAME_ISA for every type.
 */
#ifndef ENGINE_KERNELS_PANEL_TILES_H
#define ENGINE_KERNELS_PANEL_TILES_H

#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/simd.h"

typedef void tile_fn(const uint8_t *panel, size_t bytes, size_t blocks, const panel_activations *a,
                     float y[][PANEL_ROWS]);

INLINE void multiply(tile_fn *const tiles[PANEL_TOKENS], size_t bytes, const void *w, const void *x, float *y,
                     size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    for (size_t row = row0; row < row1; row += PANEL_ROWS) {
        size_t n_rows = row1 - row < PANEL_ROWS ? row1 - row : PANEL_ROWS;
        for (size_t t = 0, n; t < tokens; t += n) {
            panel_activations a[PANEL_TOKENS];
            float             out[PANEL_TOKENS][PANEL_ROWS];
            n = tokens - t < PANEL_TOKENS ? tokens - t : PANEL_TOKENS;
            for (size_t i = 0; i < n; i++) a[i] = panel_activations_at(x, cols, t + i);
            tiles[n - 1]((const uint8_t *)w + row / PANEL_ROWS * bytes, bytes, cols / PANEL_COLS, a, out);
            for (size_t i = 0; i < n; i++) memcpy(y + (t + i) * y_stride + row, out[i], n_rows * sizeof(float));
        }
    }
}

#define PANEL_PASTE_(name, isa) panel_##name##_##isa
#define PANEL_PASTE(name, isa)  PANEL_PASTE_(name, isa)
#define PANEL_TILE(name, T, ...)                                                                                       \
    static void tile_##name##_##T(const uint8_t *panel, size_t bytes, size_t blocks, const panel_activations *a,       \
                                  float y[][PANEL_ROWS]) {                                                             \
        tile((panel_format){__VA_ARGS__}, panel, bytes, blocks, a, y, T);                                              \
    }
#define PANEL_MULTIPLY(name, ...)                                                                                      \
    PANEL_TILE(name, 1, __VA_ARGS__)                                                                                   \
    PANEL_TILE(name, 2, __VA_ARGS__)                                                                                   \
    PANEL_TILE(name, 3, __VA_ARGS__)                                                                                   \
    static tile_fn *const tiles_##name[PANEL_TOKENS] = {tile_##name##_1, tile_##name##_2, tile_##name##_3};            \
    void PANEL_PASTE(name, PANEL_ISA)(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,   \
                                      size_t tokens, size_t y_stride) {                                                \
        multiply(tiles_##name, panel_bytes(DTYPE_##name, cols), w, x, y, cols, row0, row1, tokens, y_stride);          \
    }
QUANT_TYPES(PANEL_MULTIPLY)

#endif
