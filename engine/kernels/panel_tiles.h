/* panel_tiles.h - products over panels from tiles of one panel by up to PANEL_TILE_TOKENS tokens.
 *
 * A file that includes this first defines PANEL_ISA, PANEL_TILES, which is PANEL_TILES_n for PANEL_TILE_TOKENS = n, and
 *
 *     INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int T);
 *
 * which computes y[T][16] and calls look_ahead at each block of 32 columns. It becomes panel_NAME_ISA for every type.
 *
 * Codes are unpacked once for all tokens of a group, whose sums fit into registers; the next group finds the panel in
 * the second-level cache. Memory is read from front to back: while a panel is multiplied with a group of tokens, a
 * share of the next panel is prefetched.
 */
#ifndef ENGINE_KERNELS_PANEL_TILES_H
#define ENGINE_KERNELS_PANEL_TILES_H

#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/simd.h"

typedef void tile_fn(const panel_input *in, float y[][PANEL_ROWS]);

INLINE void multiply(tile_fn *const tiles[PANEL_TILE_TOKENS], size_t bytes, const void *w, const void *x, float *y,
                     size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    size_t blocks = cols / PANEL_COLS, groups = tile_groups(tokens, PANEL_TILE_TOKENS);
    size_t lines = (bytes / TILE_LINE + blocks * groups - 1) / (blocks * groups); /* to prefetch at each block */
    if (tokens * PANEL_GROUPS * blocks * TILE_LINE <= TILE_FEW * bytes) lines = 0;
    for (size_t row = row0; row < row1; row += PANEL_ROWS) {
        const uint8_t *panel = (const uint8_t *)w + row / PANEL_ROWS * bytes;
        size_t         n_rows = row1 - row < PANEL_ROWS ? row1 - row : PANEL_ROWS;
        for (size_t g = 0; g < groups; g++) {
            float       out[PANEL_TILE_TOKENS][PANEL_ROWS];
            size_t      t = tile_first(tokens, groups, g), T = tile_first(tokens, groups, g + 1) - t;
            panel_input in = {.panel = panel,
                              .blocks = blocks,
                              .a = panel_activations_at(x, cols, t, T),
                              .next = (uintptr_t)panel + bytes + g * blocks * lines * TILE_LINE,
                              .next_bytes = lines * TILE_LINE};
            tiles[T - 1](&in, out);
            for (size_t i = 0; i < T; i++) memcpy(y + (t + i) * y_stride + row, out[i], n_rows * sizeof(float));
        }
    }
}

/* clang-format off */
#define PANEL_TILES_3(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__)
#define PANEL_TILES_4(X, ...) PANEL_TILES_3(X, __VA_ARGS__) X(4, __VA_ARGS__)
#define PANEL_TILES_12(X, ...)                                                                                         \
    PANEL_TILES_4(X, __VA_ARGS__)                                                                                      \
    X(5, __VA_ARGS__) X(6, __VA_ARGS__) X(7, __VA_ARGS__) X(8, __VA_ARGS__)                                            \
    X(9, __VA_ARGS__) X(10, __VA_ARGS__) X(11, __VA_ARGS__) X(12, __VA_ARGS__)
/* clang-format on */

#define PANEL_PASTE_(name, isa) panel_##name##_##isa
#define PANEL_PASTE(name, isa)  PANEL_PASTE_(name, isa)
#define PANEL_TILE(T, name, ...)                                                                                       \
    static void tile_##name##_##T(const panel_input *in, float y[][PANEL_ROWS]) {                                      \
        tile((panel_format){__VA_ARGS__}, in, y, T);                                                                   \
    }
#define PANEL_TILE_NAME(T, name) tile_##name##_##T,
#define PANEL_MULTIPLY(name, ...)                                                                                      \
    PANEL_TILES(PANEL_TILE, name, __VA_ARGS__)                                                                         \
    static tile_fn *const tiles_##name[PANEL_TILE_TOKENS] = {PANEL_TILES(PANEL_TILE_NAME, name)};                      \
    void PANEL_PASTE(name, PANEL_ISA)(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,   \
                                      size_t tokens, size_t y_stride) {                                                \
        multiply(tiles_##name, panel_bytes(DTYPE_##name, cols), w, x, y, cols, row0, row1, tokens, y_stride);          \
    }
QUANT_TYPES(PANEL_MULTIPLY)

#endif
