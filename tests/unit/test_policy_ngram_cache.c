/* ngram_cache: published examples, each rule's edge, and counts taken anew from whole texts for every token. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/index/follower_counts.h"
#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_store.h"
#include "tests/unit/policy_steps.h"

TestSuite(policy_ngram_cache, .init = scratch_enter, .fini = scratch_leave);

enum { HISTORY_CAP = 80, TRIALS = 6, ALPHABET = 8, STORES = 5, DOCUMENTS = 4 };

static void check(const char *params, const int32_t *h, size_t n_h, size_t n_prompt, const int32_t *want,
                  size_t n_want) {
    steps_check_after(steps_open("ngram_cache", params), h, n_h, n_prompt, want, n_want, params);
}

Test(policy_ngram_cache, examples) {
    const struct {
        const int32_t *h;
        size_t         n;
        const int32_t *draft; /* [8] */
    } cases[] = {
        {WHOLE(H1), (const int32_t[]){4, 5, 6, 7, 8, 1, 2, 3}}, {WHOLE(H2), (const int32_t[]){1, 7, 1, 7, 1, 7, 1, 7}},
        {WHOLE(H3), (const int32_t[]){4, 6, 1, 2, 3, 4, 6, 1}}, {WHOLE(H4), (const int32_t[]){9, 3, 1, 2, 9, 3, 1, 2}},
        {WHOLE(H5), (const int32_t[]){8, 5, 6, 7, 5, 6, 8, 5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t n_prompt = 0; n_prompt <= cases[i].n; n_prompt++) /* wherever it is cut into prompt and output */
            check("", cases[i].h, cases[i].n, n_prompt, cases[i].draft, 8);
        check("compat=yes", cases[i].h, cases[i].n, cases[i].n, cases[i].draft, 8);
        check("compat=yes", cases[i].h, cases[i].n, 0, cases[i].draft, 8);
        check("k=3", cases[i].h, cases[i].n, cases[i].n, cases[i].draft, 3);
    }
}

static void step(policy *p, const int32_t *want, size_t n_want, const int32_t *emitted, size_t n, const char *what) {
    draft d;
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, want, n_want, what);
    steps_observe(p, emitted, n);
}

/* C2, of the context: what must have followed how often. */
Test(policy_ngram_cache, thresholds) {
    const struct {
        const char    *what;
        const int32_t *h;
        size_t         n;
        int32_t        draft; /* -1: none */
    } cases[] = {
        {"one token, followed once", IDS(1, 2, 9, 8, 7, 1), -1},
        {"twice", IDS(1, 2, 9, 1, 2, 7, 1), 2},
        {"66.7%", IDS(5, 1, 2, 6, 1, 2, 7, 1, 3, 8, 1), 2},
        {"60%", IDS(5, 1, 2, 6, 1, 2, 7, 1, 3, 8, 1, 2, 9, 1, 3, 0, 1), -1},
        {"two tokens, once", IDS(1, 2, 9, 5, 1, 2), -1},
        {"two tokens, twice", IDS(1, 2, 9, 5, 1, 2, 9, 6, 1, 2), 9},
        {"three tokens, once", IDS(0, 1, 2, 9, 0, 1, 2), 9},
        {"of two equal ones the younger", IDS(1, 2, 9, 7, 1, 2, 8, 6, 1, 2), 8},
        {"and when it was first to come twice", IDS(1, 2, 9, 7, 1, 2, 8, 6, 1, 2, 8, 5, 1, 2, 9, 4, 1, 2), 8},
        {"of three equal ones none", IDS(1, 2, 9, 7, 1, 2, 8, 6, 1, 2, 5, 4, 1, 2), -1},
        {"one token of text", IDS(4), -1},
        {"two", IDS(4, 4), -1},
        {"three", IDS(4, 4, 4), 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("ngram_cache", "k=1");
        draft   d;
        steps_begin(p, &(policy_input){.prompt = cases[i].h, .n_prompt = cases[i].n});
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, &cases[i].draft, cases[i].draft >= 0, cases[i].what);
        policy_close(p);
    }
}

/* C5 */
Test(policy_ngram_cache, what_a_step_counts) {
    for (size_t compat = 0; compat < 2; compat++) {
        policy *p = steps_open("ngram_cache", compat ? "k=2,compat=yes" : "k=2");
        steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 3});
        for (int32_t id = 5; id < 9; id++) steps_observe(p, &id, 1);
        steps_observe(p, IDS(10, 11, 12, 13));
        steps_observe(p, IDS(5, 6, 7));
        step(p, (const int32_t[]){8, 10}, compat ? 0 : 2, IDS(10, 11, 12), "5 6 7 8 were emitted one by one");
        step(p, (const int32_t[]){13, 5}, compat ? 1 : 2, NULL, 0, "10 11 12 13 together, and not with 5");
        policy_close(p);
    }
}

/* C7 */
Test(policy_ngram_cache, what_is_remembered) {
    for (size_t keeps = 0; keeps < 2; keeps++) {
        policy *p = steps_open("ngram_cache", keeps ? "k=3,memory=cell" : "k=3");
        for (int i = 0; i < 2; i++) {
            steps_begin(p, &(policy_input){.prompt = (const int32_t[]){1, 2, 3, 4}, .n_prompt = 4});
            step(p, NULL, 0, IDS(5), "1 2 3 was followed once at most, and twice is needed");
        }
        steps_begin(p, &(policy_input){.prompt = (const int32_t[]){1, 2, 3}, .n_prompt = 3});
        step(p, (const int32_t[]){4, 5}, keeps ? 2 : 0, NULL, 0, "of two earlier trials");
        policy_close(p);
    }
}

/* Trials of a cell; -1 when memory ran out. */
static int two_trials(policy *p, draft *d, err *e) {
    for (int i = 0; i < 2; i++) {
        if (steps_try_begin(p, &(policy_input){.prompt = H4, .n_prompt = 14}, e) != 0) return -1;
        if (steps_try_observe(p, H5, 14, e) != 0 || steps_try_observe(p, H3, 12, e) != 0) return -1;
        if (policy_propose(p, DRAFT_CAP, d, e) != 0) return -1;
    }
    return 0;
}

Test(policy_ngram_cache, without_memory_left) {
    policy *p = steps_open("ngram_cache", "memory=cell");
    err     e = {0};
    draft   d;
    for (size_t k = 1, failed = 1; failed; k++) {
        policy_forget(p);
        mem_fail_at(k);
        failed = two_trials(p, &d, &e) != 0;
        mem_fail_at(0);
        cr_assert(!failed || e.kind == ERR_RUN);
        cr_assert_eq(two_trials(p, &d, &e), 0, "%s", e.text);
        cr_assert(d.n > 0, "after failure %zu", k);
        cr_assert_lt(k, 1000);
    }
    policy_close(p);
}

/* ---- index/follower_counts -------------------------------------------------------------------------- */

static void learn(follower_counts *c, const int32_t *ids, size_t n) {
    err e = {0};
    cr_assert_eq(follower_counts_add(c, ids, 0, n, &e), 0, "%s", e.text);
}

static size_t find(const follower_counts *c, const int32_t *ids, size_t n, const follower_node **found) {
    follower_grams g = follower_grams_at(ids + n, n);
    return follower_counts_find(c, &g, found);
}

Test(policy_ngram_cache, counts_of_two_tables_add_up) {
    follower_counts      a = {0}, b = {0}, both = {0};
    const follower_node *x[FOLLOWER_NGRAM_MAX], *y[FOLLOWER_NGRAM_MAX];
    err                  e = {0};
    learn(&a, WHOLE(H4));
    learn(&b, WHOLE(H5));
    learn(&both, WHOLE(H4));
    learn(&both, WHOLE(H5));
    cr_assert_eq(follower_counts_merge(&a, &b, 1000, &e), 0);
    cr_assert(a.n_nodes == both.n_nodes && a.n_followers == both.n_followers);
    for (size_t end = 1; end <= 14; end++)
        for (size_t i = 0; i < 2; i++) {
            const int32_t *h = i == 0 ? H4 : H5;
            size_t         n = find(&a, h, end, x);
            cr_assert_eq(find(&both, h, end, y), n);
            for (size_t k = 0; k < n; k++) cr_assert(memcmp(x[k], y[k], sizeof **x) == 0);
        }
    follower_counts_free(&a);
    follower_counts_free(&b);
    follower_counts_free(&both);
}

Test(policy_ngram_cache, a_full_table_takes_nothing_new) {
    follower_counts      a = {0}, b = {0};
    const follower_node *x[FOLLOWER_NGRAM_MAX];
    err                  e = {0};
    learn(&a, IDS(1, 2));
    learn(&b, IDS(1, 2, 3));
    learn(&b, IDS(1, 4));
    for (int i = 0; i < 3; i++) cr_assert_eq(follower_counts_merge(&a, &b, 2, &e), 0); /* room for one more */
    cr_assert(a.n_followers == 2 && a.n_nodes == 2);
    cr_assert_eq(find(&a, (const int32_t[]){1}, 1, x), 1);
    cr_assert(x[0]->total == 4 && x[0]->best == 2 && x[0]->best_count == 4);
    cr_assert_eq(find(&a, (const int32_t[]){1, 2}, 2, x), 1, "1 2 is too much");
    cr_assert(x[0]->total == 3 && x[0]->best == 3);
    follower_counts_free(&a);
    follower_counts_free(&b);
}

/* ---- the static table -------------------------------------------------------------------------------- */

/* C8, C9 */
Test(policy_ngram_cache, a_static_table) {
    const reference docs[] = {{IDS(1, 2, 3)}, {IDS(1, 2, 3)}, {IDS(1, 2, 4, 5)},
                              {IDS(6, 7, 2)}, {IDS(6, 7, 0)}, {IDS(3, 2, 1)}};
    const struct {
        const char    *what;
        const int32_t *h;
        size_t         n;
        int32_t        draft; /* -1: none */
    } cases[] = {
        {"two of three", IDS(1, 2), 3},
        {"one of two each: the younger", IDS(6, 7), 0},
        {"once is not enough", IDS(3, 2), -1},
        {"the end of a document", IDS(5, 4), -1},
        {"the context comes first", IDS(0, 1, 2, 7, 0, 1, 2), 7},
        {"a 3 followed, and then a 4, once each: 3 weighs more", IDS(0, 1, 2, 3, 5, 1, 2, 4, 7, 1, 2), 3},
        {"a 7 followed twice, a 3 once: it weighs more, and is not likely enough",
         IDS(1, 2, 7, 0, 1, 2, 7, 5, 1, 2, 3, 4, 1, 2), 3},
    };
    tiny_store_write("texts.store", docs, sizeof docs / sizeof *docs, ALPHABET, false, tiny_store_digest);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("ngram_cache", "k=1,static=texts.store");
        draft   d;
        steps_begin(p, &(policy_input){.prompt = cases[i].h, .n_prompt = cases[i].n});
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, &cases[i].draft, cases[i].draft >= 0, cases[i].what);
        policy_close(p);
    }
}

Test(policy_ngram_cache, refuses_another_vocabularys_table) {
    const reference docs[] = {{IDS(1, 2, 3)}};
    err             e = {0};
    tiny_store_write("texts.store", docs, 1, ALPHABET, false, tiny_store_digest);
    cr_assert_null(steps_try_open("ngram_cache", "static=texts.store", ALPHABET - 1, NULL, &e));
    cr_assert_str_eq(e.text, "policy ngram_cache: texts.store: is made of 8 ids (the model has 7)");
    scratch_write("none", "a file of that name is not meant");
    policy_close(steps_open("ngram_cache", "static=none"));
}

/* ---- counts taken anew ------------------------------------------------------------------------------- */

typedef struct {
    int32_t ids[HISTORY_CAP];
    size_t  chunk[HISTORY_CAP]; /* where the tokens that were counted with this one begin */
    size_t  n;
} text;

typedef struct {
    bool   compat, keeps;
    size_t k, n_texts; /* the last one is the trial's */
    text   texts[TRIALS];
    text   fixed[DOCUMENTS]; /* of the static table */
    size_t n_fixed;
} naive_cache;

/* Adds what follows `gram` in a text. `seen` numbers tokens as they came. */
static void naive_count(const naive_cache *x, const text *t, const int32_t *gram, size_t n, size_t counts[ALPHABET],
                        size_t seen[ALPHABET], size_t *n_seen) {
    for (size_t at = n; at < t->n; at++) {
        if (memcmp(t->ids + at - n, gram, n * sizeof *gram) != 0) continue;
        if (x->compat && at - n < t->chunk[at]) continue;
        if (counts[t->ids[at]]++ == 0) seen[t->ids[at]] = (*n_seen)++;
    }
}

/* The token that follows `gram` by the thresholds, in n_texts texts; what followed counts weight times. -1: none. */
static int32_t naive_vote(const naive_cache *x, const text *texts, size_t n_texts, const int32_t *gram, size_t n,
                          const size_t *weight, size_t times, size_t percent) {
    size_t  counts[ALPHABET] = {0}, seen[ALPHABET] = {0}, n_seen = 0, total = 0;
    int32_t best = -1;
    for (size_t i = 0; i < n_texts; i++) naive_count(x, &texts[i], gram, n, counts, seen, &n_seen);
    for (int32_t id = 0; id < ALPHABET; id++) {
        size_t own = counts[id] * weight[id], most = best < 0 ? 0 : counts[best] * weight[best];
        total += counts[id];
        if (own > most || (own > 0 && own == most && seen[id] > seen[best])) best = id;
    }
    return total >= times && total > 0 && counts[best] * 100 >= percent * total ? best : -1;
}

/* What each token counts for after these two. */
static void naive_weights(const naive_cache *x, const int32_t *last, size_t weight[ALPHABET]) {
    size_t seen[ALPHABET], n_seen = 0;
    memset(weight, 0, ALPHABET * sizeof *weight);
    for (size_t i = 0; i < x->n_fixed; i++) naive_count(x, &x->fixed[i], last, 2, weight, seen, &n_seen);
    for (size_t id = 0; id < ALPHABET; id++) weight[id] = weight[id] > 0 ? 100 * weight[id] : 1;
}

static void naive_draft(const naive_cache *x, size_t limit, draft *d) {
    static const size_t times[2][4] = {{2, 2, 1, 1}, {4, 3, 2, 2}},
                        percent[2][4] = {{66, 50, 50, 50}, {75, 66, 66, 66}};
    const text *t = &x->texts[x->n_texts - 1];
    int32_t     ids[HISTORY_CAP + 20];
    size_t      n = t->n;
    draft_clear(d);
    if (n < 2) return;
    memcpy(ids, t->ids, n * sizeof *ids);
    while (n < t->n + x->k) {
        static const size_t same[ALPHABET] = {1, 1, 1, 1, 1, 1, 1, 1};
        size_t              weight[ALPHABET], used = 2;
        int32_t             next = -1;
        naive_weights(x, ids + n - 2, weight);
        for (size_t table = 0; table < 2; table++)
            for (size_t m = n < 4 ? n : 4; m > 0 && next < 0; m--) {
                if (table == 1 && !x->keeps) continue;
                next = naive_vote(x, table == 0 ? t : x->texts, table == 0 ? 1 : x->n_texts - 1, ids + n - m, m, weight,
                                  times[table][m - 1], percent[table][m - 1]);
                used = m;
            }
        if (next < 0) {
            next = naive_vote(x, x->fixed, x->n_fixed, ids + n - 2, 2, same, 2, 50);
            used = 2;
        }
        if (next < 0) break;
        if (n == t->n) {
            d->match_length = (uint16_t)used;
            d->source = SOURCE_OTHER;
        }
        ids[n++] = next;
    }
    draft_extend(d, ids + t->n, n - t->n < limit ? n - t->n : limit);
}

static void naive_learn(text *t, const int32_t *ids, size_t n) {
    for (size_t i = 0, chunk = t->n; i < n; i++, t->n++) {
        t->ids[t->n] = ids[i];
        t->chunk[t->n] = chunk;
    }
}

static size_t emitted(gsl_rng *r, const draft *d, const int32_t *next, size_t left) {
    if (steps_pick(r, 4) == 0) return 1 + steps_pick(r, left < 5 ? left : 5);
    size_t right = 0;
    while (right < d->n && right + 1 < left && d->ids[right] == next[right]) right++;
    return right + 1;
}

static size_t compare(gsl_rng *r, naive_cache *x, policy *p, const int32_t *h, size_t n_prompt, size_t n_h,
                      size_t *drafts) {
    text  *t = &x->texts[x->n_texts++];
    size_t compared = 0;
    draft  got, want;
    t->n = 0;
    naive_learn(t, h, n_prompt);
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
    for (size_t at = n_prompt;;) {
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
        naive_draft(x, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(steps_same(&got, &want), "k %zu compat %d trial %zu: %zu drafted, not %zu, after %zu of which %zu",
                  x->k, x->compat, x->n_texts, got.n, want.n, at, n_prompt);
        compared++;
        *drafts += want.n > 0;
        if (at == n_h) return compared;
        size_t n = emitted(r, &got, h + at, n_h - at);
        steps_observe(p, h + at, n);
        naive_learn(t, h + at, n);
        at += n;
    }
}

/* The documents of a static table, for each alphabet a few. */
static text drawn[ALPHABET][STORES][DOCUMENTS];

static void draw_stores(gsl_rng *r) {
    char path[40];
    for (size_t a = 0; a < ALPHABET; a++)
        for (size_t s = 0; s < STORES; s++) {
            reference docs[DOCUMENTS];
            for (size_t i = 0; i < DOCUMENTS; i++) {
                text *t = &drawn[a][s][i];
                t->n = 1 + steps_pick(r, s < 2 ? 5 : HISTORY_CAP - 1);
                steps_fill(r, t->ids, t->n, a + 1);
                docs[i] = (reference){t->ids, t->n};
            }
            snprintf(path, sizeof path, "%zu-%zu.store", a, s);
            tiny_store_write(path, docs, DOCUMENTS, ALPHABET, false, tiny_store_digest);
        }
}

Test(policy_ngram_cache, is_the_plain_count) {
    gsl_rng           *r = rng_new(1, 25);
    size_t             compared = 0, drafts = 0;
    static naive_cache x;
    int32_t            h[HISTORY_CAP];
    draw_stores(r);
    while (compared < FUZZ_HISTORIES) {
        char   params[100], store[40] = "none";
        size_t alphabet = 1 + steps_pick(r, ALPHABET), s = steps_pick(r, 2 * STORES);
        x.compat = steps_pick(r, 2) > 0;
        x.keeps = steps_pick(r, 2) > 0;
        x.k = 1 + steps_pick(r, 5);
        x.n_texts = 0;
        x.n_fixed = s < STORES ? DOCUMENTS : 0;
        if (x.n_fixed > 0) {
            memcpy(x.fixed, drawn[alphabet - 1][s], sizeof x.fixed);
            snprintf(store, sizeof store, "%zu-%zu.store", alphabet - 1, s);
        }
        snprintf(params, sizeof params, "k=%zu,compat=%s,memory=%s,static=%s", x.k, x.compat ? "yes" : "no",
                 x.keeps ? "cell" : "none", store);
        policy *p = steps_open_over("ngram_cache", params, ALPHABET, NULL);
        for (int again = 0; again < TRIALS; again++) {
            size_t n_prompt = steps_pick(r, 40), n_h = n_prompt + steps_pick(r, 40);
            steps_fill(r, h, n_h, alphabet);
            compared += compare(r, &x, p, h, n_prompt, n_h, &drafts);
        }
        policy_close(p);
    }
    cr_assert_gt(drafts, compared / 4, "%zu drafts in %zu", drafts, compared);
    gsl_rng_free(r);
}
