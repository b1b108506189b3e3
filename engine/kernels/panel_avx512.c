/* panel_avx512.c - products over panels with AVX-512 and VNNI.
 *
 * A tile is 2 panels by up to 4 tokens: 8 integer and 8 float accumulators, and a register of 4 activations that both
 * panels use. Per block of 32 columns and 16 rows a token costs 8 `vpdpbusd`, 4 loads and 3 float operations. Many
 * tokens go over the two panels again and again, which by then lie in the second-level cache; memory is read once.
 */
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/panel.h"
#include "engine/kernels/panel_multiply.h"

#define INLINE static inline __attribute__((always_inline))

enum { TOKENS = 4 };

INLINE __m512i four(const int8_t *q) {
    int32_t x;
    memcpy(&x, q, sizeof x);
    return _mm512_set1_epi32(x);
}

/* P panels, `bytes` apart, times T tokens; the lanes of `last` are the rows of the last panel that there are. */
INLINE void tile(const unsigned char *panel, size_t bytes, size_t blocks, const panel_activations *a, float *y,
                 size_t y_stride, __mmask16 last, int P, int T) {
    __m512 acc[2][TOKENS];
    for (int p = 0; p < P; p++)
        for (int t = 0; t < T; t++) acc[p][t] = _mm512_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        __m512i sum[2][TOKENS];
        for (int t = 0; t < T; t++)
            for (int p = 0; p < P; p++) sum[p][t] = _mm512_set1_epi32(a[t].bias[b]);
        for (size_t g = 0; g < PANEL_GROUPS; g++) {
            __m512i w[2];
            for (int p = 0; p < P; p++)
                w[p] = _mm512_load_si512(panel + (size_t)p * bytes + b * PANEL_BLOCK + g * PANEL_ROWS * PANEL_GROUP);
            for (int t = 0; t < T; t++) {
                __m512i x = four(a[t].q + b * PANEL_COLS + g * PANEL_GROUP);
                for (int p = 0; p < P; p++) sum[p][t] = _mm512_dpbusd_epi32(sum[p][t], w[p], x);
            }
        }
        for (int p = 0; p < P; p++) {
            const unsigned char *scales = panel + (size_t)p * bytes + blocks * PANEL_BLOCK;
            __m512 row = _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(scales + b * PANEL_ROWS * 2)));
            for (int t = 0; t < T; t++)
                acc[p][t] = _mm512_fmadd_ps(_mm512_mul_ps(row, _mm512_set1_ps(a[t].scale[b])),
                                            _mm512_cvtepi32_ps(sum[p][t]), acc[p][t]);
        }
    }
    for (int p = 0; p < P; p++)
        for (int t = 0; t < T; t++)
            _mm512_mask_storeu_ps(y + (size_t)t * y_stride + p * PANEL_ROWS, p + 1 == P ? last : 0xffff, acc[p][t]);
}

typedef void tile_fn(const unsigned char *panel, size_t bytes, size_t blocks, const panel_activations *a, float *y,
                     size_t y_stride, __mmask16 last);

#define TILE(P, T)                                                                                                     \
    static void tile_##P##_##T(const unsigned char *panel, size_t bytes, size_t blocks, const panel_activations *a,    \
                               float *y, size_t y_stride, __mmask16 last) {                                            \
        tile(panel, bytes, blocks, a, y, y_stride, last, P, T);                                                        \
    }
TILE(1, 1)
TILE(1, 2)
TILE(1, 3)
TILE(1, 4)
TILE(2, 1)
TILE(2, 2)
TILE(2, 3)
TILE(2, 4)
static tile_fn *const tiles[2][TOKENS] = {{tile_1_1, tile_1_2, tile_1_3, tile_1_4},
                                          {tile_2_1, tile_2_2, tile_2_3, tile_2_4}};

void panel_multiply_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                           size_t y_stride) {
    size_t blocks = cols / PANEL_COLS, bytes = panel_bytes(DTYPE_Q8_0, cols), panels;
    for (size_t row = row0; row < row1; row += panels * PANEL_ROWS) {
        panels = row1 - row > PANEL_ROWS ? 2 : 1;
        size_t    left = row1 - row - (panels - 1) * PANEL_ROWS;
        __mmask16 last = (__mmask16)(left >= PANEL_ROWS ? 0xffff : (1u << left) - 1);
        for (size_t t = 0, n; t < tokens; t += n) {
            panel_activations a[TOKENS];
            n = tokens - t < TOKENS ? tokens - t : TOKENS;
            for (size_t i = 0; i < n; i++) a[i] = panel_activations_at(x, cols, t + i);
            tiles[panels - 1][n - 1]((const unsigned char *)w + row / PANEL_ROWS * bytes, bytes, blocks, a,
                                     y + t * y_stride + row, y_stride, last);
        }
    }
}
#endif
