/* bench.c - `harness bench`: T(k, context), the time of one pass that checks k tokens after `context` others, next to
 * the limit set by memory.
 *
 * The load on a shared machine comes and goes. Every round therefore measures the read bandwidth and each k in each
 * context once, in an order of its own, and medians are taken over the rounds: the times that are compared come from
 * the same minutes. Each context has a cache of its own, so that going from one to another takes no time.
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

/* What a pass reads and multiplies: every matrix, and the cache of the tokens before it. With --layers those of the
 * layers count as often as the whole model has them more. */
static void count_work(bench *b, const bench_options *o) {
    const model_shape *s = &b->m->shape;
    const matrix      *w;
    double             more = o->layers > 0 ? (double)o->layers / (double)s->n_layers : 1, head = 0;
    double             bytes = 0, token = 2.0 * (double)(s->n_kv_heads * s->head_dim) * sizeof(float);
    for (size_t i = 0; (w = model_matrix(b->m, i)) != NULL; i++) {
        b->weights += (double)(w->rows * w->cols);
        bytes += (double)matrix_bytes(w);
    }
    b->head = (double)(b->m->output.rows * b->m->output.cols);
    head = (double)matrix_bytes(&b->m->output);
    b->weights = b->head + more * (b->weights - b->head);
    bytes = head + more * (bytes - head);
    for (size_t c = 0; c < o->context.n; c++)
        b->bytes[c] = bytes + token * more * (double)(s->n_layers * o->context.at[c]);
}

/* The caches, with their tokens in them. */
static int open_caches(bench *b, const bench_options *o, err *e) {
    size_t largest = o->k.at[o->k.n - 1], most = b->m->shape.context, longest = o->context.at[o->context.n - 1];
    if (longest + largest > most)
        return err_input(e, "%s: --context %zu and k = %zu do not fit (at most %zu tokens together)", o->model, longest,
                         largest, most);
    if (o->prefill > most)
        return err_input(e, "%s: --prefill %" PRIu64 " does not fit (at most %zu tokens)", o->model, o->prefill, most);
    size_t n = longest + largest > o->prefill ? longest + largest : o->prefill;
    if ((b->ids = mem_new(n, sizeof *b->ids, e)) == NULL) return -1;
    for (size_t i = 0; i < n; i++) b->ids[i] = (int32_t)(i * 7919 % b->m->shape.vocab);
    if (o->prefill > 0 && (b->prompt = transformer_new(b->m, o->prefill, (int)o->threads, NULL, e)) == NULL) return -1;
    for (size_t c = 0; c < o->context.n; c++) {
        size_t context = o->context.at[c];
        if ((b->t[c] = transformer_new(b->m, context + largest, (int)o->threads, NULL, e)) == NULL) return -1;
        if (context > 0 && transformer_forward(b->t[c], b->ids, context, 0, NULL, e) != 0) return -1;
    }
    return 0;
}

static int open_bench(bench *b, const bench_options *o, err *e) {
    if ((b->m = model_open(o->model, e)) == NULL) return -1;
    size_t there = b->m->shape.n_layers;
    if (o->layers > 0 && (there < 2 || o->layers < there))
        return err_input(e, "%s: --layers %" PRIu64 ": it has %zu itself (2 or more, and no more than the whole model)",
                         o->model, o->layers, there);
    uint64_t begun = clock_ns();
    if (model_pack(b->m, e) != 0) return -1;
    b->packed_ns = clock_ns() - begun;
    size_t largest = o->k.at[o->k.n - 1], vocab = b->m->shape.vocab;
    b->cache = cache_bytes();
    size_t read = b->cache > READ_BYTES / READ_CACHES ? READ_CACHES * b->cache : READ_BYTES;
    if (open_caches(b, o, e) != 0 || (b->memory = bandwidth_open(read, (int)o->threads, e)) == NULL ||
        (b->logits = mem_new(largest, vocab * sizeof *b->logits, e)) == NULL ||
        (b->rounds = mem_new(o->context.n * o->k.n + 2, o->repeats * sizeof *b->rounds, e)) == NULL)
        return -1;
    count_work(b, o);
    return 0;
}

void bench_close(bench *b) {
    free(b->rounds);
    free(b->ids);
    free(b->logits);
    bandwidth_close(b->memory);
    for (size_t c = 0; c < MOST_CONTEXTS; c++) transformer_free(b->t[c]);
    transformer_free(b->prompt);
    model_close(b->m);
}

/* Passes of one kind follow each other where texts are decoded, and find the caches as such passes leave them; after
 * one over many tokens, T(1) may be twice as long where the weights just fit into the last cache. So each is timed at
 * the end of a series of its kind, of some LEAD tokens. */
enum { LEAD = 64, LEAD_PASSES = 16 };

/* Seconds of a pass over k tokens after `context`, with logits for the last `asked`. */
static int time_pass(bench *b, transformer *t, size_t context, size_t k, size_t asked, double *out, err *e) {
    size_t   before = k * LEAD_PASSES < LEAD ? LEAD_PASSES : k < LEAD ? LEAD / k : 1;
    uint64_t begun = 0;
    for (size_t i = 0; i <= before; i++) {
        transformer_rewind(t, context);
        begun = clock_ns();
        if (transformer_forward(t, b->ids + context, k, asked, b->logits, e) != 0) return -1;
    }
    *out = (double)(clock_ns() - begun) * 1e-9;
    return 0;
}

/* The same, or what it would be with all of --layers: a pass is linear in them, so that it follows from one through all
 * layers that are there and one through the first half. */
static int time_whole(bench *b, const bench_options *o, transformer *t, size_t context, size_t k, size_t asked,
                      double *out, err *e) {
    size_t there = b->m->shape.n_layers, half = there / 2;
    double few;
    if (time_pass(b, t, context, k, asked, out, e) != 0) return -1;
    if (o->layers == 0) return 0;
    transformer_shorten(t, half);
    int ret = time_pass(b, t, context, k, asked, &few, e);
    transformer_shorten(t, there);
    if (*out > few) *out += (*out - few) * (double)(o->layers - there) / (double)(there - half);
    return ret;
}

/* Sorts the rounds. */
static void summarize(double *rounds, size_t n, times *t) {
    gsl_sort(rounds, 1, n);
    t->min = rounds[0];
    t->low = gsl_stats_quantile_from_sorted_data(rounds, 1, n, 0.25);
    t->median = gsl_stats_median_from_sorted_data(rounds, 1, n);
    t->high = gsl_stats_quantile_from_sorted_data(rounds, 1, n, 0.75);
}

/* Measurements of each round: the i-th pass at i, then the prompt, then reading. A pass is a k in a context. */
static double *rounds_of(const bench *b, const bench_options *o, size_t i) {
    return b->rounds + i * o->repeats;
}

static int measure_round(bench *b, const bench_options *o, const size_t *order, size_t at, err *e) {
    size_t n = o->context.n * o->k.n;
    if (o->prefill > 0 && time_whole(b, o, b->prompt, 0, o->prefill, 1, rounds_of(b, o, n) + at, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        size_t c = order[i] / o->k.n, k = o->k.at[order[i] % o->k.n];
        if (time_whole(b, o, b->t[c], o->context.at[c], k, o->last ? 1 : k, rounds_of(b, o, order[i]) + at, e) != 0)
            return -1;
    }
    return 0;
}

/* One warm-up round that is not counted, then the others. */
static int measure(bench *b, const bench_options *o, err *e) {
    gsl_rng    *r = rng_new(1, rng_stream("bench", "order"));
    load_moment begun;
    progress    bar;
    size_t      order[MOST_CONTEXTS * MOST_K], n = o->context.n * o->k.n;
    int         ret = r != NULL ? 0 : err_run(e, "out of memory");
    for (size_t i = 0; i < n; i++) order[i] = i;
    progress_begin(&bar, "bench", (progress_kind){0}, (progress_kind){"rounds", o->repeats}, o->quiet);
    load_now(&begun);
    for (size_t round = 0; round <= o->repeats && ret == 0; round++) {
        if (round == 1) load_now(&begun);
        gsl_ran_shuffle(r, order, n, sizeof *order);
        ret = measure_round(b, o, order, round > 0 ? round - 1 : 0, e);
        if (round > 0) progress_update(&bar, 0, round);
    }
    /* Not within the rounds: it leaves nothing of the weights in the caches. */
    for (size_t i = 0; i < o->repeats && ret == 0; i++) rounds_of(b, o, n + 1)[i] = bandwidth_measure(b->memory);
    b->load = load_since(&begun);
    progress_clear(&bar);
    gsl_rng_free(r);
    if (ret != 0) return -1;
    for (size_t i = 0; i < n; i++) summarize(rounds_of(b, o, i), o->repeats, &b->pass[i / o->k.n][i % o->k.n]);
    summarize(rounds_of(b, o, n), o->repeats, &b->prefill);
    summarize(rounds_of(b, o, n + 1), o->repeats, &b->read);
    return 0;
}

/* What is made of the times as a cost file would hold them. */
static int judge(bench *b, const bench_options *o, err *e) {
    double     ns[MOST_CONTEXTS * MOST_K], q1[MOST_CONTEXTS * MOST_K], q3[MOST_CONTEXTS * MOST_K];
    double     fitted[MOST_CONTEXTS * MOST_K];
    cost_model c = {.k = (size_t *)o->k.at,
                    .contexts = (size_t *)o->context.at,
                    .ns = ns,
                    .q1 = q1,
                    .q3 = q3,
                    .n = o->k.n,
                    .n_contexts = o->context.n};
    doubts    *d = &b->doubts;
    for (size_t i = 0; i < c.n_contexts * c.n; i++) {
        const times *t = &b->pass[i / c.n][i % c.n];
        ns[i] = t->median * 1e9;
        q1[i] = t->low * 1e9;
        q3[i] = t->high * 1e9;
    }
    b->load_is_doubtful = load_doubtful(&b->load, o->threads, d->text[d->n], sizeof d->text[0]);
    d->n += b->load_is_doubtful;
    d->n += cost_doubtful(&c, d->text[d->n], sizeof d->text[0]);
    const pass_times t = {c.k, c.contexts, ns, c.n, c.n_contexts};
    return cost_fit(&t, fitted, &b->fit, e);
}

int bench_measure(bench *b, const bench_options *o, err *e) {
    return kernels_get(e) == NULL || open_bench(b, o, e) != 0 || measure(b, o, e) != 0 ? -1 : judge(b, o, e);
}

/* ---- the command ----------------------------------------------------------------------------------- */

/* Up to `most` numbers from `least` to `largest`, ascending. */
static int parse_list(const option_value *v, size_t most, size_t least, size_t largest, const char *example,
                      count_list *list, err *e) {
    list->n = 0;
    for (const char *text = v->text;; text++) {
        char     part[24];
        size_t   n = strcspn(text, ",");
        uint64_t count;
        snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : 0), text);
        if (!count_parse(part, least, largest, &count) || (list->n > 0 && count <= list->at[list->n - 1]) ||
            list->n == most)
            return err_input(e, "%s \"%s\" is not allowed (up to %zu numbers from %zu to %zu, ascending: %s)", v->name,
                             v->text, most, least, largest, example);
        list->at[list->n++] = (size_t)count;
        text += n;
        if (*text == '\0') return 0;
    }
}

static int parse_k(const option_value *v, void *at, err *e) {
    if (parse_list(v, MOST_K, 1, UINT16_MAX, "1,2,4", at, e) != 0) return -1;
    return ((const count_list *)at)->at[0] == 1 ? 0 : err_input(e, "--k must begin with 1, the base of T(k)/T(1)");
}

static int parse_contexts(const option_value *v, void *at, err *e) {
    return parse_list(v, MOST_CONTEXTS, 0, INT32_MAX, "0,512,2048", at, e);
}

static const option_type option_k = {.parse = parse_k}, option_contexts = {.parse = parse_contexts};

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(bench_options, model), .required = true,
     .help = "weights, a GGUF"},
    {"k", 'k', "LIST", &option_k, OPTION_AT(bench_options, k), .preset = "1,2,3,4,6,8,12,16,24,32,48,64",
     .help = "numbers of tokens, ascending from 1"},
    {"context", 'c', "LIST", &option_contexts, OPTION_AT(bench_options, context), .preset = "0",
     .help = "tokens in the cache before the pass, ascending"},
    {"last", 0, NULL, &option_flag, OPTION_AT(bench_options, last),
     .help = "logits for the last token only: what others report as the time of a prompt of k tokens"},
    {"prefill", 0, "N", &option_count, OPTION_AT(bench_options, prefill), OPTION_RANGE(1, INT32_MAX),
     .help = "also time a prompt of N tokens, with logits for the last one only"},
    {"layers", 0, "N", &option_count, OPTION_AT(bench_options, layers), OPTION_RANGE(2, 100000),
     .help = "times of a model with N layers like those of this one, which has fewer"},
    {"repeats", 'r', "N", &option_count, OPTION_AT(bench_options, repeats), .preset = "11", OPTION_RANGE(1, 10000),
     .help = "rounds; each times every pass once"},
    {"threads", 't', "N", &option_count, OPTION_AT(bench_options, threads), OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a pass (default: all processors)"},
    {"json", 0, NULL, &option_flag, OPTION_AT(bench_options, json), .help = "print JSON instead of the table"},
    {"cost", 0, "FILE", &option_path, OPTION_AT(bench_options, cost),
     .help = "also write T(k, context) as a cost file, for cost = FILE in a sweep's [model]"},
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
    int ret = bench_measure(&b, o, e);
    if (ret == 0) ret = bench_print(&b, o, e);
    if (ret == 0 && o->cost != NULL) ret = bench_write_cost(&b, o, e);
    bench_close(&b);
    return ret;
}

const command command_bench = {
    .name = "bench",
    .help = "time a pass over k tokens and compare it with memory bandwidth",
    .about =
        "Measures T(k), the time of one pass over k tokens with logits for all of them, in each context. Beside it: "
        "how fast as many threads read memory, and how long it took to read the weights from the file and to "
        "pack them for the kernels.",
    .notes =
        "Each pass is timed after others over as many tokens, as they follow each other in decoding.\n"
        "A model that fits into a cache is not read from memory, and may be read at more than its bandwidth.\n"
        "Pin the threads, or another process on the machine can make a pass many times slower:\n"
        "  OMP_PROC_BIND=true OMP_PLACES=cores harness bench ...\n"
        "Times that look like noise are reported as doubtful: on stderr, in the JSON (\"doubts\") and in the cost "
        "file. That is when other processes were in the way, when the quartiles are far apart, or when T falls "
        "where k or the context grows.\n"
        "A model too large for the machine, or for one's patience: harness make-model -s 7b:layers=4 writes four of "
        "its layers, and --layers 32 times passes through all four and through the first two, and goes on from "
        "there, as a pass is linear in its layers. Few layers must not fit into a cache where the whole does "
        "not.\n"
        "Each context has a cache of its own, so all of them together must fit into memory.",
    OPTIONS(specs),
    .size = sizeof(bench_options),
    .run = run,
};
