/* rows_avx512.c - products over stored rows with AVX-512. */
#if defined(__AVX512F__) && defined(__AVX512BW__)
#include "engine/kernels/rows_many_avx512.h"

#include <stdint.h>

#include "engine/kernels/rows_multiply.h"

static size_t padded(size_t cols, size_t to) {
    return (cols + to - 1) / to * to;
}

/* ---- Many tokens: all types become floats ------------------------------------------------------------------ */

INLINE __m512 floats_product(__m512 w, __m512 x, __m512 sums) {
    return _mm512_fmadd_ps(w, x, sums);
}
MANY_TILES(floats)

/* ---- F32, F16: 16 elements at a time --------------------------------------------------------------------- */

typedef __m512 load_fn(const char *at, __mmask16 there);

INLINE __m512 f32_at(const char *at, __mmask16 there) {
    return _mm512_maskz_loadu_ps(there, at);
}

INLINE __m512 f16_at(const char *at, __mmask16 there) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(there, at));
}

INLINE void step_16(load_fn *load, size_t size, const rows_input *in, size_t i, __mmask32 there,
                    __m512 acc[ROWS][TOKENS], int T) {
    __m512 e[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) e[r] = load(in->w[r] + i * size, (__mmask16)there);
    look_ahead(in, i * size);
    UNROLL for (int t = 0; t < T; t++) {
        __m512 v = _mm512_load_ps(in->x + (size_t)t * in->x_bytes + i * sizeof(float));
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][t] = _mm512_fmadd_ps(e[r], v, acc[r][t]);
    }
}

INLINE void f32_step(const rows_input *in, size_t i, __mmask32 there, __m512 acc[ROWS][TOKENS], int T) {
    step_16(f32_at, sizeof(float), in, i, there, acc, T);
}
ROWS_TILES_6(f32, 16)

static size_t f32_unpack(const char *at, size_t n, char *out) {
    for (size_t i = 0; i < n; i += 16)
        _mm512_store_ps(out + i * sizeof(float), f32_at(at + i * sizeof(float), first_16(n - i)));
    return (n + 15) / 16;
}
static const many_type f32_many = MANY_TYPE(sizeof(float), sizeof(float), f32_unpack, floats);

INLINE void f16_step(const rows_input *in, size_t i, __mmask32 there, __m512 acc[ROWS][TOKENS], int T) {
    step_16(f16_at, sizeof(uint16_t), in, i, there, acc, T);
}
ROWS_TILES_6(f16, 16)

static size_t f16_unpack(const char *at, size_t n, char *out) {
    for (size_t i = 0; i < n; i += 16)
        _mm512_store_ps(out + i * sizeof(float), f16_at(at + i * sizeof(uint16_t), first_16(n - i)));
    return (n + 15) / 16;
}
static const many_type f16_many = MANY_TYPE(sizeof(uint16_t), sizeof(float), f16_unpack, floats);

void rows_f32_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride) {
    if (tokens >= MANY_LEAST) {
        many_run(&f32_many, w, x, padded(cols, 16) * sizeof(float), y, cols, row0, row1, tokens, y_stride);
        return;
    }
    rows_run(&f32_tiles, w, cols * sizeof(float), x, padded(cols, 16) * sizeof(float), y, cols, row0, row1, tokens,
             y_stride);
}

void rows_f16_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                     size_t y_stride) {
    if (tokens >= MANY_LEAST) {
        many_run(&f16_many, w, x, padded(cols, 16) * sizeof(float), y, cols, row0, row1, tokens, y_stride);
        return;
    }
    rows_run(&f16_tiles, w, cols * sizeof(uint16_t), x, padded(cols, 16) * sizeof(float), y, cols, row0, row1, tokens,
             y_stride);
}

/* ---- BF16: 32 elements at a time, the odd ones first ------------------------------------------------------ */

/* Two registers of weights for a row leave room for four tokens. */
INLINE void bf16_step(const rows_input *in, size_t i, __mmask32 there, __m512 acc[ROWS][TOKENS], int T) {
    __m512 odd[ROWS], even[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) {
        __m512i v = bf16_flushed(in->w[r] + i * sizeof(uint16_t), there);
        odd[r] = _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000)));
        even[r] = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
    }
    look_ahead(in, i * sizeof(uint16_t));
    UNROLL for (int t = 0; t < T; t++) {
        const char *at = in->x + (size_t)t * in->x_bytes + i * sizeof(float);
        __m512      x_odd = _mm512_load_ps(at), x_even = _mm512_load_ps(at + 64);
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][t] =
            _mm512_fmadd_ps(even[r], x_even, _mm512_fmadd_ps(odd[r], x_odd, acc[r][t]));
    }
}
ROWS_TILES_4(bf16, 32)

static size_t bf16_unpack(const char *at, size_t n, char *out) {
    for (size_t i = 0; i < n; i += 32, out += 128) {
        __m512i v = bf16_flushed(at + i * sizeof(uint16_t), first_32(n - i));
        _mm512_store_si512(out, _mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000)));
        _mm512_store_si512(out + 64, _mm512_slli_epi32(v, 16));
    }
    return (n + 31) / 32 * 2;
}
static const many_type bf16_many = MANY_TYPE(sizeof(uint16_t), sizeof(float), bf16_unpack, floats);

void rows_bf16_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                      size_t y_stride) {
    if (tokens >= MANY_LEAST) {
        many_run(&bf16_many, w, x, padded(cols, 32) * sizeof(float), y, cols, row0, row1, tokens, y_stride);
        return;
    }
    rows_run(&bf16_tiles, w, cols * sizeof(uint16_t), x, padded(cols, 32) * sizeof(float), y, cols, row0, row1, tokens,
             y_stride);
}
#endif
