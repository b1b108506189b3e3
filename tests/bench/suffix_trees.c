/* suffix_trees.c - the policy suffix_tree beside Arctic Inference's own suffix trees: time per step, bytes per token.
 *
 *     make peer_arctic ARCTIC=...
 *     build/release/bench_suffix_trees SETTINGS [REQUESTS [REPEATS]]
 *
 * SETTINGS are the policy's but for `memory` and `requests`, and REQUESTS a file as for peers_suffix_trees
 * (tests/peers/suffix_trees.c); without it some are drawn. Each request is decoded: a step drafts, takes what agrees
 * with the recorded output and one token more, and lets the indexes learn them. All outputs are kept. A step's time is
 * that of drafting and learning, two reads of the clock included; begin is that of the prompt. Ours is timed from
 * outside, policy_propose with all its checks; of theirs the C++ alone, not the Python around it. Bytes are what malloc
 * has given out and not got back: of local indexes at each request's end, for the tokens of prompt and output; of the
 * global index after the last one, for those of all outputs. In turns, REPEATS times; medians, and medians of ratios.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "tests/peers/suffix_requests.h"

enum { REPEATS = 11, REPEATS_MAX = 1001, DRAWN = 100, DRAWN_TOKENS = 2000 };

static suffix_pair pair;

/* ---- both, behind one face -------------------------------------------------------------------------- */

typedef struct {
    const int32_t *ids, *parents;
    size_t         n;
} proposal;

typedef struct {
    const char *name;
    void (*begin)(const request *r);
    proposal (*propose)(const request *r, size_t at);
    void (*observe)(const request *r, size_t at, size_t n);
    void (*end)(void);
} drafter;

static void ours_begin(const request *r) {
    err e = {0};
    if (policy_begin(pair.ours, &(policy_input){.prompt = r->ids, .n_prompt = r->n_prompt}, &e) != 0)
        fail("%s", e.text);
}

static proposal ours_propose(const request *r, size_t at) {
    static draft d;
    err          e = {0};
    (void)r, (void)at;
    if (policy_propose(pair.ours, DRAFT_CAP, &d, &e) != 0) fail("%s", e.text);
    return (proposal){d.ids, d.parent, d.n};
}

static void ours_observe(const request *r, size_t at, size_t n) {
    err       e = {0};
    step_view step = {.emitted = r->ids + at, .n = n, .position = at - r->n_prompt};
    if (policy_observe(pair.ours, &step, &e) != 0) fail("%s", e.text);
}

static void ours_end(void) {
    policy_end(pair.ours);
}

static void theirs_begin(const request *r) {
    arctic_start(pair.theirs, r->ids, r->n_prompt);
}

static proposal theirs_propose(const request *r, size_t at) {
    arctic_draft d = arctic_speculate(pair.theirs, r->ids, at, &pair.settings);
    return (proposal){d.ids, d.parents, d.n};
}

static void theirs_observe(const request *r, size_t at, size_t n) {
    arctic_add(pair.theirs, r->ids + at, n);
}

static void theirs_end(void) {
    arctic_stop(pair.theirs);
}

static const drafter drafters[2] = {
    {"ours", ours_begin, ours_propose, ours_observe, ours_end},
    {"Arctic", theirs_begin, theirs_propose, theirs_observe, theirs_end},
};

/* ---- one pass over all requests --------------------------------------------------------------------- */

static struct {
    uint64_t *ns;       /* [n] of each step */
    uint64_t *draft_ns; /* [n] of them, those of its draft */
    size_t    n;
    uint64_t  begin_ns;
} steps;

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* How many tokens of the output the draft has. */
static size_t agree(const proposal *d, const int32_t *ids, size_t n) {
    size_t  accepted = 0;
    int32_t node = -1;
    for (size_t i = 0; i < d->n && accepted < n; i++)
        if (d->parents[i] == node && d->ids[i] == ids[accepted]) {
            node = (int32_t)i;
            accepted++;
        }
    return accepted;
}

static void decode(const drafter *d, const request *r) {
    uint64_t before = clock_ns();
    d->begin(r);
    steps.begin_ns += clock_ns() - before;
    for (size_t at = r->n_prompt, n; at < r->n; at += n) {
        before = clock_ns();
        proposal p = d->propose(r, at);
        uint64_t between = clock_ns();
        n = agree(&p, r->ids + at, r->n - at - 1) + 1;
        uint64_t after = clock_ns();
        d->observe(r, at, n);
        steps.draft_ns[steps.n] = between - before;
        steps.ns[steps.n++] = between - before + (clock_ns() - after);
    }
}

static size_t held(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* ---- figures ---------------------------------------------------------------------------------------- */

enum { P50, P99, MEAN, DRAFT_P50, DRAFT_P99, BEGIN, LOCAL, GLOBAL, FIGURES };

static const char *const names[FIGURES] = {"step p50, ns",       "step p99, ns",       "step mean, ns",
                                           "draft p50, ns",      "draft p99, ns",      "begin, ns/token",
                                           "local, bytes/token", "global, bytes/token"};

/* Runs all requests, and says how many bytes stay. `local` gets those that each has at its end. */
static size_t run(const drafter *d, const requests *all, size_t *local) {
    suffix_pair_forget(&pair);
    size_t empty = held();
    steps.n = 0;
    steps.begin_ns = 0;
    *local = 0;
    for (size_t i = 0; i < all->n; i++) {
        size_t before = held();
        decode(d, &all->at[i]);
        *local += held() - before;
        d->end();
    }
    return held() - empty;
}

static void measure(const drafter *d, const requests *all, const char *text, double out[FIGURES]) {
    size_t prompts = 0, outputs = 0, local;
    double sum = 0;
    char   settings[400];
    for (size_t i = 0; i < all->n; i++) {
        prompts += all->at[i].n_prompt;
        outputs += all->at[i].n - all->at[i].n_prompt;
    }
    snprintf(settings, sizeof settings, "%s,requests=0", text);
    suffix_pair_open(&pair, settings);
    run(d, all, &local);
    out[LOCAL] = (double)local / (double)(prompts + outputs);
    suffix_pair_close(&pair);

    snprintf(settings, sizeof settings, "%s,memory=cell", text);
    suffix_pair_open(&pair, settings);
    out[GLOBAL] = (double)run(d, all, &local) / (double)outputs;
    suffix_pair_close(&pair);
    for (size_t i = 0; i < steps.n; i++) sum += (double)steps.ns[i];
    qsort(steps.ns, steps.n, sizeof *steps.ns, by_value);
    out[P50] = (double)steps.ns[steps.n / 2];
    out[P99] = (double)steps.ns[steps.n * 99 / 100];
    qsort(steps.draft_ns, steps.n, sizeof *steps.draft_ns, by_value);
    out[DRAFT_P50] = (double)steps.draft_ns[steps.n / 2];
    out[DRAFT_P99] = (double)steps.draft_ns[steps.n * 99 / 100];
    out[MEAN] = sum / (double)steps.n;
    out[BEGIN] = (double)steps.begin_ns / (double)prompts;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n) {
    qsort(x, n, sizeof *x, by_size);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) fail("usage: bench_suffix_trees SETTINGS [REQUESTS [REPEATS]]");
    static double figures[FIGURES][3][REPEATS_MAX];
    requests      all = {0};
    err           e = {0};
    size_t        repeats = argc > 3 ? strtoul(argv[3], NULL, 10) : REPEATS, n_tokens = 0;
    if (repeats == 0 || repeats > REPEATS_MAX) fail("REPEATS is 1 to %d", REPEATS_MAX);
    if (argc > 2 && strcmp(argv[2], "") != 0)
        requests_read(&all, argv[2], SIZE_MAX);
    else
        requests_draw(&all, DRAWN, DRAWN_TOKENS, 1);
    for (size_t i = 0; i < all.n; i++) n_tokens += all.at[i].n;
    if ((steps.ns = mem_new(n_tokens, sizeof *steps.ns, &e)) == NULL ||
        (steps.draft_ns = mem_new(n_tokens, sizeof *steps.draft_ns, &e)) == NULL)
        fail("%s", e.text);

    for (size_t i = 0; i < repeats; i++) {
        double both[2][FIGURES];
        for (size_t k = 0; k < 2; k++) measure(&drafters[(i + k) % 2], &all, argv[1], both[(i + k) % 2]);
        for (size_t f = 0; f < FIGURES; f++) {
            for (size_t k = 0; k < 2; k++) figures[f][k][i] = both[k][f];
            figures[f][2][i] = both[1][f] / both[0][f];
        }
    }
    printf("%s: %zu requests, %zu tokens, %zu steps, %zu repeats\n", argv[1], all.n, n_tokens, steps.n, repeats);
    printf("%-20s %10s %10s %14s\n", "medians", drafters[0].name, drafters[1].name, "Arctic / ours");
    for (size_t f = 0; f < FIGURES; f++)
        printf("%-20s %10.0f %10.0f %14.1f\n", names[f], median(figures[f][0], repeats), median(figures[f][1], repeats),
               median(figures[f][2], repeats));
    free(steps.ns);
    free(steps.draft_ns);
    requests_free(&all);
    return 0;
}
