/* floats_avx512.h - what floats_tiles.h asks for that AVX-512 has with and without products of pairs. */
#ifndef ENGINE_KERNELS_FLOATS_AVX512_H
#define ENGINE_KERNELS_FLOATS_AVX512_H

#include <immintrin.h>

#include "engine/kernels/floats.h"
#include "engine/kernels/simd.h"

typedef __m512 vec;
enum { VECS = 1, FLOAT_MOST = 24 };
#define FLOAT_TILES FLOAT_TILES_24

INLINE vec zero(void) {
    return _mm512_setzero_ps();
}

INLINE vec add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}

INLINE void store(float *at, vec v) {
    _mm512_storeu_ps(at, v);
}

INLINE void ask_for(const char *at) {
    _mm_prefetch(at, _MM_HINT_T1);
}

#endif
