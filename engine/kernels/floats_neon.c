/* floats_neon.c - products over panels of floats with NEON: a panel's 16 rows are four registers, and up to six tokens
 * have their sums in others. */
#ifdef ISA_NEON
#include "engine/kernels/floats.h"
#include "engine/kernels/vec.h"

INLINE vec load(dtype type, const char *lane, int v, int part) {
    if (type == DTYPE_F32) return vld1q_f32((const float *)lane + v * VEC);
    if (type == DTYPE_F16) return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)lane + v * VEC)));
    uint32x4_t pairs = vld1q_u32((const uint32_t *)lane + v * VEC);
    return vreinterpretq_f32_u32(part == 0 ? vandq_u32(pairs, vdupq_n_u32(0xffff0000)) : vshlq_n_u32(pairs, 16));
}

#define FLOAT_ISA   neon
#define FLOAT_TILES FLOAT_TILES_6
#include "engine/kernels/floats_tiles.h"
FLOAT_TYPES(FLOAT_MULTIPLY)
#endif
