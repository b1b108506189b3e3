/* floats_avx512bf16.c - products over panels of BF16 with `vdpbf16ps`, which is two fused multiply-adds, the odd
 * element of a pair first. numerics.md, "BF16", says why the subnormal numbers that it flushes cannot occur.
 */
#ifdef ISA_AVX512BF16
#include <math.h>
#include <stdint.h>

#include "engine/kernels/floats.h"
#include "engine/kernels/vec.h"

INLINE vec load(dtype type, const char *lane, int v, int part) {
    (void)type, (void)v, (void)part;
    return _mm512_load_ps(lane);
}

INLINE vec product(vec w, const char *x, vec acc) {
    int pair;
    memcpy(&pair, x, sizeof pair);
    return _mm512_dpbf16_ps(acc, (__m512bh)w, (__m512bh)_mm512_set1_epi32(pair));
}

#define FLOAT_ISA   avx512bf16
#define FLOAT_TILES FLOAT_TILES_24
#include "engine/kernels/floats_tiles.h"
FLOAT_MULTIPLY(BF16)

/* Manufacturers describe the instruction and do not promise each other's roundings. */
bool float_pairs_hold(void) {
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
