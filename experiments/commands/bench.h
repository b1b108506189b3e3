/* bench.h - options and measurements of `harness bench`. */
#ifndef EXPERIMENTS_BENCH_H
#define EXPERIMENTS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/model/transformer.h"
#include "experiments/machine/bandwidth.h"
#include "experiments/machine/load.h"
#include "experiments/sweep/cost_fit.h"

enum { MOST_K = 64, MOST_CONTEXTS = 16 };

typedef struct {
    size_t at[MOST_K], n; /* ascending */
} count_list;

typedef struct {
    const char *model, *cost;
    count_list  k, context; /* the first k is 1 */
    uint64_t    prefill, repeats, threads;
    uint64_t    layers; /* of the model that this one is the beginning of; 0: this one's */
    bool        last, json, quiet;
} bench_options;

/* Over all rounds, in seconds. */
typedef struct {
    double low, median, high; /* quartiles */
    double min;
} times;

/* Reasons not to trust the measurements. */
typedef struct {
    char   text[2][256];
    size_t n;
} doubts;

typedef struct {
    model       *m;
    transformer *t[MOST_CONTEXTS]; /* each one's cache is filled once */
    transformer *prompt;           /* for the prompt of `prefill` tokens; NULL without */
    bandwidth   *memory;
    int32_t     *ids;                  /* [most tokens in a cache] */
    float       *logits;               /* [largest k, vocab] */
    double       weights, head;        /* multiplications per token: in all matrices, in the output matrix */
    double       bytes[MOST_CONTEXTS]; /* read by one pass */
    size_t       cache;                /* bytes of the last cache; 0: unknown */
    uint64_t     packed_ns;            /* time of reading the weights from the file and packing them */
    double      *rounds;               /* [context.n * k.n + 2, repeats] */
    times        pass[MOST_CONTEXTS][MOST_K];
    times        prefill, read; /* read: bytes per second */
    fit_errors   fit;           /* of the smooth times that a sweep takes from the cost file */
    load         load;          /* while the rounds were measured */
    doubts       doubts;
    bool         load_is_doubtful; /* one of them: other processes kept the processors busy */
} bench;

/* Opens the model, measures and judges; close it in any case. `b` is zeroed before. */
int  bench_measure(bench *b, const bench_options *o, err *e);
void bench_close(bench *b);

/* Times to stdout, as a table for each context and a roofline for the first, or as JSON; doubts to stderr. */
int bench_print(const bench *b, const bench_options *o, err *e);

/* T(k, context) as a cost file, to o->cost. */
int bench_write_cost(const bench *b, const bench_options *o, err *e);

#endif
