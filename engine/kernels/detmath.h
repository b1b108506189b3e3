/* detmath.h - exp, log, sin, cos and rsqrt that give the same bits everywhere.
 *
 * Written with +, -, *, fma, division and sqrt alone, each correctly rounded by IEEE 754
 * (numerics.md, "Functions", gives the methods and the measured errors). Never libm's.
 */
#ifndef ENGINE_KERNELS_DETMATH_H
#define ENGINE_KERNELS_DETMATH_H

float  det_expf(float x);
float  det_rsqrtf(float x); /* x > 0 */
double det_exp(double x);
double det_log(double x);                          /* x > 0 */
void   det_sincos(double x, double *s, double *c); /* |x| < 1e7 */

#endif
