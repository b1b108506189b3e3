/* llama_cpp_passes.c - one GGUF, two engines in one process: how long does a pass over k tokens take?
 *
 *     make peer LLAMA_CPP=path/to/llama.cpp
 *     OMP_PROC_BIND=true OMP_PLACES=cores build/release/llama_cpp_passes MODEL.gguf [THREADS [ROUNDS]]
 *
 * Every round times each k once in each engine, one after the other, so that both see the same minutes of a shared
 * machine; medians and quartiles are over the rounds. All k tokens get logits. The last row is a prompt of 512 tokens
 * with logits for its last one. llama.cpp runs with its defaults, its cache in f16 among them.
 */
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/model/transformer.h"
#include "tests/peers/peer.h"

enum { PROMPT = 512, MOST_ROUNDS = 1000 };
static const size_t ks[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, PROMPT};
enum { KS = sizeof ks / sizeof *ks };

typedef struct {
    model       *m;
    transformer *ours;
    peer        *theirs;
    int32_t      ids[PROMPT];
    float       *logits;
    double       ms[2][KS][MOST_ROUNDS]; /* ours, theirs */
} bench;

static int open_both(bench *b, const char *path, int threads, err *e) {
    if ((b->m = model_open(path, e)) == NULL || model_pack(b->m, e) != 0 ||
        (b->ours = transformer_new(b->m, PROMPT, threads, NULL, e)) == NULL ||
        (b->logits = mem_new(64, b->m->shape.vocab * sizeof *b->logits, e)) == NULL)
        return -1;
    for (size_t i = 0; i < PROMPT; i++) b->ids[i] = (int32_t)(i * 7919 % b->m->shape.vocab);
    return (b->theirs = peer_open(path, PROMPT, threads, false, e)) != NULL ? 0 : -1;
}

static int time_ours(bench *b, size_t k, double *ms, err *e) {
    transformer_rewind(b->ours, 0);
    uint64_t begun = clock_ns();
    if (transformer_forward(b->ours, b->ids, k, k == PROMPT ? 1 : k, b->logits, e) != 0) return -1;
    *ms = (double)(clock_ns() - begun) * 1e-6;
    return 0;
}

static int time_theirs(bench *b, size_t k, double *ms, err *e) {
    peer_begin(b->theirs, b->ids, k, k == PROMPT ? 1 : k);
    uint64_t begun = clock_ns();
    if (peer_pass(b->theirs, e) == NULL) return -1;
    *ms = (double)(clock_ns() - begun) * 1e-6;
    return 0;
}

static int run(bench *b, const char *path, int threads, size_t rounds, err *e) {
    if (open_both(b, path, threads, e) != 0) return -1;
    for (size_t round = 0; round <= rounds; round++) { /* the first is not counted */
        size_t at = round > 0 ? round - 1 : 0;
        for (size_t i = 0; i < KS; i++) {
            if (time_ours(b, ks[i], &b->ms[0][i][at], e) != 0 || time_theirs(b, ks[i], &b->ms[1][i][at], e) != 0)
                return -1;
        }
    }
    for (int who = 0; who < 2; who++)
        for (size_t i = 0; i < KS; i++) gsl_sort(b->ms[who][i], 1, rounds);
    printf("%s, %d threads, %zu rounds, medians\n", path, threads, rounds);
    printf("    k   ours ms   T(k)/T(1)   llama.cpp ms   T(k)/T(1)   llama.cpp / ours\n");
    for (size_t i = 0; i < KS; i++) {
        double ours = gsl_stats_median_from_sorted_data(b->ms[0][i], 1, rounds);
        double theirs = gsl_stats_median_from_sorted_data(b->ms[1][i], 1, rounds);
        double one_of_ours = gsl_stats_median_from_sorted_data(b->ms[0][0], 1, rounds);
        double one_of_theirs = gsl_stats_median_from_sorted_data(b->ms[1][0], 1, rounds);
        printf("%5zu  %8.2f  %10.2f  %13.2f  %10.2f  %17.2f\n", ks[i], ours, ours / one_of_ours, theirs,
               theirs / one_of_theirs, theirs / ours);
    }
    return 0;
}

int main(int argc, char **argv) {
    err    e = {0};
    bench *b = mem_new(1, sizeof *b, &e);
    int    threads = argc > 2 ? atoi(argv[2]) : 2, rounds = argc > 3 ? atoi(argv[3]) : 7;
    if (argc < 2 || threads < 1 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: llama_cpp_passes MODEL.gguf [THREADS [ROUNDS]]\n");
        return 2;
    }
    if (b == NULL || run(b, argv[1], threads, (size_t)rounds, &e) != 0) {
        fprintf(stderr, "llama_cpp_passes: %s\n", e.text);
        return 1;
    }
    return 0;
}
