/* simd.h - what kernels share that are written for registers. */
#ifndef ENGINE_KERNELS_SIMD_H
#define ENGINE_KERNELS_SIMD_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

/* Before a loop of few rounds over an array of registers: gcc keeps the array in registers only when it is unrolled
 * early, and else writes it to memory in every round of the loop around it. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL _Pragma("unroll")
#endif

/* Asks for a line, into the second-level cache, because the first one is full of what is computed with. What is there
 * need not be memory. */
INLINE void ask_for(uintptr_t at) {
    __builtin_prefetch((const void *)at, 0, 2);
}

#endif
