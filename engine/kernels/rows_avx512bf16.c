/* rows_avx512bf16.c - products over rows of BF16 with `vdpbf16ps`, which is two fused multiply-adds, the odd element of
 * a pair first. numerics.md, "BF16", says why the subnormal numbers that it flushes cannot occur.
 */
#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include "engine/kernels/rows_avx512.h"

#include <stdint.h>

#include "engine/kernels/rows_multiply.h"

INLINE void add_32(const char *const *w, size_t ahead, const char *x, size_t x_bytes, size_t i, __mmask32 there,
                   __m512 acc[ROWS][TOKENS], int T) {
    __m512bh e[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) e[r] = (__m512bh)bf16_flushed(w[r] + i * sizeof(uint16_t), there);
    look_ahead(w, i * sizeof(uint16_t) + ahead);
    UNROLL for (int t = 0; t < T; t++) {
        __m512bh v = (__m512bh)_mm512_load_si512(x + (size_t)t * x_bytes + i * sizeof(uint16_t));
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][t] = _mm512_dpbf16_ps(acc[r][t], e[r], v);
    }
}

INLINE void pairs_tile(const char *const *w, size_t ahead, const char *x, size_t x_bytes, size_t cols, float y[][ROWS],
                       int T) {
    __m512 acc[ROWS][TOKENS];
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
ROWS_TILES_6(pairs)

void rows_bf16_pairs_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                            size_t tokens, size_t y_stride) {
    rows_run(&pairs_tiles, w, cols * sizeof(uint16_t), x, (cols + 31) / 32 * 32 * sizeof(uint16_t), y, cols, row0, row1,
             tokens, y_stride);
}
#endif
