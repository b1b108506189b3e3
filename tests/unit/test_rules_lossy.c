/* Rules that change the output: what each lets through, at which settings they are exact, chains and trees. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/unit/rule_rows.h"

/* Probabilities as logits; rows of a draft one after the other. */
static void set_rows(const double *p, size_t n, size_t vocab, float *logits, rows *pass) {
    for (size_t i = 0; i < n * vocab; i++) logits[i] = (float)log(p[i] > 0 ? p[i] : 1e-30);
    *pass = (rows){.n = n, .vocab = vocab, .logits = logits};
}

static void set_tree(draft *d, const int32_t *parents, const int32_t *ids, size_t n) {
    draft_clear(d);
    for (size_t i = 0; i < n; i++) draft_add(d, parents[i], ids[i]);
}

#define COMMA ,
#define TREE_OF(d, parents, ...)                                                                                       \
    set_tree(d, (const int32_t[])parents, (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / 4)

/* A random tree, a chain half of the time; with twins, siblings may have the same id. */
static void random_draft(gsl_rng *g, bool twins, draft *d) {
    size_t m = gsl_rng_uniform_int(g, 12);
    bool   chain = gsl_rng_uniform(g) < 0.5;
    draft_clear(d);
    for (size_t k = 0; k < m; k++) {
        int32_t parent = (int32_t)(chain ? d->n : gsl_rng_uniform_int(g, d->n + 1)) - 1;
        int32_t id = (int32_t)gsl_rng_uniform_int(g, LANGUAGE_VOCAB);
        if (twins || draft_child(d, parent, id) < 0) draft_add(d, parent, id);
    }
}

static bool same_verdict(const verdict *a, const verdict *b) {
    return a->n == b->n && a->next == b->next && memcmp(a->path, b->path, a->n * sizeof *a->path) == 0;
}

/* Both rules give the same verdicts on random drafts. (Of twins greedy takes the first, nucleus the one whose path is
 * longer.) */
static void expect_same(const char *a, const char *a_params, const char *b, const char *b_params) {
    static language_pass pass;
    rule                *x = rule_for(a, a_params, LANGUAGE_VOCAB), *y = rule_for(b, b_params, LANGUAGE_VOCAB);
    gsl_rng             *g = rng_new(8, 8);
    size_t               stood = 0;
    draft                d;
    for (uint64_t i = 0; i < 50000; i++) {
        random_draft(g, strcmp(b, "greedy") != 0, &d);
        language_rows((int32_t)(i % 7) - 1, &d, &pass);
        verdict v = rule_verdict(x, &pass.pass, &d, i % 5, noise_of(3, i));
        verdict w = rule_verdict(y, &pass.pass, &d, i % 5, noise_of(3, i));
        CHECK(same_verdict(&v, &w), "%s:%s and %s:%s differ on draft %d", a, a_params, b, b_params, (int)i);
        stood += v.n;
    }
    cr_assert_gt(stood, 3000);
    gsl_rng_free(g);
    rule_close(x);
    rule_close(y);
}

/* ---- greedy ------------------------------------------------------------------------------------------- */

/* Every rule with a temperature is greedy at 0, except those that let other tokens through even then. */
Test(rules, temperature_zero_is_greedy) {
    static const char *const others[] = {"topp_window", "fly"};
    size_t                   tested = 0;
    for (size_t i = 0; i < rule_registry.n; i++) {
        const rule_ops *ops = rule_registry.at[i];
        bool            other = false;
        for (size_t k = 0; k < 2; k++) other = other || strcmp(ops->name, others[k]) == 0;
        if (param_find(ops->params, ops->n_params, "temperature") < 0) continue;
        if (other) {
            cr_assert_eq(ops->keeps, LOSSY);
            continue;
        }
        expect_same(ops->name, "temperature=0", "greedy", "");
        expect_same(ops->name, "temperature=0,top_k=3,top_p=0.5,min_p=0.1", "greedy", "");
        tested++;
    }
    cr_assert_geq(tested, 6);
}

Test(rules, settings_that_are_greedy) {
    expect_same("relaxed", "", "greedy", "");
    expect_same("relaxed", "relaxed_topk=1,relaxed_delta=1", "greedy", "");
    expect_same("relaxed", "relaxed_topk=6,relaxed_delta=0", "greedy", "");
    expect_same("relaxed", "relaxed_topk=6,relaxed_delta=1,temperature=0", "greedy", "");
    expect_same("topp_window", "max_candidate_len=1", "greedy", "");
    expect_same("threshold", "threshold_single=0,threshold_acc=0,temperature=0", "greedy", "");
    expect_same("fly", "window_size=1024,temperature=0", "greedy", "");
    expect_same("coupled", "top_k=1", "greedy", "");
    expect_same("rejection", "top_p=0", "greedy", "");
}

Test(rules, settings_that_are_rejection) {
    expect_same("threshold", "", "rejection", "");
    expect_same("threshold", "temperature=1.7,top_k=4,min_p=0.2", "rejection", "temperature=1.7,top_k=4,min_p=0.2");
    expect_same("fly", "window_size=1024", "rejection", "");
    expect_same("fly", "entropy_threshold=1.1,window_size=1", "rejection", ""); /* ln 3 = 1.0986 is the most */
}

/* All rules that draw are one and the same where nothing is drafted. */
Test(rules, plain_decoding_is_one_sampler) {
    static const char *const names[] = {"rejection", "threshold", "fly", "nucleus", "topp_window"};
    static language_pass     pass;
    draft                    none;
    draft_clear(&none);
    for (size_t i = 0; i < 5; i++) {
        const char *params = "temperature=0.8,top_k=4,top_p=0.9,min_p=0.1";
        rule       *x = rule_for("coupled", params, LANGUAGE_VOCAB), *y = rule_for(names[i], params, LANGUAGE_VOCAB);
        double      p[LANGUAGE_VOCAB];
        size_t      seen[2][LANGUAGE_VOCAB] = {0};
        for (uint64_t k = 0; k < 20000; k++) {
            language_rows(-1, &none, &pass);
            seen[0][rule_verdict(x, &pass.pass, &none, 0, noise_of(4, k)).next]++;
            seen[1][rule_verdict(y, &pass.pass, &none, 0, noise_of(4, k)).next]++;
        }
        sampler_probs(&x->sampler, language_logits(-1), LANGUAGE_VOCAB, p);
        for (size_t id = 0; id < LANGUAGE_VOCAB; id++)
            for (size_t k = 0; k < 2; k++)
                cr_assert_float_eq((double)seen[k][id] / 20000, p[id], 0.02, "%s, id %zu", names[i], id);
        rule_close(x);
        rule_close(y);
    }
}

Test(rules, refuse_a_tree_that_was_drawn) {
    static language_pass pass;
    const double         q[LANGUAGE_VOCAB * 2] = {1, 0, 0, 0, 0, 0, 1};
    rule                *r = rule_for("rejection", "", LANGUAGE_VOCAB);
    draft                d;
    verdict              v;
    err                  e = {0};
    TREE_OF(&d, {-1 COMMA - 1}, 0, 1);
    d.q = q;
    language_rows(-1, &d, &pass);
    cr_assert_eq(rule_accept(r, &pass.pass, &d, 0, (noise){0}, &v, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    rule_close(r);
}

/* ---- typical ------------------------------------------------------------------------------------------ */

/* Rows of the root, then of four nodes: 0 and 1 are children of the root, 2 and 3 of node 1. */
static verdict typical_in_tree(const double *p, const int32_t *ids) {
    enum { V = 4 };
    float logits[5 * V];
    rows  pass;
    draft d;
    rule *r = rule_for("typical", "", V);
    set_rows(p, 5, V, logits, &pass);
    set_tree(&d, (const int32_t[]){-1, -1, 1, 1}, ids, 4);
    verdict v = rule_verdict(r, &pass, &d, 0, (noise){0});
    rule_close(r);
    return v;
}

/* As in Medusa, which looks at all paths. */
Test(typical, takes_the_longest_path_and_of_equals_the_likeliest) {
    const int32_t ids[] = {0, 1, 0, 1};
    const double  likelier_second[] = {0.5, 0.5, 0, 0, 1, 0, 0, 0, 0.2, 0.8, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    verdict       v = typical_in_tree(likelier_second, ids);
    cr_assert(v.n == 2 && v.path[0] == 1 && v.path[1] == 3 && v.next == 3);
    const double equal[] = {0.5, 0.5, 0, 0, 1, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    v = typical_in_tree(equal, ids);
    cr_assert(v.n == 2 && v.path[0] == 1 && v.path[1] == 2 && v.next == 2, "the first of equals");
    const double short_ones[] = {0.4, 0.6, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1};
    v = typical_in_tree(short_ones, ids);
    cr_assert(v.n == 1 && v.path[0] == 1 && v.next == 3, "the likelier one, though it comes later");
    const double none[] = {0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    v = typical_in_tree(none, ids);
    cr_assert(v.n == 0 && v.next == 2);
}

/* ---- relaxed ------------------------------------------------------------------------------------------ */

Test(rules, relaxed_refuses_ids_that_make_no_sense) {
    const struct {
        const char *params, *error;
    } cases[] = {
        {"end_thinking=1000", "rule relaxed: end_thinking = 1000 is no id of this vocabulary (0 to 999, or -1)"},
        {"begin_thinking=1000", "rule relaxed: begin_thinking = 1000 is no id of this vocabulary (0 to 999, or -1)"},
        {"begin_thinking=5,end_thinking=5",
         "rule relaxed: begin_thinking and end_thinking are both 5 (two ids, or -1)"},
        {"begin_thinking=5,end_thinking=999", NULL},
        {"", NULL},
    };
    const rule_ops *ops = registry_find(&rule_registry, "relaxed");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err          e = {0};
        param_values v;
        cr_assert_eq(param_parse_list("relaxed", ops->params, ops->n_params, cases[i].params, &v, &e), 0);
        rule *r = rule_open(ops, &v, 1000, &e);
        cr_assert_eq(r == NULL, cases[i].error != NULL, "%s", cases[i].params);
        if (r == NULL) cr_assert_str_eq(e.text, cases[i].error);
        rule_close(r);
        param_values_free(&v);
    }
}

Test(relaxed, lets_through_what_is_nearly_as_likely) {
    enum { V = 5 };
    const double p[] = {0.4, 0.3, 0.2, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0.6};
    const struct {
        const char *params;
        int32_t     id;
        bool        stands;
    } cases[] = {
        {"", 0, true},
        {"", 1, false},
        {"relaxed_topk=2,relaxed_delta=0.11", 1, true},
        {"relaxed_topk=2,relaxed_delta=0.09", 1, false},
        {"relaxed_topk=2,relaxed_delta=0.5", 2, false},
        {"relaxed_topk=3,relaxed_delta=0.5", 2, true},
        {"relaxed_topk=10,relaxed_delta=0.6", 3, true}, /* p(argmax) <= delta: any of them */
        {"relaxed_topk=10,relaxed_delta=1,top_k=3", 3, false},
    };
    float logits[2 * V];
    rows  pass;
    draft d;
    set_rows(p, 2, V, logits, &pass);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rule *r = rule_for("relaxed", cases[i].params, V);
        draft_clear(&d);
        draft_extend(&d, &cases[i].id, 1);
        verdict v = rule_verdict(r, &pass, &d, 0, (noise){0});
        cr_assert_eq(v.n, cases[i].stands, "case %zu", i);
        cr_assert_eq(v.next, cases[i].stands ? 4 : 0, "case %zu: the argmax follows", i);
        rule_close(r);
    }
}

Test(relaxed, takes_the_likeliest_of_several_children) {
    enum { V = 4 };
    const double p[] = {0.4, 0.3, 0.2, 0.1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
    float        logits[4 * V];
    rows         pass;
    draft        d;
    rule        *r = rule_for("relaxed", "relaxed_topk=3,relaxed_delta=0.5", V);
    set_rows(p, 4, V, logits, &pass);
    TREE_OF(&d, {-1 COMMA - 1 COMMA - 1}, 3, 2, 1);
    verdict v = rule_verdict(r, &pass, &d, 0, (noise){0});
    cr_assert(v.n == 1 && v.path[0] == 2 && v.next == 2);
    rule_close(r);
}

Test(relaxed, is_lenient_while_the_model_thinks) {
    enum { V = 8, OPEN = 6, SHUT = 7 };
    const double p[] = {0.4, 0.6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    float        logits[2 * V];
    rows         pass;
    draft        d;
    rule        *r = rule_for("relaxed", "relaxed_topk=2,relaxed_delta=0.5,begin_thinking=6,end_thinking=7", V);
    set_rows(p, 2, V, logits, &pass);
    draft_clear(&d);
    draft_extend(&d, (const int32_t[]){0}, 1);
#define STANDS() (rule_verdict(r, &pass, &d, 0, (noise){0}).n == 1)
    rule_begin(r, (const int32_t[]){1, 2}, 2);
    cr_assert(!STANDS(), "nothing says that it thinks");
    rule_begin(r, (const int32_t[]){1, OPEN}, 2);
    cr_assert(STANDS());
    rule_observe(r, (const int32_t[]){1, SHUT, 2}, 3);
    cr_assert(!STANDS());
    rule_observe(r, (const int32_t[]){OPEN}, 1);
    cr_assert(STANDS());
    rule_begin(r, (const int32_t[]){OPEN, 1, SHUT}, 3);
    cr_assert(!STANDS(), "it has thought before");
    rule_close(r);
    r = rule_for("relaxed", "relaxed_topk=2,relaxed_delta=0.5,end_thinking=7", V);
    cr_assert(STANDS(), "it begins so");
    rule_observe(r, (const int32_t[]){SHUT}, 1);
    cr_assert(!STANDS());
    rule_close(r);
#undef STANDS
}

/* ---- topp_window -------------------------------------------------------------------------------------- */

/* Rows: after nothing 0 is certain enough for top_p, 1 is second; then 2, 3, 0 are the argmaxes. */
static const double windows[] = {0.9, 0.06, 0.04, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0};

static size_t window_stand(const char *params, const int32_t *ids, size_t n, int32_t *next) {
    enum { V = 4 };
    float logits[4 * V];
    rows  pass;
    draft d;
    rule *r = rule_for("topp_window", params, V);
    set_rows(windows, n + 1, V, logits, &pass);
    draft_clear(&d);
    draft_extend(&d, ids, n);
    verdict v = rule_verdict(r, &pass, &d, 0, noise_of(1, 1));
    *next = v.next;
    rule_close(r);
    return v.n;
}

Test(topp_window, the_second_stands_with_its_window) {
    int32_t next;
    cr_assert_eq(window_stand("top_p=0.8", (const int32_t[]){0, 2, 3}, 3, &next), 3, "all are candidates");
    cr_assert_eq(window_stand("top_p=0.8", (const int32_t[]){1, 2, 3}, 3, &next), 3, "the second, and a window of 2");
    cr_assert_eq(next, 0);
    cr_assert_eq(window_stand("top_p=0.8", (const int32_t[]){1, 2}, 2, &next), 0, "the window is too short");
    cr_assert_eq(window_stand("top_p=0.8", (const int32_t[]){1, 2, 1}, 3, &next), 0, "no argmax in the window");
    cr_assert_eq(next, 0, "drawn from the candidates, of which there is one");
    cr_assert_eq(window_stand("top_p=0.8", (const int32_t[]){2, 2, 3}, 3, &next), 0, "the third likeliest");
    cr_assert_eq(window_stand("top_p=0.8,verify_window=1", (const int32_t[]){1, 2, 3}, 3, &next), 2, "it stops there");
    cr_assert_eq(next, 3);
    cr_assert_eq(window_stand("top_p=0.95", (const int32_t[]){1, 2, 1}, 3, &next), 2, "two candidates");
    cr_assert_eq(window_stand("max_candidate_len=1", (const int32_t[]){1, 2, 3}, 3, &next), 0, "no second one");
    cr_assert_eq(window_stand("temperature=0", (const int32_t[]){1, 2, 3}, 3, &next), 3, "even at temperature 0");
}

Test(topp_window, takes_the_likeliest_candidate_of_a_tree) {
    enum { V = 4 };
    const double p[] = {0.5, 0.3, 0.2, 0, 0, 0, 0, 1, 0, 0, 1, 0};
    float        logits[3 * V];
    rows         pass;
    draft        d;
    rule        *r = rule_for("topp_window", "", V);
    set_rows(p, 3, V, logits, &pass);
    TREE_OF(&d, {-1 COMMA - 1}, 2, 1);
    verdict v = rule_verdict(r, &pass, &d, 0, (noise){0});
    cr_assert(v.n == 1 && v.path[0] == 1 && v.next == 2);
    rule_close(r);
}

/* ---- fly ---------------------------------------------------------------------------------------------- */

static verdict fly_verdict(const char *params, const double *p, size_t rows_, draft *d) {
    enum { V = 4 };
    static float logits[8 * V];
    rows         pass;
    rule        *r = rule_for("fly", params, V);
    set_rows(p, rows_, V, logits, &pass);
    verdict v = rule_verdict(r, &pass, d, 0, noise_of(2, 2));
    rule_close(r);
    return v;
}

/* At temperature 0. Entropy of 0.5, 0.3, 0.2: 1.03 nats. */
Test(fly, lets_a_rejection_through_where_it_is_unsure) {
    const double p[] = {0.5, 0.3, 0.2, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0};
    draft        d;
    draft_clear(&d);
    draft_extend(&d, (const int32_t[]){1, 2, 3}, 3);
    cr_assert_eq(fly_verdict("temperature=0,window_size=2", p, 4, &d).n, 3);
    cr_assert_eq(fly_verdict("temperature=0,window_size=3", p, 4, &d).n, 0, "no window of 3");
    cr_assert_eq(fly_verdict("temperature=0,window_size=2,entropy_threshold=1.02", p, 4, &d).n, 3);
    cr_assert_eq(fly_verdict("temperature=0,window_size=2,entropy_threshold=1.04", p, 4, &d).n, 0, "sure enough");
    cr_assert_eq(fly_verdict("temperature=0,window_size=2,entropy_top_k=2,entropy_threshold=0.72", p, 4, &d).n, 0,
                 "0.5 and 0.3 have 0.708");
    cr_assert_eq(fly_verdict("temperature=0,window_size=2,top_k=1", p, 4, &d).n, 0, "no probability is left to it");
    d.ids[2] = 1;
    cr_assert_eq(fly_verdict("temperature=0,window_size=2", p, 4, &d).n, 0, "the window does not stand");
    cr_assert_eq(fly_verdict("temperature=0,window_size=1", p, 4, &d).n, 2, "a shorter one does");
    d.ids[0] = 0;
    cr_assert_eq(fly_verdict("temperature=0,window_size=2", p, 4, &d).n, 2, "one that stands needs no window");
}

Test(fly, tries_the_children_of_a_tree) {
    /* Below the root 2 and 1, neither the argmax; only below 1 a window stands. */
    const double p[] = {0.5, 0.3, 0.2, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0};
    draft        d;
    TREE_OF(&d, {-1 COMMA - 1 COMMA 0 COMMA 1}, 2, 1, 0, 2);
    verdict v = fly_verdict("temperature=0,window_size=1", p, 5, &d);
    cr_assert(v.n == 2 && v.path[0] == 1 && v.path[1] == 3 && v.next == 1);
}

/* ---- nucleus ------------------------------------------------------------------------------------------ */

Test(nucleus, takes_the_longest_path) {
    enum { V = 3 };
    /* All is certain: the path of nodes 1, 2 stands, that of node 0 as well, which is shorter. */
    const double p[] = {0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0};
    float        logits[4 * V];
    rows         pass;
    draft        d;
    rule        *r = rule_for("nucleus", "", V);
    set_rows(p, 4, V, logits, &pass);
    TREE_OF(&d, {-1 COMMA - 1 COMMA 1}, 1, 1, 2);
    verdict v = rule_verdict(r, &pass, &d, 0, (noise){0});
    cr_assert(v.n == 2 && v.path[0] == 1 && v.path[1] == 2 && v.next == 0);
    rule_close(r);
}
