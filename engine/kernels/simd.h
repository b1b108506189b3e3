/* simd.h - helpers for kernels that are written for registers. */
#ifndef ENGINE_KERNELS_SIMD_H
#define ENGINE_KERNELS_SIMD_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

/* For a short loop over an array of registers. gcc keeps the array in registers only if the loop is unrolled early;
 * otherwise it writes the array to memory in every round of the enclosing loop. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL _Pragma("unroll")
#endif

/* Prefetches a line into the second-level cache: the first one is full of operands. The address may point past the end
 * of memory. */
INLINE void prefetch(uintptr_t at) {
    __builtin_prefetch((const void *)at, 0, 2);
}

#endif
