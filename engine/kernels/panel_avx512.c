/* panel_avx512.c - products over panels with AVX-512 and VNNI.
 *
 * A tile is one panel by up to 12 tokens: integer and float sums for each. `vpdpbusd` adds four products of bytes to
 * each of 16 rows.
 */
#ifdef ISA_AVX512
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/tiles.h"

/* Four activations, for all rows. */
INLINE __m512i four(const int8_t *q) {
    int32_t x;
    memcpy(&x, q, sizeof x);
    return _mm512_set1_epi32(x);
}

INLINE __m512i load(const uint8_t *at) {
    return _mm512_load_si512(at);
}

/* What the intrinsics for shifts take differs between compilers. */
#ifdef __clang__
typedef unsigned shift_count;
#else
typedef int shift_count;
#endif

/* The codes of group g, a byte each. */
INLINE __m512i codes_of(panel_format f, const uint8_t *codes, size_t g) {
    const uint8_t *high = codes + 4 * PANEL_VECTOR;
    if (f.bits == 8) return load(codes + g * PANEL_VECTOR);
    __m512i low = load(codes + g % 4 * PANEL_VECTOR);
    low = _mm512_and_si512(g < 4 ? low : _mm512_srli_epi16(low, 4), _mm512_set1_epi8(15));
    if (f.bits == 4) return low;
    /* The upper bits, moved to bits 4 and 5 of their bytes. */
    __m512i up = f.bits == 5 ? load(high) : load(high + g / 4 * PANEL_VECTOR);
    size_t  at = f.bits == 5 ? g : 2 * (g % 4);
    up = at <= 4 ? _mm512_slli_epi16(up, (shift_count)(4 - at)) : _mm512_srli_epi16(up, (shift_count)(at - 4));
    /* low | (up & mask) */
    return _mm512_ternarylogic_epi32(low, up, _mm512_set1_epi8(f.bits == 5 ? 0x10 : 0x30), 0xf8);
}

INLINE __m512 halves(const uint8_t *at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
}

INLINE __m512 unsigned_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)at)));
}

INLINE __m512 signed_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)at)));
}

INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int T) {
    const size_t per_block = f.cols / PANEL_COLS, parts = f.family == QUANT_K_SIGNED ? 2 : 1,
                 groups = PANEL_GROUPS / parts;
    panel_activations a = in->a;
    __m512            acc[PANEL_TILE_TOKENS];
    UNROLL for (int t = 0; t < T; t++) acc[t] = _mm512_setzero_ps();
    for (size_t b = 0; b < in->blocks; b++) {
        panel_place    at = panel_place_of(f.family, f.bits, b);
        const uint8_t *codes = in->panel + at.codes, *scales = in->panel + at.scales;
        panel_prefetch(in, b);
        UNROLL for (size_t part = 0; part < parts; part++) {
            __m512i sum[PANEL_TILE_TOKENS];
            UNROLL for (int t = 0; t < T; t++) {
                int32_t bias = 0;
                if (f.family == QUANT_SCALE || f.family == QUANT_K_SIGNED) bias = a.bias[(int)part * T + t];
                sum[t] = _mm512_set1_epi32(bias);
            }
            UNROLL for (size_t g = part * groups; g < (part + 1) * groups; g++) {
                __m512i u = codes_of(f, codes, g);
                UNROLL for (int t = 0; t < T; t++) sum[t] =
                    _mm512_dpbusd_epi32(sum[t], u, four(a.q + ((int)g * T + t) * PANEL_GROUP));
            }
            size_t j = b % per_block;
            __m512 d = halves(scales), m = d;
            if (f.family == QUANT_SCALE_MIN) m = halves(scales + 2 * PANEL_ROWS);
            if (f.family == QUANT_K) {
                d = _mm512_mul_ps(d, unsigned_bytes(scales + (4 + 2 * j) * PANEL_ROWS));
                m = _mm512_mul_ps(halves(scales + 2 * PANEL_ROWS),
                                  unsigned_bytes(scales + (4 + 2 * j + 1) * PANEL_ROWS));
            }
            if (f.family == QUANT_K_SIGNED)
                d = _mm512_mul_ps(d, signed_bytes(scales + (2 + 2 * j + part) * PANEL_ROWS));
            UNROLL for (int t = 0; t < T; t++) {
                acc[t] =
                    _mm512_fmadd_ps(_mm512_mul_ps(d, _mm512_set1_ps(a.scale[t])), _mm512_cvtepi32_ps(sum[t]), acc[t]);
                if (f.family == QUANT_SCALE_MIN) acc[t] = _mm512_fmadd_ps(m, _mm512_set1_ps(a.sum[t]), acc[t]);
                if (f.family == QUANT_K) acc[t] = _mm512_fnmadd_ps(m, _mm512_set1_ps(a.sum[t]), acc[t]);
            }
        }
        a.q += PANEL_COLS * T;
        a.scale += T;
        a.bias += (int)parts * T;
        a.sum += T;
    }
    UNROLL for (int t = 0; t < T; t++) _mm512_storeu_ps(y[t], acc[t]);
}

#define PANEL_ISA   avx512
#define PANEL_TILES PANEL_TILES_12
#include "engine/kernels/panel_tiles.h"
#endif
