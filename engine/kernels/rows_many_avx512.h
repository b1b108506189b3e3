/* rows_many_avx512.h - products of many tokens with AVX-512: a block of weights is converted once, stays in the
 * first-level cache, and meets all tokens there.
 *
 * A tile is eight rows by three tokens, a register of sums for each pair. Activations come from the second-level cache,
 * a register for eight products; of four rows by six tokens (rows_avx512.h) it would be one for four.
 * Sums wait in memory from block to block of a row, so that each takes its products in the order of the row.
 */
#ifndef ENGINE_KERNELS_ROWS_MANY_AVX512_H
#define ENGINE_KERNELS_ROWS_MANY_AVX512_H

#include <stdbool.h>

#include "engine/kernels/rows_avx512.h"

enum {
    MANY_LEAST = 14, /* tokens from which this is faster than reading rows as they are (measured) */
    MANY_ROWS = 8,
    MANY_TOKENS = 3,   /* of a tile */
    MANY_BYTES = 2048, /* of a block's row, converted */
    MANY_MOST = 64,    /* tokens that meet a block */
};

/* Converts elements [0, n) of a row from `at` on, with zeros up to full registers; returns how many registers they are.
 * n * size is at most MANY_BYTES. */
typedef size_t many_unpack(const char *at, size_t n, char *out);

/* sums += a register of weights by one of activations. */
typedef __m512 many_product(__m512 w, __m512 x, __m512 sums);

typedef struct {
    const char *w; /* [MANY_ROWS][MANY_BYTES] */
    const char *x; /* [T], x_bytes apart */
    size_t      x_bytes, registers;
    bool        first; /* nothing is in the sums yet */
    /* Every `stride` registers, at first at register `due`, the next block is asked for as far in. */
    uintptr_t next;
    size_t    next_bytes, due, stride;
} many_input;

/* sums[T][MANY_ROWS] */
typedef void many_tile(const many_input *in, __m512 (*sums)[MANY_ROWS]);

INLINE void many_tile_by(many_product *product, const many_input *in, __m512 (*sums)[MANY_ROWS], int T) {
    __m512 acc[MANY_TOKENS][MANY_ROWS];
    if (in->first) {
        UNROLL for (int t = 0; t < T; t++) {
            UNROLL for (int r = 0; r < MANY_ROWS; r++) acc[t][r] = _mm512_setzero_ps();
        }
    } else {
        UNROLL for (int t = 0; t < T; t++) {
            UNROLL for (int r = 0; r < MANY_ROWS; r++) acc[t][r] = sums[t][r];
        }
    }
    size_t due = in->due * 64;
    for (size_t i = 0; i < in->registers * 64; i += 64) {
        if (i == due) {
            UNROLL for (size_t r = 0; r < MANY_ROWS; r++) ask_for(in->next + r * in->next_bytes, i);
            due += in->stride * 64;
        }
        __m512 x[MANY_TOKENS];
        UNROLL for (int t = 0; t < T; t++) x[t] = _mm512_load_ps(in->x + (size_t)t * in->x_bytes + i);
        UNROLL for (int r = 0; r < MANY_ROWS; r++) {
            __m512 w = _mm512_load_ps(in->w + r * MANY_BYTES + i);
            __asm__("" : "+v"(w)); /* else gcc loads it again for each token */
            UNROLL for (int t = 0; t < T; t++) acc[t][r] = product(w, x[t], acc[t][r]);
        }
    }
    UNROLL for (int t = 0; t < T; t++) {
        UNROLL for (int r = 0; r < MANY_ROWS; r++) sums[t][r] = acc[t][r];
    }
}

/* What a type of weights is multiplied with: its elements' sizes as stored and as converted, and tiles by T - 1. */
typedef struct {
    size_t       stored, size;
    many_unpack *unpack;
    many_tile   *tiles[MANY_TOKENS];
} many_type;

/* Up to MANY_MOST tokens. Rows past the last repeat it and their sums are dropped. */
INLINE void many_run_some(const many_type *type, const char *w, size_t row_bytes, const char *x, size_t x_bytes,
                          float *y, size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    _Alignas(64) char block[MANY_ROWS][MANY_BYTES];
    __m512            sums[MANY_MOST][MANY_ROWS];
    size_t            width = MANY_BYTES / type->size, groups = (tokens + MANY_TOKENS - 1) / MANY_TOKENS;
    for (size_t row = row0; row < row1; row += MANY_ROWS) {
        size_t n_rows = row1 - row < MANY_ROWS ? row1 - row : MANY_ROWS;
        for (size_t from = 0; from < cols; from += width) {
            size_t      n = cols - from < width ? cols - from : width;
            const char *at = w + row * row_bytes + from * type->stored;
            /* The next block, wherever it is. */
            uintptr_t  next = from + width < cols ? (uintptr_t)at + width * type->stored
                                                  : (uintptr_t)w + (row + MANY_ROWS) * row_bytes;
            many_input in = {.w = block[0],
                             .x_bytes = x_bytes,
                             .first = from == 0,
                             .next = next,
                             .next_bytes = row_bytes,
                             .stride = groups};
            for (size_t r = 0; r < MANY_ROWS; r++)
                in.registers = type->unpack(at + (r < n_rows ? r : n_rows - 1) * row_bytes, n, block[r]);
            for (size_t g = 0; g < groups; g++) {
                size_t t = g * tokens / groups, T = (g + 1) * tokens / groups - t;
                in.x = x + t * x_bytes + from * type->size;
                in.due = g;
                type->tiles[T - 1](&in, sums + t);
            }
        }
        for (size_t t = 0; t < tokens; t++) {
            float out[MANY_ROWS];
            _mm256_storeu_ps(out, lanes_sums(sums[t]));
            memcpy(y + t * y_stride + row, out, n_rows * sizeof *out);
        }
    }
}

INLINE void many_run(const many_type *type, const void *w, const void *x, size_t x_bytes, float *y, size_t cols,
                     size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    for (size_t t = 0; t < tokens; t += MANY_MOST)
        many_run_some(type, w, cols * type->stored, (const char *)x + t * x_bytes, x_bytes, y + t * y_stride, cols,
                      row0, row1, tokens - t < MANY_MOST ? tokens - t : MANY_MOST, y_stride);
}

/* name_product makes tiles of up to three tokens. */
#define MANY_TILE(name, T)                                                                                             \
    static void name##_many_##T(const many_input *in, __m512(*sums)[MANY_ROWS]) {                                      \
        many_tile_by(name##_product, in, sums, T);                                                                     \
    }
#define MANY_TILES(name)                                                                                               \
    MANY_TILE(name, 1)                                                                                                 \
    MANY_TILE(name, 2)                                                                                                 \
    MANY_TILE(name, 3)
#define MANY_TYPE(stored_size, block_size, unpack_row, name)                                                           \
    {                                                                                                                  \
        .stored = stored_size, .size = block_size, .unpack = unpack_row, .tiles = {                                    \
            name##_many_1,                                                                                             \
            name##_many_2,                                                                                             \
            name##_many_3                                                                                              \
        }                                                                                                              \
    }

#endif
