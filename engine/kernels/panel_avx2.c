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

/* The bits of each byte from bit `at` up, moved to bit `to`; other bits come along. */
INLINE __m256i moved(__m256i v, size_t at, size_t to) {
    if (at == to) return v;
    return at < to ? _mm256_slli_epi16(v, (int)(to - at)) : _mm256_srli_epi16(v, (int)(at - to));
}

INLINE __m256i masked(__m256i v, int mask) {
    return _mm256_and_si256(v, _mm256_set1_epi8((char)mask));
}

/* What codes of 4 bits stand for. */
INLINE __m256i values_of(panel_format f) {
    __m128i levels = _mm_loadu_si128((const __m128i *)f.levels);
    return _mm256_broadcastsi128_si256(_mm_sub_epi8(levels, _mm_set1_epi8((char)f.zero)));
}

/* v of group g, rows 8 h to 8 h + 7, a signed byte each. `table`: of values, or of Q2_K's products (products_of). */
INLINE __m256i weights_of(panel_format f, const uint8_t *codes, size_t g, size_t h, __m256i table) {
    const size_t   low = (size_t)panel_low_bits(f.bits);
    const uint8_t *at = codes + h * HALF * PANEL_GROUP, *high = at + low * PANEL_VECTOR;
    if (f.bits == 8) return _mm256_xor_si256(load(at + g * PANEL_VECTOR), _mm256_set1_epi8(-128)); /* - 128 */
    __m256i u = low == 4 ? moved(load(at + g % 4 * PANEL_VECTOR), g / 4 * 4, 0)
                         : moved(load(at + g / 4 * PANEL_VECTOR), g % 4 * 2, 0);
    u = masked(u, low == 4 ? 15 : 3);
    if (f.family == QUANT_K_PAIRS) { /* rows 4 i to 4 i + 3 of a half of the register */
        const __m128i rows = _mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
        return _mm256_shuffle_epi8(table, _mm256_or_si256(u, _mm256_broadcastsi128_si256(rows)));
    }
    if (f.bits - (int)low == 1) u = _mm256_or_si256(u, masked(moved(load(high), g, low), 1 << low));
    if (f.bits - (int)low == 2)
        u = _mm256_or_si256(u, masked(moved(load(high + g / 4 * PANEL_VECTOR), g % 4 * 2, low), 3 << low));
    if (f.levels != NULL) return _mm256_shuffle_epi8(table, u);
    return f.zero == 0 ? u : _mm256_sub_epi8(u, _mm256_set1_epi8((char)f.zero));
}

INLINE __m256i bytes(const uint8_t *at) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)at));
}

/* The products of the scales in the low nibbles with 0 to 3: bytes 4 i to 4 i + 3 of a half of the register are those
 * of its i-th row, where a shuffle finds them. */
INLINE __m256i products_of(const uint8_t *small) {
    return _mm256_mullo_epi32(_mm256_and_si256(bytes(small), _mm256_set1_epi32(15)), _mm256_set1_epi32(0x03020100));
}

/* The minima in the upper nibbles of two, as pairs of 16 bits. */
INLINE __m256i minima_of(const uint8_t *small) {
    return _mm256_or_si256(_mm256_srli_epi32(bytes(small), 4),
                           _mm256_slli_epi32(_mm256_srli_epi32(bytes(small + PANEL_ROWS), 4), 16));
}

/* 2^(x - 128) for 8 bytes x. Of x = 0 the bits of 2^-127 are halved, of the others those of 2^(x - 127); 255 is an
 * infinity there, and NaN when half of it is taken off. */
INLINE __m256 powers(const uint8_t *at) {
    __m256i x = _mm256_slli_epi32(bytes(at), 23);
    __m256  twice = _mm256_castsi256_ps(_mm256_max_epi32(x, _mm256_set1_epi32(0x00400000)));
    return _mm256_fnmadd_ps(twice, _mm256_set1_ps(0.5f), twice);
}

INLINE __m256 halves(const uint8_t *at) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at));
}

INLINE __m256 unsigned_bytes(const uint8_t *at) {
    return _mm256_cvtepi32_ps(bytes(at));
}

INLINE __m256 signed_bytes(const uint8_t *at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)at)));
}

INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int P, int T) {
    const size_t            blocks = in->blocks;
    const panel_activations a = in->a;
    const size_t            parts = f.family == QUANT_K_SIGNED ? 2 : 1, groups = PANEL_GROUPS / parts,
                 per_block = f.cols / PANEL_COLS;
    __m256  acc[PANEL_STREAMS * HALVES][PANEL_TILE_TOKENS]; /* of panel p and half h: p HALVES + h */
    __m256i table = f.levels != NULL ? values_of(f) : _mm256_setzero_si256();
    UNROLL for (int i = 0; i < P * HALVES; i++) UNROLL for (int t = 0; t < T; t++) acc[i][t] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        panel_place  at = panel_place_of(f.family, f.bits, b);
        const size_t j = b % per_block;
        panel_prefetch(in, b);
        UNROLL for (size_t i = 0; i < (size_t)P * parts; i++) {
            const size_t   p = i / parts, part = i % parts;
            const uint8_t *codes = in->panel + p * in->bytes + at.codes,
                          *block_scales = in->panel + p * in->bytes + at.scales;
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
                    if (f.family == QUANT_K_PAIRS)
                        table = products_of(block_scales + (4 + 2 * j + g / 4) * PANEL_ROWS + h * HALF);
                    __m256i w = weights_of(f, codes, g, h, table);
                    __m256i w_even = even(w), w_odd = odd(w);
                    UNROLL for (int t = 0; t < T; t++) {
                        sum[h][t] = _mm256_add_epi32(sum[h][t], _mm256_madd_epi16(w_even, x_even[t]));
                        sum[h][t] = _mm256_add_epi32(sum[h][t], _mm256_madd_epi16(w_odd, x_odd[t]));
                    }
                }
            }
            UNROLL for (size_t h = 0; h < HALVES; h++) {
                const uint8_t *scales = block_scales + 2 * h * HALF, *small = block_scales + h * HALF;
                __m256        *of = acc[p * HALVES + h];
                __m256         d = f.family == QUANT_POWER ? powers(small) : halves(scales), m = d;
                if (f.family == QUANT_SCALE_MIN || f.family == QUANT_K_PAIRS) m = halves(scales + 2 * PANEL_ROWS);
                if (f.family == QUANT_K) {
                    d = _mm256_mul_ps(d, unsigned_bytes(small + (4 + 2 * j) * PANEL_ROWS));
                    m = _mm256_mul_ps(halves(scales + 2 * PANEL_ROWS),
                                      unsigned_bytes(small + (4 + 2 * j + 1) * PANEL_ROWS));
                }
                if (f.family == QUANT_K_SIGNED || f.family == QUANT_K_LEVELS)
                    d = _mm256_mul_ps(d, signed_bytes(small + (2 + parts * j + part) * PANEL_ROWS));
                UNROLL for (int t = 0; t < T; t++) {
                    const size_t x = b * (size_t)T + (size_t)t;
                    __m256       dx = _mm256_set1_ps(a.scale[x]);
                    of[t] = _mm256_fmadd_ps(_mm256_mul_ps(d, dx), _mm256_cvtepi32_ps(sum[h][t]), of[t]);
                    if (f.family == QUANT_SCALE_MIN) of[t] = _mm256_fmadd_ps(m, _mm256_set1_ps(a.sum[x]), of[t]);
                    if (f.family == QUANT_K) of[t] = _mm256_fnmadd_ps(m, _mm256_set1_ps(a.sum[x]), of[t]);
                    if (f.family == QUANT_K_PAIRS) {
                        __m256i low = _mm256_madd_epi16(minima_of(small + (4 + 2 * j) * PANEL_ROWS),
                                                        _mm256_set1_epi32(a.bias[x]));
                        of[t] = _mm256_fnmadd_ps(_mm256_mul_ps(m, dx), _mm256_cvtepi32_ps(low), of[t]);
                    }
                }
            }
        }
    }
    UNROLL for (int i = 0; i < P * HALVES; i++) UNROLL for (int t = 0; t < T; t++)
        _mm256_storeu_ps(y[i / HALVES * T + t] + i % HALVES * HALF, acc[i][t]);
}

#define PANEL_ISA          avx2
#define PANEL_TILES        PANEL_TILES_3
#define PANEL_STREAM_TILES PANEL_TILES_1
#include "engine/kernels/panel_tiles.h"
#endif
