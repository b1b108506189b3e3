/* Drafting policies: the published examples, naive scans to compare with the index, and the controls. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/policies/index/ngram_index.h"

enum { VOCAB = 1000, HISTORY_CAP = 256 };

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

static policy *try_open(const char *name, const char *text, size_t vocab, const tokenizer *tok, err *e) {
    const policy_ops *ops = registry_find(&policy_registry, name);
    policy_spec       spec = {.vocab = vocab, .tok = tok};
    cr_assert_not_null(ops, "no policy %s", name);
    cr_assert_eq(param_parse_list(name, ops->params, ops->n_params, text, &spec.params, e), 0, "%s", e->text);
    return policy_open(ops, &spec, e);
}

static policy *open_over(const char *name, const char *text, size_t vocab, const tokenizer *tok) {
    err     e = {0};
    policy *p = try_open(name, text, vocab, tok, &e);
    cr_assert_not_null(p, "%s", e.text);
    return p;
}

static policy *open_policy(const char *name, const char *text) {
    return open_over(name, text, VOCAB, NULL);
}

static size_t shown; /* tokens since the trial began */

static int try_begin(policy *p, const policy_input *in, err *e) {
    shown = 0;
    return policy_begin(p, in, e);
}

static void begin(policy *p, const policy_input *in) {
    err e = {0};
    cr_assert_eq(try_begin(p, in, &e), 0, "%s", e.text);
}

/* A step that emitted these tokens. */
static int try_observe(policy *p, const int32_t *ids, size_t n, err *e) {
    step_view step = {.emitted = ids, .n = n, .position = shown};
    shown += n;
    return policy_observe(p, &step, e);
}

static void observe(policy *p, const int32_t *ids, size_t n) {
    err e = {0};
    cr_assert_eq(try_observe(p, ids, n, &e), 0, "%s", e.text);
}

static void propose(policy *p, size_t limit, draft *d) {
    err e = {0};
    cr_assert_eq(policy_propose(p, limit, d, &e), 0, "%s", e.text);
}

static void check_ids(const draft *d, const int32_t *ids, size_t n, const char *what) {
    cr_assert_eq(d->n, n, "%s: %zu tokens drafted, not %zu", what, d->n, n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(d->ids[i], ids[i], "%s: token %zu is %d, not %d", what, i, (int)d->ids[i], (int)ids[i]);
        cr_assert_eq(d->parent[i], (int32_t)i - 1, "%s: token %zu is not in a chain", what, i);
    }
}

static bool same_draft(const draft *a, const draft *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 && a->match_length == b->match_length &&
           a->source == b->source && a->source_position == b->source_position;
}

static size_t pick(gsl_rng *r, size_t n) {
    return (size_t)gsl_rng_uniform_int(r, n);
}

static void fill(gsl_rng *r, int32_t *ids, size_t n, size_t alphabet) {
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)pick(r, alphabet);
}

/* ---- the table -------------------------------------------------------------------------------------- */

Test(policies, table_is_sound) {
    for (size_t i = 0; i < policy_registry.n; i++) {
        const policy_ops *ops = policy_registry.at[i];
        cr_assert_eq(registry_find(&policy_registry, ops->name), ops, "two policies are named %s", ops->name);
        for (size_t k = 0; k < 2; k++) { /* these have columns of their own in results */
            int at = param_find(ops->params, ops->n_params, k == 0 ? "n" : "k");
            cr_assert(at < 0 || ops->params[at].type == PARAM_IS_INTEGER, "%s", ops->name);
        }
        cr_assert(ops->help != NULL && ops->origin != NULL);
        cr_assert_leq(ops->n_params, PARAM_MAX);
        for (size_t j = 0; j < ops->n_params; j++) {
            const param_spec *s = &ops->params[j];
            cr_assert(s->min <= s->preset && s->preset <= s->max, "%s: preset of %s", ops->name, s->name);
            cr_assert_eq(param_find(ops->params, ops->n_params, s->name), (int)j);
        }
    }
    cr_assert_null(registry_find(&policy_registry, "lmla"));
    cr_assert_null(registry_find(&policy_registry, ""));
}

static int breaks_limit(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)e;
    for (size_t i = 0; i <= limit; i++) draft_extend(d, &(int32_t){0}, 1);
    return 0;
}

static int breaks_vocabulary(policy *p, size_t limit, draft *d, err *e) {
    (void)limit, (void)e;
    draft_extend(d, &(int32_t){(int32_t)p->spec.vocab}, 1);
    return 0;
}

static int breaks_sign(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, &(int32_t){-1}, 1);
    return 0;
}

static int breaks_order(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, IDS(1, 2));
    d->parent[0] = 1;
    return 0;
}

static int breaks_root(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_add(d, -2, 1);
    return 0;
}

static int breaks_longest(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, IDS(1, 2, 3, 4));
    return 0;
}

static int drafts_tree(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_add(d, draft_add(d, DRAFT_ROOT, 1), 2);
    draft_add(d, DRAFT_ROOT, 3);
    return 0;
}

static size_t three(const param_values *v) {
    (void)v;
    return 3;
}

Test(policies, broken_ones_are_caught) {
    int (*const breaks[])(policy *, size_t, draft *, err *) = {breaks_limit, breaks_vocabulary, breaks_sign,
                                                               breaks_order, breaks_root,       breaks_longest};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        policy_ops ops = {.name = "broken", .propose = breaks[i], .longest = three};
        err        e = {0};
        draft      d;
        policy    *p = policy_open(&ops, &(policy_spec){.vocab = VOCAB}, &e);
        begin(p, &(policy_input){0});
        cr_assert_eq(policy_propose(p, 5, &d, &e), -1, "case %zu", i);
        cr_assert_eq(e.kind, ERR_RUN);
        policy_close(p);
    }
}

Test(policies, trees_are_the_targets_to_refuse) {
    policy_ops ops = {.name = "branching", .propose = drafts_tree, .longest = three};
    err        e = {0};
    draft      d;
    policy    *p = policy_open(&ops, &(policy_spec){.vocab = VOCAB}, &e);
    begin(p, &(policy_input){0});
    propose(p, 5, &d);
    cr_assert(d.n == 3 && d.branches);
    policy_close(p);
}

Test(policies, none_never_drafts) {
    policy *p = open_policy("none", "");
    draft   d;
    begin(p, &(policy_input){.prompt = (int32_t[]){1, 1, 1}, .n_prompt = 3});
    observe(p, IDS(1, 1, 1));
    propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    cr_assert_eq(d.source, SOURCE_NONE);
    cr_assert_eq(d.source_position, -1);
    policy_close(p);
}

/* ---- published examples ----------------------------------------------------------------------------- */

static const int32_t H1[] = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3}, H2[] = {7, 1, 7, 1, 7, 1, 7},
                     H3[] = {1, 2, 3, 9, 5, 1, 2, 3, 4, 6, 1, 2, 3}, H4[] = {1, 2, 8, 0, 1, 2, 9, 0, 1, 2, 9, 3, 1, 2},
                     H5[] = {5, 6, 7, 5, 6, 8, 5, 6, 8, 5, 6, 7, 5, 6};

#define WHOLE(h) h, sizeof h / sizeof *h

Test(policies, pld_examples) {
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
            policy *p = open_policy("pld", cases[i].params);
            draft   d;
            char    what[40];
            snprintf(what, sizeof what, "case %zu, prompt of %zu", i, n_prompt);
            begin(p, &(policy_input){.prompt = cases[i].history, .n_prompt = n_prompt});
            observe(p, n > n_prompt ? cases[i].history + n_prompt : NULL, n - n_prompt);
            propose(p, DRAFT_CAP, &d);
            check_ids(&d, cases[i].draft, cases[i].n_draft, what);
            if (d.match_length > 0) {
                size_t at = (size_t)d.source_position + (d.source == SOURCE_OUTPUT ? n_prompt : 0);
                cr_assert_eq(d.source, at < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT, "%s", what);
                cr_assert_eq(cases[i].history[at], d.ids[0], "%s", what);
            }
            policy_close(p);
        }
    }
}

Test(policies, pld_refuses_a_dummy_out_of_the_vocabulary) {
    err e = {0};
    cr_assert_null(try_open("pld", "miss=100", 100, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy pld: miss = 100 is not in the vocabulary (-1 to 99)");
    policy_close(open_over("pld", "miss=100", 101, NULL));
}

static const reference examples[] = {
    {(const int32_t[]){10, 11, 12, 13, 14, 15, 16}, 7},
    {(const int32_t[]){11, 12, 20, 21}, 4},
    {(const int32_t[]){5, 12, 13, 99}, 4},
};

Test(policies, llma_examples) {
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
        policy *p = open_policy("llma", cases[i].params);
        draft   d;
        char    what[40];
        snprintf(what, sizeof what, "case %zu", i);
        begin(p, &(policy_input){.references = examples, .n_references = 3});
        observe(p, cases[i].output, cases[i].n_output);
        propose(p, DRAFT_CAP, &d);
        check_ids(&d, cases[i].draft, cases[i].n_draft, what);
        cr_assert_eq(d.match_length, cases[i].match_length, "%s", what);
        cr_assert_eq(d.source, cases[i].source, "%s", what);
        cr_assert_eq(d.source_position, cases[i].source_position, "%s", what);
        policy_close(p);
    }
}

Test(policies, llma_cuts_references_by_way_of_text) {
    /* The cut falls into a two-byte character: the first half becomes U+FFFD, three bytes, in the text. */
    err             e = {0};
    tokenizer      *tok = tokenizer_bytes(&e);
    const reference cut = {(const int32_t[]){'a', 'b', 0xc3, 0xa9, 'c'}, 5};
    draft           d;
    cr_assert_not_null(tok, "%s", e.text);
    policy *p = open_over("llma", "cut=3", tokenizer_vocab(tok), tok);
    begin(p, &(policy_input){.references = &cut, .n_references = 1});
    observe(p, IDS('a'));
    propose(p, DRAFT_CAP, &d);
    check_ids(&d, IDS('b', 0xef, 0xbf, 0xbd), "cut by way of text");

    const reference fits = {(const int32_t[]){'a', 'b', 0xc3}, 3};
    begin(p, &(policy_input){.references = &fits, .n_references = 1});
    observe(p, IDS('a'));
    propose(p, DRAFT_CAP, &d);
    check_ids(&d, IDS('b', 0xc3), "not longer than the cut");
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

/* Feeds `output` in random chunks, and after each compares p's draft with that of `expect`. */
static void llma_compare(gsl_rng *r, policy *p, const policy_input *in, const int32_t *output, size_t n_output,
                         size_t n, size_t k, size_t max_n) {
    draft got, want;
    begin(p, in);
    for (size_t at = 0;;) {
        llma_naive(in->references, in->n_references, output, at, n, k, max_n, &want);
        propose(p, DRAFT_CAP, &got);
        cr_assert(same_draft(&got, &want), "n %zu k %zu max_n %zu, output of %zu: match %d for %d, %zu for %zu drafted",
                  n, k, max_n, at, got.match_length, want.match_length, got.n, want.n);
        if (at == n_output) break;
        size_t chunk = 1 + pick(r, n_output - at < 9 ? n_output - at : 9);
        observe(p, output + at, chunk);
        at += chunk;
    }
}

Test(policies, llma_is_the_naive_scan) {
    gsl_rng       *r = rng_new(1, 1);
    static int32_t ids[8][HISTORY_CAP], output[HISTORY_CAP];
    size_t         matches = 0;
    for (int round = 0; round < 4000; round++) {
        size_t    alphabet = 1 + pick(r, 5), n_refs = pick(r, 9), n_output = pick(r, 40);
        size_t    n = 1 + pick(r, 7), k = 1 + pick(r, 12), max_n = 1 + pick(r, 7);
        reference refs[8];
        for (size_t i = 0; i < n_refs; i++) {
            refs[i] = (reference){ids[i], pick(r, 4) == 0 ? pick(r, 4) : pick(r, 30)};
            fill(r, ids[i], refs[i].n, alphabet);
        }
        fill(r, output, n_output, alphabet);
        char text[80];
        snprintf(text, sizeof text, "n=%zu,k=%zu,max_n=%zu", n, k, max_n);
        policy      *p = open_over("llma", text, alphabet, NULL);
        policy_input in = {.references = refs, .n_references = n_refs};
        llma_compare(r, p, &in, output, n_output, n, k, max_n);
        /* Used again, it remembers nothing. */
        in.n_references = n_refs / 2;
        llma_compare(r, p, &in, output, n_output, n, k, max_n);
        draft d;
        llma_naive(refs, in.n_references, output, n_output, n, k, max_n, &d);
        matches += d.match_length > 0;
        policy_close(p);
    }
    cr_assert_gt(matches, 1000);
    gsl_rng_free(r);
}

Test(policies, pld_is_the_naive_scan) {
    gsl_rng       *r = rng_new(1, 2);
    static int32_t h[HISTORY_CAP];
    size_t         matches = 0;
    draft          got, want;
    for (int round = 0; round < 4000; round++) {
        size_t alphabet = 1 + pick(r, 6), n_prompt = pick(r, 40), n_h = n_prompt + pick(r, 60);
        size_t n = 1 + pick(r, 6), k = 1 + pick(r, 12), limit = pick(r, 3) == 0 ? pick(r, 4) : DRAFT_CAP;
        fill(r, h, n_h, alphabet);
        char text[40];
        snprintf(text, sizeof text, "n=%zu,k=%zu", n, k);
        policy *p = open_over("pld", text, alphabet, NULL);
        for (int again = 0; again < 2; again++) {
            begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
            for (size_t at = n_prompt;;) {
                pld_naive(h, at, n_prompt, n, k, &want);
                if (want.n > limit) want.n = limit;
                propose(p, limit, &got);
                cr_assert(same_draft(&got, &want), "n %zu k %zu, history of %zu: match %d for %d at %d for %d", n, k,
                          at, got.match_length, want.match_length, got.source_position, want.source_position);
                matches += want.match_length > 0;
                if (at == n_h) break;
                size_t chunk = 1 + pick(r, n_h - at < 5 ? n_h - at : 5);
                observe(p, h + at, chunk);
                at += chunk;
            }
        }
        policy_close(p);
    }
    cr_assert_gt(matches, 10000);
    gsl_rng_free(r);
}

Test(policies, long_triggers_reach_back_over_many_observations) {
    int32_t ids[100];
    for (int i = 0; i < 100; i++) ids[i] = i < 36 ? 1 : i;
    const reference r = {ids, 100};
    policy         *p = open_policy("llma", "n=1,k=1024,max_n=64,cut=0");
    draft           d;
    begin(p, &(policy_input){.references = &r, .n_references = 1});
    for (size_t i = 0; i < 90; i++) observe(p, ids + i, 1);
    propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.match_length, 64);
    check_ids(&d, ids + 90, 10, "one by one");
    observe(p, ids, 99);
    propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.match_length, 64);
    check_ids(&d, ids + 99, 1, "more at once than are kept");
    policy_close(p);
}

Test(policies, limit_cuts_drafts_and_keeps_the_match) {
    const char *const names[] = {"llma", "pld", "oracle", "random", "wrong"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        policy            *p = open_policy(names[i], "k=6");
        const policy_input in = {
            .prompt = H3, .n_prompt = 13, .references = examples, .n_references = 3, .truth = H4, .n_truth = 14};
        draft whole, cut;
        begin(p, &in);
        if (i == 0) observe(p, IDS(11));
        propose(p, DRAFT_CAP, &whole);
        cr_assert_geq(whole.n, 5, "%s", names[i]);
        for (size_t limit = 0; limit < whole.n; limit++) {
            propose(p, limit, &cut);
            check_ids(&cut, whole.ids, limit, names[i]);
            cr_assert_eq(cut.match_length, whole.match_length);
            cr_assert_eq(cut.source_position, whole.source_position);
        }
        policy_close(p);
    }
}

/* ---- controls --------------------------------------------------------------------------------------- */

Test(policies, controls_need_the_truth) {
    const char *const names[] = {"oracle", "wrong"};
    for (size_t i = 0; i < 2; i++) {
        policy *p = open_policy(names[i], "");
        err     e = {0};
        cr_assert_eq(policy_begin(p, &(policy_input){0}, &e), -1);
        cr_assert_not_null(strstr(e.text, names[i]), "%s", e.text);
        policy_close(p);
    }
}

Test(policies, oracle_follows_the_truth_to_its_end) {
    policy *p = open_policy("oracle", "k=5");
    draft   d;
    begin(p, &(policy_input){.truth = H1, .n_truth = 11});
    propose(p, DRAFT_CAP, &d);
    check_ids(&d, H1, 4, "from the first step on");
    observe(p, H1, 5);
    observe(p, H1 + 5, 3);
    propose(p, DRAFT_CAP, &d);
    check_ids(&d, H1 + 8, 3, "up to the end");
    observe(p, H1 + 8, 5);
    propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    policy_close(p);
}

Test(policies, wrong_is_wrong_everywhere_and_any_other_token) {
    enum { SMALL = 5 };
    static int32_t truth[4000];
    gsl_rng       *r = rng_new(3, 3);
    size_t         seen[SMALL] = {0};
    fill(r, truth, 4000, SMALL);
    policy *p = open_over("wrong", "k=1024", SMALL, NULL);
    draft   d;
    begin(p, &(policy_input){.truth = truth, .n_truth = 4000, .noise = {1, 2}});
    for (size_t at = 0; at < 4000; at += 100) {
        propose(p, DRAFT_CAP, &d);
        cr_assert_eq(d.n, 1023);
        for (size_t i = 0; i < d.n && at + i < 4000; i++) {
            cr_assert_neq(d.ids[i], truth[at + i]);
            seen[(d.ids[i] - truth[at + i] + SMALL) % SMALL]++;
        }
        observe(p, truth + at, 100);
    }
    for (size_t i = 1; i < SMALL; i++) cr_assert_gt(seen[i], 5000);

    /* Two tokens leave one choice, one leaves none. */
    policy_close(p);
    p = open_over("wrong", "k=1024", 2, NULL);
    begin(p, &(policy_input){.truth = (int32_t[]){0, 1, 1}, .n_truth = 3});
    propose(p, 3, &d);
    check_ids(&d, IDS(1, 0, 0), "two tokens");
    policy_close(p);
    p = open_over("wrong", "k=1024", 1, NULL);
    begin(p, &(policy_input){.truth = (int32_t[]){0, 0, 0}, .n_truth = 3});
    propose(p, 3, &d);
    cr_assert_eq(d.n, 0);
    policy_close(p);
    gsl_rng_free(r);
}

Test(policies, random_depends_on_the_position_alone) {
    policy *p = open_policy("random", "k=101");
    draft   whole, later;
    size_t  low = 0;
    begin(p, &(policy_input){.noise = {7, 8}});
    propose(p, DRAFT_CAP, &whole);
    cr_assert_eq(whole.n, 100);
    for (size_t i = 0; i < 100; i++) low += whole.ids[i] < VOCAB / 2;
    cr_assert(low > 30 && low < 70, "%zu of 100 in the lower half", low);
    observe(p, H4, 10);
    propose(p, DRAFT_CAP, &later);
    cr_assert_eq(later.n, 100);
    cr_assert_eq(memcmp(later.ids, whole.ids + 10, 90 * sizeof(int32_t)), 0);
    begin(p, &(policy_input){.noise = {7, 9}});
    propose(p, DRAFT_CAP, &later);
    cr_assert_neq(memcmp(later.ids, whole.ids, 100 * sizeof(int32_t)), 0);
    policy_close(p);
}

/* ---- a cell and its trials -------------------------------------------------------------------------- */

static struct { int opened, begun, ended, closed; } calls;

typedef struct {
    int32_t *store; /* of the cell */
} counting_cell;

typedef struct {
    int32_t *index; /* of the trial */
} counting_trial;

static int counting_open(policy *p, err *e) {
    counting_cell *c = p->cell;
    cr_assert_null(c->store);
    cr_assert_eq(p->spec.vocab, VOCAB);
    calls.opened++;
    if (p->spec.params.at[0].integer == 13) return err_input(e, "13 is not allowed");
    if ((c->store = mem_new(1, sizeof *c->store, e)) == NULL) return -1;
    *c->store = (int32_t)p->spec.params.at[0].integer;
    return 0;
}

static int counting_begin(policy *p, const policy_input *in, err *e) {
    counting_trial *t = p->trial;
    cr_assert_null(t->index, "a trial begins with zeroed memory");
    calls.begun++;
    if ((t->index = mem_new(1, sizeof *t->index, e)) == NULL) return -1;
    return in->n_prompt > 0 ? 0 : err_run(e, "no prompt"); /* with memory taken */
}

static int counting_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)limit, (void)e;
    const counting_cell *c = p->cell;
    draft_add(d, DRAFT_ROOT, *c->store + (int32_t)p->in.n_prompt);
    return 0;
}

static void counting_end(policy *p) {
    counting_trial *t = p->trial;
    if (t->index != NULL) calls.ended++;
    free(t->index);
}

static void counting_close(policy *p) {
    counting_cell *c = p->cell;
    calls.closed++;
    free(c->store);
}

static const param_spec counting_params[] = {PARAM_INTEGER("first", 5, 0, 100, "id drafted after a prompt of none")};
static const policy_ops counting = {
    .name = "counting",
    .params = counting_params,
    .n_params = 1,
    .cell_bytes = sizeof(counting_cell),
    .trial_bytes = sizeof(counting_trial),
    .open = counting_open,
    .begin = counting_begin,
    .propose = counting_propose,
    .longest = three,
    .end = counting_end,
    .close = counting_close,
};

Test(policies, what_a_cell_opens_serves_all_its_trials) {
    policy_spec spec = {.vocab = VOCAB};
    err         e = {0};
    draft       d;
    param_presets(counting_params, 1, &spec.params);
    policy *p = policy_open(&counting, &spec, &e);
    cr_assert_not_null(p, "%s", e.text);
    cr_assert(calls.opened == 1 && calls.begun == 0);
    for (size_t i = 1; i <= 3; i++) {
        begin(p, &(policy_input){.prompt = H1, .n_prompt = i});
        propose(p, 5, &d);
        check_ids(&d, IDS(5 + (int32_t)i), "from the cell's and the trial's knowledge");
        if (i == 2) policy_end(p); /* the others end where the next begins, or at close */
    }
    cr_assert_eq(policy_begin(p, &(policy_input){0}, &e), -1);
    cr_assert_str_eq(e.text, "policy counting: no prompt");
    begin(p, &(policy_input){.prompt = H1, .n_prompt = 4});
    propose(p, 5, &d);
    check_ids(&d, IDS(9), "after a trial that could not begin");
    policy_close(p);
    cr_assert(calls.opened == 1 && calls.closed == 1, "opened %d, closed %d", calls.opened, calls.closed);
    cr_assert(calls.begun == 5 && calls.ended == 5, "begun %d, ended %d", calls.begun, calls.ended);
}

Test(policies, open_may_refuse_or_fail) {
    policy_spec spec = {.vocab = VOCAB};
    err         e = {0};
    param_presets(counting_params, 1, &spec.params);
    spec.params.at[0].integer = 13;
    cr_assert_null(policy_open(&counting, &spec, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy counting: 13 is not allowed");
    cr_assert(calls.opened == 1 && calls.closed == 1);
    spec.vocab = 0;
    cr_assert_null(policy_open(&policy_none, &spec, &e));
    cr_assert_eq(e.kind, ERR_RUN);
}

static int forged_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, IDS(1, 2));
    d->parent[1] = DRAFT_ROOT;
    return 0;
}

Test(policies, a_draft_that_hides_its_branches_is_refused) {
    static const policy_ops forged = {.name = "forged", .propose = forged_propose, .longest = three};
    policy_spec             spec = {.vocab = VOCAB};
    err                     e = {0};
    draft                   d;
    policy                 *p = policy_open(&forged, &spec, &e);
    cr_assert_not_null(p, "%s", e.text);
    begin(p, &(policy_input){.prompt = H1, .n_prompt = 1});
    cr_assert_eq(policy_propose(p, 5, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_eq(strncmp(e.text, "policy forged changed the parents", 33), 0, "%s", e.text);
    policy_close(p);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

/* One short trial; 0, or -1 when an allocation failed on the way. */
static int trial(policy *p, const policy_input *in, draft *d, err *e) {
    static int32_t many[200];
    for (int i = 0; i < 200; i++) many[i] = i;
    if (try_begin(p, in, e) != 0 || try_observe(p, many, 200, e) != 0) return -1;
    if (try_observe(p, IDS('a'), e) != 0) return -1;
    return policy_propose(p, DRAFT_CAP, d, e);
}

Test(policies, survive_every_failing_allocation) {
    err          e = {0};
    tokenizer   *tok = tokenizer_bytes(&e);
    reference    refs[] = {{(const int32_t[]){'a', 'b', 'c', 'd', 'e'}, 5}, {(const int32_t[]){'x', 'y'}, 2}};
    policy_input in = {.prompt = H3, .n_prompt = 13, .references = refs, .n_references = 2, .truth = H4, .n_truth = 14};
    for (size_t i = 0; i < policy_registry.n; i++) {
        const policy_ops *ops = policy_registry.at[i];
        policy_spec       spec = {.vocab = tokenizer_vocab(tok), .tok = tok};
        draft             want, got;
        bool              begun = false;
        param_presets(ops->params, ops->n_params, &spec.params);
        if (strcmp(ops->name, "llma") == 0) spec.params.at[3].integer = 4; /* cut */
        policy *p = policy_open(ops, &spec, &e);
        cr_assert_eq(trial(p, &in, &want, &e), 0, "%s", e.text);
        policy_close(p);
        for (size_t k = 1;; k++) {
            mem_fail_at(k);
            p = policy_open(ops, &spec, &e);
            begun = p != NULL && trial(p, &in, &got, &e) == 0;
            mem_fail_at(0);
            if (begun) break;
            cr_assert_eq(e.kind, ERR_RUN, "%s: %s", ops->name, e.text);
            /* What failed once works when begun again. */
            if (p != NULL) cr_assert_eq(trial(p, &in, &got, &e), 0, "%s: %s", ops->name, e.text);
            if (p != NULL) cr_assert(same_draft(&got, &want), "%s after failure %zu", ops->name, k);
            policy_close(p);
            cr_assert_lt(k, 1000);
        }
        cr_assert(same_draft(&got, &want));
        policy_close(p);
    }
    tokenizer_close(tok);
}
