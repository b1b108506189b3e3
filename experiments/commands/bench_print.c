/* bench_print.c - prints the measurements: for people, as JSON, as a cost file. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "engine/base/atomic.h"
#include "engine/base/number.h"
#include "engine/base/utf8.h"
#include "engine/kernels/kernels.h"
#include "experiments/commands/bench.h"
#include "experiments/sweep/cost.h"

static void print_head(const bench *b, const bench_options *o) {
    const kernel_table *kernels = kernels_get(NULL);
    printf("%s: %s, %" PRIu64 " thread%s\n", o->model, kernels->isa, o->threads, plural(o->threads));
    if (o->layers > 0)
        printf("times of %" PRIu64 " layers, from passes through %zu and %zu\n", o->layers, b->m->shape.n_layers,
               b->m->shape.n_layers / 2);
    printf("weights read from the file and packed in %.2f s\n", (double)b->packed_ns * 1e-9);
    printf("read bandwidth %.1f GB/s (quartiles %.1f to %.1f); %" PRIu64 " round%s\n", b->read.median / 1e9,
           b->read.low / 1e9, b->read.high / 1e9, o->repeats, plural(o->repeats));
    if (b->bytes[0] <= (double)b->cache)
        printf("the weights fit into caches of %.0f MB, from where they may be read faster than that\n",
               (double)b->cache / 1e6);
}

/* The times in the c-th context; after the first one also what its tokens add. */
static void print_table(const bench *b, const bench_options *o, size_t c) {
    size_t       context = o->context.at[c];
    const times *t = b->pass[c];
    printf("\n%zu token%s before the pass, %.0f MB to read\n", context, plural(context), b->bytes[c] / 1e6);
    printf("    k   T(k) ms  quartiles ms   T(k)/T(1)  tokens/s  of bandwidth");
    if (c > 0) printf("  T(k)/T(k, %zu)", o->context.at[0]);
    printf("\n");
    for (size_t i = 0; i < o->k.n; i++) {
        printf("%5zu  %8.3f  %5.2f-%-7.2f  %9.2f  %8.0f  %11.0f%%", o->k.at[i], t[i].median * 1e3, t[i].low * 1e3,
               t[i].high * 1e3, t[i].median / t[0].median, (double)o->k.at[i] / t[i].median,
               100 * b->bytes[c] / t[i].median / b->read.median);
        if (c > 0) printf("  %12.2f", t[i].median / b->pass[0][i].median);
        printf("\n");
    }
}

/* How far the times are from those that a sweep computes with. */
static void print_fit(const bench *b, const bench_options *o) {
    size_t c = b->fit.at / o->k.n, k = o->k.at[b->fit.at % o->k.n];
    printf("\nfit T(k, c) = t(k) + c (u + v k): off by %.1f%% in the median, at most by %.1f%%, at T(%zu, %zu)\n",
           100 * b->fit.median, 100 * b->fit.largest, k, o->context.at[c]);
}

static void print_prefill(const bench *b, const bench_options *o) {
    printf("\na prompt of %" PRIu64 " token%s: %.3f s, %.0f tokens/s\n", o->prefill, plural(o->prefill),
           b->prefill.median, (double)o->prefill / b->prefill.median);
}

/* Multiplications and additions of the i-th pass, attention left out. */
static double work_of(const bench *b, const bench_options *o, size_t i) {
    double k = (double)o->k.at[i];
    return 2 * (b->weights * k - (o->last ? b->head * (k - 1) : 0));
}

/* Operations per second over k on two logarithmic axes, in the first context: '#' what was reached, '|' what the
 * bandwidth allows at that k. In others the same operations take as much longer as their tables say. */
static void print_roofline(const bench *b, const bench_options *o) {
    enum { WIDTH = 64 };
    const times *t = b->pass[0];
    double       first = work_of(b, o, 0) / t[0].median, least = first, most = first;
    for (size_t i = 0; i < o->k.n; i++) {
        double reached = work_of(b, o, i) / t[i].median;
        most = fmax(most, reached);
        least = fmin(least, reached);
    }
    double left = log(least / 2), right = log(2 * most); /* a roof farther away is not shown */
    if (o->context.n > 1) printf("\n%zu token%s before the pass", o->context.at[0], plural(o->context.at[0]));
    printf("\n    k  Gop/s  from %.1f to %.0f Gop/s, logarithmic: # reached, | what the bandwidth allows\n",
           exp(left) / 1e9, exp(right) / 1e9);
    for (size_t i = 0; i < o->k.n; i++) {
        double reached = work_of(b, o, i) / t[i].median, allowed = work_of(b, o, i) * b->read.median / b->bytes[0];
        int    filled = (int)lround((log(reached) - left) / (right - left) * WIDTH);
        int    mark = (int)lround((log(allowed) - left) / (right - left) * WIDTH);
        char   bar[WIDTH + 2];
        for (int c = 0; c <= WIDTH; c++) bar[c] = c < filled ? '#' : ' ';
        bar[WIDTH + 1] = '\0';
        if (mark >= 0 && mark <= WIDTH) bar[mark] = '|';
        for (int c = WIDTH; c >= 0 && bar[c] == ' '; c--) bar[c] = '\0';
        printf("%5zu  %5.0f  %s\n", o->k.at[i], reached / 1e9, bar);
    }
}

/* {"context", "bytes", "T": [...]} */
static json_t *context_json(const bench *b, const bench_options *o, size_t c) {
    json_t *list = json_array();
    for (size_t i = 0; i < o->k.n; i++) {
        const times *t = &b->pass[c][i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:I}", "k", (json_int_t)o->k.at[i], "median_ns",
                                              llround(t->median * 1e9), "min_ns", llround(t->min * 1e9), "q1_ns",
                                              llround(t->low * 1e9), "q3_ns", llround(t->high * 1e9)));
    }
    return json_pack("{s:I, s:f, s:o}", "context", (json_int_t)o->context.at[c], "bytes", b->bytes[c], "T", list);
}

static int print_json(const bench *b, const bench_options *o, err *e) {
    static const utf8_rules valid = {.invalid = "\xEF\xBF\xBD"}; /* JSON allows nothing else */
    char                   *shown = utf8_clean(o->model, strlen(o->model), &valid, e);
    if (shown == NULL) return -1;
    json_t *root = json_object(), *contexts = json_array(), *reasons = json_array();
    json_object_set_new(root, "model", json_string(shown));
    json_object_set_new(root, "isa", json_string(kernels_get(NULL)->isa));
    json_object_set_new(root, "threads", json_integer((json_int_t)o->threads));
    json_object_set_new(root, "logits", json_string(o->last ? "last" : "all"));
    if (o->layers > 0) json_object_set_new(root, "layers", json_integer((json_int_t)o->layers));
    json_object_set_new(root, "repeats", json_integer((json_int_t)o->repeats));
    json_object_set_new(root, "packed_ns", json_integer((json_int_t)b->packed_ns));
    json_object_set_new(root, "cache_bytes", b->cache > 0 ? json_integer((json_int_t)b->cache) : json_null());
    json_object_set_new(root, "read_bytes_per_s", json_real(b->read.median));
    if (o->prefill > 0) {
        json_object_set_new(root, "prefill", json_integer((json_int_t)o->prefill));
        json_object_set_new(root, "prefill_ns", json_integer(llround(b->prefill.median * 1e9)));
    }
    for (size_t c = 0; c < o->context.n; c++) json_array_append_new(contexts, context_json(b, o, c));
    json_object_set_new(root, "contexts", contexts);
    json_object_set_new(root, "fit_error_median", json_real(b->fit.median));
    json_object_set_new(root, "fit_error_largest", json_real(b->fit.largest));
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

int bench_print(const bench *b, const bench_options *o, err *e) {
    for (size_t i = 0; i < b->doubts.n; i++) fprintf(stderr, "harness: doubtful: %s\n", b->doubts.text[i]);
    if (b->doubts.n > 0) fprintf(stderr, "harness: %s\n", cost_advice);
    if (o->json) return print_json(b, o, e);
    print_head(b, o);
    for (size_t c = 0; c < o->context.n; c++) print_table(b, o, c);
    print_fit(b, o);
    if (o->prefill > 0) print_prefill(b, o);
    print_roofline(b, o);
    return 0;
}

enum { MOST_NAME = 112 }; /* bytes; a line of an INI file is not much longer */

/* A file's base name as a cost file can hold it: no long line, no comment, no quotes. The caller frees it. */
static char *plain_name(const char *path, err *e) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    char       *name = utf8_clean(base, strlen(base), &utf8_one_line, e);
    if (name == NULL) return NULL;
    for (char *at = name; (at = strpbrk(at, ";#\"'")) != NULL;) *at = '?';
    name[utf8_cut(name, strlen(name), MOST_NAME)] = '\0';
    return name;
}

int bench_write_cost(const bench *b, const bench_options *o, err *e) {
    text_buffer t = {0};
    char       *name = plain_name(o->model, e);
    if (name == NULL) return -1;
    text_add(&t, "; harness bench -m %s -c ", name);
    for (size_t c = 0; c < o->context.n; c++) text_add(&t, "%s%zu", c > 0 ? "," : "", o->context.at[c]);
    if (o->layers > 0) text_add(&t, " --layers %" PRIu64, o->layers);
    text_add(&t, " -t %" PRIu64 " -r %" PRIu64 ": median, first and third quartile\n", o->threads, o->repeats);
    for (size_t i = 0; i < b->doubts.n; i++) text_add(&t, "; doubtful: %s\n", b->doubts.text[i]);
    if (b->doubts.n > 0) text_add(&t, "; %s\n", cost_advice);
    text_add(&t, "[cost]\nmodel   = %s\nthreads = %" PRIu64 "\nrounds  = %" PRIu64 "\n", name, o->threads, o->repeats);
    if (b->load_is_doubtful) text_add(&t, "loaded  = yes\n");
    for (size_t c = 0; c < o->context.n; c++) {
        text_add(&t, "[T %zu]\n", o->context.at[c]);
        for (size_t i = 0; i < o->k.n; i++)
            text_add(&t, "%zu = %lld %lld %lld\n", o->k.at[i], llround(b->pass[c][i].median * 1e9),
                     llround(b->pass[c][i].low * 1e9), llround(b->pass[c][i].high * 1e9));
    }
    int ret = text_check(&t, e);
    if (ret == 0) ret = atomic_write(o->cost, t.at, t.n, false, e);
    text_free(&t);
    free(name);
    return ret;
}
