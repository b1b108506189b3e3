/* panel_avx2.c - products over panels with AVX2.
 *
 * There is no exact product of bytes, so weights and activations are widened to 16 bits, even and odd columns apart,
 * and `vpmaddwd` adds their products in pairs. A tile is one panel, in two registers of 8 rows, by up to 3 tokens.
 */
#ifdef ISA_AVX2
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/tiles.h"

enum { HALVES = 2, HALF = PANEL_ROWS / HALVES };

/* Signed bytes 0 and 2 of every 4, and 1 and 3, as 16 bits. */
INLINE __m256i even(__m256i bytes) {
    return _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
}

INLINE __m256i odd(__m256i bytes) {
    return _mm256_srai_epi16(bytes, 8);
}

INLINE __m256i load(const uint8_t *at) {
    return _mm256_load_si256((const __m256i *)at);
}

/* u - zero of group g, rows 8 h to 8 h + 7, a signed byte each. */
INLINE __m256i weights_of(panel_format f, const uint8_t *codes, size_t g, size_t h) {
    const uint8_t *at = codes + h * HALF * PANEL_GROUP, *high = at + 4 * PANEL_VECTOR;
    if (f.bits == 8) return _mm256_xor_si256(load(at + g * PANEL_VECTOR), _mm256_set1_epi8(-128)); /* - 128 */
    __m256i low = load(at + g % 4 * PANEL_VECTOR);
    low = _mm256_and_si256(g < 4 ? low : _mm256_srli_epi16(low, 4), _mm256_set1_epi8(15));
    if (f.bits > 4) {
        __m256i up = f.bits == 5 ? load(high) : load(high + g / 4 * PANEL_VECTOR);
        int     left = 4 - (int)(f.bits == 5 ? g : 2 * (g % 4)); /* to bits 4 and 5 */
        up = left >= 0 ? _mm256_slli_epi16(up, left) : _mm256_srli_epi16(up, -left);
        low = _mm256_or_si256(low, _mm256_and_si256(up, _mm256_set1_epi8(f.bits == 5 ? 0x10 : 0x30)));
    }
    return f.zero == 0 ? low : _mm256_sub_epi8(low, _mm256_set1_epi8((char)f.zero));
}

INLINE __m256 halves(const uint8_t *at) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at));
}

INLINE __m256 unsigned_bytes(const uint8_t *at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)at)));
}

INLINE __m256 signed_bytes(const uint8_t *at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)at)));
}

INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int T) {
    const size_t            blocks = in->blocks;
    const panel_activations a = in->a;
    const size_t            parts = f.family == QUANT_K_SIGNED ? 2 : 1, groups = PANEL_GROUPS / parts,
                 per_block = f.cols / PANEL_COLS;
    __m256 acc[HALVES][PANEL_TILE_TOKENS];
    UNROLL for (int t = 0; t < T; t++) acc[0][t] = acc[1][t] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        panel_place    at = panel_place_of(f.family, f.bits, b);
        const uint8_t *codes = in->panel + at.codes, *block_scales = in->panel + at.scales;
        panel_prefetch(in, b);
        UNROLL for (size_t part = 0; part < parts; part++) {
            __m256i sum[HALVES][PANEL_TILE_TOKENS];
            UNROLL for (int t = 0; t < T; t++) sum[0][t] = sum[1][t] = _mm256_setzero_si256();
            UNROLL for (size_t g = part * groups; g < (part + 1) * groups; g++) {
                __m256i x_even[PANEL_TILE_TOKENS], x_odd[PANEL_TILE_TOKENS];
                UNROLL for (int t = 0; t < T; t++) {
                    int32_t four;
                    memcpy(&four, a.q + ((b * PANEL_GROUPS + g) * (size_t)T + (size_t)t) * PANEL_GROUP, sizeof four);
                    x_even[t] = even(_mm256_set1_epi32(four));
                    x_odd[t] = odd(_mm256_set1_epi32(four));
                }
                UNROLL for (size_t h = 0; h < HALVES; h++) {
                    __m256i w = weights_of(f, codes, g, h);
                    __m256i w_even = even(w), w_odd = odd(w);
                    UNROLL for (int t = 0; t < T; t++) {
                        sum[h][t] = _mm256_add_epi32(sum[h][t], _mm256_madd_epi16(w_even, x_even[t]));
                        sum[h][t] = _mm256_add_epi32(sum[h][t], _mm256_madd_epi16(w_odd, x_odd[t]));
                    }
                }
            }
            size_t j = b % per_block;
            UNROLL for (size_t h = 0; h < HALVES; h++) {
                const uint8_t *scales = block_scales + 2 * h * HALF, *small = block_scales + h * HALF;
                __m256         d = halves(scales), m = d;
                if (f.family == QUANT_SCALE_MIN) m = halves(scales + 2 * PANEL_ROWS);
                if (f.family == QUANT_K) {
                    d = _mm256_mul_ps(d, unsigned_bytes(small + (4 + 2 * j) * PANEL_ROWS));
                    m = _mm256_mul_ps(halves(scales + 2 * PANEL_ROWS),
                                      unsigned_bytes(small + (4 + 2 * j + 1) * PANEL_ROWS));
                }
                if (f.family == QUANT_K_SIGNED)
                    d = _mm256_mul_ps(d, signed_bytes(small + (2 + 2 * j + part) * PANEL_ROWS));
                UNROLL for (int t = 0; t < T; t++) {
                    acc[h][t] = _mm256_fmadd_ps(_mm256_mul_ps(d, _mm256_set1_ps(a.scale[b * (size_t)T + (size_t)t])),
                                                _mm256_cvtepi32_ps(sum[h][t]), acc[h][t]);
                    if (f.family == QUANT_SCALE_MIN)
                        acc[h][t] = _mm256_fmadd_ps(m, _mm256_set1_ps(a.sum[b * (size_t)T + (size_t)t]), acc[h][t]);
                    if (f.family == QUANT_K)
                        acc[h][t] = _mm256_fnmadd_ps(m, _mm256_set1_ps(a.sum[b * (size_t)T + (size_t)t]), acc[h][t]);
                }
            }
        }
    }
    UNROLL for (int h = 0; h < HALVES; h++) UNROLL for (int t = 0; t < T; t++)
        _mm256_storeu_ps(y[t] + h * HALF, acc[h][t]);
}

#define PANEL_ISA   avx2
#define PANEL_TILES PANEL_TILES_3
#include "engine/kernels/panel_tiles.h"
#endif
