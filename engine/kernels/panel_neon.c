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

/* u - zero of group g, rows 4 h to 4 h + 3. */
INLINE int8x16_t weights_of(panel_format f, const uint8_t *codes, size_t g, size_t h) {
    const uint8_t *at = codes + h * QUARTER * PANEL_GROUP, *high = at + 4 * PANEL_VECTOR;
    if (f.bits == 8) return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at + g * PANEL_VECTOR), vdupq_n_u8(128))); /* - 128 */
    uint8x16_t low = vld1q_u8(at + g % 4 * PANEL_VECTOR);
    low = g < 4 ? vandq_u8(low, vdupq_n_u8(15)) : moved(low, -4);
    if (f.bits == 5) {
        uint8x16_t up = moved(vld1q_u8(high), 4 - (int)g);
        low = vorrq_u8(low, vandq_u8(up, vdupq_n_u8(0x10)));
    }
    if (f.bits == 6) {
        uint8x16_t up = moved(vld1q_u8(high + g / 4 * PANEL_VECTOR), 4 - 2 * (int)(g % 4));
        low = vorrq_u8(low, vandq_u8(up, vdupq_n_u8(0x30)));
    }
    return vreinterpretq_s8_u8(vsubq_u8(low, vdupq_n_u8((uint8_t)f.zero)));
}

INLINE float32x4_t halves(const uint8_t *at) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at)));
}

INLINE uint32_t four_bytes(const uint8_t *at) {
    uint32_t four;
    memcpy(&four, at, sizeof four);
    return four;
}

INLINE float32x4_t unsigned_bytes(const uint8_t *at) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four_bytes(at))))));
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
    int32x4_t      sum[PANEL_TILE_TOKENS];
    UNROLL for (int t = 0; t < T; t++) sum[t] = vdupq_n_s32(0);
    UNROLL for (size_t g = part * groups; g < (part + 1) * groups; g++) {
        int8x16_t w = weights_of(f, codes, g, h);
        UNROLL for (int t = 0; t < T; t++) { /* four groups of 4 activations to a register */
            size_t at = g * (size_t)T + (size_t)t;
            sum[t] = dot(sum[t], w, vld1q_s8(a->q + b * PANEL_COLS * (size_t)T + at / 4 * 16), at % 4);
        }
    }
    float32x4_t d = halves(wide), m = d;
    if (f.family == QUANT_SCALE_MIN) m = halves(wide + 2 * PANEL_ROWS);
    if (f.family == QUANT_K) {
        d = vmulq_f32(d, unsigned_bytes(small + (4 + 2 * j) * PANEL_ROWS));
        m = vmulq_f32(halves(wide + 2 * PANEL_ROWS), unsigned_bytes(small + (4 + 2 * j + 1) * PANEL_ROWS));
    }
    if (f.family == QUANT_K_SIGNED) d = vmulq_f32(d, signed_bytes(small + (2 + 2 * j + part) * PANEL_ROWS));
    UNROLL for (int t = 0; t < T; t++) {
        acc[t] = vfmaq_f32(acc[t], vmulq_n_f32(d, a->scale[b * (size_t)T + (size_t)t]), vcvtq_f32_s32(sum[t]));
        if (f.family == QUANT_SCALE_MIN) acc[t] = vfmaq_f32(acc[t], m, vdupq_n_f32(a->sum[b * (size_t)T + (size_t)t]));
        if (f.family == QUANT_K) acc[t] = vfmsq_f32(acc[t], m, vdupq_n_f32(a->sum[b * (size_t)T + (size_t)t]));
    }
}

INLINE void tile(panel_format f, const panel_input *in, float y[][PANEL_ROWS], int T) {
    const size_t blocks = in->blocks;
    const size_t parts = f.family == QUANT_K_SIGNED ? 2 : 1, per_block = f.cols / PANEL_COLS;
    float32x4_t  acc[QUARTERS][PANEL_TILE_TOKENS];
    UNROLL for (size_t h = 0; h < QUARTERS; h++) {
        UNROLL for (int t = 0; t < T; t++) acc[h][t] = vdupq_n_f32(0);
    }
    for (size_t b = 0; b < blocks; b++) {
        panel_prefetch(in, b);
        panel_place    at = panel_place_of(f.family, f.bits, b);
        const uint8_t *codes = in->panel + at.codes, *scales = in->panel + at.scales;
        UNROLL for (size_t part = 0; part < parts; part++) {
            UNROLL for (size_t h = 0; h < QUARTERS; h++)
                add_quarter(f, codes, scales, b % per_block, part, parts, b, h, &in->a, acc[h], T);
        }
    }
    UNROLL for (size_t h = 0; h < QUARTERS; h++) {
        UNROLL for (int t = 0; t < T; t++) vst1q_f32(y[t] + h * QUARTER, acc[h][t]);
    }
}

#define PANEL_ISA   neon
#define PANEL_TILES PANEL_TILES_4
#include "engine/kernels/panel_tiles.h"
#endif
