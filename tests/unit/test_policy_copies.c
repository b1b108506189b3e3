/* LLMA and prompt lookup: the published examples, and naive scans to compare the index with. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

enum { HISTORY_CAP = 256 };

/* ---- published examples ----------------------------------------------------------------------------- */

Test(policy_copies, pld_examples) {
    const struct {
        const char    *params;
        const int32_t *history;
        size_t         n_history;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {"k=4", WHOLE(H1), IDS(4, 5, 6, 7)},
        {"k=4", WHOLE(H2), IDS(1, 7, 1, 7)},
        {"k=4", WHOLE(H3), IDS(9, 5, 1, 2)},
        {"k=4", WHOLE(H4), IDS(8, 0, 1, 2)},
        {"k=4", WHOLE(H5), IDS(8, 5, 6, 8)},
        {"", WHOLE(H1), NULL, 0},
        {"", WHOLE(H2), NULL, 0},
        {"", WHOLE(H3), IDS(9, 5, 1, 2, 3, 4, 6, 1, 2, 3)},
        {"", WHOLE(H4), IDS(8, 0, 1, 2, 9, 0, 1, 2, 9, 3)},
        {"", WHOLE(H5), IDS(7, 5, 6, 8, 5, 6, 8, 5, 6, 7)},
        {"miss=100", WHOLE(H1), IDS(100)},
        {"k=8", WHOLE(H1), IDS(4, 5, 6, 7, 8, 1, 2, 3)}, /* up to the very end */
        {"k=9", WHOLE(H1), NULL, 0},
        {"n=1,k=1", IDS(4, 4), NULL, 0}, /* copying may not start at the last n tokens */
        {"n=1,k=1", IDS(4, 9, 4), IDS(9)},
        {"n=2,k=1", IDS(4, 4, 4), IDS(4)}, /* two tokens would copy from the last two; one may */
        {"", NULL, 0, NULL, 0},
        {"n=64,k=1,miss=7", IDS(3), IDS(7)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n_history;
        /* Wherever the history is cut into prompt and output, the draft is the same. */
        for (size_t n_prompt = 0; n_prompt <= n; n_prompt++) {
            policy *p = steps_open("pld", cases[i].params);
            draft   d;
            char    what[40];
            snprintf(what, sizeof what, "case %zu, prompt of %zu", i, n_prompt);
            steps_begin(p, &(policy_input){.prompt = cases[i].history, .n_prompt = n_prompt});
            steps_observe(p, n > n_prompt ? cases[i].history + n_prompt : NULL, n - n_prompt);
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, cases[i].draft, cases[i].n_draft, what);
            if (d.match_length > 0) {
                size_t at = (size_t)d.source_position + (d.source == SOURCE_OUTPUT ? n_prompt : 0);
                cr_assert_eq(d.source, at < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT, "%s", what);
                cr_assert_eq(cases[i].history[at], d.ids[0], "%s", what);
            }
            policy_close(p);
        }
    }
}

Test(policy_copies, pld_refuses_a_dummy_out_of_the_vocabulary) {
    err e = {0};
    cr_assert_null(steps_try_open("pld", "miss=100", 100, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy pld: miss = 100 is not in the vocabulary (-1 to 99)");
    policy_close(steps_open_over("pld", "miss=100", 101, NULL));
}

Test(policy_copies, llma_examples) {
    const struct {
        const char    *params;
        const int32_t *output;
        size_t         n_output;
        const int32_t *draft;
        size_t         n_draft, match_length;
        int32_t        source, source_position;
    } cases[] = {
        {"k=4", IDS(11), IDS(12, 13, 14), 1, 0, 2},
        {"k=4", IDS(9, 11, 12), IDS(13, 14, 15), 2, 0, 3},
        {"k=4", IDS(11, 12, 20), IDS(21), 3, 1, 3},
        {"k=6", IDS(12, 20), IDS(21), 2, 1, 3},
        {"k=4", IDS(15, 16), NULL, 0, 2, 0, 7}, /* a reference's end: a match with nothing to copy */
        {"k=20", IDS(5, 12), IDS(13, 99), 2, 2, 2},
        {"k=4", IDS(77), NULL, 0, 0, SOURCE_NONE, -1},
        {"n=2,k=3", IDS(11, 12, 13, 14, 15), IDS(16), 5, 0, 6},
        {"n=3", IDS(12, 13), NULL, 0, 0, SOURCE_NONE, -1},
        {"", NULL, 0, NULL, 0, 0, SOURCE_NONE, -1},
        {"k=1", IDS(11), NULL, 0, 1, 0, 2},
        {"k=4,max_n=2", IDS(11, 12, 20), IDS(21), 2, 1, 3},
        {"n=6,k=4", IDS(10, 11, 12, 13, 14, 15), IDS(16), 6, 0, 6}, /* n over max_n: n alone */
        {"n=6,k=4", IDS(9, 11, 12, 13, 14, 15), NULL, 0, 0, SOURCE_NONE, -1},
        {"k=20,cut=4", IDS(11, 12), IDS(13), 2, 0, 3},
        {"k=20,cut=3", IDS(13), NULL, 0, 1, 2, 3},
        {"k=20,cut=0", IDS(11, 12), IDS(13, 14, 15, 16), 2, 0, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("llma", cases[i].params);
        draft   d;
        char    what[40];
        snprintf(what, sizeof what, "case %zu", i);
        steps_begin(p, &(policy_input){.references = EXAMPLES, .n_references = 3});
        steps_observe(p, cases[i].output, cases[i].n_output);
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, cases[i].draft, cases[i].n_draft, what);
        cr_assert_eq(d.match_length, cases[i].match_length, "%s", what);
        cr_assert_eq(d.source, cases[i].source, "%s", what);
        cr_assert_eq(d.source_position, cases[i].source_position, "%s", what);
        policy_close(p);
    }
}

Test(policy_copies, llma_cuts_references_by_way_of_text) {
    /* The cut falls into a two-byte character: the first half becomes U+FFFD, three bytes, in the text. */
    err             e = {0};
    tokenizer      *tok = tokenizer_bytes(&e);
    const reference cut = {(const int32_t[]){'a', 'b', 0xc3, 0xa9, 'c'}, 5};
    draft           d;
    cr_assert_not_null(tok, "%s", e.text);
    policy *p = steps_open_over("llma", "cut=3", tokenizer_vocab(tok), tok);
    steps_begin(p, &(policy_input){.references = &cut, .n_references = 1});
    steps_observe(p, IDS('a'));
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS('b', 0xef, 0xbf, 0xbd), "cut by way of text");

    const reference fits = {(const int32_t[]){'a', 'b', 0xc3}, 3};
    steps_begin(p, &(policy_input){.references = &fits, .n_references = 1});
    steps_observe(p, IDS('a'));
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS('b', 0xc3), "not longer than the cut");
    policy_close(p);
    tokenizer_close(tok);
}

/* ---- against naive scans ---------------------------------------------------------------------------- */

/* The published algorithm, level by level over all references. */
static void llma_naive(const reference *refs, size_t n_refs, const int32_t *out, size_t n_out, size_t n, size_t k,
                       size_t max_n, draft *d) {
    draft_clear(d);
    for (size_t m = max_n > n ? max_n : n; m >= n; m--) {
        if (n_out < m) continue;
        for (size_t i = 0; i < n_refs; i++)
            for (size_t s = 0; s + m <= refs[i].n; s++) {
                if (memcmp(refs[i].ids + s, out + n_out - m, m * sizeof *out) != 0) continue;
                for (size_t j = s + m; j < refs[i].n && d->n < k - 1; j++) draft_extend(d, refs[i].ids + j, 1);
                d->match_length = (uint16_t)m;
                d->source = (int32_t)i;
                d->source_position = (int32_t)(s + m);
                return;
            }
    }
}

static void pld_naive(const int32_t *h, size_t n_h, size_t n_prompt, size_t max_n, size_t k, draft *d) {
    draft_clear(d);
    for (size_t n = max_n; n >= 1; n--) {
        if (n > n_h) continue;
        for (size_t s = 0; s + n <= n_h; s++) {
            size_t c = s + n;
            if (memcmp(h + s, h + n_h - n, n * sizeof *h) != 0 || c + k > n_h || c + n >= n_h) continue;
            draft_extend(d, h + c, k);
            d->match_length = (uint16_t)n;
            d->source = c < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
            d->source_position = (int32_t)(c < n_prompt ? c : c - n_prompt);
            return;
        }
    }
}

/* Feeds `output` in random chunks, and compares drafts after each. Returns how many it compared. */
static size_t llma_compare(gsl_rng *r, policy *p, const policy_input *in, const int32_t *output, size_t n_output,
                           size_t n, size_t k, size_t max_n) {
    draft  got, want;
    size_t compared = 0;
    steps_begin(p, in);
    for (size_t at = 0;; compared++) {
        llma_naive(in->references, in->n_references, output, at, n, k, max_n, &want);
        steps_propose(p, DRAFT_CAP, &got);
        cr_assert(steps_same(&got, &want), "n %zu k %zu max_n %zu, output of %zu: match %d for %d, %zu for %zu drafted",
                  n, k, max_n, at, got.match_length, want.match_length, got.n, want.n);
        if (at == n_output) return compared + 1;
        size_t chunk = 1 + steps_pick(r, n_output - at < 9 ? n_output - at : 9);
        steps_observe(p, output + at, chunk);
        at += chunk;
    }
}

Test(policy_copies, llma_is_the_naive_scan) {
    gsl_rng       *r = rng_new(1, 1);
    static int32_t ids[8][HISTORY_CAP], output[HISTORY_CAP];
    size_t         matches = 0, compared = 0;
    while (compared < FUZZ_HISTORIES) {
        size_t    alphabet = 1 + steps_pick(r, 5), n_refs = steps_pick(r, 9), n_output = steps_pick(r, 40);
        size_t    n = 1 + steps_pick(r, 7), k = 1 + steps_pick(r, 12), max_n = 1 + steps_pick(r, 7);
        reference refs[8];
        for (size_t i = 0; i < n_refs; i++) {
            refs[i] = (reference){ids[i], steps_pick(r, 4) == 0 ? steps_pick(r, 4) : steps_pick(r, 30)};
            steps_fill(r, ids[i], refs[i].n, alphabet);
        }
        steps_fill(r, output, n_output, alphabet);
        char text[80];
        snprintf(text, sizeof text, "n=%zu,k=%zu,max_n=%zu", n, k, max_n);
        policy      *p = steps_open_over("llma", text, alphabet, NULL);
        policy_input in = {.references = refs, .n_references = n_refs};
        compared += llma_compare(r, p, &in, output, n_output, n, k, max_n);
        /* Used again, it remembers nothing. */
        in.n_references = n_refs / 2;
        compared += llma_compare(r, p, &in, output, n_output, n, k, max_n);
        draft d;
        llma_naive(refs, in.n_references, output, n_output, n, k, max_n, &d);
        matches += d.match_length > 0;
        policy_close(p);
    }
    cr_assert_gt(matches, compared / 50);
    gsl_rng_free(r);
}

Test(policy_copies, pld_is_the_naive_scan) {
    gsl_rng       *r = rng_new(1, 2);
    static int32_t h[HISTORY_CAP];
    size_t         matches = 0, compared = 0;
    draft          got, want;
    while (compared < FUZZ_HISTORIES) {
        size_t alphabet = 1 + steps_pick(r, 6), n_prompt = steps_pick(r, 40), n_h = n_prompt + steps_pick(r, 60);
        size_t n = 1 + steps_pick(r, 6), k = 1 + steps_pick(r, 12);
        size_t limit = steps_pick(r, 3) == 0 ? steps_pick(r, 4) : DRAFT_CAP;
        steps_fill(r, h, n_h, alphabet);
        char text[40];
        snprintf(text, sizeof text, "n=%zu,k=%zu", n, k);
        policy *p = steps_open_over("pld", text, alphabet, NULL);
        for (int again = 0; again < 2; again++) {
            steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
            for (size_t at = n_prompt;; compared++) {
                pld_naive(h, at, n_prompt, n, k, &want);
                if (want.n > limit) want.n = limit;
                steps_propose(p, limit, &got);
                cr_assert(steps_same(&got, &want), "n %zu k %zu, history of %zu: match %d for %d at %d for %d", n, k,
                          at, got.match_length, want.match_length, got.source_position, want.source_position);
                matches += want.match_length > 0;
                if (at == n_h) break;
                size_t chunk = 1 + steps_pick(r, n_h - at < 5 ? n_h - at : 5);
                steps_observe(p, h + at, chunk);
                at += chunk;
            }
        }
        policy_close(p);
    }
    cr_assert_gt(matches, compared / 4);
    gsl_rng_free(r);
}

Test(policy_copies, long_triggers_reach_back_over_many_observations) {
    int32_t ids[100];
    for (int i = 0; i < 100; i++) ids[i] = i < 36 ? 1 : i;
    const reference r = {ids, 100};
    policy         *p = steps_open("llma", "n=1,k=1024,max_n=64,cut=0");
    draft           d;
    steps_begin(p, &(policy_input){.references = &r, .n_references = 1});
    for (size_t i = 0; i < 90; i++) steps_observe(p, ids + i, 1);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.match_length, 64);
    steps_check(&d, ids + 90, 10, "one by one");
    steps_observe(p, ids, 99);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.match_length, 64);
    steps_check(&d, ids + 99, 1, "more at once than are kept");
    policy_close(p);
}

Test(policy_copies, limit_cuts_drafts_and_keeps_the_match) {
    const char *const names[] = {"llma", "pld", "oracle", "random", "wrong"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        policy            *p = steps_open(names[i], "k=6");
        const policy_input in = {
            .prompt = H3, .n_prompt = 13, .references = EXAMPLES, .n_references = 3, .truth = H4, .n_truth = 14};
        draft whole, cut;
        steps_begin(p, &in);
        if (i == 0) steps_observe(p, IDS(11));
        steps_propose(p, DRAFT_CAP, &whole);
        cr_assert_geq(whole.n, 5, "%s", names[i]);
        for (size_t limit = 0; limit < whole.n; limit++) {
            steps_propose(p, limit, &cut);
            steps_check(&cut, whole.ids, limit, names[i]);
            cr_assert_eq(cut.match_length, whole.match_length);
            cr_assert_eq(cut.source_position, whole.source_position);
        }
        policy_close(p);
    }
}
