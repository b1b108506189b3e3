/* The distribution that rules draw from, by chi-square over a million samples in each case: 100 seeds of 10000, whose
 * p-values must be uniform (Kolmogorov-Smirnov). Rules that change it must be found out by the same test. */
#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/rule_rows.h"

#ifdef __SANITIZE_ADDRESS__ /* many times slower */
enum { SEEDS = 5 };
#else
enum { SEEDS = 100 };
#endif
enum { SAMPLES = 10000, PAIRS = LANGUAGE_VOCAB * LANGUAGE_VOCAB };

typedef enum { NO_DRAFT, CHAIN, TREE, RANDOM_CHAIN, DRAFT_KINDS } draft_kind;

static const char *const kind_names[] = {"no draft", "chain", "tree", "chain drawn at random"};

/* What is proposed after `last`. A random chain is drawn from the drafter, with numbers of its own. */
static void propose(draft_kind kind, int32_t last, noise own, uint64_t position, draft *d) {
    static const int32_t parents[] = {-1, -1, -1, 0, 0, 1, 3}, ids[] = {2, 5, 2, 1, 3, 4, 4};
    static double        q[2 * LANGUAGE_VOCAB];
    draft_clear(d);
    if (kind == CHAIN) draft_extend(d, (const int32_t[]){1, 3, 0}, 3);
    for (size_t i = 0; kind == TREE && i < sizeof ids / sizeof *ids; i++) draft_add(d, parents[i], ids[i]);
    for (size_t i = 0; kind == RANDOM_CHAIN && i < 2; i++) {
        logits_softmax(drafter_logits(last), LANGUAGE_VOCAB, 0.7, q + i * LANGUAGE_VOCAB);
        last = probs_sample(q + i * LANGUAGE_VOCAB, LANGUAGE_VOCAB, noise_uniform(own, position + i, 3));
        draft_extend(d, &last, 1);
        d->q = q;
    }
}

/* The first two tokens of a text. Two passes over the same position never share numbers. */
static size_t sample_pair(rule *r, draft_kind kind, noise draws, noise own) {
    static language_pass pass;
    static draft         d;
    int32_t              out[2 + LANGUAGE_ROWS], last = -1;
    for (size_t n = 0; n < 2; last = out[n - 1]) {
        propose(kind, last, own, n, &d);
        language_rows(last, &d, &pass);
        verdict v = rule_verdict(r, &pass.pass, &d, n, draws);
        for (size_t i = 0; i < v.n; i++) out[n++] = d.ids[v.path[i]];
        out[n++] = v.next;
    }
    return (size_t)(out[0] * LANGUAGE_VOCAB + out[1]);
}

/* The probability of each pair, from the sampler, which test_sampler.c checks. */
static void exact(const sampler *s, double pairs[PAIRS]) {
    double first[LANGUAGE_VOCAB], second[LANGUAGE_VOCAB];
    sampler_probs(s, language_logits(-1), LANGUAGE_VOCAB, first);
    for (int32_t a = 0; a < LANGUAGE_VOCAB; a++) {
        sampler_probs(s, language_logits(a), LANGUAGE_VOCAB, second);
        for (int32_t b = 0; b < LANGUAGE_VOCAB; b++) pairs[a * LANGUAGE_VOCAB + b] = first[a] * second[b];
    }
}

/* p of the counts; 0 when something was seen that cannot be. */
static double chi_square(const size_t *seen, const double *pairs, double samples) {
    double sum = 0;
    size_t possible = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        double expected = samples * pairs[i], got = (double)seen[i];
        if (expected == 0 && got > 0) return 0;
        if (expected == 0) continue;
        cr_assert_gt(expected, 5, "the test has too few samples");
        possible++;
        sum += (got - expected) * (got - expected) / expected;
    }
    return gsl_cdf_chisq_Q(sum, (double)possible - 1);
}

static int ascending(const void *a_, const void *b_) {
    double a = *(const double *)a_, b = *(const double *)b_;
    return (a > b) - (a < b);
}

/* p that n numbers are uniform in [0, 1] (Stephens 1970). */
static double kolmogorov_smirnov(double *x, size_t n) {
    double gap = 0, root = sqrt((double)n), sum = 0;
    qsort(x, n, sizeof *x, ascending);
    for (size_t i = 0; i < n; i++)
        gap = fmax(gap, fmax((double)(i + 1) / (double)n - x[i], x[i] - (double)i / (double)n));
    double lambda = (root + 0.12 + 0.11 / root) * gap;
    for (int k = 1; k < 100; k++) sum += (k % 2 ? 2 : -2) * exp(-2 * k * k * lambda * lambda);
    return fmin(1, fmax(0, sum));
}

typedef struct {
    double all;     /* p of all samples */
    double uniform; /* p that the seeds' p-values are uniform */
} finding;

static finding examine(rule *r, draft_kind kind, size_t seeds, uint64_t first_seed) {
    double pairs[PAIRS], p[SEEDS];
    size_t all[PAIRS] = {0};
    exact(&r->sampler, pairs);
    for (size_t seed = 0; seed < seeds; seed++) {
        size_t seen[PAIRS] = {0};
        for (uint64_t i = 0; i < SAMPLES; i++)
            seen[sample_pair(r, kind, noise_of(first_seed + seed, i), noise_of(first_seed + seed, ~i))]++;
        for (size_t i = 0; i < PAIRS; i++) all[i] += seen[i];
        p[seed] = chi_square(seen, pairs, SAMPLES);
    }
    return (finding){chi_square(all, pairs, (double)seeds * SAMPLES), kolmogorov_smirnov(p, seeds)};
}

#define PLAIN_SAMPLER "temperature=1.3"
#define CUT_BY_P      "temperature=0.9,top_p=0.9,min_p=0.1"
#define CUT_BY_K      "temperature=0.9,top_k=5"

static void expect_exact(const char *name, const char *params, draft_kind kind, uint64_t seed) {
    rule   *r = rule_for(name, params, LANGUAGE_VOCAB);
    finding f = examine(r, kind, SEEDS, seed);
    cr_assert(f.all > 1e-3 && f.uniform > 1e-3, "%s:%s, %s: p = %g, and %g that p-values are uniform", name, params,
              kind_names[kind], f.all, f.uniform);
    rule_close(r);
}

#define EXACT(test, name, params, seed)                                                                                \
    Test(distribution, test) {                                                                                         \
        for (draft_kind kind = NO_DRAFT; kind < DRAFT_KINDS; kind++)                                                   \
            expect_exact(name, params, kind, seed + kind * 1000);                                                      \
    }

EXACT(coupled_keeps_it, "coupled", PLAIN_SAMPLER, 100000)
EXACT(coupled_keeps_a_cut_one, "coupled", CUT_BY_P, 200000)
EXACT(rejection_keeps_it, "rejection", PLAIN_SAMPLER, 300000)
EXACT(rejection_keeps_a_cut_one, "rejection", CUT_BY_K, 400000)

/* ---- what changes it is found out ---------------------------------------------------------------------- */

static double bias(rule *r, draft_kind kind) {
    return examine(r, kind, 5, 7).all;
}

Test(distribution, of_lossy_rules_is_another) {
    static const struct {
        const char *name, *params;
    } cases[] = {
        {"nucleus", "top_p=1"},
        {"nucleus", CUT_BY_P},
        {"typical", ""},
        {"relaxed", "relaxed_topk=3,relaxed_delta=0.6"},
        {"topp_window", "top_p=0.8"},
        {"threshold", "threshold_acc=0.7"},
        {"threshold", "threshold_single=0.15"},
        {"fly", "window_size=1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rule *r = rule_for(cases[i].name, cases[i].params, LANGUAGE_VOCAB);
        cr_assert_eq(r->ops->keeps, LOSSY);
        for (draft_kind kind = CHAIN; kind <= TREE; kind++)
            cr_assert_lt(bias(r, kind), 1e-12, "%s:%s, %s", cases[i].name, cases[i].params, kind_names[kind]);
        rule_close(r);
    }
}

/* Usual mistakes with a draft that was drawn: no ratio, and a residual that forgets q. */
static int forgets_q(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out, err *e) {
    (void)e;
    for (size_t i = 0;; i++) {
        rule_probs(r, pass, i);
        double u = noise_uniform(draws, position + i, 0);
        if (i < d->n && u * d->q[i * pass->vocab + (size_t)d->ids[i]] < r->p[d->ids[i]]) {
            out->path[out->n++] = (int32_t)i;
            continue;
        }
        if (i < d->n) r->p[d->ids[i]] = 0;
        out->next = probs_sample(r->p, pass->vocab, noise_uniform(draws, position + i, 1));
        return 0;
    }
}

Test(distribution, finds_usual_mistakes) {
    rule    *r = rule_for("rejection", "", LANGUAGE_VOCAB);
    rule_ops wrong = *r->ops;
    wrong.accept = forgets_q;
    r->ops = &wrong;
    cr_assert_lt(bias(r, RANDOM_CHAIN), 1e-12);
    rule_close(r);
}

/* ---- how often drafts stand ---------------------------------------------------------------------------- */

/* The share of 200000 passes in which at least `depth` tokens stand. */
static double share_standing(rule *r, const draft *(*of)(noise, draft *), size_t depth) {
    enum { PASSES = 200000 };
    static language_pass pass;
    size_t               stand = 0;
    draft                d;
    for (uint64_t i = 0; i < PASSES; i++) {
        of(noise_of(5, ~i), &d);
        language_rows(-1, &d, &pass);
        stand += rule_verdict(r, &pass.pass, &d, 0, noise_of(5, i)).n >= depth;
    }
    return (double)stand / PASSES;
}

static const draft *token_one(noise own, draft *d) {
    (void)own;
    draft_clear(d);
    draft_extend(d, (const int32_t[]){1}, 1);
    return d;
}

static const draft *drawn_token(noise own, draft *d) {
    propose(RANDOM_CHAIN, -1, own, 0, d);
    d->n = 1;
    return d;
}

Test(rejection, a_drawn_token_stands_as_often_as_the_distributions_overlap) {
    rule  *r = rule_for("rejection", "", LANGUAGE_VOCAB);
    double p[LANGUAGE_VOCAB], q[LANGUAGE_VOCAB], overlap = 0;
    logits_softmax(language_logits(-1), LANGUAGE_VOCAB, 1, p);
    logits_softmax(drafter_logits(-1), LANGUAGE_VOCAB, 0.7, q);
    for (size_t i = 0; i < LANGUAGE_VOCAB; i++) overlap += fmin(p[i], q[i]);
    cr_assert_float_eq(share_standing(r, drawn_token, 1), overlap, 0.005);
    rule_close(r);
}

Test(nucleus, the_bias_is_what_it_should_be) {
    enum { PASSES = 200000 };
    static language_pass pass;
    rule                *r = rule_for("nucleus", "top_p=1", LANGUAGE_VOCAB);
    double               p[LANGUAGE_VOCAB];
    size_t               emitted = 0;
    draft                d;
    logits_softmax(language_logits(-1), LANGUAGE_VOCAB, 1, p);
    cr_assert_float_eq(share_standing(r, token_one, 1), p[1], 0.005);
    token_one((noise){0}, &d);
    language_rows(-1, &d, &pass);
    for (uint64_t i = 0; i < PASSES; i++) {
        verdict v = rule_verdict(r, &pass.pass, &d, 0, noise_of(6, i));
        emitted += v.n == 1 || v.next == 1;
    }
    cr_assert_float_eq((double)emitted / PASSES, p[1] + (1 - p[1]) * p[1], 0.005);
    rule_close(r);
}

Test(threshold, divides_the_probability) {
    double p[LANGUAGE_VOCAB];
    logits_softmax(language_logits(-1), LANGUAGE_VOCAB, 1, p);
    rule *half = rule_for("threshold", "threshold_acc=0.5", LANGUAGE_VOCAB);
    cr_assert_float_eq(share_standing(half, token_one, 1), 2 * p[1], 0.005);
    rule *tiny = rule_for("threshold", "threshold_acc=0", LANGUAGE_VOCAB);
    cr_assert_eq(share_standing(tiny, token_one, 1), 1);
    rule_close(half);
    rule_close(tiny);
}
