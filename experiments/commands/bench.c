/* bench.c - `harness bench`: T(k), the time of one pass that checks k tokens, and what memory allows.
 *
 * Other guests of a machine come and go, so every round measures the read bandwidth and each k once, in an order of its
 * own, and medians are taken over the rounds: what is compared was measured in the same minutes.
 */
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "engine/base/atomic.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/number.h"
#include "engine/base/parallel.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "engine/kernels/kernels.h"
#include "engine/model/transformer.h"
#include "experiments/commands/commands.h"
#include "experiments/machine/bandwidth.h"
#include "experiments/machine/load.h"
#include "experiments/sweep/cost.h"
#include "experiments/terminal/progress.h"

static const char usage[] =
    "usage: harness bench -m MODEL.gguf [OPTION]...\n"
    "Measures T(k), the time of one pass over k tokens with logits for all of them, beside this machine's read "
    "bandwidth,\n"
    "and how long the weights took to be read from the file and packed for the kernels.\n"
    "\n"
    "  -m, --model FILE     a GGUF of the Llama architecture\n"
    "  -k, --k LIST         numbers of tokens (default 1,2,3,4,6,8,12,16,24,32,48,64)\n"
    "  -c, --context N      tokens in the cache before the pass (default 0)\n"
    "      --last           logits for the last token alone: what others time as a prompt of k tokens\n"
    "      --prefill N      also the time of a prompt of N tokens, with logits for the last alone\n"
    "  -r, --repeats N      rounds; each measures everything once (default 11)\n"
    "  -t, --threads N      default: all processors\n"
    "      --json           print JSON instead of the table\n"
    "      --cost FILE      also write T(k) as a cost file ([model] cost = FILE)\n"
    "  -q, --quiet          no progress\n"
    "  -h, --help           this text\n"
    "\n"
    "Pin threads, or another process on the machine can make a pass many times slower:\n"
    "OMP_PROC_BIND=true OMP_PLACES=cores harness bench ...\n"
    "Times that look like noise are said to be so, on stderr, in JSON (\"doubts\") and in the cost file: when other\n"
    "processes were in the way, when quartiles are far apart, or when T falls where k grows.\n";

enum { MOST_K = 64, READ_BYTES = 512 << 20 };

typedef struct {
    const char *model, *cost;
    size_t      k[MOST_K], n_k;
    uint64_t    context, prefill, repeats, threads;
    bool        last, json, quiet, help;
} options;

/* Of all rounds, in seconds. */
typedef struct {
    double low, median, high; /* quartiles */
    double min;
} times;

/* Reasons to take none of it for data. */
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
    double       weights, head;               /* multiplications per token: in all matrices, in the output's alone */
    double       bytes;                       /* that a pass reads once */
    uint64_t     packed_ns;                   /* what packing the weights took, with reading them from the file */
    double      *rounds;                      /* [n_k + 2, repeats] */
    times        pass[MOST_K], prefill, read; /* read: bytes per second */
    load         load;                        /* while the rounds were measured */
    doubts       doubts;
    bool         load_is_doubtful; /* one of them: other processes kept the processors busy */
} bench;

/* ---- options --------------------------------------------------------------------------------------- */

static int parse_list(const char *text, options *o, err *e) {
    o->n_k = 0;
    for (const char *at = text;; at++) {
        char     part[24];
        size_t   n = strcspn(at, ",");
        uint64_t k;
        snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : 0), at);
        if (!count_parse(part, 1, UINT16_MAX, &k) || (o->n_k > 0 && k <= o->k[o->n_k - 1]) || o->n_k == MOST_K)
            return err_input(e, "--k \"%s\" is not allowed (up to %d numbers from 1 to %d, ascending: 1,2,4)", text,
                             MOST_K, UINT16_MAX);
        o->k[o->n_k++] = (size_t)k;
        at += n;
        if (*at == '\0') break;
    }
    return o->k[0] == 1 ? 0 : err_input(e, "--k must begin with 1, which the others are compared with");
}

static int parse_options(int argc, char **argv, options *o, err *e) {
    enum { PREFILL = 256, LAST, JSON, COST };
    static const struct option longs[] = {
        {"model", required_argument, NULL, 'm'},   {"k", required_argument, NULL, 'k'},
        {"context", required_argument, NULL, 'c'}, {"prefill", required_argument, NULL, PREFILL},
        {"repeats", required_argument, NULL, 'r'}, {"threads", required_argument, NULL, 't'},
        {"last", no_argument, NULL, LAST},         {"json", no_argument, NULL, JSON},
        {"quiet", no_argument, NULL, 'q'},         {"cost", required_argument, NULL, COST},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    *o = (options){.repeats = 11, .threads = (uint64_t)parallel_processors()};
    int ret = parse_list("1,2,3,4,6,8,12,16,24,32,48,64", o, e);
    for (int c; ret == 0 && (c = command_option(argc, argv, ":m:k:c:r:t:qh", longs, e)) != -1;) {
        switch (c) {
        case 'm':
            o->model = optarg;
            break;
        case 'k':
            ret = parse_list(optarg, o, e);
            break;
        case 'c':
            ret = command_count("--context", optarg, 0, INT32_MAX, &o->context, e);
            break;
        case PREFILL:
            ret = command_count("--prefill", optarg, 1, INT32_MAX, &o->prefill, e);
            break;
        case 'r':
            ret = command_count("--repeats", optarg, 1, 10000, &o->repeats, e);
            break;
        case 't':
            ret = command_count("--threads", optarg, 1, PARALLEL_THREADS, &o->threads, e);
            break;
        case LAST:
            o->last = true;
            break;
        case JSON:
            o->json = true;
            break;
        case COST:
            o->cost = optarg;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return -1;
        }
    }
    if (ret != 0) return -1;
    if (o->last && o->cost != NULL)
        return err_input(e, "--cost is the time of checking k tokens, which needs the logits of all: not with --last");
    if (o->model == NULL) return err_input(e, "bench needs -m MODEL.gguf (see harness bench -h)");
    if (o->cost != NULL && file_check_output(o->cost, o->model, e) != 0) return -1;
    return command_operands(argc, argv, 0, 0, "no argument", e);
}

/* ---- measuring ------------------------------------------------------------------------------------- */

/* What a pass reads and multiplies: every matrix, and the cache of the tokens before it. */
static void count_work(bench *b, const options *o) {
    const model_shape *s = &b->m->shape;
    const matrix      *w;
    for (size_t i = 0; (w = model_matrix(b->m, i)) != NULL; i++) {
        b->weights += (double)(w->rows * w->cols);
        b->bytes += (double)matrix_bytes(w);
    }
    b->head = (double)(b->m->output.rows * b->m->output.cols);
    b->bytes += 2.0 * (double)(s->n_layers * s->n_kv_heads * s->head_dim * o->context) * sizeof(float);
}

static int open_bench(bench *b, const options *o, err *e) {
    if ((b->m = model_open(o->model, e)) == NULL) return -1;
    uint64_t begun = clock_ns();
    if (model_pack(b->m, e) != 0) return -1;
    b->packed_ns = clock_ns() - begun;
    size_t largest = o->k[o->n_k - 1], most = b->m->shape.context, vocab = b->m->shape.vocab;
    if (o->context + largest > most)
        return err_input(e, "%s: --context %" PRIu64 " and k = %zu do not fit (at most %zu tokens together)", o->model,
                         o->context, largest, most);
    if (o->prefill > most)
        return err_input(e, "%s: --prefill %" PRIu64 " does not fit (at most %zu tokens)", o->model, o->prefill, most);
    size_t context = o->context + largest > o->prefill ? o->context + largest : o->prefill;
    if ((b->t = transformer_new(b->m, context, (int)o->threads, NULL, e)) == NULL ||
        (b->memory = bandwidth_open(READ_BYTES, (int)o->threads, e)) == NULL ||
        (b->ids = mem_new(context, sizeof *b->ids, e)) == NULL ||
        (b->logits = mem_new(largest, vocab * sizeof *b->logits, e)) == NULL ||
        (b->rounds = mem_new(o->n_k + 2, o->repeats * sizeof *b->rounds, e)) == NULL)
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

/* What was measured in each round: of k[i] at i, then of the prompt, then of reading. */
static double *rounds_of(const bench *b, const options *o, size_t i) {
    return b->rounds + i * o->repeats;
}

/* One round that is not counted, and then the others. */
static int measure(bench *b, const options *o, err *e) {
    gsl_rng    *r = rng_new(1, rng_stream("bench", "order"));
    load_moment begun;
    progress    bar;
    size_t      order[MOST_K];
    int         ret = r != NULL ? 0 : err_run(e, "out of memory");
    for (size_t i = 0; i < o->n_k; i++) order[i] = i;
    progress_begin(&bar, "bench", (progress_kind){0}, (progress_kind){"rounds", o->repeats}, o->quiet);
    load_now(&begun);
    for (size_t round = 0; round <= o->repeats && ret == 0; round++) {
        size_t at = round > 0 ? round - 1 : 0;
        if (round == 1) load_now(&begun);
        gsl_ran_shuffle(r, order, o->n_k, sizeof *order);
        if (o->prefill > 0) ret = time_pass(b, 0, o->prefill, 1, rounds_of(b, o, o->n_k) + at, e);
        if (ret != 0) break;
        transformer_rewind(b->t, 0);
        if (o->context > 0) ret = transformer_forward(b->t, b->ids, o->context, 0, NULL, e);
        for (size_t i = 0; i < o->n_k && ret == 0; i++)
            ret = time_pass(b, o->context, o->k[order[i]], o->last ? 1 : o->k[order[i]], rounds_of(b, o, order[i]) + at,
                            e);
        rounds_of(b, o, o->n_k + 1)[at] = bandwidth_measure(b->memory);
        if (round > 0) progress_update(&bar, 0, round);
    }
    b->load = load_since(&begun);
    progress_clear(&bar);
    gsl_rng_free(r);
    if (ret != 0) return -1;
    for (size_t i = 0; i < o->n_k; i++) summarize(rounds_of(b, o, i), o->repeats, &b->pass[i]);
    summarize(rounds_of(b, o, o->n_k), o->repeats, &b->prefill);
    summarize(rounds_of(b, o, o->n_k + 1), o->repeats, &b->read);
    return 0;
}

/* The times as a cost file would hold them. */
static void find_doubts(bench *b, const options *o) {
    size_t     k[MOST_K];
    double     ns[MOST_K], q1[MOST_K], q3[MOST_K];
    cost_model c = {.k = k, .ns = ns, .q1 = q1, .q3 = q3, .n = o->n_k};
    doubts    *d = &b->doubts;
    for (size_t i = 0; i < o->n_k; i++) {
        k[i] = o->k[i];
        ns[i] = b->pass[i].median * 1e9;
        q1[i] = b->pass[i].low * 1e9;
        q3[i] = b->pass[i].high * 1e9;
    }
    b->load_is_doubtful = load_doubtful(&b->load, o->threads, d->text[d->n], sizeof d->text[0]);
    d->n += b->load_is_doubtful;
    d->n += cost_doubtful(&c, d->text[d->n], sizeof d->text[0]);
    for (size_t i = 0; i < d->n; i++) fprintf(stderr, "harness: doubtful: %s\n", d->text[i]);
    if (d->n > 0) fprintf(stderr, "harness: %s\n", cost_advice);
}

/* ---- printing -------------------------------------------------------------------------------------- */

static void print_table(const bench *b, const options *o) {
    const kernel_table *kernels = kernels_get(NULL);
    printf("%s: %s, %" PRIu64 " threads, %.0f MB of weights to read, %" PRIu64 " tokens before the pass\n", o->model,
           kernels->isa, o->threads, b->bytes / 1e6, o->context);
    printf("weights read from the file and packed in %.2f s\n", (double)b->packed_ns * 1e-9);
    printf("read bandwidth %.1f GB/s (quartiles %.1f to %.1f); %" PRIu64 " rounds\n\n", b->read.median / 1e9,
           b->read.low / 1e9, b->read.high / 1e9, o->repeats);
    printf("    k   T(k) ms  quartiles ms   T(k)/T(1)  tokens/s  of bandwidth\n");
    for (size_t i = 0; i < o->n_k; i++) {
        const times *t = &b->pass[i];
        printf("%5zu  %8.3f  %5.2f-%-7.2f  %9.2f  %8.0f  %11.0f%%\n", o->k[i], t->median * 1e3, t->low * 1e3,
               t->high * 1e3, t->median / b->pass[0].median, (double)o->k[i] / t->median,
               100 * b->bytes / t->median / b->read.median);
    }
    if (o->prefill > 0)
        printf("\na prompt of %" PRIu64 " tokens: %.3f s, %.0f tokens/s\n", o->prefill, b->prefill.median,
               (double)o->prefill / b->prefill.median);
}

/* Multiplications and additions of the i-th pass. */
static double work_of(const bench *b, const options *o, size_t i) {
    double k = (double)o->k[i];
    return 2 * (b->weights * k - (o->last ? b->head * (k - 1) : 0));
}

/* Operations per second over k on two logarithmic axes: '#' what was reached, '|' what the bandwidth allows at that k.
 */
static void print_roofline(const bench *b, const options *o) {
    enum { WIDTH = 64 };
    double first = work_of(b, o, 0) / b->pass[0].median, least = first, most = first;
    for (size_t i = 0; i < o->n_k; i++) {
        double reached = work_of(b, o, i) / b->pass[i].median;
        most = fmax(most, reached);
        least = fmin(least, reached);
    }
    double left = log(least / 2), right = log(2 * most); /* a roof farther away is not shown */
    printf("\n    k  Gop/s  from %.1f to %.0f Gop/s, logarithmic: # reached, | what the bandwidth allows\n",
           exp(left) / 1e9, exp(right) / 1e9);
    for (size_t i = 0; i < o->n_k; i++) {
        double reached = work_of(b, o, i) / b->pass[i].median, allowed = work_of(b, o, i) * b->read.median / b->bytes;
        int    filled = (int)lround((log(reached) - left) / (right - left) * WIDTH);
        int    mark = (int)lround((log(allowed) - left) / (right - left) * WIDTH);
        char   bar[WIDTH + 2];
        for (int c = 0; c <= WIDTH; c++) bar[c] = c < filled ? '#' : ' ';
        bar[WIDTH + 1] = '\0';
        if (mark >= 0 && mark <= WIDTH) bar[mark] = '|';
        for (int c = WIDTH; c >= 0 && bar[c] == ' '; c--) bar[c] = '\0';
        printf("%5zu  %5.0f  %s\n", o->k[i], reached / 1e9, bar);
    }
}

static int print_json(const bench *b, const options *o, err *e) {
    static const utf8_rules valid = {.invalid = "\xEF\xBF\xBD"}; /* JSON has nothing else */
    char                   *shown = utf8_clean(o->model, strlen(o->model), &valid, e);
    if (shown == NULL) return -1;
    json_t *root = json_object(), *list = json_array(), *reasons = json_array();
    json_object_set_new(root, "model", json_string(shown));
    json_object_set_new(root, "isa", json_string(kernels_get(NULL)->isa));
    json_object_set_new(root, "threads", json_integer((json_int_t)o->threads));
    json_object_set_new(root, "context", json_integer((json_int_t)o->context));
    json_object_set_new(root, "logits", json_string(o->last ? "last" : "all"));
    json_object_set_new(root, "repeats", json_integer((json_int_t)o->repeats));
    json_object_set_new(root, "bytes", json_real(b->bytes));
    json_object_set_new(root, "packed_ns", json_integer((json_int_t)b->packed_ns));
    json_object_set_new(root, "read_bytes_per_s", json_real(b->read.median));
    if (o->prefill > 0) {
        json_object_set_new(root, "prefill", json_integer((json_int_t)o->prefill));
        json_object_set_new(root, "prefill_ns", json_integer(llround(b->prefill.median * 1e9)));
    }
    for (size_t i = 0; i < o->n_k; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:I}", "k", (json_int_t)o->k[i], "median_ns",
                                              llround(b->pass[i].median * 1e9), "min_ns", llround(b->pass[i].min * 1e9),
                                              "q1_ns", llround(b->pass[i].low * 1e9), "q3_ns",
                                              llround(b->pass[i].high * 1e9)));
    json_object_set_new(root, "T", list);
    json_object_set_new(root, "others", b->load.known ? json_real(b->load.others) : json_null());
    json_object_set_new(root, "stolen", b->load.known ? json_real(b->load.stolen) : json_null());
    for (size_t i = 0; i < b->doubts.n; i++) json_array_append_new(reasons, json_string(b->doubts.text[i]));
    json_object_set_new(root, "doubts", reasons);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    printf("\n");
    json_decref(root);
    free(shown);
    return 0;
}

/* A file's base name as a cost file can hold it: one line, no comment, no quotes. The caller frees it. */
static char *plain_name(const char *path, err *e) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    char       *name = utf8_clean(base, strlen(base), &utf8_one_line, e);
    for (char *at = name; at != NULL && (at = strpbrk(at, ";#\"'")) != NULL;) *at = '?';
    return name;
}

static int write_cost(const bench *b, const options *o, err *e) {
    text_buffer t = {0};
    char       *name = plain_name(o->model, e);
    if (name == NULL) return -1;
    text_add(&t,
             "; harness bench -m %s -c %" PRIu64 " -t %" PRIu64 " -r %" PRIu64 ": median, first and third quartile\n",
             name, o->context, o->threads, o->repeats);
    for (size_t i = 0; i < b->doubts.n; i++) text_add(&t, "; doubtful: %s\n", b->doubts.text[i]);
    if (b->doubts.n > 0) text_add(&t, "; %s\n", cost_advice);
    text_add(&t, "[cost]\nmodel   = %s\nthreads = %" PRIu64 "\n", name, o->threads);
    if (b->load_is_doubtful) text_add(&t, "loaded  = yes\n");
    text_add(&t, "[T]\n");
    for (size_t i = 0; i < o->n_k; i++)
        text_add(&t, "%zu = %lld %lld %lld\n", o->k[i], llround(b->pass[i].median * 1e9), llround(b->pass[i].low * 1e9),
                 llround(b->pass[i].high * 1e9));
    int ret = text_check(&t, e);
    if (ret == 0) ret = atomic_write(o->cost, t.at, t.n, false, e);
    text_free(&t);
    free(name);
    return ret;
}

int cmd_bench(int argc, char **argv, err *e) {
    options o;
    bench   b = {0};
    if (parse_options(argc, argv, &o, e) != 0) return -1;
    if (o.help) {
        fputs(usage, stdout);
        return 0;
    }
    int ret = kernels_get(e) == NULL || open_bench(&b, &o, e) != 0 || measure(&b, &o, e) != 0 ? -1 : 0;
    if (ret == 0) find_doubts(&b, &o);
    if (ret == 0 && o.json) {
        ret = print_json(&b, &o, e);
    } else if (ret == 0) {
        print_table(&b, &o);
        print_roofline(&b, &o);
    }
    if (ret == 0 && o.cost != NULL) ret = write_cost(&b, &o, e);
    close_bench(&b);
    return ret;
}
