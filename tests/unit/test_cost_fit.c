#include <criterion/criterion.h>
#include <math.h>

#include "engine/base/rng.h"
#include "experiments/sweep/cost_fit.h"

enum { N = 8, CONTEXTS = 4 };

static const size_t ks[N] = {1, 2, 4, 8, 16, 24, 32, 64}, contexts[CONTEXTS] = {0, 256, 1024, 4096};

/* t(k) + c (u + v k), in ns. */
static double made_of(size_t k, size_t c) {
    return 10e6 + 0.5e6 * (double)k + (double)c * (900 + 30 * (double)k);
}

static void make(double ns[static N * CONTEXTS]) {
    for (size_t i = 0; i < N * CONTEXTS; i++) ns[i] = made_of(ks[i % N], contexts[i / N]);
}

static fit_errors fit(const double *ns, size_t n_contexts, size_t n, double *out) {
    const pass_times t = {ks, contexts, ns, n, n_contexts};
    fit_errors       errors;
    err              e = {0};
    cr_assert_eq(cost_fit(&t, out, &errors, &e), 0, "%s", e.text);
    return errors;
}

Test(cost_fit, finds_what_the_times_were_made_of) {
    double ns[N * CONTEXTS], out[N * CONTEXTS];
    make(ns);
    fit_errors errors = fit(ns, CONTEXTS, N, out);
    cr_assert_lt(errors.largest, 1e-6, "%g", errors.largest);
}

Test(cost_fit, one_bad_minute_does_not_bend_it) {
    double ns[N * CONTEXTS], out[N * CONTEXTS];
    make(ns);
    ns[2 * N + 3] *= 3; /* T(8, 1024) */
    fit_errors errors = fit(ns, CONTEXTS, N, out);
    cr_assert_eq(errors.at, 2 * N + 3);
    cr_assert_lt(errors.median, 0.001, "%g", errors.median);
    for (size_t i = 0; i < N * CONTEXTS; i++) {
        double want = made_of(ks[i % N], contexts[i / N]);
        cr_assert_float_eq(out[i], want, 0.03 * want, "%zu: %g for %g", i, out[i], want);
    }
}

/* Noise that differs in each time is averaged: the fit is nearer to the truth than the times are. */
Test(cost_fit, averages_noise) {
    double   ns[N * CONTEXTS], out[N * CONTEXTS], before = 0, after = 0;
    gsl_rng *r = rng_new(1, 1);
    make(ns);
    for (size_t i = 0; i < N * CONTEXTS; i++) ns[i] *= 1 + 0.2 * (gsl_rng_uniform(r) - 0.5);
    fit(ns, CONTEXTS, N, out);
    for (size_t i = 0; i < N * CONTEXTS; i++) {
        double want = made_of(ks[i % N], contexts[i / N]);
        before += fabs(ns[i] / want - 1);
        after += fabs(out[i] / want - 1);
    }
    cr_assert_lt(after, 0.7 * before, "%g of %g", after, before);
    gsl_rng_free(r);
}

Test(cost_fit, does_not_fall_with_k) {
    const double ns[] = {10, 14, 12, 20};
    double       out[4];
    fit(ns, 1, 4, out);
    cr_assert_eq(out[0], 10);
    cr_assert_eq(out[1], out[2]);
    cr_assert(out[1] > 12 && out[1] < 13, "%g: nearer to the shorter time, whose error counts more", out[1]);
    cr_assert_eq(out[3], 20);
}

/* Times that fall with the context are noise. */
Test(cost_fit, does_not_fall_with_the_context) {
    const double ns[] = {10, 20, 40, 9, 18, 36};
    double       out[6];
    fit(ns, 2, 3, out);
    for (size_t i = 0; i < 3; i++) cr_assert_eq(out[i], out[3 + i], "%zu: %g, %g", i, out[i], out[3 + i]);
}

Test(cost_fit, of_a_single_time) {
    const double one[] = {7}, two[] = {7, 9};
    double       out[2];
    fit(one, 1, 1, out);
    cr_assert_eq(out[0], 7);
    fit(two, 2, 1, out);
    cr_assert(fabs(out[0] - 7) < 1e-6 && fabs(out[1] - 9) < 1e-6, "%g, %g", out[0], out[1]);
}

/* From any file: times that no line goes through. */
Test(cost_fit, stays_above_zero) {
    const double ns[] = {1, 1e12, 1, 1, 1e12, 1e12, 1e-3, 1e-3, 1e12};
    double       out[9];
    fit(ns, 3, 3, out);
    for (size_t i = 0; i < 9; i++) cr_assert(out[i] >= 1 && isfinite(out[i]), "%zu: %g", i, out[i]);
}
