#include "experiments/machine/bandwidth.h"

#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/parallel.h"

/* A thread reads from PLACES places in turns, a line from each: one place alone is read at half of the rate. Places are
 * an odd number of lines apart, so that they do not compete for the same sets of a cache. */
enum { LINE = 64, PLACES = 8, PLACE = 257 * LINE, PIECE = PLACES * PLACE };

/* Reads of all bytes, of which the fastest counts: others may slow one down, but nothing makes it too fast while the
 * bytes are more than all caches hold. */
enum { READS = 3 };

struct bandwidth {
    char  *memory;
    size_t pieces;
    int    threads;
};

static size_t bytes_of(const bandwidth *b) {
    return b->pieces * PIECE;
}

static void fill(void *ctx, size_t begin, size_t end, int thread) {
    bandwidth *b = ctx;
    (void)thread;
    for (size_t at = begin * PIECE; at < end * PIECE; at++) b->memory[at] = (char)at;
}

/* Reads a byte of each line: memory gives whole lines, and wide registers are not needed to take them. Volatile: the
 * compiler may not leave a read out. */
static void read_pieces(void *ctx, size_t begin, size_t end, int thread) {
    const bandwidth *b = ctx;
    (void)thread;
    for (size_t piece = begin; piece < end; piece++)
        for (size_t line = 0; line < PLACE; line += LINE)
            for (size_t place = 0; place < PLACES; place++)
                (void)*(const volatile char *)(b->memory + piece * PIECE + place * PLACE + line);
}

bandwidth *bandwidth_open(size_t bytes, int threads, err *e) {
    bandwidth *b = mem_new(1, sizeof *b, e);
    if (b == NULL) return NULL;
    b->pieces = bytes / PIECE + 1;
    b->threads = threads;
    if ((b->memory = mem_map(bytes_of(b), e)) == NULL) {
        free(b);
        return NULL;
    }
    parallel_run(threads, b->pieces, 1, fill, b);
    return b;
}

void bandwidth_close(bandwidth *b) {
    if (b == NULL) return;
    mem_unmap(b->memory, bytes_of(b));
    free(b);
}

double bandwidth_measure(bandwidth *b) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < READS; i++) {
        uint64_t begun = clock_ns();
        parallel_run(b->threads, b->pieces, 1, read_pieces, b);
        uint64_t ns = clock_ns() - begun;
        if (ns < least) least = ns;
    }
    return (double)bytes_of(b) / ((double)least * 1e-9);
}
