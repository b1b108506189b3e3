/* panel_avx2.c - products over panels with AVX2.
 *
 * There is no exact product of bytes, so weights and activations are widened to 16 bits, even and odd columns apart,
 * and `vpmaddwd` adds their products in pairs. A tile is one panel, in two registers of 8 rows, by up to 3 tokens.
 */
#if defined(__AVX2__) && defined(__F16C__)
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/panel.h"
#include "engine/kernels/panel_multiply.h"

#define INLINE static inline __attribute__((always_inline))

enum { TOKENS = 3, HALF = PANEL_ROWS / 2 };

/* Signed bytes 0 and 2 of every 4, and 1 and 3, as 16 bits. */
INLINE __m256i even(__m256i bytes) {
    return _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
}

INLINE __m256i odd(__m256i bytes) {
    return _mm256_srai_epi16(bytes, 8);
}

INLINE void tile(const unsigned char *panel, size_t blocks, const panel_activations *a, float y[][PANEL_ROWS], int T) {
    const unsigned char *scales = panel + blocks * PANEL_BLOCK;
    __m256               acc[2][TOKENS];
    for (int t = 0; t < T; t++) acc[0][t] = acc[1][t] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        __m256i sum[2][TOKENS];
        for (int t = 0; t < T; t++) sum[0][t] = sum[1][t] = _mm256_setzero_si256();
        for (size_t g = 0; g < PANEL_GROUPS; g++) {
            __m256i x_even[TOKENS], x_odd[TOKENS];
            for (int t = 0; t < T; t++) {
                int32_t four;
                memcpy(&four, a[t].q + b * PANEL_COLS + g * PANEL_GROUP, sizeof four);
                x_even[t] = even(_mm256_set1_epi32(four));
                x_odd[t] = odd(_mm256_set1_epi32(four));
            }
            for (int h = 0; h < 2; h++) {
                const unsigned char *at = panel + b * PANEL_BLOCK + (2 * g + (size_t)h) * HALF * PANEL_GROUP;
                __m256i w = _mm256_xor_si256(_mm256_load_si256((const __m256i *)at), _mm256_set1_epi8(-128));
                __m256i w_even = even(w), w_odd = odd(w);
                for (int t = 0; t < T; t++) {
                    sum[h][t] = _mm256_add_epi32(sum[h][t], _mm256_madd_epi16(w_even, x_even[t]));
                    sum[h][t] = _mm256_add_epi32(sum[h][t], _mm256_madd_epi16(w_odd, x_odd[t]));
                }
            }
        }
        for (int h = 0; h < 2; h++) {
            __m256 row = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(scales + (2 * b + (size_t)h) * HALF * 2)));
            for (int t = 0; t < T; t++)
                acc[h][t] = _mm256_fmadd_ps(_mm256_mul_ps(row, _mm256_set1_ps(a[t].scale[b])),
                                            _mm256_cvtepi32_ps(sum[h][t]), acc[h][t]);
        }
    }
    for (int h = 0; h < 2; h++)
        for (int t = 0; t < T; t++) _mm256_storeu_ps(y[t] + h * HALF, acc[h][t]);
}

typedef void tile_fn(const unsigned char *panel, size_t blocks, const panel_activations *a, float y[][PANEL_ROWS]);

#define TILE(T)                                                                                                        \
    static void tile_##T(const unsigned char *panel, size_t blocks, const panel_activations *a,                        \
                         float y[][PANEL_ROWS]) {                                                                      \
        tile(panel, blocks, a, y, T);                                                                                  \
    }
TILE(1)
TILE(2)
TILE(3)
static tile_fn *const tiles[TOKENS] = {tile_1, tile_2, tile_3};

void panel_multiply_avx2(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                         size_t y_stride) {
    size_t blocks = cols / PANEL_COLS, bytes = panel_bytes(DTYPE_Q8_0, cols);
    for (size_t row = row0; row < row1; row += PANEL_ROWS) {
        size_t n_rows = row1 - row < PANEL_ROWS ? row1 - row : PANEL_ROWS;
        for (size_t t = 0, n; t < tokens; t += n) {
            panel_activations a[TOKENS];
            float             out[TOKENS][PANEL_ROWS];
            n = tokens - t < TOKENS ? tokens - t : TOKENS;
            for (size_t i = 0; i < n; i++) a[i] = panel_activations_at(x, cols, t + i);
            tiles[n - 1]((const unsigned char *)w + row / PANEL_ROWS * bytes, blocks, a, out);
            for (size_t i = 0; i < n; i++) memcpy(y + (t + i) * y_stride + row, out[i], n_rows * sizeof(float));
        }
    }
}
#endif
