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

static void print_table(const bench *b, const bench_options *o) {
    const kernel_table *kernels = kernels_get(NULL);
    printf("%s: %s, %" PRIu64 " thread%s, %.0f MB of weights to read, %" PRIu64 " token%s before the pass\n", o->model,
           kernels->isa, o->threads, plural(o->threads), b->bytes / 1e6, o->context, plural(o->context));
    printf("weights read from the file and packed in %.2f s\n", (double)b->packed_ns * 1e-9);
    printf("read bandwidth %.1f GB/s (quartiles %.1f to %.1f); %" PRIu64 " round%s\n", b->read.median / 1e9,
           b->read.low / 1e9, b->read.high / 1e9, o->repeats, plural(o->repeats));
    if (b->bytes <= (double)b->cache)
        printf("the weights fit into caches of %.0f MB, from where they may be read faster than that\n",
               (double)b->cache / 1e6);
    printf("\n    k   T(k) ms  quartiles ms   T(k)/T(1)  tokens/s  of bandwidth\n");
    for (size_t i = 0; i < o->k.n; i++) {
        const times *t = &b->pass[i];
        printf("%5zu  %8.3f  %5.2f-%-7.2f  %9.2f  %8.0f  %11.0f%%\n", o->k.at[i], t->median * 1e3, t->low * 1e3,
               t->high * 1e3, t->median / b->pass[0].median, (double)o->k.at[i] / t->median,
               100 * b->bytes / t->median / b->read.median);
    }
    if (o->prefill > 0)
        printf("\na prompt of %" PRIu64 " token%s: %.3f s, %.0f tokens/s\n", o->prefill, plural(o->prefill),
               b->prefill.median, (double)o->prefill / b->prefill.median);
}

/* Multiplications and additions of the i-th pass. */
static double work_of(const bench *b, const bench_options *o, size_t i) {
    double k = (double)o->k.at[i];
    return 2 * (b->weights * k - (o->last ? b->head * (k - 1) : 0));
}

/* Operations per second over k on two logarithmic axes: '#' what was reached, '|' what the bandwidth allows at that k.
 */
static void print_roofline(const bench *b, const bench_options *o) {
    enum { WIDTH = 64 };
    double first = work_of(b, o, 0) / b->pass[0].median, least = first, most = first;
    for (size_t i = 0; i < o->k.n; i++) {
        double reached = work_of(b, o, i) / b->pass[i].median;
        most = fmax(most, reached);
        least = fmin(least, reached);
    }
    double left = log(least / 2), right = log(2 * most); /* a roof farther away is not shown */
    printf("\n    k  Gop/s  from %.1f to %.0f Gop/s, logarithmic: # reached, | what the bandwidth allows\n",
           exp(left) / 1e9, exp(right) / 1e9);
    for (size_t i = 0; i < o->k.n; i++) {
        double reached = work_of(b, o, i) / b->pass[i].median, allowed = work_of(b, o, i) * b->read.median / b->bytes;
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

static int print_json(const bench *b, const bench_options *o, err *e) {
    static const utf8_rules valid = {.invalid = "\xEF\xBF\xBD"}; /* JSON allows nothing else */
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
    json_object_set_new(root, "cache_bytes", b->cache > 0 ? json_integer((json_int_t)b->cache) : json_null());
    json_object_set_new(root, "read_bytes_per_s", json_real(b->read.median));
    if (o->prefill > 0) {
        json_object_set_new(root, "prefill", json_integer((json_int_t)o->prefill));
        json_object_set_new(root, "prefill_ns", json_integer(llround(b->prefill.median * 1e9)));
    }
    for (size_t i = 0; i < o->k.n; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:I}", "k", (json_int_t)o->k.at[i], "median_ns",
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

int bench_print(const bench *b, const bench_options *o, err *e) {
    for (size_t i = 0; i < b->doubts.n; i++) fprintf(stderr, "harness: doubtful: %s\n", b->doubts.text[i]);
    if (b->doubts.n > 0) fprintf(stderr, "harness: %s\n", cost_advice);
    if (o->json) return print_json(b, o, e);
    print_table(b, o);
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
    text_add(&t,
             "; harness bench -m %s -c %" PRIu64 " -t %" PRIu64 " -r %" PRIu64 ": median, first and third quartile\n",
             name, o->context, o->threads, o->repeats);
    for (size_t i = 0; i < b->doubts.n; i++) text_add(&t, "; doubtful: %s\n", b->doubts.text[i]);
    if (b->doubts.n > 0) text_add(&t, "; %s\n", cost_advice);
    text_add(&t, "[cost]\nmodel   = %s\nthreads = %" PRIu64 "\n", name, o->threads);
    if (b->load_is_doubtful) text_add(&t, "loaded  = yes\n");
    text_add(&t, "[T]\n");
    for (size_t i = 0; i < o->k.n; i++)
        text_add(&t, "%zu = %lld %lld %lld\n", o->k.at[i], llround(b->pass[i].median * 1e9),
                 llround(b->pass[i].low * 1e9), llround(b->pass[i].high * 1e9));
    int ret = text_check(&t, e);
    if (ret == 0) ret = atomic_write(o->cost, t.at, t.n, false, e);
    text_free(&t);
    free(name);
    return ret;
}
