/* trtllm_ngram: examples, the shared pool, and the original's loops over lists of matches, without an index. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

Test(policy_trtllm_ngram, examples) {
    const struct {
        const char    *params;
        const int32_t *history;
        size_t         n_history;
        const int32_t *draft;
        size_t         n_draft, match_length;
    } cases[] = {
        {"", WHOLE(H1), IDS(4, 5, 6, 7), 2},
        {"", WHOLE(H2), IDS(1, 7, 1, 7), 2},
        {"use_oldest=no", WHOLE(H2), IDS(1, 7), 2}, /* the last match, at the text's end, is short */
        {"", WHOLE(H3), IDS(9, 5, 1, 2), 2},
        {"use_oldest=no", WHOLE(H3), IDS(4, 6, 1, 2), 2},
        {"use_oldest=no,keep_all=no", WHOLE(H3), IDS(9, 5, 1, 2), 2}, /* the only one; of equal length */
        {"", WHOLE(H4), IDS(8, 0, 1, 2), 2},
        {"use_oldest=no", WHOLE(H4), IDS(9, 3, 1, 2), 2},
        {"", WHOLE(H5), IDS(7, 5, 6, 8), 2},
        {"use_oldest=no", WHOLE(H5), IDS(7, 5, 6), 2},
        {"n=1,k=2", IDS(4, 4), IDS(4), 1},
        {"n=2,k=2", IDS(4, 4, 4), IDS(4), 2}, /* a pattern is shorter than the text */
        {"", IDS(4), NULL, 0, 0},
        {"", IDS(1, 2, 3), NULL, 0, 0},
        {"k=1", WHOLE(H1), IDS(4), 2},
        {"n=64,k=1024", WHOLE(H1), IDS(4, 5, 6, 7, 8, 1, 2, 3), 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n_history;
        for (size_t n_prompt = 0; n_prompt < n; n_prompt++) { /* pooled at once after step 0 */
            policy *p = steps_open("trtllm_ngram", cases[i].params);
            draft   d;
            char    what[40];
            snprintf(what, sizeof what, "case %zu, prompt of %zu", i, n_prompt);
            steps_begin(p, &(policy_input){.prompt = cases[i].history, .n_prompt = n_prompt});
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, NULL, 0, "step 0");
            steps_observe(p, cases[i].history + n_prompt, n - n_prompt);
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, cases[i].draft, cases[i].n_draft, what);
            cr_assert_eq(d.match_length, cases[i].match_length, "%s", what);
            if (d.n > 0) {
                size_t at = (size_t)d.source_position + (d.source == SOURCE_OUTPUT ? n_prompt : 0);
                cr_assert_eq(d.source, at < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT, "%s", what);
                cr_assert_eq(cases[i].history[at], d.ids[0], "%s", what);
            }
            policy_close(p);
        }
    }
}

static void drafts(policy *p, const int32_t *ids, size_t n, int32_t source, const char *what) {
    draft d;
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, ids, n, what);
    cr_assert_eq(d.source, source, "%s", what);
}

Test(policy_trtllm_ngram, short_matches_grow) {
    policy *p = steps_open("trtllm_ngram", "n=1,k=3,use_oldest=no");
    steps_begin(p, &(policy_input){.prompt = IDS(1, 2, 3, 4)});
    steps_observe(p, IDS(1));
    drafts(p, IDS(2, 3, 4), SOURCE_PROMPT, "a match of three");
    steps_observe(p, IDS(9));
    steps_observe(p, IDS(1));
    drafts(p, IDS(9, 1), SOURCE_OUTPUT, "a short match is the newest");
    steps_observe(p, IDS(5));
    steps_observe(p, IDS(1));
    drafts(p, IDS(5, 1), SOURCE_OUTPUT, "the one before has grown, and the newest is short again");
    policy_close(p);
}

Test(policy_trtllm_ngram, samples_share_a_pool) {
    for (int keep = 0; keep < 2; keep++) {
        policy *p = steps_open("trtllm_ngram", keep ? "memory=cell" : "");
        for (int trial = 0; trial < 3; trial++) {
            steps_begin(p, &(policy_input){.prompt = IDS(1, 2)});
            drafts(p, NULL, 0, SOURCE_NONE, "step 0");
            steps_observe(p, IDS(3));
            drafts(p, (const int32_t[]){4, 5, 6, 7}, keep && trial > 0 ? 4 : 0,
                   keep && trial > 0 ? SOURCE_OTHER : SOURCE_NONE, "from an earlier sample");
            steps_observe(p, IDS(4, 5, 6, 7, 8));
        }
        policy_close(p);
    }
}

Test(policy_trtllm_ngram, the_pool_is_bounded) {
    policy *p = steps_open("trtllm_ngram", "memory=cell,capacity=7");
    for (size_t trial = 0; trial < 5; trial++) { /* of four tokens: two are remembered, three are too many */
        steps_begin(p, &(policy_input){.prompt = IDS(1, 2)});
        steps_observe(p, IDS(3));
        drafts(p, (const int32_t[]){4}, trial % 2, trial % 2 ? SOURCE_OTHER : SOURCE_NONE, "of eight tokens");
        steps_observe(p, IDS(4));
    }
    policy_close(p);
}

/* ---- the original's loops ----------------------------------------------------------------------------- */

enum { TEXT_CAP = 128, PATTERNS = 1024, MATCHES = 64 };

typedef struct {
    size_t at, n; /* in text */
} span;

typedef struct {
    span   pattern, matches[MATCHES];
    size_t n;
} entry;

typedef struct {
    size_t  n, k;
    bool    all, oldest, compat, cell;
    int32_t text[8 * TEXT_CAP]; /* of all samples */
    size_t  n_text, begin, start;
    entry   pool[PATTERNS];
    size_t  n_pool;
} world;

static bool same(const world *w, span a, span b) {
    return a.n == b.n && memcmp(w->text + a.at, w->text + b.at, a.n * sizeof *w->text) == 0;
}

static entry *lookup(world *w, span pattern) {
    for (size_t i = 0; i < w->n_pool; i++)
        if (same(w, w->pool[i].pattern, pattern)) return &w->pool[i];
    return NULL;
}

static void remove_shorter(const world *w, entry *e, size_t n) {
    for (size_t i = 0; i < e->n;) {
        bool goes = e->matches[i].n < n;
        if (goes) {
            memmove(e->matches + i, e->matches + i + 1, (e->n - i - 1) * sizeof *e->matches);
            e->n--;
        }
        if (!goes || w->compat) i++;
    }
}

static void enter(world *w, span pattern, span match) {
    entry *e = lookup(w, pattern);
    if (e == NULL || (!w->all && match.n > e->matches[0].n)) {
        if (e == NULL) e = &w->pool[w->n_pool++];
        cr_assert_leq(w->n_pool, PATTERNS);
        e->pattern = pattern;
        e->matches[0] = match;
        e->n = 1;
        return;
    }
    if (!w->all && !w->compat) return;
    for (size_t i = 0; i < e->n; i++)
        if (same(w, e->matches[i], match)) return;
    remove_shorter(w, e, match.n);
    cr_assert_lt(e->n, MATCHES);
    e->matches[e->n++] = match;
}

static void update(world *w) {
    size_t length = w->n_text - w->begin;
    for (size_t size = length - 1 < w->n ? length - 1 : w->n; size > 0; size--)
        for (size_t l = w->start; l + size < length; l++) {
            size_t left = length - l - size;
            enter(w, (span){w->begin + l, size}, (span){w->begin + l + size, left < w->k ? left : w->k});
        }
    w->start = length > w->k + w->n - 1 ? length - (w->k + w->n - 1) : 0;
}

static void naive(world *w, size_t n_prompt, draft *d) {
    size_t length = w->n_text - w->begin;
    draft_clear(d);
    if (length <= n_prompt) return;
    for (size_t size = length - 1 < w->n ? length - 1 : w->n; size > 0; size--) {
        const entry *e = lookup(w, (span){w->n_text - size, size});
        if (e == NULL) continue;
        span match = e->matches[w->oldest ? 0 : e->n - 1];
        draft_extend(d, w->text + match.at, match.n);
        d->match_length = (uint16_t)size;
        d->source = SOURCE_OTHER;
        if (match.at < w->begin) return;
        size_t at = match.at - w->begin;
        d->source = at < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
        d->source_position = (int32_t)(at < n_prompt ? at : at - n_prompt);
        return;
    }
}

static size_t compare(gsl_rng *r, world *w, policy *p, size_t alphabet) {
    int32_t h[TEXT_CAP];
    size_t  n_prompt = steps_pick(r, 14), n_h = n_prompt + 1 + steps_pick(r, 16), matches = 0;
    draft   got, want;
    steps_fill(r, h, n_h, alphabet);
    if (!w->cell) w->n_text = w->n_pool = 0;
    w->begin = w->n_text, w->start = 0;
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
    memcpy(w->text + w->n_text, h, n_prompt * sizeof *h);
    w->n_text += n_prompt;
    for (size_t at = n_prompt;;) {
        naive(w, n_prompt, &want);
        steps_propose(p, DRAFT_CAP, &got);
        cr_assert(steps_same(&got, &want),
                  "n %zu k %zu all %d oldest %d compat %d cell %d: %zu for %zu drafted, %d for %d matched, after %zu",
                  w->n, w->k, w->all, w->oldest, w->compat, w->cell, got.n, want.n, got.match_length, want.match_length,
                  at);
        matches += want.n > 0;
        if (at == n_h) return matches;
        size_t chunk = 1 + steps_pick(r, n_h - at < 5 ? n_h - at : 5);
        steps_observe(p, h + at, chunk);
        memcpy(w->text + w->n_text, h + at, chunk * sizeof *h);
        w->n_text += chunk;
        at += chunk;
        update(w);
    }
}

Test(policy_trtllm_ngram, is_the_originals_loops) {
    static world w;
    gsl_rng     *r = rng_new(5, 51);
    size_t       matches = 0;
    for (size_t round = 0; round < FUZZ_HISTORIES / 4; round++) {
        char params[120];
        w.n = 1 + steps_pick(r, 3), w.k = 1 + steps_pick(r, 5);
        w.all = steps_pick(r, 2), w.oldest = steps_pick(r, 2), w.compat = steps_pick(r, 2), w.cell = steps_pick(r, 2);
        w.n_text = w.n_pool = 0;
        snprintf(params, sizeof params, "n=%zu,k=%zu,keep_all=%s,use_oldest=%s,compat=%s,memory=%s", w.n, w.k,
                 w.all ? "yes" : "no", w.oldest ? "yes" : "no", w.compat ? "yes" : "no", w.cell ? "cell" : "none");
        size_t  alphabet = 1 + steps_pick(r, 4);
        policy *p = steps_open_over("trtllm_ngram", params, alphabet, NULL);
        for (int trial = 0; trial < 4; trial++) matches += compare(r, &w, p, alphabet);
        policy_close(p);
    }
    cr_assert_gt(matches, FUZZ_HISTORIES);
    gsl_rng_free(r);
}
