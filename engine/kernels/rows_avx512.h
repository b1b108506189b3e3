/* rows_avx512.h - how rows and tokens are blocked with AVX-512; what an element is comes from who includes this.
 *
 * A tile is ROWS rows by up to TOKENS tokens, a register of sums for each pair. Memory is read in four streams; a
 * weight is loaded and converted once for six tokens, and the activations of many tokens, which come from the
 * second-level cache, are used four times.
 */
#ifndef ENGINE_KERNELS_ROWS_AVX512_H
#define ENGINE_KERNELS_ROWS_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "engine/kernels/simd.h"

enum { ROWS = 4, TOKENS = 6 };

/* The tree of numerics.md. */
INLINE float lanes_sum(__m512 v) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}

/* 32 numbers, those of `there`; below 2^-50 they count as zero. */
INLINE __m512i bf16_flushed(const char *at, __mmask32 there) {
    __m512i v = _mm512_maskz_loadu_epi16(there, at); /* without its sign, compared with 2^-50 */
    return _mm512_maskz_mov_epi16(_mm512_cmpge_epu16_mask(_mm512_slli_epi16(v, 1), _mm512_set1_epi16(0x4d00)), v);
}

/* Rows w[0..ROWS) by T tokens, x_bytes apart: y[T][ROWS]. */
typedef void rows_tile(const char *const *w, const char *x, size_t x_bytes, size_t cols, float y[][ROWS]);

/* tiles[T - 1] for T up to `most`. Rows past the last repeat it and their sums are dropped. */
INLINE void rows_run(rows_tile *const *tiles, size_t most, const void *w, size_t row_bytes, const void *x,
                     size_t x_bytes, float *y, size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    size_t groups = (tokens + most - 1) / most;
    for (size_t row = row0; row < row1; row += ROWS) {
        const char *at[ROWS];
        size_t      n_rows = row1 - row < ROWS ? row1 - row : ROWS;
        for (size_t r = 0; r < ROWS; r++) at[r] = (const char *)w + (row + (r < n_rows ? r : n_rows - 1)) * row_bytes;
        for (size_t g = 0; g < groups; g++) { /* of nearly equal size */
            float  out[TOKENS][ROWS];
            size_t t = g * tokens / groups, n = (g + 1) * tokens / groups - t;
            tiles[n - 1](at, (const char *)x + t * x_bytes, x_bytes, cols, out);
            for (size_t i = 0; i < n; i++) memcpy(y + (t + i) * y_stride + row, out[i], n_rows * sizeof(float));
        }
    }
}

#define ROWS_TILE(name, T)                                                                                             \
    static void name##_##T(const char *const *w, const char *x, size_t x_bytes, size_t cols, float y[][ROWS]) {        \
        name##_tile(w, x, x_bytes, cols, y, T);                                                                        \
    }
#define ROWS_TILES_4(name)                                                                                             \
    ROWS_TILE(name, 1)                                                                                                 \
    ROWS_TILE(name, 2)                                                                                                 \
    ROWS_TILE(name, 3)                                                                                                 \
    ROWS_TILE(name, 4)
#define ROWS_TILES_6(name)                                                                                             \
    ROWS_TILES_4(name)                                                                                                 \
    ROWS_TILE(name, 5)                                                                                                 \
    ROWS_TILE(name, 6)                                                                                                 \
    static rows_tile *const name##_tiles[] = {name##_1, name##_2, name##_3, name##_4, name##_5, name##_6};

#endif
