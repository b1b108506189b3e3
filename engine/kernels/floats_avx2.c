/* floats_avx2.c - products over panels of floats with AVX2: a panel's 16 rows are two registers, and up to six tokens
 * have their sums in others. */
#ifdef ISA_AVX2
#include "engine/kernels/floats.h"
#include "engine/kernels/vec.h"

INLINE vec load(dtype type, const char *lane, int v, int part) {
    if (type == DTYPE_F32) return _mm256_load_ps((const float *)lane + v * VEC);
    if (type == DTYPE_F16) return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)lane + v));
    __m256i pairs = _mm256_load_si256((const __m256i *)lane + v);
    return _mm256_castsi256_ps(part == 0 ? _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000))
                                         : _mm256_slli_epi32(pairs, 16));
}

#define FLOAT_ISA   avx2
#define FLOAT_TILES FLOAT_TILES_6
#include "engine/kernels/floats_tiles.h"
FLOAT_TYPES(FLOAT_MULTIPLY)
#endif
