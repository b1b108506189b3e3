/* rows_avx512.c - products over stored rows with AVX-512. */
#if defined(__AVX512F__) && defined(__AVX512BW__)
#include "engine/kernels/rows_avx512.h"

#include <stdint.h>

#include "engine/kernels/rows_multiply.h"

static size_t padded(size_t cols, size_t to) {
    return (cols + to - 1) / to * to;
}

/* ---- F32, F16: 16 elements at a time --------------------------------------------------------------------- */

typedef __m512 load_fn(const char *at, __mmask16 there);

INLINE __m512 f32_at(const char *at, __mmask16 there) {
    return _mm512_maskz_loadu_ps(there, at);
}

INLINE __m512 f16_at(const char *at, __mmask16 there) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(there, at));
}

INLINE void add_16(load_fn *load, size_t size, const char *const *w, size_t ahead, const char *x, size_t x_bytes,
                   size_t i, __mmask16 there, __m512 acc[ROWS][TOKENS], int T) {
    __m512 e[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) e[r] = load(w[r] + i * size, there);
    look_ahead(w, i * size + ahead);
    UNROLL for (int t = 0; t < T; t++) {
        __m512 v = _mm512_load_ps(x + (size_t)t * x_bytes + i * sizeof(float));
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][t] = _mm512_fmadd_ps(e[r], v, acc[r][t]);
    }
}

INLINE void lanes_tile(load_fn *load, size_t size, const char *const *w, size_t ahead, const char *x, size_t x_bytes,
                       size_t cols, float y[][ROWS], int T) {
    __m512 acc[ROWS][TOKENS];
    size_t i = 0;
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int t = 0; t < T; t++) acc[r][t] = _mm512_setzero_ps();
    }
    for (; i + 16 <= cols; i += 16) add_16(load, size, w, ahead, x, x_bytes, i, 0xffff, acc, T);
    if (i < cols) add_16(load, size, w, ahead, x, x_bytes, i, (__mmask16)((1u << (cols - i)) - 1), acc, T);
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int t = 0; t < T; t++) y[t][r] = lanes_sum(acc[r][t]);
    }
}

INLINE void f32_tile(const char *const *w, size_t ahead, const char *x, size_t x_bytes, size_t cols, float y[][ROWS],
                     int T) {
    lanes_tile(f32_at, sizeof(float), w, ahead, x, x_bytes, cols, y, T);
}
ROWS_TILES_6(f32)

INLINE void f16_tile(const char *const *w, size_t ahead, const char *x, size_t x_bytes, size_t cols, float y[][ROWS],
                     int T) {
    lanes_tile(f16_at, sizeof(uint16_t), w, ahead, x, x_bytes, cols, y, T);
}
ROWS_TILES_6(f16)

void rows_f32_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride) {
    rows_run(&f32_tiles, w, cols * sizeof(float), x, padded(cols, 16) * sizeof(float), y, cols, row0, row1, tokens,
             y_stride);
}

void rows_f16_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride) {
    rows_run(&f16_tiles, w, cols * sizeof(uint16_t), x, padded(cols, 16) * sizeof(float), y, cols, row0, row1, tokens,
             y_stride);
}

/* ---- BF16: 32 elements at a time, the odd ones first ------------------------------------------------------ */

/* Two registers of weights for a row leave room for four tokens. */
enum { BF16_TOKENS = 4 };

INLINE void add_32(const char *const *w, size_t ahead, const char *x, size_t x_bytes, size_t i, __mmask32 there,
                   __m512 acc[ROWS][BF16_TOKENS], int T) {
    __m512 odd[ROWS], even[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        __m512i v = bf16_flushed(w[r] + i * sizeof(uint16_t), there);
        odd[r] = _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000)));
        even[r] = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
    }
    look_ahead(w, i * sizeof(uint16_t) + ahead);
    UNROLL for (int t = 0; t < T; t++) {
        const char *at = x + (size_t)t * x_bytes + i * sizeof(float);
        __m512      x_odd = _mm512_load_ps(at), x_even = _mm512_load_ps(at + 64);
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][t] =
            _mm512_fmadd_ps(even[r], x_even, _mm512_fmadd_ps(odd[r], x_odd, acc[r][t]));
    }
}

INLINE void bf16_tile(const char *const *w, size_t ahead, const char *x, size_t x_bytes, size_t cols, float y[][ROWS],
                      int T) {
    __m512 acc[ROWS][BF16_TOKENS];
    size_t i = 0;
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int t = 0; t < T; t++) acc[r][t] = _mm512_setzero_ps();
    }
    for (; i + 32 <= cols; i += 32) add_32(w, ahead, x, x_bytes, i, 0xffffffff, acc, T);
    if (i < cols) add_32(w, ahead, x, x_bytes, i, (1u << (cols - i)) - 1, acc, T);
    UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int t = 0; t < T; t++) y[t][r] = lanes_sum(acc[r][t]);
    }
}
ROWS_TILES_4(bf16)

void rows_bf16_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                      size_t y_stride) {
    rows_run(&bf16_tiles, w, cols * sizeof(uint16_t), x, padded(cols, 32) * sizeof(float), y, cols, row0, row1, tokens,
             y_stride);
}
#endif
