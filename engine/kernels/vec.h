/* vec.h - a register of floats of the instruction set that a file is compiled for; in portable code, a single float. */
#ifndef ENGINE_KERNELS_VEC_H
#define ENGINE_KERNELS_VEC_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "engine/kernels/simd.h"

#if defined(ISA_AVX512)
#include <immintrin.h>

typedef __m512 vec;
enum { VEC = 16 /* floats */ };

INLINE vec vec_all(float x) {
    return _mm512_set1_ps(x);
}

INLINE vec vec_load(const float *at) {
    return _mm512_loadu_ps(at);
}

INLINE void vec_store(float *at, vec v) {
    _mm512_storeu_ps(at, v);
}

INLINE vec vec_add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}

INLINE vec vec_mul(vec a, vec b) {
    return _mm512_mul_ps(a, b);
}

INLINE vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}

#elif defined(ISA_AVX2)
#include <immintrin.h>

typedef __m256 vec;
enum { VEC = 8 };

INLINE vec vec_all(float x) {
    return _mm256_set1_ps(x);
}

INLINE vec vec_load(const float *at) {
    return _mm256_loadu_ps(at);
}

INLINE void vec_store(float *at, vec v) {
    _mm256_storeu_ps(at, v);
}

INLINE vec vec_add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}

INLINE vec vec_mul(vec a, vec b) {
    return _mm256_mul_ps(a, b);
}

INLINE vec vec_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}

#elif defined(ISA_NEON)
#include <arm_neon.h>

typedef float32x4_t vec;
enum { VEC = 4 };

INLINE vec vec_all(float x) {
    return vdupq_n_f32(x);
}

INLINE vec vec_load(const float *at) {
    return vld1q_f32(at);
}

INLINE void vec_store(float *at, vec v) {
    vst1q_f32(at, v);
}

INLINE vec vec_add(vec a, vec b) {
    return vaddq_f32(a, b);
}

INLINE vec vec_mul(vec a, vec b) {
    return vmulq_f32(a, b);
}

INLINE vec vec_fma(vec a, vec b, vec c) {
    return vfmaq_f32(c, a, b);
}

#else
typedef float vec;
enum { VEC = 1 };

INLINE vec vec_all(float x) {
    return x;
}

INLINE vec vec_load(const float *at) {
    return *at;
}

INLINE void vec_store(float *at, vec v) {
    *at = v;
}

INLINE vec vec_add(vec a, vec b) {
    return a + b;
}

INLINE vec vec_mul(vec a, vec b) {
    return a * b;
}

INLINE vec vec_fma(vec a, vec b, vec c) {
    return fmaf(a, b, c);
}
#endif

/* Loads the first n elements; the others are 0. */
INLINE vec vec_load_first(const float *at, size_t n) {
    float all[VEC] = {0};
    memcpy(all, at, n * sizeof *at);
    return vec_load(all);
}

INLINE void vec_store_first(float *at, vec v, size_t n) {
    float all[VEC];
    vec_store(all, v);
    memcpy(at, all, n * sizeof *at);
}

#endif
