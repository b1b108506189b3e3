/* rows_avx512bf16.c - products over rows of BF16 with `vdpbf16ps`, which is two fused multiply-adds, the odd element of
 * a pair first. numerics.md, "BF16", says why the subnormal numbers that it flushes cannot occur.
 */
#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <math.h>
#include <stdint.h>

#include "engine/kernels/dtype.h"
#include "engine/kernels/rows_many_avx512.h"
#include "engine/kernels/rows_multiply.h"

INLINE void pairs_step(const rows_input *in, size_t i, __mmask32 there, __m512 acc[ROWS][TOKENS], int T) {
    __m512bh e[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) e[r] = (__m512bh)bf16_flushed(in->w[r] + i * sizeof(uint16_t), there);
    look_ahead(in, i * sizeof(uint16_t));
    UNROLL for (int t = 0; t < T; t++) {
        __m512bh v = (__m512bh)_mm512_load_si512(in->x + (size_t)t * in->x_bytes + i * sizeof(uint16_t));
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][t] = _mm512_dpbf16_ps(acc[r][t], e[r], v);
    }
}
ROWS_TILES_6(pairs, 32)

INLINE __m512 pairs_product(__m512 w, __m512 x, __m512 sums) {
    return _mm512_dpbf16_ps(sums, (__m512bh)w, (__m512bh)x);
}
MANY_TILES(pairs)

static size_t pairs_unpack(const char *at, size_t n, char *out) {
    for (size_t i = 0; i < n; i += 32) _mm512_store_si512(out + i * 2, bf16_flushed(at + i * 2, first_32(n - i)));
    return (n + 31) / 32;
}

static const many_type pairs_many = MANY_TYPE(sizeof(uint16_t), sizeof(uint16_t), pairs_unpack, pairs);

void rows_bf16_pairs_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                            size_t tokens, size_t y_stride) {
    if (tokens >= MANY_LEAST) {
        many_run(&pairs_many, w, x, (cols + 31) / 32 * 64, y, cols, row0, row1, tokens, y_stride);
        return;
    }
    rows_run(&pairs_tiles, w, cols * sizeof(uint16_t), x, (cols + 31) / 32 * 32 * sizeof(uint16_t), y, cols, row0, row1,
             tokens, y_stride);
}

/* Manufacturers describe the instruction and do not promise each other's roundings. */
bool rows_bf16_pairs_holds(void) {
    uint32_t random = 1;
    for (int round = 0; round < 64; round++) {
        uint16_t a[32], b[32];
        float    sums[16], want[16];
        for (int i = 0; i < 32; i++) {
            random = random * 1664525 + 1013904223;
            /* Significands at random, magnitudes from 1 to 4: sums round, cancel, and depend on their order. */
            a[i] = (uint16_t)(0x3f80 + (random >> 24) + (random >> 8 & 0x8000));
            b[i] = (uint16_t)(0x3f80 + (random >> 16 & 0xff));
        }
        for (int l = 0; l < 16; l++) {
            sums[l] = bf16_to_f32(b[2 * l + round % 2]) * bf16_to_f32(a[2 * l]) * -1.0009765625F;
            want[l] = fmaf(bf16_to_f32(a[2 * l + 1]), bf16_to_f32(b[2 * l + 1]), sums[l]);
            want[l] = fmaf(bf16_to_f32(a[2 * l]), bf16_to_f32(b[2 * l]), want[l]);
        }
        __m512 got =
            _mm512_dpbf16_ps(_mm512_loadu_ps(sums), (__m512bh)_mm512_loadu_si512(a), (__m512bh)_mm512_loadu_si512(b));
        _mm512_storeu_ps(sums, got);
        if (memcmp(sums, want, sizeof sums) != 0) return false;
    }
    return true;
}
#endif
