/* Predicted outputs: what happens where the output departs from the prediction, and a scan of all places. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

enum { TEXT_CAP = 64, REFERENCES = 3 };

static const reference DRAFTS[] = {{IDS(1, 2, 3, 4, 5, 6, 7, 8, 9)}, {IDS(20, 3, 4, 21, 22, 23)}};

static policy *begun(const char *params) {
    policy *p = steps_open("predicted", params);
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11, .references = DRAFTS, .n_references = 2});
    return p;
}

/* What is drafted after some more output. */
static void check_after(policy *p, const int32_t *output, size_t n_output, const int32_t *ids, size_t n,
                        const char *what) {
    draft d;
    steps_observe(p, output, n_output);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, ids, n, what);
    cr_assert(n == 0 || d.ids[0] == DRAFTS[d.source].ids[d.source_position]);
}

Test(policy_predicted, follows_and_drafts_more_and_more) {
    policy *p = begun("");
    draft   d;
    check_after(p, NULL, 0, IDS(1), "at the first step");
    check_after(p, IDS(1), IDS(2, 3), "twice as many as have followed");
    steps_propose(p, 1, &d);
    steps_check(&d, IDS(2), "no more than the limit");
    check_after(p, IDS(2, 3), IDS(4, 5, 6, 7, 8, 9), "six");
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert(d.match_length == 3 && d.source == 0 && d.source_position == 3);
    check_after(p, IDS(4, 5, 6, 7, 8, 9), NULL, 0, "at the end");
    check_after(p, IDS(10), NULL, 0, "beyond the end");
    policy_close(p);
    p = begun("k=4,window=3");
    check_after(p, NULL, 0, IDS(1, 2, 3), "a window");
    check_after(p, IDS(1, 2, 3), IDS(4, 5, 6, 7), "at most k");
    policy_close(p);
}

Test(policy_predicted, finds_its_place_again) {
    const struct {
        const char    *params, *what;
        const int32_t *output;
        size_t         n_output;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {"", "something put in", IDS(1, 2, 50, 51, 3, 4), IDS(5, 6, 7, 8)},
        {"", "something left out", IDS(1, 2, 6, 7), IDS(8, 9)},
        {"", "something replaced", IDS(1, 2, 50, 4, 5), IDS(6, 7, 8, 9)},
        {"", "something moved", IDS(6, 7, 8, 1, 2), IDS(3, 4, 5, 6)},
        {"", "one token does not do", IDS(1, 2, 50, 3), NULL, 0},
        {"n=1", "unless one is enough", IDS(1, 2, 50, 3), IDS(4, 5)},
        {"n=0", "it stays lost", IDS(1, 2, 50, 3, 4, 5), NULL, 0},
        {"", "another reference does not count", IDS(50, 21, 22), NULL, 0},
        {"references=each", "unless it may", IDS(50, 21, 22), IDS(23)},
        {"references=each", "but the own one comes first", IDS(9, 3, 4), IDS(5, 6, 7, 8)},
        {"references=each", "whichever is the own one", IDS(50, 21, 22, 3, 4), IDS(21, 22, 23)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = begun(cases[i].params);
        check_after(p, cases[i].output, cases[i].n_output, cases[i].draft, cases[i].n_draft, cases[i].what);
        policy_close(p);
    }
}

Test(policy_predicted, needs_no_reference) {
    policy *p = steps_open("predicted", "references=each");
    draft   d;
    for (size_t n = 0; n < 2; n++) {
        steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11, .references = &(reference){0}, .n_references = n});
        steps_observe(p, H1, 5);
        steps_propose(p, DRAFT_CAP, &d);
        cr_assert_eq(d.n, 0);
    }
    policy_close(p);
}

Test(policy_predicted, refuses_a_window_beyond_k) {
    err e = {0};
    cr_assert_null(steps_try_open("predicted", "k=3,window=4", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy predicted: window = 4 is more than k = 3");
}

/* ---- a scan ------------------------------------------------------------------------------------------ */

typedef struct {
    size_t n, k, window;
    double growth;
    bool   each;
} settings;

typedef struct {
    size_t reference, at, followed;
    bool   lost;
} pointer;

static bool same_ids(const int32_t *a, const int32_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

/* Looks for the last n tokens: onwards from where the pointer was, backwards, then through the others. */
static bool find(const settings *s, const reference *refs, size_t n_refs, const int32_t *last, pointer *p) {
    const reference *own = &refs[p->reference];
    for (size_t end = p->at > s->n ? p->at : s->n; end <= own->n; end++)
        if (same_ids(own->ids + end - s->n, last, s->n)) return p->at = end, true;
    for (size_t end = p->at; end-- > s->n;)
        if (same_ids(own->ids + end - s->n, last, s->n)) return p->at = end, true;
    for (size_t i = 0; i < n_refs; i++)
        for (size_t end = s->n; end <= refs[i].n; end++)
            if (same_ids(refs[i].ids + end - s->n, last, s->n)) return p->at = end, p->reference = i, true;
    return false;
}

/* The pointer after an output. */
static pointer follow(const settings *s, const reference *refs, size_t n_refs, const int32_t *output, size_t n) {
    pointer p = {.lost = n_refs == 0};
    for (size_t i = 0; i < n; i++) {
        if (!p.lost && p.at < refs[p.reference].n && refs[p.reference].ids[p.at] == output[i]) {
            p.at++;
            p.followed++;
            continue;
        }
        p.lost = n_refs == 0 || s->n == 0 || i + 1 < s->n || !find(s, refs, n_refs, output + i + 1 - s->n, &p);
        if (!p.lost) p.followed = s->n;
    }
    return p;
}

static void scan(const settings *s, const reference *refs, size_t n_refs, const int32_t *output, size_t n, size_t limit,
                 draft *d) {
    pointer p = follow(s, refs, n_refs, output, n);
    draft_clear(d);
    if (p.lost) return;
    const reference *own = &refs[p.reference];
    size_t           most = s->k;
    while (most > s->window && (double)most > s->growth * (double)p.followed) most--;
    if (most > limit) most = limit;
    draft_extend(d, own->ids + p.at, own->n - p.at < most ? own->n - p.at : most);
    d->match_length = (uint16_t)p.followed;
    d->source = (int32_t)p.reference;
    d->source_position = (int32_t)p.at;
}

/* One trial: an output that is made of pieces of references and other tokens. */
static size_t compare(gsl_rng *r, const settings *s, policy *p, size_t alphabet, size_t *drafts) {
    int32_t   ids[REFERENCES][TEXT_CAP], output[TEXT_CAP];
    reference refs[REFERENCES];
    size_t    n = steps_pick(r, 40), limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP, compared = 0;
    size_t    n_refs = steps_pick(r, REFERENCES + 1), used = s->each || n_refs == 0 ? n_refs : 1;
    for (size_t i = 0; i < n_refs; i++) {
        refs[i] = (reference){ids[i], steps_pick(r, 30)};
        steps_fill(r, ids[i], refs[i].n, alphabet);
    }
    steps_fill(r, output, n, alphabet);
    for (size_t pieces = n_refs > 0 ? steps_pick(r, 5) : 0; pieces > 0; pieces--) {
        const reference *from = &refs[steps_pick(r, n_refs)];
        size_t           start = steps_pick(r, from->n + 1), at = steps_pick(r, n + 1), left = from->n - start;
        memcpy(output + at, from->ids + start, (left < n - at ? left : n - at) * sizeof *output);
    }
    steps_begin(p, &(policy_input){.references = refs, .n_references = n_refs});
    for (size_t at = 0;;) {
        draft got, want;
        scan(s, refs, used, output, at, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(steps_same(&got, &want), "n %zu: %zu drafted, not %zu, at %d of %d, not at %d of %d", s->n, got.n,
                  want.n, (int)got.source_position, (int)got.source, (int)want.source_position, (int)want.source);
        *drafts += want.n > 0;
        compared++;
        if (at == n) return compared;
        size_t chunk = 1 + steps_pick(r, n - at < 5 ? n - at : 5);
        steps_observe(p, output + at, chunk);
        at += chunk;
    }
}

Test(policy_predicted, is_the_scan) {
    gsl_rng *r = rng_new(16, 21);
    size_t   compared = 0, drafts = 0;
    while (compared < FUZZ_HISTORIES) {
        static const double growths[] = {0, 0.5, 1, 2, 1024};
        settings            s = {.n = steps_pick(r, 4),
                                 .k = 1 + steps_pick(r, 12),
                                 .growth = growths[steps_pick(r, 5)],
                                 .each = steps_pick(r, 2) == 0};
        char                text[90];
        s.window = 1 + steps_pick(r, s.k);
        size_t alphabet = 1 + steps_pick(r, 8);
        snprintf(text, sizeof text, "n=%zu,k=%zu,window=%zu,growth=%g,references=%s", s.n, s.k, s.window, s.growth,
                 s.each ? "each" : "first");
        policy *p = steps_open_over("predicted", text, alphabet, NULL);
        for (int trial = 0; trial < 10; trial++) compared += compare(r, &s, p, alphabet, &drafts);
        policy_close(p);
    }
    cr_assert_gt(drafts, compared / 4);
    gsl_rng_free(r);
}
