/* strict.h - refuses compiler flags under which results would be other bits.
 *
 * The Makefile takes such flags back; this is for whoever builds by hand. What no macro shows (fused multiply-adds, a
 * processor that flushes subnormals) is found when the program runs, by engine/kernels/answers.c.
 */
#ifndef ENGINE_BASE_STRICT_H
#define ENGINE_BASE_STRICT_H

#include <float.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0) ||                           \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "-Ofast, -ffast-math and their parts change results (engine/docs/numerics.md forbids them)"
#endif

#if FLT_EVAL_METHOD != 0
#error "intermediate results are wider than their types (engine/docs/numerics.md forbids that)"
#endif

#ifdef __cplusplus
static_assert(sizeof 1.0 == sizeof(double), "-fsingle-precision-constant changes results");
#else
_Static_assert(sizeof 1.0 == sizeof(double), "-fsingle-precision-constant changes results");
#endif

#endif
