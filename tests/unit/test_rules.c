/* Acceptance rules: their building blocks, edge cases, and whether they keep their promises. */
#include <criterion/criterion.h>
#include <float.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

static rule *open_rule(const rule_ops *ops, const char *text, size_t vocab) {
    param_values values;
    err          e = {0};
    cr_assert_eq(param_parse_list(ops->name, ops->params, ops->n_params, text, &values, &e), 0, "%s", e.text);
    rule *r = rule_open(ops, &values, vocab, &e);
    cr_assert_not_null(r, "%s", e.text);
    return r;
}

static verdict accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws) {
    verdict v;
    err     e = {0};
    if (rule_accept(r, pass, d, position, draws, &v, &e) != 0) cr_assert_fail("%s: %s", r->ops->name, e.text);
    return v;
}

static void set_draft(draft *d, const int32_t *ids, size_t n) {
    draft_clear(d);
    draft_extend(d, ids, n);
}

/* ---- the table -------------------------------------------------------------------------------------- */

Test(rules, table_is_sound) {
    for (size_t i = 0; i < rule_registry.n; i++) {
        const rule_ops *ops = rule_registry.at[i];
        cr_assert_eq(registry_find(&rule_registry, ops->name), ops, "two rules are named %s", ops->name);
        cr_assert(ops->help != NULL && ops->origin != NULL && ops->needs != 0);
        cr_assert_leq(ops->n_params, PARAM_MAX);
        for (size_t j = 0; j < ops->n_params; j++)
            cr_assert(ops->params[j].min <= ops->params[j].preset && ops->params[j].preset <= ops->params[j].max);
        int t = param_find(ops->params, ops->n_params, "temperature"); /* has a column of its own in results */
        cr_assert(t < 0 || ops->params[t].type == PARAM_IS_REAL, "%s", ops->name);
    }
    cr_assert_null(registry_find(&rule_registry, "greed"));
}

Test(rules, temperature_is_zero_where_there_is_none) {
    param_values v = {0};
    err          e = {0};
    cr_assert_eq(rule_temperature(registry_find(&rule_registry, "greedy"), &v), 0);
    const rule_ops *typical = registry_find(&rule_registry, "typical");
    cr_assert_eq(param_parse_list("typical", typical->params, typical->n_params, "temperature=0.7", &v, &e), 0);
    cr_assert_eq(rule_temperature(typical, &v), 0.7);
}

Test(rules, open_survives_failing_allocations) {
    for (size_t i = 0; i < rule_registry.n; i++) {
        rule *r = NULL;
        for (size_t k = 1; r == NULL; k++) {
            err          e = {0};
            param_values v;
            param_presets(((const rule_ops *)rule_registry.at[i])->params,
                          ((const rule_ops *)rule_registry.at[i])->n_params, &v);
            mem_fail_at(k);
            r = rule_open(rule_registry.at[i], &v, 10, &e);
            mem_fail_at(0);
            cr_assert(r != NULL || e.kind == ERR_RUN);
            cr_assert_lt(k, 10);
        }
        rule_close(r);
    }
    rule_close(NULL);
}

Test(rules, refuse_rows_they_cannot_use) {
    const float logits[8] = {0};
    for (size_t i = 0; i < rule_registry.n; i++) {
        rule *r = open_rule(rule_registry.at[i], "", 4);
        draft d;
        err   e = {0};
        set_draft(&d, (int32_t[]){1}, 1);
        const int32_t forced[2] = {1, 2};
        const rows    bad[] = {
               {.n = 2, .vocab = 4},                   /* neither logits nor choices */
               {.n = 1, .vocab = 4, .logits = logits}, /* too few rows */
               {.n = 2, .vocab = 2, .logits = logits}, /* another vocabulary */
               {.n = 2, .vocab = 4, .forced = forced}, /* only choices */
        };
        for (size_t j = 0; j < 4; j++) {
            verdict v;
            int     want = j == 3 && ((const rule_ops *)rule_registry.at[i])->needs == GIVES_CHOICES ? 0 : -1;
            cr_assert_eq(rule_accept(r, &bad[j], &d, 0, (noise){0}, &v, &e), want, "%s, case %zu", r->ops->name, j);
            if (want != 0) cr_assert_eq(e.kind, ERR_RUN);
        }
        rule_close(r);
    }
}

/* ---- argmax, softmax, sampling ---------------------------------------------------------------------- */

Test(logits, argmax_takes_the_lowest_of_equals) {
    cr_assert_eq(logits_argmax((const float[]){1, 3, 3, 2}, 4), 1);
    cr_assert_eq(logits_argmax((const float[]){-0.0f, 0.0f}, 2), 0);
    cr_assert_eq(logits_argmax((const float[]){-FLT_MAX, -FLT_MAX}, 2), 0);
    cr_assert_eq(logits_argmax((const float[]){-5}, 1), 0);
    cr_assert_eq(logits_argmax((const float[]){-5, -4, FLT_MAX}, 3), 2);
}

Test(logits, softmax_is_a_distribution_at_any_temperature) {
    enum { N = 1000 };
    static float  logits[N];
    static double p[N];
    gsl_rng      *r = rng_new(5, 1);
    const double  temperatures[] = {0.01, 0.7, 1, 100};
    for (int round = 0; round < 40; round++) {
        double scale = pow(10, round % 8 - 2), temperature = temperatures[round % 4], sum = 0;
        for (size_t i = 0; i < N; i++) logits[i] = (float)((gsl_rng_uniform(r) - 0.5) * scale);
        logits_softmax(logits, N, temperature, p);
        size_t top = (size_t)logits_argmax(logits, N);
        for (size_t i = 0; i < N; i++) {
            double want = p[top] * exp(((double)logits[i] - logits[top]) / temperature);
            cr_assert(p[i] >= 0 && p[i] <= 1);
            cr_assert(fabs(p[i] - want) <= 1e-13 * want + 1e-300, "p = %.17g, not %.17g", p[i], want);
            sum += p[i];
        }
        cr_assert_lt(fabs(sum - 1), 1e-12);
    }
    gsl_rng_free(r);
}

Test(logits, softmax_bears_extremes) {
    double p[4];
    logits_softmax((const float[]){FLT_MAX, -FLT_MAX, 0, FLT_MAX}, 4, 0.01, p);
    cr_assert(p[0] == 0.5 && p[1] == 0 && p[2] == 0 && p[3] == 0.5);
    logits_softmax((const float[]){-FLT_MAX, -FLT_MAX, -FLT_MAX, -FLT_MAX}, 4, 100, p);
    for (int i = 0; i < 4; i++) cr_assert_eq(p[i], 0.25);
    logits_softmax((const float[]){7}, 1, 1, p);
    cr_assert_eq(p[0], 1);
}

Test(logits, sampling_inverts_the_distribution) {
    const double p[] = {0, 0.25, 0, 0.75, 0}, below_one = 1 - 0x1p-53;
    cr_assert_eq(probs_sample(p, 5, 0), 1);
    cr_assert_eq(probs_sample(p, 5, nextafter(0.25, 0)), 1);
    cr_assert_eq(probs_sample(p, 5, 0.25), 3);
    cr_assert_eq(probs_sample(p, 5, below_one), 3);
    cr_assert_eq(probs_sample((const double[]){0, 1, 3}, 3, 0.24), 1, "p need not sum to 1");
    cr_assert_eq(probs_sample((const double[]){0, 1, 3}, 3, 0.26), 2, "p need not sum to 1");
    cr_assert_eq(probs_sample((const double[]){0, 0}, 2, 0.5), -1);
    cr_assert_eq(probs_sample((const double[]){0, DBL_TRUE_MIN, 0}, 3, below_one), 1);

    /* Sums that round: an id is still returned, and never one with p = 0. */
    double   many[300];
    gsl_rng *r = rng_new(6, 1);
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 300; i++) many[i] = gsl_rng_uniform(r) < 0.7 ? 0 : pow(10, -20 * gsl_rng_uniform(r));
        many[17] = 1e-30;
        int32_t id = probs_sample(many, 300, round % 2 ? below_one : gsl_rng_uniform(r));
        cr_assert(id >= 0 && id < 300 && many[id] > 0);
    }
    gsl_rng_free(r);
}

/* ---- greedy ----------------------------------------------------------------------------------------- */

Test(greedy, accepts_up_to_the_first_mismatch) {
    enum { VOCAB = 6, M = 5 };
    const int32_t says[M + 1] = {3, 0, 5, 2, 2, 4};
    float         logits[(M + 1) * VOCAB] = {0};
    for (size_t i = 0; i <= M; i++) logits[i * VOCAB + (size_t)says[i]] = 1;
    rule *r = open_rule(registry_find(&rule_registry, "greedy"), "", VOCAB);
    for (size_t m = 0; m <= M; m++)
        for (size_t stand = 0; stand <= m; stand++) {
            draft d;
            set_draft(&d, says, m);
            if (stand < m) d.ids[stand] = (d.ids[stand] + 1) % VOCAB;
            rows    free_rows = {.n = m + 1, .vocab = VOCAB, .logits = logits};
            rows    forced_rows = {.n = m + 1, .vocab = VOCAB, .forced = says};
            verdict v = accept(r, &free_rows, &d, 0, (noise){0}), f = accept(r, &forced_rows, &d, 0, (noise){0});
            cr_assert(v.n == stand && v.next == says[stand], "%zu of %zu", stand, m);
            cr_assert(f.n == stand && f.next == says[stand], "forced, %zu of %zu", stand, m);
        }
    rule_close(r);
}

Test(greedy, forced_decoding_overrides_logits_and_ends) {
    const float   logits[] = {9, 0, 0, 9, 0, 0, 9, 0, 0};
    const int32_t forced[] = {1, 2, -1};
    rule         *r = open_rule(registry_find(&rule_registry, "greedy"), "", 3);
    rows          pass = {.n = 3, .vocab = 3, .logits = logits, .forced = forced};
    draft         d;
    set_draft(&d, (int32_t[]){1, 2}, 2);
    verdict v = accept(r, &pass, &d, 0, (noise){0});
    cr_assert(v.n == 2 && v.next == -1);
    /* Past the recording's end nothing stands, whatever the logits say. */
    pass = (rows){.n = 2, .vocab = 3, .logits = logits, .forced = forced + 2};
    pass.n = 1;
    set_draft(&d, NULL, 0);
    v = accept(r, &pass, &d, 0, (noise){0});
    cr_assert(v.n == 0 && v.next == -1);
    const int32_t ended[] = {-1, -1};
    pass = (rows){.n = 2, .vocab = 3, .logits = logits, .forced = ended};
    set_draft(&d, (int32_t[]){0}, 1);
    v = accept(r, &pass, &d, 0, (noise){0});
    cr_assert(v.n == 0 && v.next == -1);
    rule_close(r);
}

/* ---- a small language model ------------------------------------------------------------------------- */

enum { TOY_VOCAB = 7, TOY_DRAFT = 6, TOY_NODES = 20, TOY_LENGTH = 120 };

/* Logits after a context, from a hash of its last three tokens: any context has its own distribution. */
static void toy_logits(const int32_t *context, size_t n, float *logits) {
    int32_t key[4] = {0, -1, -1, -1};
    for (size_t i = 0; i < 3 && i < n; i++) key[i + 1] = context[n - 1 - i];
    for (int32_t i = 0; i < TOY_VOCAB; i++) {
        key[0] = i;
        logits[i] = (float)(digest64(key, sizeof key) % 4001) / 1000 - 2;
    }
}

/* One step of speculative decoding after `context`; returns how many tokens it appended to it. The draft may be a tree:
 * a node's row follows the path that leads to it. */
static size_t toy_step(rule *r, int32_t *context, size_t n, const draft *d, noise draws) {
    float   logits[(TOY_NODES + 1) * TOY_VOCAB];
    int32_t path[TOY_LENGTH + 2 * TOY_DRAFT + 2];
    if (d->n > TOY_NODES) cr_assert_fail("%zu nodes", d->n); /* a passing cr_assert takes long, with its message */
    for (int32_t node = DRAFT_ROOT; node < (int32_t)d->n; node++) {
        size_t depth = 0;
        for (int32_t i = node; i >= 0; i = d->parent[i]) depth++;
        memcpy(path, context, n * sizeof *path);
        for (int32_t i = node, at = (int32_t)(n + depth); i >= 0; i = d->parent[i]) path[--at] = d->ids[i];
        toy_logits(path, n + depth, logits + rows_of(node) * TOY_VOCAB);
    }
    rows    pass = {.n = d->n + 1, .vocab = TOY_VOCAB, .logits = logits};
    verdict v = accept(r, &pass, d, n, draws);
    if (v.n > d->n || v.next < 0 || v.next >= TOY_VOCAB) cr_assert_fail("%zu tokens, then %d", v.n, (int)v.next);
    for (size_t i = 0; i < v.n; i++) {
        if (d->parent[v.path[i]] != (i > 0 ? v.path[i - 1] : DRAFT_ROOT)) cr_assert_fail("no path");
        context[n + i] = d->ids[v.path[i]];
    }
    context[n + v.n] = v.next;
    return v.n + 1;
}

static void toy_plain(rule *r, int32_t *out, noise draws) {
    draft d;
    set_draft(&d, NULL, 0);
    for (size_t n = 0; n < TOY_LENGTH;) n += toy_step(r, out, n, &d, draws);
}

Test(rules, same_tokens_whatever_was_drafted) {
    const char *const params[] = {"", "temperature=0.01", "temperature=0.7", "temperature=100"};
    gsl_rng          *g = rng_new(9, 1);
    size_t            tested = 0, accepted = 0;
    for (size_t i = 0; i < rule_registry.n; i++) {
        const rule_ops *ops = rule_registry.at[i];
        if (ops->keeps != SAME_TOKENS) continue;
        for (size_t j = 0; j < (ops->n_params > 0 ? 4 : 1); j++)
            for (uint64_t seed = 0; seed < 30; seed++) {
                rule   *r = open_rule(ops, params[j], TOY_VOCAB);
                noise   draws = {seed, 77};
                int32_t plain[TOY_LENGTH], out[TOY_LENGTH + TOY_DRAFT + 1];
                toy_plain(r, plain, draws);
                for (size_t n = 0; n < TOY_LENGTH;) {
                    /* Mostly the coming tokens, with a slip at any place. */
                    draft  d;
                    size_t m = gsl_rng_uniform_int(g, TOY_DRAFT + 1);
                    draft_clear(&d);
                    for (size_t k = 0; k < m; k++) {
                        int32_t id = (int32_t)gsl_rng_uniform_int(g, TOY_VOCAB);
                        if (n + k < TOY_LENGTH && gsl_rng_uniform(g) < 0.8) id = plain[n + k];
                        draft_extend(&d, &id, 1);
                    }
                    size_t emitted = toy_step(r, out, n, &d, draws);
                    accepted += emitted - 1;
                    n += emitted;
                }
                cr_assert_eq(memcmp(out, plain, sizeof plain), 0, "%s %s, seed %d", ops->name, params[j], (int)seed);
                rule_close(r);
                tested++;
            }
    }
    cr_assert_geq(tested, 5 * 30);
    cr_assert_gt(accepted, tested * TOY_LENGTH / 4);
    gsl_rng_free(g);
}

Test(rules, same_tokens_whatever_tree_was_drafted) {
    gsl_rng *g = rng_new(9, 2);
    size_t   accepted = 0, branched = 0, late = 0;
    for (size_t i = 0; i < rule_registry.n; i++) {
        const rule_ops *ops = rule_registry.at[i];
        if (ops->keeps != SAME_TOKENS) continue;
        for (uint64_t seed = 0; seed < 100; seed++) {
            rule   *r = open_rule(ops, "", TOY_VOCAB);
            noise   draws = {seed, 78};
            int32_t plain[TOY_LENGTH], out[TOY_LENGTH + TOY_NODES + 1];
            toy_plain(r, plain, draws);
            for (size_t n = 0; n < TOY_LENGTH;) {
                /* Nodes anywhere below others; below a right one often the right token, among its siblings in any
                 * place. */
                draft  d;
                size_t m = gsl_rng_uniform_int(g, TOY_NODES + 1), depth[TOY_NODES];
                draft_clear(&d);
                for (size_t k = 0; k < m; k++) {
                    int32_t parent = (int32_t)gsl_rng_uniform_int(g, k + 1) - 1;
                    depth[k] = parent < 0 ? 0 : depth[parent] + 1;
                    size_t  at = n + depth[k];
                    int32_t id = (int32_t)gsl_rng_uniform_int(g, TOY_VOCAB);
                    if (at < TOY_LENGTH && gsl_rng_uniform(g) < 0.4) id = plain[at];
                    cr_assert_eq(draft_add(&d, parent, id), (int32_t)k);
                }
                size_t emitted = toy_step(r, out, n, &d, draws);
                branched += d.branches;
                accepted += emitted - 1;
                late += emitted > 1 && d.ids[0] != out[n];
                n += emitted;
            }
            cr_assert_eq(memcmp(out, plain, sizeof plain), 0, "%s, seed %d", ops->name, (int)seed);
            rule_close(r);
        }
    }
    cr_assert_gt(branched, 1000);
    cr_assert_gt(accepted, 5000);
    cr_assert_gt(late, 500, "a sibling after the first was seldom right");
    gsl_rng_free(g);
}

Test(coupled, is_plain_sampling) {
    rule   *r = open_rule(registry_find(&rule_registry, "coupled"), "temperature=0.8", TOY_VOCAB);
    noise   draws = {4, 5};
    int32_t out[TOY_LENGTH];
    float   logits[TOY_VOCAB];
    double  p[TOY_VOCAB];
    toy_plain(r, out, draws);
    for (size_t n = 0; n < TOY_LENGTH; n++) {
        toy_logits(out, n, logits);
        logits_softmax(logits, TOY_VOCAB, 0.8, p);
        cr_assert_eq(out[n], probs_sample(p, TOY_VOCAB, noise_uniform(draws, n, 0)), "token %zu", n);
    }
    rule_close(r);
}

/* ---- the distribution of the next two tokens -------------------------------------------------------- */

/* Streams are named by hashes, as everywhere: PCG's streams 0, 1, 2, ... are correlated with each other, which this
 * test would see. */
static noise trial_noise(uint64_t seed, uint64_t trial) {
    return (noise){seed, digest64(&trial, sizeof trial)};
}

enum { TRIALS = 60000, PAIRS = TOY_VOCAB * TOY_VOCAB };

typedef enum {
    NO_DRAFT,
    FIXED_DRAFT,
    LIKELY_DRAFT,
    UNLIKELY_DRAFT,
    ANY_DRAFT,
    TRUE_DRAFT,
    FALSE_DRAFT,
    TREE_DRAFT,
    DRAFT_KINDS
} draft_kind;

/* What may be proposed after a context. The last two kinds know what plain decoding says with the same noise, as the
 * controls `oracle` and `wrong` do. */
static void toy_draft(draft_kind kind, rule *r, noise draws, const int32_t *context, size_t n, uint64_t trial,
                      draft *d) {
    static const int32_t fixed[] = {2, 5, 1};
    int32_t              ahead[2 + 3], plain[2 + 3];
    float                logits[TOY_VOCAB];
    draft_clear(d);
    for (size_t i = 0; (kind == TRUE_DRAFT || kind == FALSE_DRAFT) && i < 2 + 3; i++) toy_step(r, plain, i, d, draws);
    if (kind ==
        TREE_DRAFT) { /* two tokens below the root, one of them twice; two below the first, one below the second */
        static const int32_t parents[] = {-1, -1, -1, 0, 0, 1, 3}, ids[] = {2, 5, 2, 1, 3, 6, 4};
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) draft_add(d, parents[i], ids[i]);
        return;
    }
    memcpy(ahead, context, n * sizeof *ahead);
    for (size_t i = 0; kind != NO_DRAFT && i < 3; i++) {
        int32_t id = fixed[i];
        if (kind == ANY_DRAFT) id = (int32_t)(noise_uniform(trial_noise(11, trial), n + i, 3) * TOY_VOCAB);
        if (kind == TRUE_DRAFT) id = plain[n + i];
        if (kind == FALSE_DRAFT) id = (plain[n + i] + fixed[i]) % TOY_VOCAB;
        if (kind == LIKELY_DRAFT || kind == UNLIKELY_DRAFT) {
            toy_logits(ahead, n + i, logits);
            for (size_t k = 0; k < TOY_VOCAB; k++) logits[k] *= kind == LIKELY_DRAFT ? 1.0f : -1.0f;
            id = logits_argmax(logits, TOY_VOCAB);
        }
        ahead[n + i] = id;
        draft_extend(d, &id, 1);
    }
}

/* The p-value of a chi-square test of the first two tokens, drawn TRIALS times, against the exact distribution. */
static double distribution_test(const rule_ops *ops, draft_kind kind, uint64_t seed) {
    const double temperature = 1.3;
    rule        *r = open_rule(ops, "temperature=1.3", TOY_VOCAB);
    size_t       seen[PAIRS] = {0};
    double       first[TOY_VOCAB], second[TOY_VOCAB], chi2 = 0;
    float        logits[TOY_VOCAB];
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        int32_t out[2 + TOY_NODES + 1];
        for (size_t n = 0; n < 2;) {
            draft d;
            noise draws = trial_noise(seed, trial);
            toy_draft(kind, r, draws, out, n, trial, &d);
            n += toy_step(r, out, n, &d, draws);
        }
        seen[out[0] * TOY_VOCAB + out[1]]++;
    }
    toy_logits(NULL, 0, logits);
    logits_softmax(logits, TOY_VOCAB, temperature, first);
    for (int32_t a = 0; a < TOY_VOCAB; a++) {
        toy_logits(&a, 1, logits);
        logits_softmax(logits, TOY_VOCAB, temperature, second);
        for (int32_t b = 0; b < TOY_VOCAB; b++) {
            double expected = TRIALS * first[a] * second[b], got = (double)seen[a * TOY_VOCAB + b];
            cr_assert_gt(expected, 5, "the test has too few trials");
            chi2 += (got - expected) * (got - expected) / expected;
        }
    }
    rule_close(r);
    return gsl_cdf_chisq_Q(chi2, PAIRS - 1);
}

Test(rules, the_distribution_is_kept_where_it_is_promised) {
    const char *const names[] = {"coupled", "rejection"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_neq(((const rule_ops *)registry_find(&rule_registry, names[i]))->keeps, LOSSY);
        for (draft_kind kind = NO_DRAFT; kind < DRAFT_KINDS; kind++) {
            double p = distribution_test(registry_find(&rule_registry, names[i]), kind, 100 + kind);
            cr_assert_gt(p, 1e-4, "%s, draft kind %d: p = %g", names[i], (int)kind, p);
        }
    }
}

Test(rules, the_distribution_test_rejects_typical) {
    cr_assert_eq(((const rule_ops *)registry_find(&rule_registry, "typical"))->keeps, LOSSY);
    for (draft_kind kind = NO_DRAFT; kind < DRAFT_KINDS; kind++)
        cr_assert_lt(distribution_test(registry_find(&rule_registry, "typical"), kind, 1), 1e-12, "draft kind %d",
                     (int)kind);
}

/* The usual mistake: after a rejection, drawing from all tokens rather than from the others. */
static int redraws(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out, err *e) {
    (void)e;
    for (size_t i = 0;; i++) {
        const double *p = rule_probs(r, pass, i);
        if (i < d->n && noise_uniform(draws, position + i, 0) < p[d->ids[i]]) {
            out->path[out->n++] = (int32_t)i;
            continue;
        }
        out->next = probs_sample(p, pass->vocab, noise_uniform(draws, position + i, 1));
        return 0;
    }
}

/* Another: one number for the verdict and for the token. */
static int reuses_noise(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                        err *e) {
    (void)e;
    for (size_t i = 0;; i++) {
        rule_probs(r, pass, i);
        double u = noise_uniform(draws, position + i, 0);
        if (i < d->n && u < r->p[d->ids[i]]) {
            out->path[out->n++] = (int32_t)i;
            continue;
        }
        if (i < d->n) r->p[d->ids[i]] = 0;
        out->next = probs_sample(r->p, pass->vocab, u);
        return 0;
    }
}

Test(rules, the_distribution_test_rejects_usual_mistakes) {
    rule_ops wrong = *(const rule_ops *)registry_find(&rule_registry, "rejection");
    wrong.accept = redraws;
    cr_assert_lt(distribution_test(&wrong, FIXED_DRAFT, 1), 1e-12);
    wrong.accept = reuses_noise;
    cr_assert_lt(distribution_test(&wrong, FIXED_DRAFT, 1), 1e-12);
}

Test(rejection, certain_tokens_always_stand) {
    const float logits[] = {0, FLT_MAX, 0, 0, 0, FLT_MAX, 0, 1, 0};
    rule       *r = open_rule(registry_find(&rule_registry, "rejection"), "", 3);
    rows        pass = {.n = 3, .vocab = 3, .logits = logits};
    draft       d;
    for (uint64_t seed = 0; seed < 100; seed++) {
        set_draft(&d, (int32_t[]){1, 2}, 2);
        cr_assert_eq(accept(r, &pass, &d, seed, (noise){seed, 1}).n, 2);
        set_draft(&d, (int32_t[]){0, 2}, 2); /* impossible ones never do */
        verdict v = accept(r, &pass, &d, seed, (noise){seed, 1});
        cr_assert(v.n == 0 && v.next == 1);
    }
    rule_close(r);
}

/* ---- typical ---------------------------------------------------------------------------------------- */

Test(typical, threshold_is_the_smaller_of_two) {
    enum { VOCAB = 64 };
    const struct {
        const char *params;
        double      p;    /* of the drafted token 1 */
        size_t      even; /* tokens that share what token 0 leaves */
        double      token0;
        bool        stands;
    } cases[] = {
        {"", 0.095, 1, 0, true}, /* low entropy: eps = 0.09 decides */
        {"", 0.085, 1, 0, false},     {"eps=0.08", 0.085, 1, 0, true},
        {"", 0.0101, 62, 0.02, true}, /* high entropy: alpha * exp(-H), about 0.3 / 63 */
        {"", 0.004, 62, 0.02, false}, {"alpha=0.1", 0.004, 62, 0.02, true},
        {"eps=0", 1e-9, 1, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float  logits[3 * VOCAB] = {0};
        double share = (1 - cases[i].p - cases[i].token0) / (double)cases[i].even;
        for (size_t k = 0; k < VOCAB; k++) logits[k] = k >= 2 && k < 2 + cases[i].even ? (float)log(share) : -80;
        logits[1] = (float)log(cases[i].p);
        if (cases[i].token0 > 0) logits[0] = (float)log(cases[i].token0);
        logits[VOCAB + 7] = 30; /* row 1 is sure of token 7 */
        logits[2 * VOCAB + 9] = 1;
        rule *r = open_rule(registry_find(&rule_registry, "typical"), cases[i].params, VOCAB);
        rows  pass = {.n = 3, .vocab = VOCAB, .logits = logits};
        draft d;
        set_draft(&d, (int32_t[]){1, 7}, 2);
        verdict v = accept(r, &pass, &d, 0, (noise){0});
        cr_assert_eq(v.n, cases[i].stands ? 2 : 0, "case %zu", i);
        cr_assert_eq(v.next, cases[i].stands ? 9 : logits_argmax(logits, VOCAB), "case %zu", i);
        rule_close(r);
    }
}
