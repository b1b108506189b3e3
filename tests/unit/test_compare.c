/* Cells over the same records: who takes part, and when two are told apart. */
#include <criterion/criterion.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

#include "analysis/compare/arms.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "tests/unit/results_sample.h"

/* results_sample's cells 1 and 2, over samples a and b with two repeats. */
static int make_arms(const store_data *d, const metric *m, arms *out, err *e) {
    placed_trials p;
    if (placed_trials_make(d, NULL, &p, e) != 0) return -1;
    if (placed_trials_all(&p, e) != 0) {
        placed_trials_free(&p);
        return -1;
    }
    int status = arms_make(d, &p, (const size_t[]){1, 2}, 2, m, out, e);
    placed_trials_free(&p);
    return status;
}

Test(arms, have_their_records_in_common) {
    store_data d;
    arms       a;
    err        e = {0};
    results_sample(&d);
    cr_assert_eq(make_arms(&d, &metric_tokens_per_step, &a, &e), 0, "%s", e.text);
    cr_assert(a.arms == 2 && a.n == 2 && a.left == 0);
    cr_assert(a.of[0][0].part == 12 && a.of[0][0].whole == 4 && a.of[1][1].part == 8 && a.of[1][1].whole == 8);
    cr_assert_eq(arms_best(&a, &metric_tokens_per_step), 0);
    cr_assert_eq(arms_best(&a, &metric_time), 1, "as if less were better");
    arms_free(&a);

    d.n_trials = 10; /* cell 2 lacks sample b */
    cr_assert_eq(make_arms(&d, &metric_tokens_per_step, &a, &e), 0, "%s", e.text);
    cr_assert(a.n == 1 && a.left == 1 && a.of[0][0].part == 12);
    arms_free(&a);

    d.n_trials = 11; /* and now one of its repeats */
    cr_assert_eq(make_arms(&d, &metric_tokens_per_step, &a, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_not_null(strstr(e.text, "record b has 2 trials in cell 1111111111111111 (llma) and 1 in cell 2222"), "%s",
                       e.text);
}

Test(arms, differences_and_shares) {
    enum { N = 12 };
    ratio_sum  of[3][N], *arm[3] = {of[0], of[1], of[2]};
    arms       a = {arm, 3, N, 0};
    compared   c;
    double     shares[3];
    err        e = {0};
    bootstrap *b = bootstrap_new(&e);
    for (size_t i = 0; i < N; i++) {
        double plain = 10 + (double)(i * 5 % 7);
        of[0][i] = (ratio_sum){plain, plain / (2 + (double)i / 4)};
        of[1][i] = (ratio_sum){plain, of[0][i].whole * (1.01 + (double)i / 1000)};
        of[2][i] = of[0][i];
    }
    cr_assert_eq(arms_compare(&a, 1, 0, 2, b, &c, &e), 0);
    cr_assert(c.difference.value < 0 && c.difference.ci.hi < 0 && c.ratio.ci.hi < 1 && c.excess < 0);
    cr_assert_float_eq(c.p, 2.0 / 4096, 1e-15, "in each record the same sign");
    cr_assert_float_eq(c.p_totals, 2.0 / 4096, 1e-15);
    cr_assert(compared_apart(&c));
    cr_assert_eq(arms_compare(&a, 2, 0, 2, b, &c, &e), 0);
    cr_assert(c.p == 1 && c.p_totals == 1 && c.difference.value == 0 && !compared_apart(&c), "nothing differs");
    cr_assert_eq(arms_compare(&a, 0, 0, 2, b, &c, &e), 0);
    cr_assert(isnan(c.p) && isnan(c.p_totals) && isnan(c.ratio.value) && !compared_apart(&c), "the base itself");
    cr_assert_eq(arms_best_shares(&a, &metric_speedup, b, shares, &e), 0);
    cr_assert_float_eq(shares[0], 1, 1e-9, "the first of two equal ones");
    cr_assert_eq(arms_best_shares(&a, &metric_time, b, shares, &e), 0);
    cr_assert_float_eq(shares[1], 1, 1e-9);
    bootstrap_free(b);
}

Test(arms, ranks_and_interval_must_agree) {
    compared c = {
        .adjusted = 0.01, .adjusted_totals = 0.01, .excess = 3, .difference = {0.2, {0.1, 0.3, INTERVAL_BCA}}};
    cr_assert(compared_apart(&c));
    c.adjusted_totals = 0.06;
    cr_assert(!compared_apart(&c), "the totals may differ by chance");
    c.adjusted_totals = 0.01;
    c.adjusted = 0.06;
    cr_assert(!compared_apart(&c), "Holm decides");
    c.adjusted = 0.01;
    c.difference.ci.lo = -0.1;
    cr_assert(!compared_apart(&c), "the interval holds 0");
    c.difference.ci = interval_none();
    cr_assert(compared_apart(&c), "without an interval the ranks decide");
    c.excess = -3;
    cr_assert(!compared_apart(&c), "but not against the difference");
}

/* A5: a few policies that differ by chance alone, of which whichever looks best is the base. Policy 0 is as good as any
 * and may drop out in 5% of the experiments at most; here, with a margin of what 400 of them leave to chance. Without
 * Holm it drops out twice as often as that. */
Test(arms, the_truly_best_one_is_not_told_apart_from_the_selected_one) {
    enum { N = 24, ARMS = 6, EXPERIMENTS = 400 };
    ratio_sum  of[ARMS][N], *arm[ARMS];
    compared   by[ARMS];
    size_t     lost = 0, lost_unadjusted = 0, apart = 0;
    err        e = {0};
    bootstrap *b = bootstrap_new(&e);
    gsl_rng   *rng = rng_new(22, 0);
    for (size_t i = 0; i < ARMS; i++) arm[i] = of[i];
    for (size_t x = 0; x < EXPERIMENTS; x++) {
        arms a = {arm, ARMS, N, 0};
        for (size_t i = 0; i < N; i++) {
            double plain = gsl_ran_lognormal(rng, 0, 0.6), easy = gsl_ran_lognormal(rng, 0.7, 0.3);
            for (size_t k = 0; k < ARMS; k++)
                of[k][i] = (ratio_sum){plain, plain / easy * gsl_ran_lognormal(rng, 0, 0.15) * (k == ARMS - 1 ? 2 : 1)};
        }
        size_t best = arms_best(&a, &metric_speedup);
        cr_assert_eq(arms_compare_all(&a, best, b, by, &e), 0, "%s", e.text);
        lost += compared_apart(&by[0]);
        lost_unadjusted += by[0].p < 0.05;
        apart += compared_apart(&by[ARMS - 1]);
        cr_assert(best != ARMS - 1 && isnan(by[0].p) == (best == 0));
    }
    cr_assert_leq(lost, EXPERIMENTS * 5 / 100, "%zu", lost);
    cr_assert_gt(lost_unadjusted, lost);
    cr_assert_eq(apart, EXPERIMENTS, "the one that takes twice the time: %zu", apart);
    gsl_rng_free(rng);
    bootstrap_free(b);
}

Test(arms, every_allocation_may_fail) {
    store_data d;
    results_sample(&d);
    for (size_t k = 1;; k++) {
        arms a;
        err  e = {0};
        mem_fail_at(k);
        int status = make_arms(&d, &metric_tokens_per_step, &a, &e);
        mem_fail_at(0);
        if (status == 0) {
            cr_assert_gt(k, 8);
            arms_free(&a);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN);
    }
}
