/* kernels.c - what the kernels reach with weights that stay in the second-level cache, on one thread.
 *
 *     make build/release/bench_kernels && build/release/bench_kernels [COLS ROWS]
 *
 * Gop/s (a multiply-add is two) of products of 1 to 64 tokens for each weight type, and of attention over 64 to 4096
 * positions, 8 queries together, as where that many heads share their keys. Best of 20 rounds of about 10 ms. Beside
 * peak.c's rates it says how far a kernel is from what the processor can do; the instruction set is the one that
 * HARNESS_ISA asks for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/kernels/kernels.h"
#include "engine/model/matrix.h"

enum { ROUNDS = 20, ROUND_NS = 10000000 };
static const size_t counts[] = {1, 2, 4, 8, 16, 32, 64};
enum { COUNTS = sizeof counts / sizeof *counts, MOST = 64 };

static void die(const char *what) {
    fprintf(stderr, "bench_kernels: %s\n", what);
    exit(1);
}

static void *allocate(size_t n, size_t size) {
    err   e = {0};
    void *p = mem_new_aligned(n, size, 64, &e);
    if (p == NULL) die(e.text);
    return p;
}

static float *floats(size_t n) {
    float *x = allocate(n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 2654435761u >> 8) & 0xffff) * 0x1p-16f - 0.5f;
    return x;
}

typedef struct {
    const kernel_table *kernels;
    /* A product, */
    matrix w;
    void  *prepared;
    float *y;
    size_t n_tokens;
    /* or attention. */
    attend_query queries[ATTEND_QUERIES];
    float       *keys, *values, *scores;
    size_t       positions, head_dim;
} job;

static void product(const job *j) {
    j->kernels->matmul[j->w.type].multiply(j->w.panels, j->prepared, j->y, j->w.cols, 0, j->w.rows, j->n_tokens,
                                           j->w.rows);
}

static void attention(const job *j) {
    j->kernels->attend(j->queries, ATTEND_QUERIES, j->keys, j->values, j->scores, j->positions, j->head_dim, 0.125f, 0);
}

/* Operations per second, in 1e9, of what does `ops` of them. */
static double rate(void (*run)(const job *j), const job *j, double ops) {
    double   best = 0;
    uint64_t repeats = 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_ns();
        for (uint64_t i = 0; i < repeats; i++) run(j);
        uint64_t took = clock_ns() - begun;
        double   reached = ops * (double)repeats / (double)(took > 0 ? took : 1);
        if (reached > best) best = reached;
        if (took < ROUND_NS / 2) repeats *= 2, round = -1; /* too short to be told */
    }
    return best;
}

static void products(const kernel_table *k, dtype type, size_t rows, size_t cols) {
    err    e = {0};
    float *weights = floats(rows * cols), *x = floats(MOST * cols);
    void  *stored = allocate(rows, dtype_bytes(type, cols));
    dtype_get(type)->encode(weights, stored, rows * cols);
    job j = {.kernels = k,
             .w = matrix_of(type, rows, cols, stored),
             .prepared = allocate(1, kernels_prepared_bytes(cols, MOST)),
             .y = allocate(MOST, rows * sizeof(float))};
    if (matrix_pack(&j.w, 1, &e) != 0) die(e.text);
    printf("%-10s", dtype_get(type)->name);
    for (size_t i = 0; i < COUNTS; i++) {
        j.n_tokens = counts[i];
        k->matmul[type].prepare(x, j.prepared, cols, counts[i], 0, cols / PANEL_COLS);
        printf("  %5.0f", rate(product, &j, 2.0 * (double)(rows * cols * counts[i])));
        fflush(stdout);
    }
    printf("\n");
    matrix_close(&j.w);
    free(weights);
    free(x);
    free(stored);
    free(j.prepared);
    free(j.y);
}

static void attentions(const kernel_table *k, size_t head_dim) {
    printf("%-10zu", head_dim);
    for (size_t n = 64; n <= 4096; n *= 2) {
        float *q = floats(ATTEND_QUERIES * head_dim), *out = allocate(ATTEND_QUERIES * head_dim, sizeof *out);
        job    j = {.kernels = k,
                    .keys = floats(n * head_dim),
                    .values = floats(n * head_dim),
                    .scores = allocate(ATTEND_QUERIES * n, sizeof(float)),
                    .positions = n,
                    .head_dim = head_dim};
        for (size_t i = 0; i < ATTEND_QUERIES; i++)
            j.queries[i] = (attend_query){q + i * head_dim, out + i * head_dim, n, 0};
        printf("  %5.0f", rate(attention, &j, 4.0 * (double)(n * head_dim * ATTEND_QUERIES)));
        fflush(stdout);
        free(q);
        free(out);
        free(j.keys);
        free(j.values);
        free(j.scores);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    err                 e = {0};
    const kernel_table *k = kernels_get(&e);
    size_t              cols = 2048, rows = 256;
    if (k == NULL) die(e.text);
    if (argc == 3) cols = strtoul(argv[1], NULL, 10), rows = strtoul(argv[2], NULL, 10);
    if (argc != 1 && (argc != 3 || cols == 0 || cols % 256 != 0 || rows == 0))
        die("no arguments, or COLS, a multiple of 256, and ROWS");
    printf("%s, one thread, %zu rows of %zu columns: Gop/s by tokens\n\n          ", k->isa, rows, cols);
    for (size_t i = 0; i < COUNTS; i++) printf("  %5zu", counts[i]);
    printf("\n");
    for (int type = 0; type < DTYPE_COUNT; type++) products(k, (dtype)type, rows, cols);
    printf("\nattention, %d queries, by positions and size of a head\n\n          ", ATTEND_QUERIES);
    for (size_t n = 64; n <= 4096; n *= 2) printf("  %5zu", n);
    printf("\n");
    attentions(k, 64);
    attentions(k, 128);
    return 0;
}
