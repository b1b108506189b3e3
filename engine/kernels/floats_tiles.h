/* floats_tiles.h - products over panels of floats from tiles of one panel by up to FLOAT_TILE_TOKENS tokens.
 *
 * A file that includes this first defines FLOAT_ISA, FLOAT_TILES, which is FLOAT_TILES_n for FLOAT_TILE_TOKENS = n, and
 *
 *     vec load(dtype type, const char *lane, int v, int part);
 *                                                   weights of a lane for the rows of register v: of BF16 the odd
 *                                                   elements (part 0), the even ones (1), or both if FLOAT_PAIRS
 *     vec product(vec w, const char *x, vec acc);   if pairs are multiplied at once: acc + w x, the odd elements first
 *
 * FLOAT_MULTIPLY(name) makes the function of a type.
 */
#ifndef ENGINE_KERNELS_FLOATS_TILES_H
#define ENGINE_KERNELS_FLOATS_TILES_H

#include "engine/kernels/floats.h"
#include "engine/kernels/simd.h"
#include "engine/kernels/vec.h"

enum {
    WAITING = 72,                /* tokens whose sums are kept until the other quartets are done */
    PREFETCH_DISTANCE = 1 << 15, /* bytes, at least */
    VECS = PANEL_ROWS / VEC
};

#ifndef ISA_AVX512BF16
/* acc + w x; all rows take the same word x. */
INLINE vec product(vec w, const char *x, vec acc) {
    return vec_fma(w, vec_all(float_word(x)), acc);
}
#endif

/* A quartet of a panel, and the words of T tokens for it. */
typedef struct {
    const char *w;
    const char *x;
    size_t      blocks;
    size_t      ahead; /* prefetch distance in bytes; 0 = already prefetched; may point past the end */
} float_input;

/* sums[T] = the quartet's sums; half is scratch of the same size. */
INLINE void tile(dtype type, const float_input *in, vec (*sums)[VECS], vec (*half)[VECS], int T) {
    const int    parts = (int)float_parts(type), S = (int)float_lanes((size_t)T);
    const size_t lane_bytes = float_lane_bytes(type);
    const bool   prefetches = S < FLOAT_QUARTET || (size_t)(T * parts) * TILE_LINE > TILE_FEW * lane_bytes;
    const char  *x = in->x;
    for (int from = 0; from < FLOAT_QUARTET; from += S) {
        const char *w = in->w + (size_t)from * lane_bytes;
        uintptr_t   next = (uintptr_t)in->w + in->ahead + (size_t)from * in->blocks * lane_bytes;
        vec         acc[FLOAT_QUARTET][FLOAT_TILE_TOKENS][VECS];
        UNROLL for (int s = 0; s < S; s++) UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < VECS; v++)
            acc[s][t][v] = vec_all(0);
        for (size_t b = 0; b < in->blocks; b++) {
            UNROLL for (int s = 0; s < S; s++) {
                const char *lane = w + (size_t)s * lane_bytes;
                if (prefetches) prefetch(next + (size_t)s * lane_bytes);
                UNROLL for (int part = 0; part < parts; part++) {
                    vec weights[VECS];
                    UNROLL for (int v = 0; v < VECS; v++) weights[v] = load(type, lane, v, part);
                    UNROLL for (int t = 0; t < T; t++) {
                        const char *word = x + ((s * T + t) * parts + part) * FLOAT_WORD;
                        UNROLL for (int v = 0; v < VECS; v++) acc[s][t][v] = product(weights[v], word, acc[s][t][v]);
                    }
                }
            }
            w += FLOAT_QUARTET * lane_bytes;
            next += (size_t)S * lane_bytes;
            x += S * T * parts * FLOAT_WORD;
        }
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < VECS; v++) {
            vec a = acc[0][t][v];
            if (S >= 2) a = vec_add(a, acc[1][t][v]);
            if (S == 4) a = vec_add(a, vec_add(acc[2][t][v], acc[3][t][v]));
            if (S == 1 && from == 2)
                half[t][v] = a;
            else if (S == 1 && from == 3)
                sums[t][v] = vec_add(sums[t][v], vec_add(half[t][v], a));
            else
                sums[t][v] = from == 0 ? a : vec_add(sums[t][v], a);
        }
    }
}

typedef void tile_fn(const float_input *in, vec (*sums)[VECS], vec (*half)[VECS]);

INLINE void multiply(dtype type, tile_fn *const tiles[FLOAT_TILE_TOKENS], const void *w, const void *x, float *y,
                     size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    size_t blocks = float_blocks(type, cols), groups = tile_groups(tokens, FLOAT_TILE_TOKENS);
    size_t panel = float_panel_bytes(type, cols), quartet = panel / FLOAT_QUARTETS;
    size_t ahead = (PREFETCH_DISTANCE / quartet + 1) * quartet;
    float  few[PANEL_ROWS] = {0}; /* of rows at the end that do not fill a panel */
    for (size_t begin = 0, end; begin < groups; begin = end) {
        end = groups - begin < WAITING / FLOAT_TILE_TOKENS ? groups : begin + WAITING / FLOAT_TILE_TOKENS;
        size_t first = tile_first(tokens, groups, begin), last = tile_first(tokens, groups, end);
        for (size_t row = row0; row < row1; row += PANEL_ROWS) {
            vec sums[FLOAT_QUARTETS][WAITING][VECS], half[FLOAT_TILE_TOKENS][VECS];
            for (size_t q = 0; q < FLOAT_QUARTETS; q++) {
                for (size_t g = begin; g < end; g++) {
                    size_t      t = tile_first(tokens, groups, g), T = tile_first(tokens, groups, g + 1) - t;
                    size_t      token = blocks * FLOAT_LANES * float_parts(type) * FLOAT_WORD;
                    float_input in = {.w = (const char *)w + row / PANEL_ROWS * panel + q * quartet,
                                      .x = (const char *)x + t * token + q * (token / FLOAT_QUARTETS) * T,
                                      .blocks = blocks,
                                      .ahead = g == begin ? ahead : 0};
                    tiles[T - 1](&in, sums[q] + (t - first), half);
                }
            }
            for (size_t t = 0; t < last - first; t++) {
                float *to = y + (first + t) * y_stride + row, *out = row1 - row < PANEL_ROWS ? few : to;
                UNROLL for (int v = 0; v < VECS; v++)
                    vec_store(out + v * VEC,
                              vec_add(vec_add(sums[0][t][v], sums[1][t][v]), vec_add(sums[2][t][v], sums[3][t][v])));
                if (out == few) memcpy(to, few, (row1 - row) * sizeof *few);
            }
        }
    }
}

/* clang-format off */
#define FLOAT_TILES_6(X, name) X(name, 1) X(name, 2) X(name, 3) X(name, 4) X(name, 5) X(name, 6)
#define FLOAT_TILES_24(X, name)                                                                                        \
    FLOAT_TILES_6(X, name)                                                                                             \
    X(name, 7) X(name, 8) X(name, 9) X(name, 10) X(name, 11) X(name, 12) X(name, 13) X(name, 14) X(name, 15)           \
    X(name, 16) X(name, 17) X(name, 18) X(name, 19) X(name, 20) X(name, 21) X(name, 22) X(name, 23) X(name, 24)
/* clang-format on */

#define FLOAT_PASTE_(name, isa) float_##name##_##isa
#define FLOAT_PASTE(name, isa)  FLOAT_PASTE_(name, isa)
#define FLOAT_TILE(name, T)                                                                                            \
    static void tile_##name##_##T(const float_input *in, vec(*sums)[VECS], vec(*half)[VECS]) {                         \
        tile(DTYPE_##name, in, sums, half, T);                                                                         \
    }
#define FLOAT_TILE_NAME(name, T) tile_##name##_##T,
#define FLOAT_MULTIPLY(name)                                                                                           \
    FLOAT_TILES(FLOAT_TILE, name)                                                                                      \
    static tile_fn *const tiles_##name[FLOAT_TILE_TOKENS] = {FLOAT_TILES(FLOAT_TILE_NAME, name)};                      \
    void FLOAT_PASTE(name, FLOAT_ISA)(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,   \
                                      size_t tokens, size_t y_stride) {                                                \
        multiply(DTYPE_##name, tiles_##name, w, x, y, cols, row0, row1, tokens, y_stride);                             \
    }

#endif
