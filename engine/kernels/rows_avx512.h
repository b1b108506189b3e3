/* rows_avx512.h - how rows and tokens are blocked with AVX-512; what an element is comes from who includes this.
 *
 * A tile is four rows by up to six tokens, a register of sums for each pair: a weight is loaded and converted once for
 * all its tokens, and their activations, which come from the second-level cache, are used four times.
 */
#ifndef ENGINE_KERNELS_ROWS_AVX512_H
#define ENGINE_KERNELS_ROWS_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "engine/kernels/simd.h"

enum { ROWS = 4, TOKENS = 6 };

/* The lanes' sum of each of eight registers, by the tree of numerics.md. */
INLINE __m256 lanes_sums(const __m512 v[8]) {
    __m512 s[4], q[2];
    UNROLL for (int i = 0; i < 4; i++) { /* lanes l and l + 8: halves of two sums */
        __m512 a = v[2 * i], b = v[2 * i + 1];
        s[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    }
    UNROLL for (int i = 0; i < 2; i++) { /* l and l + 4: quarters of four */
        __m512 a = s[2 * i], b = s[2 * i + 1];
        q[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    }
    /* l and l + 2, l and l + 1: in quarter i the sums i and i + 4 */
    __m512  h = _mm512_add_ps(_mm512_shuffle_ps(q[0], q[1], 0x44), _mm512_shuffle_ps(q[0], q[1], 0xee));
    __m512  y = _mm512_add_ps(_mm512_shuffle_ps(h, h, 0x88), _mm512_shuffle_ps(h, h, 0xdd));
    __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_castps512_ps256(_mm512_permutexvar_ps(order, y));
}

/* The first n of 32, or all. */
INLINE __mmask32 first_32(size_t n) {
    return n >= 32 ? 0xffffffff : (1u << n) - 1;
}

INLINE __mmask16 first_16(size_t n) {
    return (__mmask16)first_32(n);
}

/* 32 numbers, those of `there`; below 2^-50 they count as zero. */
INLINE __m512i bf16_flushed(const char *at, __mmask32 there) {
    __m512i v = _mm512_maskz_loadu_epi16(there, at); /* without its sign, compared with 2^-50 */
    return _mm512_maskz_mov_epi16(_mm512_cmpge_epu16_mask(_mm512_slli_epi16(v, 1), _mm512_set1_epi16(0x4d00)), v);
}

/* Four rows, the next ones `ahead` bytes further, and the first of the tokens, x_bytes apart. */
typedef struct {
    const char *w[ROWS];
    size_t      ahead;
    const char *x;
    size_t      x_bytes;
} rows_input;

/* Into the second-level cache; what is there need not be memory. */
INLINE void ask_for(uintptr_t at, size_t offset) {
    _mm_prefetch((const char *)(at + offset), _MM_HINT_T1);
}

/* Asks for the next four rows while these are computed: rows are about as long as a page, beyond which the processor
 * does not look ahead by itself. Into the second-level cache, because the first one is full of these rows and the
 * activations (measured: 0.7 times the time at 2 to 8 tokens). */
INLINE void look_ahead(const rows_input *in, size_t at) {
    UNROLL for (int r = 0; r < ROWS; r++) ask_for((uintptr_t)in->w[r] + in->ahead, at);
}

/* Adds the products of the elements from i on that are `there`, as many as go into a register. */
typedef void rows_step(const rows_input *in, size_t i, __mmask32 there, __m512 acc[ROWS][TOKENS], int T);

/* y[T][ROWS], in steps of `width` elements. */
INLINE void rows_tile_by(rows_step *step, size_t width, const rows_input *in, size_t cols, float y[][ROWS], int T) {
    __m512 acc[ROWS][TOKENS];
    size_t i = 0;
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int t = 0; t < T; t++) acc[r][t] = _mm512_setzero_ps();
    }
    for (; i + width <= cols; i += width) step(in, i, 0xffffffff, acc, T);
    if (i < cols) step(in, i, first_32(cols - i), acc, T);
    UNROLL for (int t = 0; t < T; t += 2) {
        __m512 two[2 * ROWS]; /* the sums of two tokens, or of one twice */
        int    other = t + 1 < T ? t + 1 : t;
        UNROLL for (int r = 0; r < ROWS; r++) two[r] = acc[r][t], two[ROWS + r] = acc[r][other];
        __m256 sums = lanes_sums(two);
        _mm_storeu_ps(y[t], _mm256_castps256_ps128(sums));
        _mm_storeu_ps(y[other], _mm256_extractf128_ps(sums, 1));
    }
}

typedef void rows_tile(const rows_input *in, size_t cols, float y[][ROWS]);

/* By T - 1, up to `most` tokens. */
typedef struct {
    rows_tile *at[TOKENS];
    size_t     most;
} rows_tiles;

/* Rows past the last repeat it and their sums are dropped. Tokens go in groups of nearly equal size. */
INLINE void rows_run(const rows_tiles *tiles, const void *w, size_t row_bytes, const void *x, size_t x_bytes, float *y,
                     size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    size_t groups = (tokens + tiles->most - 1) / tiles->most;
    for (size_t row = row0; row < row1; row += ROWS) {
        rows_input in = {.ahead = ROWS * row_bytes, .x_bytes = x_bytes};
        size_t     n_rows = row1 - row < ROWS ? row1 - row : ROWS;
        for (size_t r = 0; r < ROWS; r++) in.w[r] = (const char *)w + (row + (r < n_rows ? r : n_rows - 1)) * row_bytes;
        for (size_t g = 0; g < groups; g++) {
            float  out[TOKENS][ROWS];
            size_t t = g * tokens / groups, n = (g + 1) * tokens / groups - t;
            in.x = (const char *)x + t * x_bytes;
            tiles->at[n - 1](&in, cols, out);
            for (size_t i = 0; i < n; i++) memcpy(y + (t + i) * y_stride + row, out[i], n_rows * sizeof(float));
        }
    }
}

/* name_step and its width make tiles of up to 4 or 6 tokens. */
#define ROWS_TILE(name, width, T)                                                                                      \
    static void name##_##T(const rows_input *in, size_t cols, float y[][ROWS]) {                                       \
        rows_tile_by(name##_step, width, in, cols, y, T);                                                              \
    }
#define ROWS_TILES_4(name, width)                                                                                      \
    ROWS_TILE(name, width, 1)                                                                                          \
    ROWS_TILE(name, width, 2)                                                                                          \
    ROWS_TILE(name, width, 3)                                                                                          \
    ROWS_TILE(name, width, 4)                                                                                          \
    static const rows_tiles name##_tiles = {.at = {name##_1, name##_2, name##_3, name##_4}, .most = 4};
#define ROWS_TILES_6(name, width)                                                                                      \
    ROWS_TILE(name, width, 1)                                                                                          \
    ROWS_TILE(name, width, 2)                                                                                          \
    ROWS_TILE(name, width, 3)                                                                                          \
    ROWS_TILE(name, width, 4)                                                                                          \
    ROWS_TILE(name, width, 5)                                                                                          \
    ROWS_TILE(name, width, 6)                                                                                          \
    static const rows_tiles name##_tiles = {.at = {name##_1, name##_2, name##_3, name##_4, name##_5, name##_6},        \
                                            .most = 6};

#endif
