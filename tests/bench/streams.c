/* streams.c - how fast one thread reads memory, by pages and by the number of places that it reads from in turns.
 *
 *     gcc -O2 tests/bench/streams.c -o build/streams && build/streams
 *
 * As the kernels read weights (engine/kernels/panel_tiles.h): pieces of 5760 bytes, which is a panel of 576 columns of
 * Q4_1, one after another or several together, a line of each in turns. GB/s of the thread's own time, median and best
 * of 25 rounds of 96 MB. Large pages come only where /sys/kernel/mm/transparent_hugepage/enabled allows them.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { ROUNDS = 25, PIECE = 5760, LINE = 64, LARGE = 2 << 20, BYTES = 96 << 20 };

typedef uint64_t line __attribute__((vector_size(LINE)));

static line total; /* what is read is used */

/* `together` is a constant in each of the functions below. */
static inline __attribute__((always_inline)) void read_pieces(const char *memory, size_t together) {
    line sums[16] = {{0}};
    for (size_t at = 0; at + together * PIECE <= BYTES; at += together * PIECE)
        for (size_t i = 0; i < PIECE; i += LINE)
            _Pragma("GCC unroll 16") for (size_t s = 0; s < together; s++) sums[s] +=
                *(const line *)(const void *)(memory + at + s * PIECE + i);
    for (size_t s = 0; s < together; s++) total += sums[s];
}

static void read_1(const char *memory) {
    read_pieces(memory, 1);
}
static void read_2(const char *memory) {
    read_pieces(memory, 2);
}
static void read_4(const char *memory) {
    read_pieces(memory, 4);
}
static void read_8(const char *memory) {
    read_pieces(memory, 8);
}

static const struct {
    int together;
    void (*read)(const char *memory);
} reads[] = {{1, read_1}, {2, read_2}, {4, read_4}, {8, read_8}};
enum { READS = sizeof reads / sizeof *reads };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *allocate(int advice) {
    char *p = mmap(NULL, BYTES + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("streams");
        exit(1);
    }
    p += (LARGE - (uintptr_t)p % LARGE) % LARGE;
    madvise(p, BYTES, advice);
    return memset(p, 1, BYTES);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void) {
    const char   *memory[] = {allocate(MADV_NOHUGEPAGE), allocate(MADV_HUGEPAGE)}, *names[] = {"small", "large"};
    static double rates[READS][2][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < READS; i++) {
            for (int pages = 0; pages < 2; pages++) {
                double begun = now();
                reads[i].read(memory[pages]);
                rates[i][pages][round] = BYTES * 1e-9 / (now() - begun);
            }
        }
    }
    for (int i = 0; i < READS; i++) {
        printf("%d together:", reads[i].together);
        for (int pages = 0; pages < 2; pages++) {
            qsort(rates[i][pages], ROUNDS, sizeof(double), compare);
            printf("  %s pages %5.1f GB/s (best %.1f)", names[pages], rates[i][pages][ROUNDS / 2],
                   rates[i][pages][ROUNDS - 1]);
        }
        printf("\n");
    }
    return total[0] == 0; /* never */
}
