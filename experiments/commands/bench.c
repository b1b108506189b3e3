/* bench.c - `harness bench`: T(k), the time of one pass that checks k tokens, next to the limit set by memory.
 *
 * The load on a shared machine comes and goes. Every round therefore measures the read bandwidth and each k once, in an
 * order of its own, and medians are taken over the rounds: the times that are compared come from the same minutes.
 */
#include "experiments/commands/bench.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/number.h"
#include "engine/base/parallel.h"
#include "engine/engine.h"
#include "engine/kernels/kernels.h"
#include "experiments/commands/commands.h"
#include "experiments/machine/cache.h"
#include "experiments/sweep/cost.h"
#include "experiments/terminal/progress.h"

/* The bandwidth is that of reading so many bytes, or so many times what the last caches hold if that is more. */
enum { READ_BYTES = 512 << 20, READ_CACHES = 2 };

/* ---- measuring ------------------------------------------------------------------------------------- */

/* What a pass reads and multiplies: every matrix, and the cache of the tokens before it. */
static void count_work(bench *b, const bench_options *o) {
    const model_shape *s = &b->m->shape;
    const matrix      *w;
    for (size_t i = 0; (w = model_matrix(b->m, i)) != NULL; i++) {
        b->weights += (double)(w->rows * w->cols);
        b->bytes += (double)matrix_bytes(w);
    }
    b->head = (double)(b->m->output.rows * b->m->output.cols);
    b->bytes += 2.0 * (double)(s->n_layers * s->n_kv_heads * s->head_dim * o->context) * sizeof(float);
}

static int open_bench(bench *b, const bench_options *o, err *e) {
    if ((b->m = model_open(o->model, e)) == NULL) return -1;
    uint64_t begun = clock_ns();
    if (model_pack(b->m, e) != 0) return -1;
    b->packed_ns = clock_ns() - begun;
    size_t largest = o->k.at[o->k.n - 1], most = b->m->shape.context, vocab = b->m->shape.vocab;
    if (o->context + largest > most)
        return err_input(e, "%s: --context %" PRIu64 " and k = %zu do not fit (at most %zu tokens together)", o->model,
                         o->context, largest, most);
    if (o->prefill > most)
        return err_input(e, "%s: --prefill %" PRIu64 " does not fit (at most %zu tokens)", o->model, o->prefill, most);
    size_t context = o->context + largest > o->prefill ? o->context + largest : o->prefill;
    b->cache = cache_bytes();
    size_t read = b->cache > READ_BYTES / READ_CACHES ? READ_CACHES * b->cache : READ_BYTES;
    if ((b->t = transformer_new(b->m, context, (int)o->threads, NULL, e)) == NULL ||
        (b->memory = bandwidth_open(read, (int)o->threads, e)) == NULL ||
        (b->ids = mem_new(context, sizeof *b->ids, e)) == NULL ||
        (b->logits = mem_new(largest, vocab * sizeof *b->logits, e)) == NULL ||
        (b->rounds = mem_new(o->k.n + 2, o->repeats * sizeof *b->rounds, e)) == NULL)
        return -1;
    for (size_t i = 0; i < context; i++) b->ids[i] = (int32_t)(i * 7919 % vocab);
    count_work(b, o);
    return 0;
}

static void close_bench(bench *b) {
    free(b->rounds);
    free(b->ids);
    free(b->logits);
    bandwidth_close(b->memory);
    transformer_free(b->t);
    model_close(b->m);
}

/* Seconds of a pass over k tokens after `context`, with logits for the last `asked`. */
static int time_pass(bench *b, size_t context, size_t k, size_t asked, double *out, err *e) {
    transformer_rewind(b->t, context);
    uint64_t begun = clock_ns();
    if (transformer_forward(b->t, b->ids + context, k, asked, b->logits, e) != 0) return -1;
    *out = (double)(clock_ns() - begun) * 1e-9;
    return 0;
}

/* Sorts the rounds. */
static void summarize(double *rounds, size_t n, times *t) {
    gsl_sort(rounds, 1, n);
    t->min = rounds[0];
    t->low = gsl_stats_quantile_from_sorted_data(rounds, 1, n, 0.25);
    t->median = gsl_stats_median_from_sorted_data(rounds, 1, n);
    t->high = gsl_stats_quantile_from_sorted_data(rounds, 1, n, 0.75);
}

/* Measurements of each round: k[i] at i, then the prompt, then reading. */
static double *rounds_of(const bench *b, const bench_options *o, size_t i) {
    return b->rounds + i * o->repeats;
}

/* One warm-up round that is not counted, then the others. */
static int measure(bench *b, const bench_options *o, err *e) {
    gsl_rng    *r = rng_new(1, rng_stream("bench", "order"));
    load_moment begun;
    progress    bar;
    size_t      order[MOST_K];
    int         ret = r != NULL ? 0 : err_run(e, "out of memory");
    for (size_t i = 0; i < o->k.n; i++) order[i] = i;
    progress_begin(&bar, "bench", (progress_kind){0}, (progress_kind){"rounds", o->repeats}, o->quiet);
    load_now(&begun);
    for (size_t round = 0; round <= o->repeats && ret == 0; round++) {
        size_t at = round > 0 ? round - 1 : 0;
        if (round == 1) load_now(&begun);
        gsl_ran_shuffle(r, order, o->k.n, sizeof *order);
        if (o->prefill > 0) ret = time_pass(b, 0, o->prefill, 1, rounds_of(b, o, o->k.n) + at, e);
        if (ret != 0) break;
        transformer_rewind(b->t, 0);
        if (o->context > 0) ret = transformer_forward(b->t, b->ids, o->context, 0, NULL, e);
        for (size_t i = 0; i < o->k.n && ret == 0; i++)
            ret = time_pass(b, o->context, o->k.at[order[i]], o->last ? 1 : o->k.at[order[i]],
                            rounds_of(b, o, order[i]) + at, e);
        rounds_of(b, o, o->k.n + 1)[at] = bandwidth_measure(b->memory);
        if (round > 0) progress_update(&bar, 0, round);
    }
    b->load = load_since(&begun);
    progress_clear(&bar);
    gsl_rng_free(r);
    if (ret != 0) return -1;
    for (size_t i = 0; i < o->k.n; i++) summarize(rounds_of(b, o, i), o->repeats, &b->pass[i]);
    summarize(rounds_of(b, o, o->k.n), o->repeats, &b->prefill);
    summarize(rounds_of(b, o, o->k.n + 1), o->repeats, &b->read);
    return 0;
}

/* The times as a cost file would hold them. */
static void find_doubts(bench *b, const bench_options *o) {
    size_t     k[MOST_K];
    double     ns[MOST_K], q1[MOST_K], q3[MOST_K];
    cost_model c = {.k = k, .ns = ns, .q1 = q1, .q3 = q3, .n = o->k.n};
    doubts    *d = &b->doubts;
    for (size_t i = 0; i < o->k.n; i++) {
        k[i] = o->k.at[i];
        ns[i] = b->pass[i].median * 1e9;
        q1[i] = b->pass[i].low * 1e9;
        q3[i] = b->pass[i].high * 1e9;
    }
    b->load_is_doubtful = load_doubtful(&b->load, o->threads, d->text[d->n], sizeof d->text[0]);
    d->n += b->load_is_doubtful;
    d->n += cost_doubtful(&c, d->text[d->n], sizeof d->text[0]);
}

/* ---- the command ----------------------------------------------------------------------------------- */

static int parse_list(const option_value *v, void *at, err *e) {
    k_list *list = at;
    list->n = 0;
    for (const char *text = v->text;; text++) {
        char     part[24];
        size_t   n = strcspn(text, ",");
        uint64_t k;
        snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : 0), text);
        if (!count_parse(part, 1, UINT16_MAX, &k) || (list->n > 0 && k <= list->at[list->n - 1]) || list->n == MOST_K)
            return err_input(e, "--k \"%s\" is not allowed (up to %d numbers from 1 to %d, ascending: 1,2,4)", v->text,
                             MOST_K, UINT16_MAX);
        list->at[list->n++] = (size_t)k;
        text += n;
        if (*text == '\0') break;
    }
    return list->at[0] == 1 ? 0 : err_input(e, "--k must begin with 1, the base of T(k)/T(1)");
}

static const option_type option_k = {.parse = parse_list};

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(bench_options, model), .required = true,
     .help = "weights, a GGUF"},
    {"k", 'k', "LIST", &option_k, OPTION_AT(bench_options, k), .preset = "1,2,3,4,6,8,12,16,24,32,48,64",
     .help = "numbers of tokens, ascending from 1"},
    {"context", 'c', "N", &option_count, OPTION_AT(bench_options, context), .preset = "0", OPTION_RANGE(0, INT32_MAX),
     .help = "tokens in the cache before the pass"},
    {"last", 0, NULL, &option_flag, OPTION_AT(bench_options, last),
     .help = "logits for the last token only: what others report as the time of a prompt of k tokens"},
    {"prefill", 0, "N", &option_count, OPTION_AT(bench_options, prefill), OPTION_RANGE(1, INT32_MAX),
     .help = "also time a prompt of N tokens, with logits for the last one only"},
    {"repeats", 'r', "N", &option_count, OPTION_AT(bench_options, repeats), .preset = "11", OPTION_RANGE(1, 10000),
     .help = "rounds; each measures everything once"},
    {"threads", 't', "N", &option_count, OPTION_AT(bench_options, threads), OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a pass (default: all processors)"},
    {"json", 0, NULL, &option_flag, OPTION_AT(bench_options, json), .help = "print JSON instead of the table"},
    {"cost", 0, "FILE", &option_path, OPTION_AT(bench_options, cost),
     .help = "also write T(k) as a cost file, for cost = FILE in a sweep's [model]"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(bench_options, quiet), .help = "no progress"},
};
/* clang-format on */

static int check_options(const bench_options *o, err *e) {
    if (o->last && o->cost != NULL)
        return err_input(e, "--cost is the time of checking k tokens, which needs the logits of all: not with --last");
    return o->cost != NULL ? file_check_output(o->cost, o->model, e) : 0;
}

static int run(void *options, err *e) {
    bench_options *o = options;
    bench          b = {0};
    if (check_options(o, e) != 0) return -1;
    if (o->threads == 0) o->threads = (uint64_t)parallel_processors();
    int ret = kernels_get(e) == NULL || open_bench(&b, o, e) != 0 || measure(&b, o, e) != 0 ? -1 : 0;
    if (ret == 0) {
        find_doubts(&b, o);
        ret = bench_print(&b, o, e);
    }
    if (ret == 0 && o->cost != NULL) ret = bench_write_cost(&b, o, e);
    close_bench(&b);
    return ret;
}

const command command_bench = {
    .name = "bench",
    .help = "time a pass over k tokens and compare it with memory bandwidth",
    .about = "Measures T(k), the time of one pass over k tokens with logits for all of them. Beside it: how fast as "
             "many threads read memory, and how long it took to read the weights from the file and to pack them for "
             "the kernels.",
    .notes = "A model that fits into a cache is not read from memory, and may be read at more than its bandwidth.\n"
             "Pin the threads, or another process on the machine can make a pass many times slower:\n"
             "  OMP_PROC_BIND=true OMP_PLACES=cores harness bench ...\n"
             "Times that look like noise are reported as doubtful: on stderr, in the JSON (\"doubts\") and in the cost "
             "file. That is when other processes were in the way, when the quartiles are far apart, or when T falls "
             "where k grows.",
    OPTIONS(specs),
    .size = sizeof(bench_options),
    .run = run,
};
