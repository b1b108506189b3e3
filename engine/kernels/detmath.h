/* detmath.h - exp, tanh, log, sin, cos and rsqrt that give the same bits everywhere.
 *
 * They use only +, -, *, fma, division and sqrt, each correctly rounded by IEEE 754, and never libm (numerics.md,
 * "Functions", gives the methods and the measured errors). Those that run inside loops are inline, so that they
 * vectorize with them.
 */
#ifndef ENGINE_KERNELS_DETMATH_H
#define ENGINE_KERNELS_DETMATH_H

#include <math.h>

#include "engine/base/bits.h"

double det_log(double x);                          /* NaN for x < 0 */
void   det_sincos(double x, double *s, double *c); /* |x| <= 1e7; NaN beyond */

/* ln 2 as a sum of doubles; subtracting n times the parts in turn, each with one fma, loses nothing that matters (Cody
 * and Waite). */
#define DET_LN2_HI 0x1.62e42fefa39efp-1
#define DET_LN2_LO 0x1.abc9e3b39803fp-56

/* As det_expf, in doubles and to r^13. */
static inline double det_exp(double x) {
    const double shift = 0x1.8p+52; /* shift + n holds the integer n in its low bits */
    double       t = fma(x, 0x1.71547652b82fep+0, shift);
    double       n = t - shift;
    double       r = fma(n, -DET_LN2_LO, fma(n, -DET_LN2_HI, x));
    double       y = 1.0 / 6227020800;
    y = fma(y, r, 1.0 / 479001600);
    y = fma(y, r, 1.0 / 39916800);
    y = fma(y, r, 1.0 / 3628800);
    y = fma(y, r, 1.0 / 362880);
    y = fma(y, r, 1.0 / 40320);
    y = fma(y, r, 1.0 / 5040);
    y = fma(y, r, 1.0 / 720);
    y = fma(y, r, 1.0 / 120);
    y = fma(y, r, 1.0 / 24);
    y = fma(y, r, 1.0 / 6);
    y = fma(y, r, 0.5);
    y = fma(y, r, 1.0);
    y = fma(y, r, 1.0);
    y = bits_double(double_bits(y) + (double_bits(t) << 52));
    y = x < -708.3 ? 0.0 : y;
    y = x > 0x1.62e42fefa39efp+9 ? INFINITY : y;
    return x != x ? x : y;
}

/* e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2) / 2, and the series of e^r to r^7. Results that would
 * be subnormal are +0. */
static inline float det_expf(float x) {
    const float shift = 0x1.8p+23f; /* t = shift + n: the integer n is in the low bits of t */
    float       t = fmaf(x, 0x1.715476p+0f, shift);
    float       n = t - shift;
    float       r = fmaf(n, -0x1.62e43p-1f, x);
    r = fmaf(n, 0x1.05c61p-29f, r);
    float y = 0x1.a01a02p-13f;
    y = fmaf(y, r, 0x1.6c16c2p-10f);
    y = fmaf(y, r, 0x1.111112p-7f);
    y = fmaf(y, r, 0x1.555556p-5f);
    y = fmaf(y, r, 0x1.555556p-3f);
    y = fmaf(y, r, 0.5f);
    y = fmaf(y, r, 1.0f);
    y = fmaf(y, r, 1.0f);
    y = bits_float(float_bits(y) + (float_bits(t) << 23));
    y = x < -87.3f ? 0.0f : y;
    y = x > 0x1.62e42ep+6f ? INFINITY : y;
    return x != x ? x : y;
}

/* Near 0 an odd polynomial (Cephes, tanhf.c), elsewhere 1 - 2 / (e^2|x| + 1). */
static inline float det_tanhf(float x) {
    float z = x * x, p = -0x1.75e1d4p-8f;
    p = fmaf(p, z, 0x1.52269cp-6f);
    p = fmaf(p, z, -0x1.b83c5ap-5f);
    p = fmaf(p, z, 0x1.110726p-3f);
    p = fmaf(p, z, -0x1.555532p-2f);
    float near = fmaf(x * z, p, x);
    float far = copysignf(1 - 2 / (det_expf(2 * fabsf(x)) + 1), x);
    return fabsf(x) < 0.625f ? near : far;
}

/* 1 / sqrt(x): two correctly rounded operations. */
static inline float det_rsqrtf(float x) {
    return 1.0f / sqrtf(x);
}

#endif
