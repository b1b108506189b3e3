#include "experiments/machine/bandwidth.h"

#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/parallel.h"

enum { CHAINS = 64 }; /* independent sums: eight registers of AVX-512 */

struct bandwidth {
    uint64_t *words;
    size_t    bytes;
    int       threads;
    uint64_t  sum; /* keeps the compiler from dropping the reads */
};

/* Items are pieces of CHAINS words. */
static void fill(void *ctx, size_t begin, size_t end, int thread) {
    bandwidth *b = ctx;
    (void)thread;
    for (size_t i = begin * CHAINS; i < end * CHAINS; i++) b->words[i] = i;
}

static void read_all(void *ctx, size_t begin, size_t end, int thread) {
    bandwidth *b = ctx;
    uint64_t   sum[CHAINS] = {0};
    (void)thread;
    for (size_t i = begin; i < end; i++)
        for (size_t l = 0; l < CHAINS; l++) sum[l] += b->words[i * CHAINS + l];
    for (size_t l = 1; l < CHAINS; l++) sum[0] += sum[l];
    __atomic_fetch_add(&b->sum, sum[0], __ATOMIC_RELAXED);
}

static void run(bandwidth *b, parallel_task *task) {
    parallel_run(b->threads, b->bytes / (CHAINS * sizeof *b->words), 1, task, b);
}

bandwidth *bandwidth_open(size_t bytes, int threads, err *e) {
    bandwidth *b = mem_new(1, sizeof *b, e);
    if (b == NULL) return NULL;
    b->bytes = bytes;
    b->threads = threads;
    if ((b->words = mem_map(bytes, e)) == NULL) {
        free(b);
        return NULL;
    }
    run(b, fill);
    return b;
}

void bandwidth_close(bandwidth *b) {
    if (b == NULL) return;
    mem_unmap(b->words, b->bytes);
    free(b);
}

double bandwidth_measure(bandwidth *b) {
    uint64_t begun = clock_ns();
    run(b, read_all);
    return (double)b->bytes / ((double)(clock_ns() - begun) * 1e-9);
}
