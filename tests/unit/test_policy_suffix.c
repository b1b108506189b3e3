/* suffix: the rules that its head comment numbers, and a counted trie of all substrings. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/counted_trie.h"
#include "tests/unit/policy_steps.h"

Test(policy_suffix, examples) {
    const struct {
        const char    *params;
        const int32_t *history;
        size_t         n_history;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {"n=2", WHOLE(H1), IDS(4, 5, 6, 7, 8, 1, 2, 3)}, /* after 2 3; after 1 2 3 it scores the same */
        {"n=2,k=3", WHOLE(H1), IDS(4, 5, 6)},
        {"n=2,max_depth=6", WHOLE(H1), IDS(4, 5, 6, 7)},
        {"", WHOLE(H1), NULL, 0}, /* five tokens at least */
        {"n=1", WHOLE(H4), IDS(9, 0, 1, 2, 9, 3, 1, 2)},
        {"n=1,n_min=9", WHOLE(H4), NULL, 0},
        {"n=1,n_min=8", WHOLE(H4), IDS(9, 0, 1, 2, 9, 3, 1, 2)},
        {"n=5", WHOLE(H2), IDS(1, 7)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n_history;
        for (size_t n_prompt = 0; n_prompt <= n; n_prompt++) { /* wherever it is cut into prompt and output */
            steps_check_after(steps_open("suffix", cases[i].params), cases[i].history, n, n_prompt, cases[i].draft,
                              cases[i].n_draft, cases[i].params);
        }
    }
}

Test(policy_suffix, refuses_ranges_that_are_empty) {
    const char *const bad[][2] = {
        {"n=64", "policy suffix: n = 64 leaves nothing of max_depth = 64 for a draft (n is less)"},
        {"n_min=17", "policy suffix: n_min = 17 is more than k = 16"},
    };
    for (size_t i = 0; i < 2; i++) {
        err e = {0};
        cr_assert_null(steps_try_open("suffix", bad[i][0], VOCAB, NULL, &e));
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_str_eq(e.text, bad[i][1]);
    }
}

Test(policy_suffix, the_corpus_is_taken_when_it_gives_more) {
    policy *p = steps_open("suffix", "n=2,memory=cell");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = IDS(9)});
    steps_observe(p, IDS(1, 2, 5, 6, 7));
    steps_begin(p, &(policy_input){.prompt = IDS(1, 2, 3, 8, 1, 2)});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(3, 8, 1, 2), "four here, three there");
    cr_assert(d.source == SOURCE_PROMPT && d.source_position == 2);
    steps_begin(p, &(policy_input){.prompt = IDS(1, 2, 3, 1, 2)});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(3, 1, 2), "three each");
    cr_assert_eq(d.source, SOURCE_PROMPT);
    steps_begin(p, &(policy_input){.prompt = IDS(4, 1, 2)});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(5, 6, 7), "three there");
    cr_assert(d.source == SOURCE_OTHER && d.source_position == -1);
    policy_close(p);
}

/* The context 1 2 is there nine times, and a 3 follows it in two. */
static void ask(policy *p, bool foreign, size_t bad_steps, size_t n_draft) {
    const int32_t prompt[] = {1, 2, 3, 1, 2, 3, 1, 2, 4, 1, 2, 5, 1, 2, 6, 1, 2, 7, 1, 2, 8, 1, 2, 9, 1, 2};
    draft         d;
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = sizeof prompt / sizeof *prompt});
    for (size_t i = 0; i < bad_steps; i++) {
        steps_propose(p, DRAFT_CAP, &d);
        cr_assert_gt(d.n, 0);
        (foreign ? steps_observe_foreign : steps_observe)(p, IDS((int32_t)(20 + i)));
        steps_observe(p, IDS(1));
        steps_observe(p, IDS(2));
    }
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, n_draft, "%zu drafted after %zu", d.n, bad_steps);
}

Test(policy_suffix, bad_drafts_of_its_own_make_it_careful) {
    policy *p = steps_open("suffix", "n=2,k=1");
    ask(p, false, 2, 1);
    ask(p, false, 3, 0); /* 2/12 is less than 0.2 */
    ask(p, true, 3, 1);
    policy_close(p);
}

/* ---- the same, naively ------------------------------------------------------------------------------- */

enum { TOKENS = 40, REQUESTS = 10, DEPTH_MAX = 12 };

typedef struct {
    size_t n, k, n_min, depth, kept;
    float  base;
    bool   remembers, compat;
} settings;

typedef struct {
    size_t  n, length;
    int32_t ids[DEPTH_MAX];
} proposal;

static struct {
    int32_t text[REQUESTS * TOKENS]; /* of all requests, with compat */
    size_t  n, from;                 /* of it; where the request begins */
    int32_t outputs[REQUESTS][TOKENS];
    size_t  n_outputs[REQUESTS], first, last; /* those in the corpus */
    trie    own, corpus;
    float   least;
    int     low;
    size_t  drafts, drafted, from_corpus, raised;
} run;

static void naive(const settings *s, const trie *t, size_t limit, proposal *best) {
    size_t n_h = run.n - run.from, context = n_h < s->depth ? n_h : s->depth;
    float  best_score = 0;
    best->n = best->length = 0;
    for (size_t l = s->n; l <= context; l++) {
        proposal d = {.length = l};
        int      at = trie_find(t, run.text + run.n - l, l);
        float    score = 0, p = 1;
        size_t   most = l + 8 < s->k ? l + 8 : s->k;
        if (at < 0) break;
        for (; d.n < most && d.n < limit && t->nodes[at].n > 0; d.n++) {
            int child = t->nodes[at].child[0];
            p *= (float)t->nodes[child].count / (float)t->nodes[at].count;
            if (p < run.least) break;
            score += p;
            d.ids[d.n] = t->nodes[child].token;
            at = child;
        }
        if (score > best_score) {
            best_score = score;
            *best = d;
        }
    }
}

static size_t compare(policy *p, const settings *s, size_t limit) {
    static proposal own, corpus;
    draft           got;
    size_t          most = limit > 0 ? limit : 1;
    naive(s, &run.own, most, &own);
    naive(s, &run.corpus, most, &corpus);
    proposal *want = corpus.n > own.n ? &corpus : &own;
    bool      dropped = want->n < s->n_min || want->n == 0;
    size_t    n = dropped ? 0 : want->n < limit ? want->n : limit;
    steps_propose(p, limit, &got);
    run.drafts++;
    run.drafted += n;
    run.from_corpus += n > 0 && want == &corpus;
    cr_assert_eq(got.n, n, "%zu drafted, not %zu", got.n, n);
    cr_assert_eq(got.match_length, dropped ? 0 : want->length);
    for (size_t i = 0; i < n; i++) cr_assert(got.ids[i] == want->ids[i] && got.parent[i] == (int32_t)i - 1);
    cr_assert(n == 0 || (got.source == SOURCE_OTHER) == (want == &corpus) || s->compat);
    return n;
}

static void judge(const settings *s, size_t drafted, size_t accepted) {
    if (drafted == 0) return;
    bool bad = (double)accepted / (double)drafted < 0.5;
    run.low = bad ? run.low + 1 : 0;
    if (run.low == 3) {
        run.least = run.least + 0.1f < 0.5f ? run.least + 0.1f : 0.5f;
        run.low = 0;
        run.raised++;
    } else if (!bad && run.least > s->base) {
        run.least = run.least - 0.05f > s->base ? run.least - 0.05f : s->base;
    }
}

static void add_to_corpus(const settings *s) {
    if (!s->remembers || s->kept == 0) return;
    if (run.last - run.first == s->kept) {
        trie_take_away(&run.corpus, run.outputs[run.first], run.n_outputs[run.first]);
        run.first++;
    }
    for (size_t i = 1; i <= run.n_outputs[run.last]; i++) trie_add_last(&run.corpus, run.outputs[run.last], i);
    run.last++;
}

/* What was said so far, as far as it is not in the trie. */
static void join(size_t *joined) {
    while (*joined < run.n) trie_add_last(&run.own, run.text, ++*joined);
}

static void fuzz_request(gsl_rng *r, policy *p, const settings *s, size_t alphabet, bool first) {
    size_t n_prompt = steps_pick(r, 20), n_output = steps_pick(r, 20);
    if (!s->remembers || first) {
        trie_clear(&run.corpus, s->depth);
        run.first = run.last = 0;
        run.least = 0.1f;
    }
    if (!s->remembers || !s->compat || first) {
        trie_clear(&run.own, s->depth);
        run.n = 0;
    }
    run.low = 0;
    run.from = run.n;
    if (!first) add_to_corpus(s);
    steps_fill(r, run.text + run.n, n_prompt + n_output, alphabet);
    size_t joined = run.n;
    run.n += n_prompt;
    steps_begin(p, &(policy_input){.prompt = run.text + run.from, .n_prompt = n_prompt});
    for (size_t left = n_output;;) {
        if (left == 0 && steps_pick(r, 2) == 0) break; /* the end is known: no draft is asked for */
        join(&joined);
        size_t drafted = compare(p, s, steps_pick(r, 6) == 0 ? steps_pick(r, 4) : DRAFT_CAP);
        if (left == 0) break;
        size_t chunk = 1 + steps_pick(r, left < 6 ? left : 6);
        judge(s, drafted, chunk - 1);
        steps_observe(p, run.text + run.n, chunk);
        run.n += chunk;
        left -= chunk;
    }
    run.n_outputs[run.last] = n_output;
    memcpy(run.outputs[run.last], run.text + run.n - n_output, n_output * sizeof *run.text);
    if (s->compat)
        run.n = joined; /* the last step's tokens never join */
    else
        join(&joined);
}

/* Each history is a request; some share settings and, half of the time, a memory. */
Test(policy_suffix, is_a_naive_trie) {
    gsl_rng *r = rng_new(1, 24);
    for (size_t done = 0; done < FUZZ_HISTORIES; done += REQUESTS) {
        settings s = {.n = 1 + steps_pick(r, 3),
                      .k = 1 + steps_pick(r, 12),
                      .depth = 4 + steps_pick(r, DEPTH_MAX - 3),
                      .kept = steps_pick(r, 5),
                      .base = (float)steps_pick(r, 4) / 8,
                      .remembers = steps_pick(r, 2) == 1,
                      .compat = steps_pick(r, 2) == 1};
        s.n_min = steps_pick(r, s.k < 4 ? s.k : 4);
        char text[200];
        snprintf(text, sizeof text, "n=%zu,k=%zu,n_min=%zu,max_depth=%zu,requests=%zu,p_min=%g,memory=%s,compat=%s",
                 s.n, s.k, s.n_min, s.depth, s.kept, (double)s.base, s.remembers ? "cell" : "none",
                 s.compat ? "yes" : "no");
        size_t  alphabet = 1 + steps_pick(r, TRIE_ALPHABET);
        policy *p = steps_open_over("suffix", text, alphabet, NULL);
        for (int i = 0; i < REQUESTS; i++) fuzz_request(r, p, &s, alphabet, i == 0);
        policy_close(p);
    }
    cr_assert_gt(run.drafted, run.drafts);
    cr_assert_gt(run.from_corpus, run.drafts / 100);
    cr_assert_gt(run.raised, run.drafts / 100);
    gsl_rng_free(r);
}
