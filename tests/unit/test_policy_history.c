/* Policies that copy from prompt and output as engines do: published examples, and naive scans written from the
 * engines' descriptions, without an index. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

enum { HISTORY_CAP = 128 };

static const int32_t BRIEF[] = {4, 4};

Test(policy_history, examples) {
    const struct {
        const char    *policy, *params;
        const int32_t *history;
        size_t         n_history;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {"hf", "n=2,k=10", WHOLE(H1), IDS(4, 5, 6, 7, 8, 1, 2, 3)},
        {"hf", "n=2,k=10", WHOLE(H2), IDS(1, 7, 1, 7)},
        {"hf", "n=2,k=10", WHOLE(H3), IDS(9, 5, 1, 2, 3, 4, 6, 1, 2, 3)},
        {"hf", "n=2,k=10", WHOLE(H4), IDS(8, 0, 1, 2, 9, 0, 1, 2, 9, 3)},
        {"hf", "n=2,k=10", WHOLE(H5), IDS(7, 5, 6, 8, 5, 6, 8, 5, 6, 7)},
        {"hf", "n=2,k=10", WHOLE(BRIEF), IDS(4)},
        {"vllm_ngram", "n=5,n_min=2,k=4", WHOLE(H1), IDS(4, 5, 6, 7)},
        {"vllm_ngram", "n=5,n_min=2,k=4", WHOLE(H2), IDS(1, 7)},
        {"vllm_ngram", "n=5,n_min=2,k=4", WHOLE(H3), IDS(9, 5, 1, 2)},
        {"vllm_ngram", "n=5,n_min=2,k=4", WHOLE(H4), IDS(8, 0, 1, 2)},
        {"vllm_ngram", "n=5,n_min=2,k=4", WHOLE(H5), IDS(8, 5, 6, 8)},
        {"vllm_ngram", "k=4", WHOLE(H1), NULL, 0}, /* five tokens at least, unless said */
        {"vllm_ngram", "n=3,k=4", WHOLE(H1), IDS(4, 5, 6, 7)},
        {"vllm_ngram", "n=8,k=4", WHOLE(H2), NULL, 0}, /* n_min mirrors n */
        {"vllm_ngram", "n=8,k=4,n_min=1", WHOLE(H2), IDS(1, 7)},
        {"ngram_simple", "n=2,k=4", WHOLE(H1), IDS(4, 5, 6, 7)},
        {"ngram_simple", "n=2,k=4", WHOLE(H2), NULL, 0},
        {"ngram_simple", "n=2,k=4", WHOLE(H3), IDS(4, 6, 1, 2)},
        {"ngram_simple", "n=2,k=4", WHOLE(H4), IDS(9, 3, 1)},
        {"ngram_simple", "n=2,k=4", WHOLE(H5), IDS(7, 5)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n_history;
        for (size_t n_prompt = 0; n_prompt <= n; n_prompt++) { /* wherever it is cut into prompt and output */
            bool waits = n_prompt == n && strcmp(cases[i].policy, "vllm_ngram") == 0; /* for the first token */
            steps_check_after(steps_open(cases[i].policy, cases[i].params), cases[i].history, n, n_prompt,
                              cases[i].draft, waits ? 0 : cases[i].n_draft, cases[i].params);
        }
    }
}

Test(policy_history, hf_drafts_no_stop_token_and_nothing_after_it) {
    policy *p = steps_open("hf", "n=1,k=9");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11, .stops = {(const int32_t[]){6, 8}, 2}});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(4, 5), "a stop token inside");
    cr_assert_eq(d.match_length, 1);
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11, .stops = {(const int32_t[]){4}, 1}});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, NULL, 0, "a stop token first");
    policy_close(p);
}

Test(policy_history, vllm_ngram_refuses_a_range_that_is_empty) {
    err e = {0};
    cr_assert_null(steps_try_open("vllm_ngram", "n=3,n_min=4", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy vllm_ngram: n_min = 4 is more than n = 3");
}

/* ---- naive scans ------------------------------------------------------------------------------------- */

static bool same_ids(const int32_t *a, const int32_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static void copy(const int32_t *h, size_t n_prompt, size_t from, size_t end, size_t count, size_t n, draft *d) {
    draft_extend(d, h + from, count < end - from ? count : end - from);
    d->match_length = (uint16_t)n;
    d->source = from < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    d->source_position = (int32_t)(from < n_prompt ? from : from - n_prompt);
}

/* Windows from the left, for the longest n first. */
static void longest_leftmost(const int32_t *h, size_t n_h, size_t n_prompt, size_t n_min, size_t n_max, size_t k,
                             draft *d) {
    draft_clear(d);
    for (size_t n = n_max; n >= n_min; n--)
        for (size_t at = 0; at + n < n_h; at++)
            if (same_ids(h + at, h + n_h - n, n)) {
                copy(h, n_prompt, at + n, n_h, k, n, d);
                return;
            }
}

/* llama.cpp's loop, over the tokens before the one that was sampled last. */
static void backwards(const int32_t *h, size_t n_h, size_t n_prompt, size_t n, size_t k, draft *d) {
    draft_clear(d);
    if (n_h == 0 || n_h - 1 <= n + k + 1) return;
    size_t rest = n_h - 1;
    for (size_t at = rest - n - 1; at > 0; at--)
        if (same_ids(h + at, h + n_h - n, n)) {
            size_t count = rest - at - n < k ? rest - at - n : k;
            if (count >= n) copy(h, n_prompt, at + n, rest, count, n, d);
            return;
        }
}

typedef struct {
    const char *policy;
    size_t      n_min, n, k;
    int32_t     stop; /* ends an output; -1: nothing does */
} settings;

static void naive(const settings *s, const int32_t *h, size_t n_h, size_t n_prompt, draft *d) {
    draft_clear(d);
    if (strcmp(s->policy, "ngram_simple") == 0)
        backwards(h, n_h, n_prompt, s->n, s->k, d);
    else if (strcmp(s->policy, "hf") == 0 || n_h > n_prompt)
        longest_leftmost(h, n_h, n_prompt, s->n_min, s->n, s->k, d);
    for (size_t i = 0; i < d->n && strcmp(s->policy, "hf") == 0; i++)
        if (d->ids[i] == s->stop) d->n = i;
}

/* Over one history, cut into a prompt and steps of random lengths. Returns how many drafts were compared. */
static size_t compare(gsl_rng *r, const settings *s, policy *p, const int32_t *h, size_t n_prompt, size_t n_h,
                      size_t *matches) {
    size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP, compared = 0;
    draft  got, want;
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt, .stops = {&s->stop, s->stop >= 0}});
    for (size_t at = n_prompt;;) {
        naive(s, h, at, n_prompt, &want);
        if (want.n > limit) want.n = limit;
        steps_propose(p, limit, &got);
        cr_assert(steps_same(&got, &want),
                  "%s n %zu k %zu: %zu drafted, not %zu, after %zu of which %zu are the prompt", s->policy, s->n, s->k,
                  got.n, want.n, at, n_prompt);
        *matches += want.match_length > 0;
        compared++;
        if (at == n_h) return compared;
        size_t chunk = 1 + steps_pick(r, n_h - at < 5 ? n_h - at : 5);
        steps_observe(p, h + at, chunk);
        at += chunk;
    }
}

static void fuzz(const char *name, uint64_t seed) {
    gsl_rng *r = rng_new(seed, 21);
    size_t   compared = 0, matches = 0;
    int32_t  h[HISTORY_CAP];
    while (compared < FUZZ_HISTORIES) {
        settings s = {name, 1, 1 + steps_pick(r, 6), 1 + steps_pick(r, 12), (int32_t)steps_pick(r, 9) - 3};
        char     text[40];
        bool     least = strcmp(name, "vllm_ngram") == 0;
        if (least) s.n_min = 1 + steps_pick(r, s.n);
        snprintf(text, sizeof text, least ? "n=%zu,k=%zu,n_min=%zu" : "n=%zu,k=%zu", s.n, s.k, s.n_min);
        size_t  alphabet = 1 + steps_pick(r, 6);
        policy *p = steps_open_over(name, text, alphabet, NULL);
        for (int again = 0; again < 10; again++) {
            size_t n_prompt = steps_pick(r, 60), n_h = n_prompt + steps_pick(r, 60);
            steps_fill(r, h, n_h, alphabet);
            compared += compare(r, &s, p, h, n_prompt, n_h, &matches);
        }
        policy_close(p);
    }
    cr_assert_gt(matches, compared / 4);
    gsl_rng_free(r);
}

Test(policy_history, hf_is_the_naive_scan) {
    fuzz("hf", 1);
}

Test(policy_history, vllm_ngram_is_the_naive_scan) {
    fuzz("vllm_ngram", 2);
}

Test(policy_history, ngram_simple_is_the_naive_scan) {
    fuzz("ngram_simple", 3);
}
