/* The sampler against a naive one that sorts, and the numbers beside it: log-likelihoods. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* ---- single cases ----------------------------------------------------------------------------------- */

#define PROBS(s, ...)                                                                                                  \
    const float logits[] = {__VA_ARGS__};                                                                              \
    enum { N = sizeof logits / sizeof *logits };                                                                       \
    double p[N];                                                                                                       \
    sampler_probs(&(s), logits, N, p)

static void expect(const double *p, const double *want, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(p[i] == 0, want[i] == 0, "%s: p[%zu] = %g, not %g", what, i, p[i], want[i]);
        cr_assert(fabs(p[i] - want[i]) < 1e-12, "%s: p[%zu] = %g, not %g", what, i, p[i], want[i]);
    }
}

Test(sampler, without_limits_is_softmax_bit_for_bit) {
    float    logits[300];
    double   p[300], q[300];
    gsl_rng *g = rng_new(1, 1);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 300; i++) logits[i] = (float)(gsl_rng_uniform(g) * 40 - 20);
        sampler s = {.temperature = 0.05 + round * 0.01, .top_p = 1};
        sampler_probs(&s, logits, 300, p);
        logits_softmax(logits, 300, s.temperature, q);
        cr_assert_arr_eq(p, q, sizeof p);
    }
    gsl_rng_free(g);
}

Test(sampler, temperature_zero_is_the_argmax) {
    sampler s = {.temperature = 0, .top_k = 3, .top_p = 0.5, .min_p = 0.1};
    PROBS(s, 1, 5, 5, 2);
    expect(p, (const double[]){0, 1, 0, 0}, N, "the lowest of equals");
    s = (sampler){.temperature = 1e-300, .top_p = 1};
    sampler_probs(&s, logits, N, p);
    expect(p, (const double[]){0, 0.5, 0.5, 0}, N, "a temperature near 0");
}

Test(sampler, top_k_keeps_k_of_equals) {
    sampler s = {.temperature = 1, .top_k = 3, .top_p = 1};
    PROBS(s, 0, 2, 1, 1, 1, -0.0f);
    double z = exp(1) + 2;
    expect(p, (const double[]){0, exp(1) / z, 1 / z, 1 / z, 0, 0}, N, "the lowest ids stay");
    const float zeros[] = {-0.0f, 0.0f, -0.0f};
    s.top_k = 2;
    sampler_probs(&s, zeros, 3, p);
    expect(p, (const double[]){0.5, 0.5, 0}, 3, "-0 is 0");
    for (s.top_k = N; s.top_k < N + 2; s.top_k++) {
        double all[N];
        sampler_probs(&s, logits, N, p);
        logits_softmax(logits, N, 1, all);
        expect(p, all, N, "as many as there are");
    }
}

Test(sampler, top_p_keeps_as_few_as_reach_it) {
    sampler s = {.temperature = 1, .top_p = 0.5};
    PROBS(s, 1, 1, 1, 1);
    expect(p, (const double[]){0.5, 0.5, 0, 0}, N, "two have a half");
    s.top_p = 0.51;
    sampler_probs(&s, logits, N, p);
    expect(p, (const double[]){1 / 3.0, 1 / 3.0, 1 / 3.0, 0}, N, "two have less than 0.51");
    s.top_p = 0;
    sampler_probs(&s, logits, N, p);
    expect(p, (const double[]){1, 0, 0, 0}, N, "one always stays");
}

Test(sampler, top_p_counts_what_top_k_left) {
    sampler s = {.temperature = 1, .top_k = 2, .top_p = 0.5};
    PROBS(s, 1, 1, 1, 1); /* each has a quarter of all, and half of two */
    expect(p, (const double[]){1, 0, 0, 0}, N, "top_p after top_k");
}

/* At temperature 2 the second has exp(-1) of the first's p; at 1, where llama.cpp looks, it has exp(-2). */
Test(sampler, limits_come_after_the_temperature) {
    sampler s = {.temperature = 2, .top_p = 1, .min_p = 0.3};
    PROBS(s, 2, 0, -4);
    double z = 1 + exp(-1);
    expect(p, (const double[]){1 / z, exp(-1) / z, 0}, N, "min_p");
    s = (sampler){.temperature = 2, .top_p = 0.8}; /* the first has 0.71 at 2 and 0.88 at 1 */
    sampler_probs(&s, logits, N, p);
    expect(p, (const double[]){1 / z, exp(-1) / z, 0}, N, "top_p");
}

Test(sampler, min_p_keeps_equals_of_the_likeliest) {
    sampler s = {.temperature = 1, .top_p = 1, .min_p = 1};
    PROBS(s, 3, 1, 3, 2.9999f);
    expect(p, (const double[]){0.5, 0, 0.5, 0}, N, "min_p = 1");
}

Test(sampler, bears_extremes) {
    sampler s = {.temperature = 100, .top_k = 2, .top_p = 0.9, .min_p = 0.1};
    PROBS(s, FLT_MAX, -FLT_MAX, 0, FLT_MAX);
    expect(p, (const double[]){0.5, 0, 0, 0.5}, N, "largest and smallest");
    sampler_probs(&s, logits, 1, p);
    cr_assert_eq(p[0], 1);
}

/* ---- against sorting -------------------------------------------------------------------------------- */

typedef struct {
    float  logit;
    size_t id;
} entry;

static int likelier(const void *a_, const void *b_) {
    const entry *a = a_, *b = b_;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Written from the description. False where top_p or min_p hangs on a rounding error. */
static bool naive(const sampler *s, const float *logits, size_t n, double *p) {
    entry      *all = malloc(n * sizeof *all);
    long double sum = 0, above = 0, top, own;
    size_t      most = s->top_k > 0 && s->top_k < n ? s->top_k : n;
    bool        clear = true;
    for (size_t i = 0; i < n; i++) all[i] = (entry){logits[i], i};
    qsort(all, n, sizeof *all, likelier);
    top = all[0].logit;
    for (size_t i = 0; i < most; i++) sum += expl((all[i].logit - top) / (long double)s->temperature);
    long double kept = 0, bound = s->top_p * sum;
    for (size_t i = 0; i < n; i++) p[i] = 0;
    for (size_t i = 0; i < most && (i == 0 || above < bound || s->top_p == 1); i++, above += own) {
        own = expl((all[i].logit - top) / (long double)s->temperature);
        clear = clear && (s->top_p == 1 || fabsl(above + own - bound) > 1e-9L * (long double)n);
        clear = clear && fabsl(own - s->min_p) > 1e-12L;
        if (own < s->min_p) continue;
        p[all[i].id] = (double)own;
        kept += own;
    }
    for (size_t i = 0; i < n; i++) p[i] = (double)(p[i] / kept);
    free(all);
    return clear;
}

static void fill(gsl_rng *g, float *logits, size_t n) {
    double scale = pow(10, gsl_rng_uniform(g) * 3 - 1);
    size_t steps = gsl_rng_uniform_int(g, 3);
    for (size_t i = 0; i < n; i++) {
        double x = (gsl_rng_uniform(g) - 0.5) * scale;
        logits[i] = (float)(steps == 0 ? x : steps == 1 ? rint(x) : rint(x * 8) / 8); /* many equal ones */
    }
}

Test(sampler, equals_a_naive_one) {
    enum { MOST = 3000, ROUNDS = 30000 };
    static float  logits[MOST];
    static double p[MOST], want[MOST];
    gsl_rng      *g = rng_new(2, 2);
    size_t        tested = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t n = 1 + gsl_rng_uniform_int(g, round % 100 == 0 ? MOST : 60);
        fill(g, logits, n);
        sampler s = {.temperature = 0.1 + 2 * gsl_rng_uniform(g), .top_p = 1};
        if (gsl_rng_uniform(g) < 0.5) s.top_k = gsl_rng_uniform_int(g, n + 2);
        if (gsl_rng_uniform(g) < 0.5) s.top_p = gsl_rng_uniform(g);
        if (gsl_rng_uniform(g) < 0.5) s.min_p = gsl_rng_uniform(g) * gsl_rng_uniform(g);
        if (!naive(&s, logits, n, want)) continue;
        tested++;
        sampler_probs(&s, logits, n, p);
        size_t off = 0;
        for (size_t i = 0; i < n; i++) off += (p[i] == 0) != (want[i] == 0) || fabs(p[i] - want[i]) > 1e-12 * want[i];
        cr_assert_eq(off, 0, "round %zu: %zu of %zu ids differ", round, off, n);
    }
    cr_assert_gt(tested, ROUNDS * 3 / 4);
    gsl_rng_free(g);
}

Test(sampler, takes_a_large_vocabulary) {
    enum { N = 262144 };
    float   *logits = malloc(N * sizeof *logits);
    double  *p = malloc(2 * N * sizeof *p), *want = p + N;
    gsl_rng *g = rng_new(3, 3);
    sampler  cases[] = {{.temperature = 1, .top_p = 0.95},
                        {.temperature = 0.8, .top_k = 40, .top_p = 0.95, .min_p = 0.05},
                        {.temperature = 3, .top_k = 100000, .top_p = 0.999}};
    for (size_t i = 0; i < N; i++) logits[i] = (float)(gsl_rng_uniform(g) * 12);
    for (size_t c = 0; c < 3; c++) {
        size_t off = 0;
        naive(&cases[c], logits, N, want);
        sampler_probs(&cases[c], logits, N, p);
        for (size_t i = 0; i < N; i++) off += (p[i] == 0) != (want[i] == 0) || fabs(p[i] - want[i]) > 1e-6 * want[i];
        cr_assert_leq(off, c == 1 ? 0 : 1, "case %zu: %zu ids differ", c, off); /* the last one, by a rounding error */
    }
    gsl_rng_free(g);
    free(logits);
    free(p);
}

/* ---- beside it -------------------------------------------------------------------------------------- */

Test(logits, log_prob_is_the_log_of_softmax) {
    enum { N = 500 };
    float    logits[N];
    gsl_rng *g = rng_new(4, 4);
    for (int round = 0; round < 300; round++) {
        long double sum = 0;
        fill(g, logits, N);
        for (size_t i = 0; i < N; i++) sum += expl((long double)logits[i] - logits[0]);
        for (int32_t id = 0; id < N; id += 7) {
            double want = (double)((long double)logits[id] - logits[0] - logl(sum));
            double got = logits_log_prob(logits, N, id);
            cr_assert(got <= 0 && fabs(got - want) <= 1e-12 * (1 + fabs(want)), "%.17g, not %.17g", got, want);
        }
    }
    gsl_rng_free(g);
    cr_assert_eq(logits_log_prob((const float[]){7}, 1, 0), 0);
    cr_assert_eq(logits_log_prob((const float[]){0, -800}, 2, 1), -800, "p itself would be 0");
}
