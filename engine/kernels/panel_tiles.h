/* panel_tiles.h - products over panels from tiles: one panel by up to PANEL_TILE_TOKENS tokens, or PANEL_STREAMS panels
 * by up to PANEL_STREAM_TOKENS.
 *
 * A file that includes this first defines PANEL_ISA; PANEL_TILES and PANEL_STREAM_TILES, which are PANEL_TILES_n for n
 * = PANEL_TILE_TOKENS and PANEL_STREAM_TOKENS; and
 *
 *     INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int P, int T);
 *
 * which computes y[P][T][16] of P panels and T tokens and calls panel_prefetch at each block of 32 columns. It becomes
 * panel_NAME_ISA for every type.
 *
 * Codes are unpacked once for all tokens of a group, whose sums fit into registers; the next group finds the panel in
 * the second-level cache. Few tokens leave registers for the sums of other panels: then memory answers several streams
 * at a time, and no sum waits for its last product. While panels are multiplied with a group of tokens, a share of the
 * next ones is prefetched.
 */
#ifndef ENGINE_KERNELS_PANEL_TILES_H
#define ENGINE_KERNELS_PANEL_TILES_H

#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/simd.h"

typedef void tile_fn(const panel_input *in, float y[][PANEL_ROWS]);

/* Of T tokens at T - 1. */
typedef struct {
    tile_fn *single[PANEL_TILE_TOKENS], *streams[PANEL_STREAM_TOKENS];
} tile_set;

INLINE void multiply(const tile_set *tiles, size_t bytes, const void *w, const void *x, float *y, size_t cols,
                     size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    size_t blocks = cols / PANEL_COLS, groups = tile_groups(tokens, PANEL_TILE_TOKENS);
    size_t together = tokens <= PANEL_STREAM_TOKENS ? PANEL_STREAMS : 1;
    for (size_t row = row0, panels; row < row1; row += panels * PANEL_ROWS) {
        const uint8_t *panel = (const uint8_t *)w + row / PANEL_ROWS * bytes;
        panels = panel_count(row1 - row) >= together ? together : 1;
        size_t lines = (panels * bytes / TILE_LINE + blocks * groups - 1) / (blocks * groups); /* for each block */
        for (size_t g = 0; g < groups; g++) {
            float       out[PANEL_STREAMS * PANEL_TILE_TOKENS][PANEL_ROWS];
            size_t      t = tile_first(tokens, groups, g), T = tile_first(tokens, groups, g + 1) - t;
            panel_input in = {.panel = panel,
                              .bytes = bytes,
                              .blocks = blocks,
                              .a = panel_activations_at(x, cols, t, T),
                              .next = (uintptr_t)panel + panels * bytes + g * blocks * lines * TILE_LINE,
                              .next_bytes = lines * TILE_LINE};
            (panels > 1 ? tiles->streams[T - 1] : tiles->single[T - 1])(&in, out);
            for (size_t p = 0; p < panels; p++) {
                size_t at = row + p * PANEL_ROWS, n_rows = row1 - at < PANEL_ROWS ? row1 - at : PANEL_ROWS;
                for (size_t i = 0; i < T; i++)
                    memcpy(y + (t + i) * y_stride + at, out[p * T + i], n_rows * sizeof(float));
            }
        }
    }
}

/* clang-format off */
#define PANEL_TILES_1(X, P, ...) X(P, 1, __VA_ARGS__)
#define PANEL_TILES_3(X, P, ...) PANEL_TILES_1(X, P, __VA_ARGS__) X(P, 2, __VA_ARGS__) X(P, 3, __VA_ARGS__)
#define PANEL_TILES_4(X, P, ...) PANEL_TILES_3(X, P, __VA_ARGS__) X(P, 4, __VA_ARGS__)
#define PANEL_TILES_12(X, P, ...)                                                                                      \
    PANEL_TILES_4(X, P, __VA_ARGS__)                                                                                   \
    X(P, 5, __VA_ARGS__) X(P, 6, __VA_ARGS__) X(P, 7, __VA_ARGS__) X(P, 8, __VA_ARGS__)                                \
    X(P, 9, __VA_ARGS__) X(P, 10, __VA_ARGS__) X(P, 11, __VA_ARGS__) X(P, 12, __VA_ARGS__)
/* clang-format on */

#define PANEL_PASTE_(name, isa) panel_##name##_##isa
#define PANEL_PASTE(name, isa)  PANEL_PASTE_(name, isa)
#define PANEL_TILE(P, T, name, ...)                                                                                    \
    static void tile_##name##_##P##_##T(const panel_input *in, float y[][PANEL_ROWS]) {                                \
        tile((panel_format){__VA_ARGS__}, in, y, P, T);                                                                \
    }
#define PANEL_TILE_NAME(P, T, name) tile_##name##_##P##_##T,
#define PANEL_MULTIPLY(name, ...)                                                                                      \
    PANEL_TILES(PANEL_TILE, 1, name, __VA_ARGS__)                                                                      \
    PANEL_STREAM_TILES(PANEL_TILE, PANEL_STREAMS, name, __VA_ARGS__)                                                   \
    static const tile_set tiles_##name = {{PANEL_TILES(PANEL_TILE_NAME, 1, name)},                                     \
                                          {PANEL_STREAM_TILES(PANEL_TILE_NAME, PANEL_STREAMS, name)}};                 \
    void PANEL_PASTE(name, PANEL_ISA)(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,   \
                                      size_t tokens, size_t y_stride) {                                                \
        multiply(&tiles_##name, panel_bytes(DTYPE_##name, cols), w, x, y, cols, row0, row1, tokens, y_stride);         \
    }
QUANT_TYPES(PANEL_MULTIPLY)

#endif
