/* peak.c - how many multiply-adds this machine's AVX-512 instructions reach when nothing else is done.
 *
 *     gcc -O2 -mavx512f -mavx512vnni -mavx512bf16 -fopenmp tests/bench/peak.c -o build/peak
 *     OMP_PLACES=cores build/peak
 *
 * Leave out the flags of what the processor lacks. Nothing of the harness is built with these flags, or from this file.
 * What kernels are compared with (engine/docs/speed.md): sums in 24 registers, as in their tiles, so that no
 * instruction waits for another, on all threads at once. Best of 20 rounds of about 10 ms.
 */
#include <immintrin.h>
#include <omp.h>
#include <stdio.h>
#include <time.h>

enum { SUMS = 24, STEPS = 1 << 20, ROUNDS = 20 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A function that does STEPS times SUMS of an instruction. The empty asm keeps each result, and nothing else. */
#define SPIN(name, type, zero, instruction)                                                                            \
    static void name(void) {                                                                                           \
        type sums[SUMS], x = zero, w = zero;                                                                           \
        _Pragma("GCC unroll 24") for (int i = 0; i < SUMS; i++) sums[i] = zero;                                        \
        for (int step = 0; step < STEPS; step++) {                                                                     \
            _Pragma("GCC unroll 24") for (int i = 0; i < SUMS; i++) {                                                  \
                sums[i] = instruction;                                                                                 \
                __asm__ volatile("" : "+v"(sums[i]), "+v"(x), "+v"(w));                                                \
            }                                                                                                          \
        }                                                                                                              \
    }

SPIN(spin_f32, __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(w, x, sums[i]))
#ifdef __AVX512BF16__
SPIN(spin_bf16, __m512, _mm512_setzero_ps(), _mm512_dpbf16_ps(sums[i], (__m512bh)w, (__m512bh)x))
#endif
#ifdef __AVX512VNNI__
SPIN(spin_int8, __m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(sums[i], w, x))
#endif

static void measure(const char *what, void (*spin)(void), int products) {
    double best = 1e9;
    int    threads = 1;
    for (int round = 0; round < ROUNDS; round++) {
        double begun = now();
#pragma omp parallel
        {
            spin();
#pragma omp single
            threads = omp_get_num_threads();
        }
        double took = now() - begun;
        if (took < best) best = took;
    }
    printf("%-12s %6.0f Gop/s on %d threads\n", what, 2e-9 * products * SUMS * (double)STEPS * threads / best, threads);
}

int main(void) {
    measure("vfmadd (f32)", spin_f32, 16);
#ifdef __AVX512BF16__
    measure("vdpbf16ps", spin_bf16, 32);
#endif
#ifdef __AVX512VNNI__
    measure("vpdpbusd", spin_int8, 64);
#endif
    return 0;
}
