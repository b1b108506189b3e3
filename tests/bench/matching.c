/* matching.c - how fast policies find what to copy, and what that takes, as the text grows.
 *
 *     make build/release/bench_matching && build/release/bench_matching [POLICY ...] 1e6 1e7
 *
 * For each size: a text of so many tokens in documents of 1000, half of it new (ids of 32000, of frequency 1 / rank)
 * and half copies of spans of 8 to 127 tokens from anywhere before. A policy has it as one reference, as its prompt, as
 * the outputs of earlier samples, or as a datastore (written to the working folder, and removed). Then an output made
 * in the same way is decoded: each step drafts, accepts what is right of the draft, and gets one token more. Each
 * policy has a process of its own: memory that another one freed would be missing from its bytes, and all get the same
 * output.
 *
 * Printed: tokens per second of one core for building, for a store its file included; bytes per token, those of the
 * process or of the file; nanoseconds of a step and of its draft alone, the clock's own included, as median and 99th
 * percentile; a step is a draft and what the policy learns from its outcome. Cold steps are those before which a buffer
 * as large as any cache was read, as a model's pass would do.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/policies/index/datastore.h"

enum { VOCAB = 32000, DOCUMENT = 1000, WARM = 100000, COLD = 200, OUTPUT = 16 * WARM, CACHE = 64 << 20, LIMIT = 64 };

static const char store_path[] = "bench_matching.store";

static void check(int ret, const err *e) {
    if (ret == 0) return;
    fprintf(stderr, "bench_matching: %s\n", e->text);
    exit(1);
}

/* ---- a text ----------------------------------------------------------------------------------------------- */

static uint64_t state = 88172645463325252u;

static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

static int32_t draw_token(void) {
    return (int32_t)(exp((double)(draw() >> 11) * 0x1p-53 * log(VOCAB + 1.0)) - 1);
}

/* Fills ids with new tokens and with copies from text[0..n_text), or from themselves where text is NULL. */
static void fill(int32_t *ids, size_t n, const int32_t *text, size_t n_text) {
    for (size_t at = 0; at < n;) {
        size_t         length = 8 + draw() % 120, room = text != NULL ? n_text : at;
        const int32_t *from = text != NULL ? text : ids;
        bool           copy = draw() % 2 == 0 && room > 128;
        if (copy) from += draw() % (room - 128);
        for (size_t i = 0; i < length && at < n; i++, at++) ids[at] = copy ? from[i] : draw_token();
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Tokens of the draft that the output goes on with. */
static size_t count_right(const draft *d, const int32_t *ids, size_t n) {
    size_t  right = 0;
    int32_t node = DRAFT_ROOT;
    while (right < n && (node = draft_child(d, node, ids[right])) >= 0) right++;
    return right;
}

static uint64_t read_cache(void) {
    static uint64_t cache[CACHE / sizeof(uint64_t)];
    uint64_t        sum = 0;
    for (size_t i = 0; i < CACHE / sizeof *cache; i += 8) sum += ++cache[i];
    return sum;
}

/* Takes steps until the output ends; prints what one takes. */
static void run_steps(policy *p, const int32_t *output, size_t n_output, size_t steps, bool cold) {
    static uint64_t times[WARM], drafts[WARM];
    static draft    d;
    err             e = {0};
    size_t          position = 0, drafted = 0, accepted = 0, done = 0;
    for (; done < steps && position + LIMIT < n_output; done++) {
        if (cold && read_cache() == 0) break;
        uint64_t begun = clock_ns();
        check(policy_propose(p, LIMIT, &d, &e), &e);
        times[done] = drafts[done] = clock_ns() - begun;
        size_t    right = count_right(&d, output + position, LIMIT - 1);
        step_view step = {.emitted = output + position, .n = right + 1, .position = position, .draft = &d};
        begun = clock_ns();
        check(policy_observe(p, &step, &e), &e);
        times[done] += clock_ns() - begun;
        position += right + 1;
        drafted += d.n;
        accepted += right;
    }
    qsort(times, done, sizeof *times, compare);
    qsort(drafts, done, sizeof *drafts, compare);
    printf(" %s step p50 %.0f ns, p99 %.0f ns, draft p50 %.0f ns, p99 %.0f ns", cold ? "cold" : "warm",
           (double)times[done / 2], (double)times[done * 99 / 100], (double)drafts[done / 2],
           (double)drafts[done * 99 / 100]);
    if (!cold) printf(" (drafts %.1f, accepts %.2f);", (double)drafted / (double)done, (double)accepted / (double)done);
}

/* ---- policies --------------------------------------------------------------------------------------------- */

/* Of the process' own time. */
static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t resident_bytes(void) {
    unsigned long size = 0, pages = 0;
    FILE         *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2) pages = 0;
    if (f != NULL) fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static policy *open_policy(const char *name, const char *params) {
    const policy_ops *ops = registry_find(&policy_registry, name);
    policy_spec       spec = {.vocab = VOCAB};
    err               e = {0};
    check(param_parse_list(name, ops->params, ops->n_params, params, &spec.params, &e), &e);
    policy *p = policy_open(ops, &spec, &e);
    check(p != NULL ? 0 : -1, &e);
    param_values_free(&spec.params);
    return p;
}

static void build_store(const int32_t *text, size_t n) {
    err              e = {0};
    datastore_corpus c;
    datastore        s;
    char             digest[DIGEST_HEX];
    datastore_corpus_begin(&c, VOCAB, false);
    for (size_t i = 0; i < n; i += DOCUMENT)
        check(datastore_corpus_add(&c, text + i, n - i < DOCUMENT ? n - i : DOCUMENT, &e), &e);
    check(digest_sha256("", 0, digest, &e), &e);
    double begun = seconds();
    check(datastore_write(&c, store_path, digest, 1, &e), &e);
    printf("rest  built at %.2f M/s", (double)n * 1e-6 / (seconds() - begun));
    datastore_corpus_free(&c);
    begun = seconds();
    check(datastore_open(&s, store_path, &e), &e);
    printf(", opened in %.2f s, %.1f bytes/token (%.2f n-grams in the table)", (seconds() - begun),
           (double)s.size / (double)n, (double)s.used / (double)n);
    datastore_close(&s);
}

typedef enum { REFERENCE, PROMPT, OUTPUTS, STORE } place; /* where a policy has the text */

/* The text as outputs of earlier samples, a document each, in steps of 4 tokens: a policy with memory = cell learns. */
static void show_outputs(policy *p, const int32_t *text, size_t n) {
    static draft none;
    err          e = {0};
    for (size_t from = 0; from < n; from += DOCUMENT) {
        size_t length = n - from < DOCUMENT ? n - from : DOCUMENT;
        check(policy_begin(p, &(policy_input){0}, &e), &e);
        for (size_t at = 0; at < length; at += 4) {
            step_view step = {.n = length - at < 4 ? length - at : 4, .position = at, .draft = &none};
            step.emitted = text + from + at;
            check(policy_observe(p, &step, &e), &e);
        }
    }
}

static void run_policy(const char *name, place where, const char *params, const int32_t *text, size_t n) {
    static int32_t output[OUTPUT];
    err            e = {0};
    reference      all = {text, n};
    policy_input   in = {0};
    if (where == REFERENCE) in = (policy_input){.references = &all, .n_references = 1};
    if (where == PROMPT) in = (policy_input){.prompt = text, .n_prompt = n};
    fill(output, OUTPUT, text, n);
    policy *p = open_policy(name, params);
    size_t  before = resident_bytes();
    double  begun = seconds();
    if (where == OUTPUTS) show_outputs(p, text, n);
    check(policy_begin(p, &in, &e), &e);
    if (where != STORE)
        printf("%-5s built at %.2f M/s, %.1f bytes/token", name, (double)n * 1e-6 / (seconds() - begun),
               (double)(resident_bytes() - before) / (double)n);
    printf("\n  %s:%s", name, params);
    run_steps(p, output, OUTPUT, WARM, false);
    run_steps(p, output, OUTPUT, COLD, true);
    printf("\n");
    fflush(stdout);
    policy_close(p);
}

static const struct {
    const char *name;
    place       where;
    const char *params;
} runs[] = {{"llma", REFERENCE, "n=1,k=20,cut=0"},
            {"pld", PROMPT, "n=3,k=10"},
            {"hf", PROMPT, "n=2,k=10"},
            {"vllm_ngram", PROMPT, "n=5,k=10"},
            {"copyspec", PROMPT, "n=3,k=10"},
            {"ngram_simple", PROMPT, "n=3,k=8"},
            {"paddle_ngram", PROMPT, "n=3,k=10"},
            {"ngram_map_k", PROMPT, "n=3,k=8"},
            {"ngram_map_k4v", PROMPT, "n=3,k=8"},
            {"ngram_mod", PROMPT, "n=3,k=16"},
            {"sam", PROMPT, "n=0,k=40"},
            {"predicted", REFERENCE, "n=2,k=16"},
            {"adaptive", REFERENCE, "k=32"},
            {"trtllm_ngram", OUTPUTS, "n=4,k=10,memory=cell,capacity=1073741824"},
            {"sglang_ngram", OUTPUTS, "memory=cell"},
            {"ngram_cache", OUTPUTS, "memory=cell"},
            {"suffix", OUTPUTS, "n=5,k=16,memory=cell"},
            {"suffix_tree", OUTPUTS, "memory=cell"},
            {"rest", STORE, "store=bench_matching.store"},
            {"rest", STORE, "store=bench_matching.store,form=chain"}};

/* In a process of its own. */
static void run_apart(size_t k, const int32_t *text, size_t n) {
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_policy(runs[k].name, runs[k].where, runs[k].params, text, n);
        exit(0);
    }
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0) return;
    fprintf(stderr, "bench_matching: no process for %s, or it failed\n", runs[k].name);
    exit(1);
}

static bool chosen(const char *name, int argc, char **argv) {
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) return true;
        any = any || strtod(argv[i], NULL) <= 0;
    }
    return !any;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        size_t   n = (size_t)strtod(argv[i], NULL);
        int32_t *text = n > 0 ? malloc(n * sizeof *text) : NULL;
        if (n == 0) continue;
        if (text == NULL) {
            fprintf(stderr, "bench_matching: no memory for %s tokens\n", argv[i]);
            return 1;
        }
        fill(text, n, NULL, 0);
        printf("%zu tokens\n", n);
        for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
            if (!chosen(runs[k].name, argc, argv)) continue;
            if (strcmp(runs[k].name, "rest") == 0 && access(store_path, F_OK) != 0) build_store(text, n);
            run_apart(k, text, n);
        }
        unlink(store_path);
        free(text);
    }
    return 0;
}
