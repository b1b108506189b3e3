/* The noise of an engine from its choices: simulated engines, whose noise is known. */
#include <criterion/criterion.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "analysis/noise.h"
#include "engine/base/rng.h"

/* n tokens of an engine whose error is normal with this scale; some are outliers, 5 to 10 below the likeliest. */
static noise_points simulate(size_t n, double scale, double outliers, uint64_t seed) {
    noise_points p = {0};
    err          e = {0};
    gsl_rng     *r = rng_new(seed, 0);
    for (size_t i = 0; i < n; i++) {
        double margin = gsl_ran_exponential(r, 3), below = gsl_ran_gaussian(r, scale) > margin ? margin : 0;
        if (gsl_rng_uniform(r) < outliers) below = margin + 5 + 5 * gsl_rng_uniform(r);
        cr_assert_eq(noise_add(&p, margin, below, &e), 0);
    }
    gsl_rng_free(r);
    return p;
}

static noise_fit fit(const noise_points *p) {
    noise_fit f;
    err       e = {0};
    cr_assert_eq(noise_fit_points(p, &f, &e), 0, "%s", e.text);
    return f;
}

Test(noise, the_scale_is_found) {
    static const double scales[] = {0.002, 0.2, 1};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        noise_points p = simulate(200000, scales[i], 0, 1 + i);
        noise_fit    f = fit(&p);
        double       spread = 3 / sqrt((double)f.departures); /* of an estimate from so many */
        cr_assert_float_eq(f.scale, scales[i], spread * scales[i], "%g for %g", f.scale, scales[i]);
        cr_assert_gt(f.upper, f.scale);
        cr_assert_lt(f.outliers, 1e-3);
        noise_free(&p);
    }
}

Test(noise, outliers_do_not_widen_it) {
    noise_points p = simulate(20000, 0.2, 0.01, 4);
    noise_fit    f = fit(&p);
    cr_assert_float_eq(f.scale, 0.2, 0.03, "%g", f.scale);
    cr_assert_float_eq(f.outliers, 0.01, 0.003, "%g", f.outliers);
    noise_free(&p);
}

/* One-sided 95%: the true scale is above it in one of 20 simulations. */
Test(noise, the_upper_limit_covers) {
    enum { RUNS = 400 };
    int below = 0;
    for (uint64_t i = 0; i < RUNS; i++) {
        noise_points p = simulate(500, 0.3, 0, 100 + i);
        below += fit(&p).upper < 0.3;
        noise_free(&p);
    }
    cr_assert(below >= RUNS / 50 && below <= RUNS / 12, "%d of %d", below, RUNS);
}

Test(noise, without_departures_the_margins_bound_it) {
    err    e = {0};
    double before = INFINITY;
    for (size_t n = 1; n <= 1000; n *= 10) {
        noise_points p = {0};
        for (size_t i = 0; i < n; i++) cr_assert_eq(noise_add(&p, 0.5 + (double)(i % 7), 0, &e), 0);
        noise_fit f = fit(&p);
        cr_assert_eq(f.scale, 0);
        cr_assert_eq(f.outliers, 0);
        cr_assert(n == 1 ? isinf(f.upper) : f.upper < before, "%g", f.upper);
        before = f.upper;
        noise_free(&p);
    }
}

/* Rounding takes a token beyond the tolerance in at most 1% of audits, and less often by the upper limit's room. */
Test(noise, the_tolerance_keeps_its_risk) {
    enum { RUNS = 300, TOKENS = 1000 };
    int      beyond = 0;
    gsl_rng *r = rng_new(9, 0);
    for (uint64_t i = 0; i < RUNS; i++) {
        noise_points p = simulate(TOKENS, 0.3, 0, 1000 + i);
        noise_fit    f = fit(&p);
        double       t = noise_tolerance(&f, TOKENS, 0.01), most = 0;
        for (int k = 0; k < TOKENS; k++) most = fmax(most, gsl_ran_gaussian(r, 0.3));
        beyond += most > t;
        noise_free(&p);
    }
    gsl_rng_free(r);
    cr_assert_leq(beyond, RUNS / 50, "%d of %d", beyond, RUNS);
}

Test(noise, without_tokens_nothing_is_known) {
    noise_fit f = fit(&(noise_points){0});
    cr_assert(isnan(f.scale) && isnan(f.upper) && isnan(noise_tolerance(&f, 10, 0.01)));
    cr_assert(isnan(noise_within(&(noise_points){0}, 1)));
}

Test(noise, the_share_of_places_where_a_wrong_choice_hides) {
    noise_points p = {0};
    err          e = {0};
    for (int i = 0; i < 10; i++) cr_assert_eq(noise_add(&p, 0.1 * i, i == 3 ? 7 : 0, &e), 0);
    cr_assert_float_eq(noise_within(&p, 0.35), 0.4, 1e-12);
    noise_free(&p);
}
