/* paddle_ngram: examples, the length that follows what stood, and a scan as its operator does it, without an index. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/policy_steps.h"

Test(policy_paddle_ngram, examples) {
    const struct {
        const char    *params;
        const int32_t *prompt;
        size_t         n_prompt;
        const int32_t *output;
        size_t         n_output;
        const int32_t *draft;
        size_t         n_draft, match_length;
        int32_t        source, source_position;
    } cases[] = {
        {"k=4", WHOLE(H1), IDS(2, 3), IDS(4, 5, 6, 7), 2, SOURCE_PROMPT, 3},
        {"k=4", WHOLE(H3), IDS(1, 2, 3), IDS(9, 5, 1, 2), 3, SOURCE_PROMPT, 3},
        {"", WHOLE(H4), IDS(2, 9), IDS(0, 1, 2, 9, 3, 1, 2), 2, SOURCE_PROMPT, 7},
        {"", WHOLE(H5), NULL, 0, NULL, 0, 0, SOURCE_NONE, -1},                  /* step 0: no output, no trigger */
        {"", IDS(1, 2), IDS(3), NULL, 0, 0, SOURCE_NONE, -1},                   /* the trigger is not 2 3 */
        {"", IDS(9, 4), IDS(4, 5, 4), IDS(5, 4), 1, SOURCE_OUTPUT, 1},          /* nothing follows the prompt's 4 */
        {"", IDS(4, 8), IDS(4, 5, 4), IDS(8), 1, SOURCE_PROMPT, 1},             /* at equal n the prompt */
        {"", IDS(4, 8), IDS(3, 4, 5, 3, 4), IDS(5, 3, 4), 2, SOURCE_OUTPUT, 2}, /* a longer suffix in the output */
        {"n=1", IDS(4, 8), IDS(3, 4, 5, 3, 4), IDS(8), 1, SOURCE_PROMPT, 1},
        {"k=2", IDS(1, 2, 3, 4), IDS(1), IDS(2, 3), 1, SOURCE_PROMPT, 1},
        {"", NULL, 0, IDS(4, 4), IDS(4), 1, SOURCE_OUTPUT, 1},
        {"compat=yes", NULL, 0, IDS(4, 4), NULL, 0, 0, SOURCE_NONE, -1}, /* nothing but the last token follows */
        {"compat=yes", NULL, 0, IDS(4, 4, 4), IDS(4), 1, SOURCE_OUTPUT, 1},
        {"", NULL, 0, WHOLE(H2), IDS(1, 7, 1, 7), 3, SOURCE_OUTPUT, 3},
        {"compat=yes", NULL, 0, WHOLE(H2), IDS(1, 7, 1), 3, SOURCE_OUTPUT, 3},
        {"compat=yes", IDS(4, 8), IDS(4, 5, 4), IDS(8), 1, SOURCE_PROMPT, 1}, /* the prompt is used to its end */
        {"n=64,k=1024", IDS(1, 2, 3, 4), IDS(1, 2, 3), IDS(4), 3, SOURCE_PROMPT, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("paddle_ngram", cases[i].params);
        draft   d;
        char    what[40];
        snprintf(what, sizeof what, "case %zu", i);
        steps_begin(p, &(policy_input){.prompt = cases[i].prompt, .n_prompt = cases[i].n_prompt});
        steps_observe(p, cases[i].output, cases[i].n_output);
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, cases[i].draft, cases[i].n_draft, what);
        cr_assert_eq(d.match_length, cases[i].match_length, "%s", what);
        cr_assert_eq(d.source, cases[i].source, "%s", what);
        cr_assert_eq(d.source_position, cases[i].source_position, "%s", what);
        policy_close(p);
    }
}

/* A step over ones, of which so many stood. Returns the draft's length. */
static size_t step(policy *p, size_t accepted) {
    draft d;
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_leq(accepted, d.n);
    int32_t ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    steps_observe(p, ones, accepted + 1);
    return d.n;
}

Test(policy_paddle_ngram, the_length_follows_what_stood) {
    static int32_t ones[400];
    for (size_t i = 0; i < 400; i++) ones[i] = 1;
    policy_input in = {.prompt = ones, .n_prompt = 400};
    policy      *p = steps_open("paddle_ngram", "n=1,k=6");
    steps_begin(p, &in);
    cr_assert_eq(step(p, 0), 0);
    const size_t drafted[] = {6, 5, 6, 5, 4, 3, 2, 1, 1, 3, 5, 6, 6}, stood[] = {5, 5, 0, 0, 0, 0, 0, 0, 1, 3, 5, 6, 0};
    for (size_t i = 0; i < sizeof drafted / sizeof *drafted; i++)
        cr_assert_eq(step(p, stood[i]), drafted[i], "step %zu", i);
    policy_close(p);
    p = steps_open("paddle_ngram", "n=1,k=6,adaptive=no");
    steps_begin(p, &in);
    cr_assert_eq(step(p, 0), 0);
    for (size_t i = 0; i < 5; i++) cr_assert_eq(step(p, i % 2), 6);
    policy_close(p);
}

Test(policy_paddle_ngram, a_short_draft_that_stood_is_no_failure) {
    const int32_t prompt[] = {5, 0, 2, 3, 4, 6, 7, 8, 9, 5, 1}; /* the second 5 has one token after it */
    for (int compat = 0; compat < 2; compat++) {
        policy *p = steps_open("paddle_ngram", compat ? "k=4,compat=yes" : "k=4");
        draft   d;
        steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = sizeof prompt / sizeof *prompt});
        steps_observe(p, IDS(8, 9, 5));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, IDS(1), "a short draft");
        steps_observe(p, IDS(1, 0));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, (const int32_t[]){2, 3, 4, 6}, compat ? 3 : 4, "after it stood");
        policy_close(p);
    }
}

/* ---- the operator's loops ---------------------------------------------------------------------------- */

typedef struct {
    size_t n, k;
    bool   adaptive, compat;
    size_t length; /* of the next draft */
} settings;

static bool scan(const int32_t *text, size_t length, size_t ends, const int32_t *key, size_t n, size_t most,
                 int32_t source, draft *d) {
    for (size_t at = 0; at + n < ends; at++) {
        size_t same = 0;
        while (same < n && text[at + same] == key[same]) same++;
        if (same < n) continue;
        for (size_t i = at + n; i < length && d->n < most; i++) draft_extend(d, text + i, 1);
        d->match_length = (uint16_t)n;
        d->source = source;
        d->source_position = (int32_t)(at + n);
        return true;
    }
    return false;
}

static void naive(const settings *s, const int32_t *h, size_t n_prompt, size_t n_h, size_t limit, draft *d) {
    size_t n_output = n_h - n_prompt, seen = s->compat && n_output > 0 ? n_output - 1 : n_output;
    size_t most = s->length < limit ? s->length : limit;
    draft_clear(d);
    for (size_t n = s->n; n >= 1; n--) {
        if (n > n_output) continue;
        const int32_t *key = h + n_h - n;
        if (scan(h, n_prompt, n_prompt, key, n, most, SOURCE_PROMPT, d)) return;
        if (scan(h + n_prompt, seen, seen, key, n, most, SOURCE_OUTPUT, d)) return;
    }
}

static void naive_adapt(settings *s, size_t drafted, size_t accepted) {
    if (!s->adaptive || drafted == 0) return;
    if (s->compat ? accepted == s->length : accepted == drafted) {
        s->length += 2;
        if (s->length > s->k) s->length = s->k;
    } else if (s->length > 1) {
        s->length -= 1;
    }
}

/* One history. A step accepts what agrees with it, and sometimes less. */
static size_t compare(gsl_rng *r, settings *s, policy *p, const int32_t *h, size_t n_prompt, size_t n_h) {
    size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP, matches = 0;
    draft  got, want;
    s->length = s->k;
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
    for (size_t at = n_prompt;;) {
        naive(s, h, n_prompt, at, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(steps_same(&got, &want),
                  "n %zu k %zu compat %d: %zu drafted, not %zu, after %zu of which %zu are the prompt", s->n, s->k,
                  s->compat, got.n, want.n, at, n_prompt);
        matches += want.match_length > 0;
        if (at == n_h) return matches;
        size_t accepted = 0;
        while (accepted < want.n && at + accepted + 1 < n_h && want.ids[accepted] == h[at + accepted]) accepted++;
        if (steps_pick(r, 8) == 0) accepted = steps_pick(r, accepted + 1);
        naive_adapt(s, want.n, accepted);
        steps_observe(p, h + at, accepted + 1);
        at += accepted + 1;
    }
}

Test(policy_paddle_ngram, is_the_naive_scan) {
    gsl_rng *r = rng_new(7, 31);
    size_t   matches = 0;
    int32_t  h[80];
    for (size_t round = 0; round < FUZZ_HISTORIES / 20; round++) {
        settings s = {1 + steps_pick(r, 5), 1 + steps_pick(r, 9), steps_pick(r, 3) > 0, steps_pick(r, 2) > 0, 0};
        char     text[80];
        snprintf(text, sizeof text, "n=%zu,k=%zu,adaptive=%s,compat=%s", s.n, s.k, s.adaptive ? "yes" : "no",
                 s.compat ? "yes" : "no");
        size_t  alphabet = 1 + steps_pick(r, 5);
        policy *p = steps_open_over("paddle_ngram", text, alphabet, NULL);
        for (int again = 0; again < 20; again++) {
            size_t n_prompt = steps_pick(r, 20), n_h = n_prompt + steps_pick(r, 24);
            steps_fill(r, h, n_h, alphabet);
            matches += compare(r, &s, p, h, n_prompt, n_h);
        }
        policy_close(p);
    }
    cr_assert_gt(matches, FUZZ_HISTORIES);
    gsl_rng_free(r);
}
