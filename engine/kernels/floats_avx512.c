/* floats_avx512.c - products over panels of floats with AVX-512: a panel's 16 rows are one register, and up to 24
 * tokens have their sums in others. */
#ifdef ISA_AVX512
#include "engine/kernels/floats.h"
#include "engine/kernels/vec.h"

INLINE vec load(dtype type, const char *lane, int v, int part) {
    (void)v;
    if (type == DTYPE_F32) return _mm512_load_ps(lane);
    if (type == DTYPE_F16) return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)lane));
    __m512i pairs = _mm512_load_si512(lane);
    return _mm512_castsi512_ps(part == 0 ? _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000))
                                         : _mm512_slli_epi32(pairs, 16));
}

#define FLOAT_ISA   avx512
#define FLOAT_TILES FLOAT_TILES_24
#include "engine/kernels/floats_tiles.h"
FLOAT_TYPES(FLOAT_MULTIPLY)
#endif
