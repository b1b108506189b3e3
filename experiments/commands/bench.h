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

enum { MOST_K = 64 };

typedef struct {
    size_t at[MOST_K], n; /* ascending, the first one 1 */
} k_list;

typedef struct {
    const char *model, *cost;
    k_list      k;
    uint64_t    context, prefill, repeats, threads;
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
    transformer *t;
    bandwidth   *memory;
    int32_t     *ids;                         /* [context of the transformer] */
    float       *logits;                      /* [largest k, vocab] */
    double       weights, head;               /* multiplications per token: in all matrices, in the output matrix */
    double       bytes;                       /* read by one pass */
    size_t       cache;                       /* bytes of the last cache; 0: unknown */
    uint64_t     packed_ns;                   /* time of reading the weights from the file and packing them */
    double      *rounds;                      /* [k.n + 2, repeats] */
    times        pass[MOST_K], prefill, read; /* read: bytes per second */
    load         load;                        /* while the rounds were measured */
    doubts       doubts;
    bool         load_is_doubtful; /* one of them: other processes kept the processors busy */
} bench;

/* Times to stdout, as a table and a roofline or as JSON; doubts to stderr. */
int bench_print(const bench *b, const bench_options *o, err *e);

/* T(k) as a cost file, to o->cost. */
int bench_write_cost(const bench *b, const bench_options *o, err *e);

#endif
