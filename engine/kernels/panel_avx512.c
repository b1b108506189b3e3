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

/* The bits of each byte from bit `at` up, moved to bit `to`; other bits come along. */
INLINE __m512i moved(__m512i v, size_t at, size_t to) {
    if (at == to) return v;
    return at < to ? _mm512_slli_epi16(v, (shift_count)(to - at)) : _mm512_srli_epi16(v, (shift_count)(at - to));
}

/* all | (v & mask), byte by byte */
INLINE __m512i with(__m512i all, __m512i v, int mask) {
    return _mm512_ternarylogic_epi32(all, v, _mm512_set1_epi8((char)mask), 0xf8);
}

INLINE __m512i sixteen(const uint8_t *table) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
}

/* What the codes of group g stand for, with the zero added. `table`: of levels, or of Q2_K's products (products_of). */
INLINE __m512i codes_of(panel_format f, const uint8_t *codes, size_t g, __m512i table) {
    const size_t   low = (size_t)panel_low_bits(f.bits);
    const uint8_t *high = codes + low * PANEL_VECTOR;
    if (f.bits == 8) return load(codes + g * PANEL_VECTOR);
    __m512i u = low == 4 ? moved(load(codes + g % 4 * PANEL_VECTOR), g / 4 * 4, 0)
                         : moved(load(codes + g / 4 * PANEL_VECTOR), g % 4 * 2, 0);
    if (f.family == QUANT_K_PAIRS) /* rows 4 i to 4 i + 3 of a quarter */
        return _mm512_shuffle_epi8(table, with(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0), u, 3));
    u = _mm512_and_si512(u, _mm512_set1_epi8(low == 4 ? 15 : 3));
    if (f.bits - (int)low == 1) u = with(u, moved(load(high), g, low), 1 << low);
    if (f.bits - (int)low == 2) u = with(u, moved(load(high + g / 4 * PANEL_VECTOR), g % 4 * 2, low), 3 << low);
    return f.levels != NULL ? _mm512_shuffle_epi8(table, u) : u;
}

/* The products of the scales in the low nibbles with 0 to 3: bytes 4 i to 4 i + 3 of a quarter of the register are
 * those of its i-th row, where a shuffle finds them. */
INLINE __m512i products_of(__m512i small) {
    return _mm512_mullo_epi32(_mm512_and_si512(small, _mm512_set1_epi32(15)), _mm512_set1_epi32(0x03020100));
}

/* The minima in the upper nibbles of two, as pairs of 16 bits. */
INLINE __m512i minima_of(const __m512i small[2]) {
    return _mm512_or_si512(_mm512_srli_epi32(small[0], 4), _mm512_slli_epi32(_mm512_srli_epi32(small[1], 4), 16));
}

/* 2^(x - 128) for 16 bytes x. Of x = 0 the bits of 2^-127 are halved, of the others those of 2^(x - 127); 255 is an
 * infinity there, and NaN when half of it is taken off. */
INLINE __m512 powers(const uint8_t *at) {
    __m512i x = _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)at)), 23);
    __m512  twice = _mm512_castsi512_ps(_mm512_max_epi32(x, _mm512_set1_epi32(0x00400000)));
    return _mm512_fnmadd_ps(twice, _mm512_set1_ps(0.5f), twice);
}

INLINE __m512i bytes(const uint8_t *at) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)at));
}

INLINE __m512 halves(const uint8_t *at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
}

INLINE __m512 unsigned_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(bytes(at));
}

INLINE __m512 signed_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)at)));
}

INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int P, int T) {
    const size_t per_block = f.cols / PANEL_COLS, parts = f.family == QUANT_K_SIGNED ? 2 : 1,
                 groups = PANEL_GROUPS / parts;
    panel_activations a = in->a;
    __m512            acc[PANEL_TILE_TOKENS]; /* of panel p and token t: p T + t */
    __m512i           table = f.levels != NULL ? sixteen(f.levels) : _mm512_setzero_si512();
    UNROLL for (int i = 0; i < P * T; i++) acc[i] = _mm512_setzero_ps();
    for (size_t b = 0; b < in->blocks; b++) {
        panel_place  at = panel_place_of(f.family, f.bits, b);
        const size_t j = b % per_block;
        panel_prefetch(in, b);
        UNROLL for (size_t i = 0; i < (size_t)P * parts; i++) {
            const size_t   part = i % parts;
            const uint8_t *panel = in->panel + i / parts * in->bytes, *codes = panel + at.codes,
                          *scales = panel + at.scales;
            __m512 *of = acc + i / parts * (size_t)T;
            __m512i sum[PANEL_TILE_TOKENS], small[2];
            UNROLL for (int t = 0; t < T; t++) {
                int32_t bias = 0;
                if (f.zero != 0) bias = a.bias[(int)part * T + t];
                sum[t] = _mm512_set1_epi32(bias);
            }
            if (f.family == QUANT_K_PAIRS) {
                small[0] = bytes(scales + (4 + 2 * j) * PANEL_ROWS);
                small[1] = bytes(scales + (4 + 2 * j + 1) * PANEL_ROWS);
            }
            UNROLL for (size_t g = part * groups; g < (part + 1) * groups; g++) {
                if (f.family == QUANT_K_PAIRS && g % 4 == 0) table = products_of(small[g / 4]);
                __m512i u = codes_of(f, codes, g, table);
                UNROLL for (int t = 0; t < T; t++) sum[t] =
                    _mm512_dpbusd_epi32(sum[t], u, four(a.q + ((int)g * T + t) * PANEL_GROUP));
            }
            __m512 d = f.family == QUANT_POWER ? powers(scales) : halves(scales), m = d;
            if (f.family == QUANT_SCALE_MIN || f.family == QUANT_K_PAIRS) m = halves(scales + 2 * PANEL_ROWS);
            if (f.family == QUANT_K) {
                d = _mm512_mul_ps(d, unsigned_bytes(scales + (4 + 2 * j) * PANEL_ROWS));
                m = _mm512_mul_ps(halves(scales + 2 * PANEL_ROWS),
                                  unsigned_bytes(scales + (4 + 2 * j + 1) * PANEL_ROWS));
            }
            if (f.family == QUANT_K_SIGNED || f.family == QUANT_K_LEVELS)
                d = _mm512_mul_ps(d, signed_bytes(scales + (2 + parts * j + part) * PANEL_ROWS));
            __m512i minima = f.family == QUANT_K_PAIRS ? minima_of(small) : _mm512_setzero_si512();
            UNROLL for (int t = 0; t < T; t++) {
                __m512 dx = _mm512_set1_ps(a.scale[t]);
                of[t] = _mm512_fmadd_ps(_mm512_mul_ps(d, dx), _mm512_cvtepi32_ps(sum[t]), of[t]);
                if (f.family == QUANT_SCALE_MIN) of[t] = _mm512_fmadd_ps(m, _mm512_set1_ps(a.sum[t]), of[t]);
                if (f.family == QUANT_K) of[t] = _mm512_fnmadd_ps(m, _mm512_set1_ps(a.sum[t]), of[t]);
                if (f.family == QUANT_K_PAIRS) {
                    __m512i low = _mm512_madd_epi16(minima, _mm512_set1_epi32(a.bias[t]));
                    of[t] = _mm512_fnmadd_ps(_mm512_mul_ps(m, dx), _mm512_cvtepi32_ps(low), of[t]);
                }
            }
        }
        a.q += PANEL_COLS * T;
        a.scale += T;
        a.bias += (int)parts * T;
        a.sum += T;
    }
    UNROLL for (int i = 0; i < P * T; i++) _mm512_storeu_ps(y[i], acc[i]);
}

#define PANEL_ISA          avx512
#define PANEL_TILES        PANEL_TILES_12
#define PANEL_STREAM_TILES PANEL_TILES_3
#include "engine/kernels/panel_tiles.h"
#endif
