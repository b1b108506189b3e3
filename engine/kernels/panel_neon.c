/* panel_neon.c - products over panels with the dot products of bytes that Armv8.2 has.
 *
 * `sdot` adds four products of signed bytes to each of four lanes, exactly. A tile is one panel, in four registers of
 * four rows, by up to four tokens.
 */
#ifdef ISA_NEON
#include <arm_neon.h>
#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/tiles.h"

enum { QUARTERS = 4, QUARTER = PANEL_ROWS / QUARTERS };

/* Bytes moved to the left, to the right when negative. */
INLINE uint8x16_t moved(uint8x16_t v, int left) {
    return vshlq_u8(v, vdupq_n_s8((int8_t)left));
}

/* What codes of 4 bits stand for. */
INLINE uint8x16_t values_of(panel_format f) {
    return vsubq_u8(vld1q_u8(f.levels), vdupq_n_u8((uint8_t)f.zero));
}

/* v of group g, rows 4 h to 4 h + 3. `table`: of values, or of Q2_K's products (products_of). */
INLINE int8x16_t weights_of(panel_format f, const uint8_t *codes, size_t g, size_t h, uint8x16_t table) {
    const int      low = panel_low_bits(f.bits);
    const uint8_t *at = codes + h * QUARTER * PANEL_GROUP, *high = at + low * PANEL_VECTOR;
    if (f.bits == 8) return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at + g * PANEL_VECTOR), vdupq_n_u8(128))); /* - 128 */
    uint8x16_t u;
    if (low == 4)
        u = vld1q_u8(at + g % 4 * PANEL_VECTOR), u = g < 4 ? vandq_u8(u, vdupq_n_u8(15)) : moved(u, -4);
    else
        u = vandq_u8(moved(vld1q_u8(at + g / 4 * PANEL_VECTOR), -2 * (int)(g % 4)), vdupq_n_u8(3));
    if (f.family == QUANT_K_PAIRS) {
        const uint8x16_t rows = vreinterpretq_u8_u32((uint32x4_t){0, 0x04040404, 0x08080808, 0x0c0c0c0c});
        return vreinterpretq_s8_u8(vqtbl1q_u8(table, vorrq_u8(u, rows)));
    }
    if (f.bits - low == 1)
        u = vorrq_u8(u, vandq_u8(moved(vld1q_u8(high), low - (int)g), vdupq_n_u8((uint8_t)(1 << low))));
    if (f.bits - low == 2) {
        uint8x16_t up = moved(vld1q_u8(high + g / 4 * PANEL_VECTOR), low - 2 * (int)(g % 4));
        u = vorrq_u8(u, vandq_u8(up, vdupq_n_u8((uint8_t)(3 << low))));
    }
    if (f.levels != NULL) return vreinterpretq_s8_u8(vqtbl1q_u8(table, u));
    return vreinterpretq_s8_u8(vsubq_u8(u, vdupq_n_u8((uint8_t)f.zero)));
}

INLINE float32x4_t halves(const uint8_t *at) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at)));
}

INLINE uint32_t four_bytes(const uint8_t *at) {
    uint32_t four;
    memcpy(&four, at, sizeof four);
    return four;
}

INLINE uint32x4_t bytes(const uint8_t *at) {
    return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four_bytes(at)))));
}

INLINE float32x4_t unsigned_bytes(const uint8_t *at) {
    return vcvtq_f32_u32(bytes(at));
}

/* The products of the scales in the low nibbles with 0 to 3: bytes 4 i to 4 i + 3 are those of the i-th row. */
INLINE uint8x16_t products_of(const uint8_t *small) {
    return vreinterpretq_u8_u32(vmulq_n_u32(vandq_u32(bytes(small), vdupq_n_u32(15)), 0x03020100));
}

/* The minima in the upper nibbles. */
INLINE int32x4_t minima_of(const uint8_t *small) {
    return vreinterpretq_s32_u32(vshrq_n_u32(bytes(small), 4));
}

/* 2^(x - 128) for 4 bytes x. Of x = 0 the bits of 2^-127 are halved, of the others those of 2^(x - 127); 255 is an
 * infinity there, and NaN when half of it is taken off. */
INLINE float32x4_t powers(const uint8_t *at) {
    uint32x4_t  x = vshlq_n_u32(bytes(at), 23);
    float32x4_t twice = vreinterpretq_f32_u32(vmaxq_u32(x, vdupq_n_u32(0x00400000)));
    return vfmsq_n_f32(twice, twice, 0.5f);
}

INLINE float32x4_t signed_bytes(const uint8_t *at) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four_bytes(at))))));
}

/* Adds the products with column group `lane` of 16 activations; intrinsics want that as a constant, which it is. */
INLINE int32x4_t dot(int32x4_t sum, int8x16_t w, int8x16_t x, size_t lane) {
    switch (lane) {
    case 0:
        return vdotq_laneq_s32(sum, w, x, 0);
    case 1:
        return vdotq_laneq_s32(sum, w, x, 1);
    case 2:
        return vdotq_laneq_s32(sum, w, x, 2);
    default:
        return vdotq_laneq_s32(sum, w, x, 3);
    }
}

/* Part `part` of block b, rows 4 h to 4 h + 3, of T tokens. */
INLINE void add_quarter(panel_format f, const uint8_t *codes, const uint8_t *scales, size_t j, size_t part,
                        size_t parts, size_t b, size_t h, const panel_activations *a,
                        float32x4_t acc[PANEL_TILE_TOKENS], int T) {
    const size_t   groups = PANEL_GROUPS / parts;
    const uint8_t *wide = scales + 2 * h * QUARTER, *small = scales + h * QUARTER;
    uint8x16_t     table = f.levels != NULL ? values_of(f) : vdupq_n_u8(0);
    int32x4_t      sum[PANEL_TILE_TOKENS];
    UNROLL for (int t = 0; t < T; t++) sum[t] = vdupq_n_s32(0);
    UNROLL for (size_t g = part * groups; g < (part + 1) * groups; g++) {
        if (f.family == QUANT_K_PAIRS) table = products_of(small + (4 + 2 * j + g / 4) * PANEL_ROWS);
        int8x16_t w = weights_of(f, codes, g, h, table);
        UNROLL for (int t = 0; t < T; t++) { /* four groups of 4 activations to a register */
            size_t at = g * (size_t)T + (size_t)t;
            sum[t] = dot(sum[t], w, vld1q_s8(a->q + b * PANEL_COLS * (size_t)T + at / 4 * 16), at % 4);
        }
    }
    float32x4_t d = f.family == QUANT_POWER ? powers(small) : halves(wide), m = d;
    if (f.family == QUANT_SCALE_MIN || f.family == QUANT_K_PAIRS) m = halves(wide + 2 * PANEL_ROWS);
    if (f.family == QUANT_K) {
        d = vmulq_f32(d, unsigned_bytes(small + (4 + 2 * j) * PANEL_ROWS));
        m = vmulq_f32(halves(wide + 2 * PANEL_ROWS), unsigned_bytes(small + (4 + 2 * j + 1) * PANEL_ROWS));
    }
    if (f.family == QUANT_K_SIGNED || f.family == QUANT_K_LEVELS)
        d = vmulq_f32(d, signed_bytes(small + (2 + parts * j + part) * PANEL_ROWS));
    UNROLL for (int t = 0; t < T; t++) {
        const size_t of = b * (size_t)T + (size_t)t;
        acc[t] = vfmaq_f32(acc[t], vmulq_n_f32(d, a->scale[of]), vcvtq_f32_s32(sum[t]));
        if (f.family == QUANT_SCALE_MIN) acc[t] = vfmaq_f32(acc[t], m, vdupq_n_f32(a->sum[of]));
        if (f.family == QUANT_K) acc[t] = vfmsq_f32(acc[t], m, vdupq_n_f32(a->sum[of]));
        if (f.family == QUANT_K_PAIRS) {
            int32x4_t low = vmulq_n_s32(minima_of(small + (4 + 2 * j) * PANEL_ROWS), (int16_t)(a->bias[of] & 0xffff));
            low = vmlaq_n_s32(low, minima_of(small + (4 + 2 * j + 1) * PANEL_ROWS), a->bias[of] >> 16);
            acc[t] = vfmsq_f32(acc[t], vmulq_n_f32(m, a->scale[of]), vcvtq_f32_s32(low));
        }
    }
}

INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int P, int T) {
    const size_t blocks = in->blocks;
    const size_t parts = f.family == QUANT_K_SIGNED ? 2 : 1, per_block = f.cols / PANEL_COLS;
    float32x4_t  acc[PANEL_STREAMS * QUARTERS][PANEL_TILE_TOKENS]; /* of panel p and quarter h: p QUARTERS + h */
    UNROLL for (int i = 0; i < P * QUARTERS; i++) {
        UNROLL for (int t = 0; t < T; t++) acc[i][t] = vdupq_n_f32(0);
    }
    for (size_t b = 0; b < blocks; b++) {
        panel_place at = panel_place_of(f.family, f.bits, b);
        panel_prefetch(in, b);
        UNROLL for (size_t i = 0; i < (size_t)P * parts; i++) {
            const uint8_t *panel = in->panel + i / parts * in->bytes;
            UNROLL for (size_t h = 0; h < QUARTERS; h++)
                add_quarter(f, panel + at.codes, panel + at.scales, b % per_block, i % parts, parts, b, h, &in->a,
                            acc[i / parts * QUARTERS + h], T);
        }
    }
    UNROLL for (int i = 0; i < P * QUARTERS; i++) {
        UNROLL for (int t = 0; t < T; t++) vst1q_f32(y[i / QUARTERS * T + t] + i % QUARTERS * QUARTER, acc[i][t]);
    }
}

#define PANEL_ISA          neon
#define PANEL_TILES        PANEL_TILES_4
#define PANEL_STREAM_TILES PANEL_TILES_1
#include "engine/kernels/panel_tiles.h"
#endif
