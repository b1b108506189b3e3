/* simd.h - what kernels with intrinsics share. */
#ifndef ENGINE_KERNELS_SIMD_H
#define ENGINE_KERNELS_SIMD_H

#define INLINE static inline __attribute__((always_inline))

/* Before a loop of few rounds over an array of registers: gcc keeps the array in registers only when it is unrolled
 * early, and else writes it to memory in every round of the loop around it. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL _Pragma("unroll")
#endif

#endif
