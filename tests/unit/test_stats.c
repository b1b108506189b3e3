/* Statistics of arrays, against values that can be counted by hand or by trying everything. */
#include <criterion/criterion.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/bca.h"
#include "analysis/stats/bootstrap.h"
#include "analysis/stats/holm.h"
#include "analysis/stats/quantile.h"
#include "analysis/stats/signed_rank.h"
#include "analysis/stats/swap_test.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

static void near(double got, double want) {
    cr_assert(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)), "%.17g, not %.17g", got, want);
}

static interval interval_of_groups(size_t groups, statistic *f, const void *data) {
    interval   out;
    err        e = {0};
    bootstrap *b = bootstrap_new(&e);
    cr_assert_eq(bootstrap_interval(b, groups, f, data, &out, &e), 0, "%s", e.text);
    bootstrap_free(b);
    return out;
}

static bool is_none(interval i) {
    return i.method == INTERVAL_NONE && isnan(i.lo) && isnan(i.hi);
}

/* ---- statistics ---------------------------------------------------------------------------------------- */

Test(stats, means_are_of_what_their_names_say) {
    const ratio_sum r[] = {{6, 2}, {4, 4}, {10, 5}};
    const uint32_t  times[] = {2, 0, 1};
    near(statistic_micro(NULL, 3, r), 20.0 / 11);
    near(statistic_macro(NULL, 3, r), 2);
    near(statistic_geometric(NULL, 3, r), cbrt(6));
    near(statistic_micro(times, 3, r), 22.0 / 9);
    near(statistic_macro(times, 3, r), 8.0 / 3);
    near(statistic_geometric(times, 3, r), cbrt(18));
    const ratio_sum none[] = {{0, 0}, {1, 2}};
    near(statistic_micro(NULL, 2, none), 0.5);
    cr_assert(isnan(statistic_macro(NULL, 2, none)));
    cr_assert(isnan(statistic_micro(NULL, 1, none)));
}

Test(stats, a_median_counts_values_as_often_as_their_group) {
    grouped_values v = {0};
    err            e = {0};
    const double   values[] = {5, 1, 4, 2, INFINITY};
    const size_t   groups[] = {0, 0, 1, 1, 2};
    for (size_t i = 0; i < 5; i++) cr_assert_eq(grouped_values_add(&v, groups[i], values[i], &e), 0);
    grouped_values_sort(&v);
    near(statistic_median(NULL, 3, &v), 4);
    near(statistic_median((const uint32_t[]){1, 1, 0}, 3, &v), 3); /* 1 2 4 5 */
    near(statistic_median((const uint32_t[]){2, 1, 0}, 3, &v), 3); /* 1 1 2 4 5 5 */
    near(statistic_median((const uint32_t[]){0, 2, 0}, 3, &v), 3); /* 2 2 4 4 */
    cr_assert(isinf(statistic_median((const uint32_t[]){0, 0, 2}, 3, &v)));
    cr_assert(isnan(statistic_median((const uint32_t[]){0, 0, 0}, 3, &v)));
    near(grouped_values_quantile(&v, 0.25), 2);
    cr_assert(isinf(grouped_values_quantile(&v, 0.9)));
    grouped_values_free(&v);
}

Test(stats, contrasts_are_of_the_same_groups) {
    const ratio_sum a[] = {{6, 2}, {4, 4}}, b[] = {{6, 3}, {4, 4}};
    const contrast  c = {statistic_micro, a, b};
    near(statistic_difference(NULL, 2, &c), 10.0 / 6 - 10.0 / 7);
    near(statistic_quotient((const uint32_t[]){2, 0}, 2, &c), 1.5);
}

Test(stats, quantiles_keep_infinite_values) {
    const double v[] = {1, 2, INFINITY, INFINITY};
    near(quantile_of_sorted(v, 4, 1.0 / 6), 1.5);
    cr_assert(isinf(quantile_of_sorted(v, 4, 0.9)));
    cr_assert(isnan(quantile_of_sorted(v, 0, 0.5)));
    cr_assert(isinf(quantile_between(INFINITY, INFINITY)));
}

/* ---- bootstrap ----------------------------------------------------------------------------------------- */

enum { MANY = 40 };

/* Records of two arms: b is slower by 1.5 to 2.5% in each, and records differ much more than the arms. */
static void two_arms(ratio_sum *a, ratio_sum *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double plain = 100 + (double)(i * 37 % 90), speedup = 1.5 + (double)(i * 29 % 40) / 25;
        a[i] = (ratio_sum){plain, plain / speedup};
        b[i] = (ratio_sum){plain, plain / speedup * (1.015 + (double)(i * 7 % 11) / 1000)};
    }
}

Test(bootstrap, intervals_that_overlap_may_be_of_arms_that_differ) {
    ratio_sum a[MANY], b[MANY];
    two_arms(a, b, MANY);
    interval of_a = interval_of_groups(MANY, statistic_micro, a), of_b = interval_of_groups(MANY, statistic_micro, b);
    interval between = interval_of_groups(MANY, statistic_difference, &(contrast){statistic_micro, a, b});
    cr_assert_eq(of_a.method, INTERVAL_BCA);
    cr_assert(of_a.lo < of_b.hi && of_b.lo < of_a.hi, "they overlap");
    cr_assert(between.lo > 0 && between.hi < 0.1, "[%g, %g]", between.lo, between.hi);
    interval quotient = interval_of_groups(MANY, statistic_quotient, &(contrast){statistic_micro, a, b});
    cr_assert(quotient.lo >= 1.015 && quotient.hi <= 1.026, "[%g, %g]", quotient.lo, quotient.hi);
}

Test(bootstrap, no_interval_where_none_can_be_had) {
    ratio_sum a[MANY], b[MANY];
    interval  out;
    err       e = {0};
    two_arms(a, b, MANY);
    cr_assert(is_none(interval_of_groups(BOOTSTRAP_LEAST - 1, statistic_micro, a)));
    cr_assert(!is_none(interval_of_groups(BOOTSTRAP_LEAST, statistic_micro, a)));
    a[3].whole = 0;
    a[3].part = 0;
    cr_assert(is_none(interval_of_groups(MANY, statistic_macro, a)), "one record has no ratio");
    cr_assert(!is_none(interval_of_groups(MANY, statistic_micro, a)), "their sums have one");
    bootstrap *boot = bootstrap_new(&e);
    bootstrap_of_any_number(boot);
    const ratio_sum two[] = {{7, 2}, {0, 0}};
    cr_assert_eq(bootstrap_interval(boot, 2, statistic_micro, two, &out, &e), 0);
    cr_assert(is_none(out), "a resample may draw only records without steps");
    cr_assert_eq(bootstrap_interval(boot, 2, statistic_micro, a, &out, &e), 0);
    cr_assert(!is_none(out));
    cr_assert_eq(bootstrap_interval(boot, 1, statistic_micro, a, &out, &e), 0);
    cr_assert(is_none(out));
    bootstrap_free(boot);
}

Test(bootstrap, what_never_varies_has_an_interval_of_one_point) {
    ratio_sum a[MANY];
    for (size_t i = 0; i < MANY; i++) a[i] = (ratio_sum){3 + (double)i, 3 + (double)i};
    interval i = interval_of_groups(MANY, statistic_micro, a);
    cr_assert(i.lo == 1 && i.hi == 1);
}

/* Seed, draws and method are part of the published numbers: no others give these. */
Test(bootstrap, the_same_groups_give_the_same_interval_for_ever) {
    ratio_sum a[MANY], b[MANY];
    two_arms(a, b, MANY);
    interval i = interval_of_groups(12, statistic_micro, a);
    near(i.lo, 1.8606534093169185);
    near(i.hi, 2.5127751585544891);
}

/* Whatever was computed before: resamples that are kept are those that would be drawn. */
Test(bootstrap, does_not_depend_on_what_came_before) {
    ratio_sum  a[MANY], b[MANY];
    err        e = {0};
    interval   first, again, other;
    bootstrap *boot = bootstrap_new(&e);
    two_arms(a, b, MANY);
    cr_assert_eq(bootstrap_interval(boot, MANY, statistic_micro, a, &first, &e), 0);
    cr_assert_eq(bootstrap_interval(boot, 20, statistic_micro, a, &other, &e), 0);
    cr_assert_eq(bootstrap_interval_of_strata(boot, (const size_t[]){20, 15}, 2, statistic_micro, a, &again, &e), 0);
    cr_assert_eq(bootstrap_interval(boot, 20, statistic_micro, a, &again, &e), 0);
    cr_assert(other.lo == again.lo && other.hi == again.hi);
    cr_assert_eq(bootstrap_interval(boot, MANY, statistic_micro, a, &again, &e), 0);
    cr_assert(first.lo == again.lo && first.hi == again.hi);
    cr_assert_eq(bootstrap_interval(boot, MANY, statistic_micro, a, &again, &e), 0);
    cr_assert(first.lo == again.lo && first.hi == again.hi);
    bootstrap_free(boot);
}

/* Two strata that differ in nothing within have no interval beyond the point, however they differ between each other.
 */
Test(bootstrap, strata_are_drawn_each_for_itself) {
    ratio_sum  a[MANY];
    err        e = {0};
    interval   out;
    bootstrap *boot = bootstrap_new(&e);
    for (size_t i = 0; i < MANY; i++) a[i] = i < 10 ? (ratio_sum){8, 2} : (ratio_sum){3, 3};
    cr_assert_eq(bootstrap_interval_of_strata(boot, (const size_t[]){10, 30}, 2, statistic_micro, a, &out, &e), 0);
    cr_assert(out.lo == 170.0 / 110 && out.hi == out.lo, "[%g, %g]", out.lo, out.hi);
    cr_assert_eq(bootstrap_interval(boot, MANY, statistic_micro, a, &out, &e), 0);
    cr_assert_lt(out.lo, out.hi);
    cr_assert_eq(bootstrap_interval_of_strata(boot, (const size_t[]){39, 1}, 2, statistic_micro, a, &out, &e), 0);
    cr_assert(is_none(out), "one record does not say how its kind varies");
    bootstrap_free(boot);
}

/* More groups than blocks, and more than resamples are kept of. */
Test(bootstrap, of_many_groups) {
    enum { GROUPS = 6000 };
    static ratio_sum a[GROUPS], b[GROUPS];
    two_arms(a, b, GROUPS);
    interval i = interval_of_groups(GROUPS, statistic_micro, a);
    double   ratio = statistic_micro(NULL, GROUPS, a);
    cr_assert(i.method == INTERVAL_BCA && i.lo < ratio && ratio < i.hi && i.hi - i.lo < 0.06, "[%g, %g]", i.lo, i.hi);
}

Test(bootstrap, every_allocation_may_fail) {
    ratio_sum a[MANY], b[MANY];
    two_arms(a, b, MANY);
    for (size_t k = 1;; k++) {
        interval out;
        err      e = {0};
        mem_fail_at(k);
        bootstrap *boot = bootstrap_new(&e);
        int        status = boot != NULL ? bootstrap_interval(boot, MANY, statistic_micro, a, &out, &e) : -1;
        mem_fail_at(0);
        bootstrap_free(boot);
        if (status == 0) {
            cr_assert_geq(k, 6);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN);
    }
}

/* A loose band around 95%: tests/bench/coverage.c measures it closely. */
Test(bootstrap, intervals_hold_the_truth_about_as_often_as_they_promise) {
    enum { EXPERIMENTS = 300, N = 12 };
    err        e = {0};
    bootstrap *boot = bootstrap_new(&e);
    gsl_rng   *rng = rng_new(7, 0);
    size_t     held = 0;
    for (size_t k = 0; k < EXPERIMENTS; k++) {
        ratio_sum a[N];
        interval  i;
        for (size_t r = 0; r < N; r++) {
            double plain = gsl_ran_lognormal(rng, 0, 0.6);
            a[r] = (ratio_sum){plain, plain / gsl_ran_lognormal(rng, log(2), 0.4)};
        }
        cr_assert_eq(bootstrap_interval(boot, N, statistic_micro, a, &i, &e), 0);
        held += i.lo <= 2 * exp(-0.08) && i.hi >= 2 * exp(-0.08);
    }
    cr_assert(100 * held > 89 * EXPERIMENTS && 100 * held < 98 * EXPERIMENTS, "%zu of %d", held, (int)EXPERIMENTS);
    gsl_rng_free(rng);
    bootstrap_free(boot);
}

Test(bca, corrections_of_data_that_is_not_skewed_are_none) {
    const double resampled[] = {1, 2, 3, 4, 5}, left_out[] = {1, 2, 3}, skewed[] = {1, 1, 4};
    near(bca_bias(resampled, 5, 3), 0);
    cr_assert_gt(bca_bias(resampled, 5, 4), 0);
    near(bca_acceleration(&(jackknife){left_out, NULL, 3}), 0);
    cr_assert_lt(bca_acceleration(&(jackknife){skewed, NULL, 3}), 0);
    cr_assert_eq(bca_acceleration(&(jackknife){resampled, NULL, 1}), 0);
    cr_assert(isnan(bca_acceleration(&(jackknife){(const double[]){1, INFINITY}, NULL, 2})));
    interval i = bca_interval(resampled, 5, 0, 0, 0.5);
    near(i.lo, 2);
    near(i.hi, 4);
    cr_assert_eq(i.method, INTERVAL_BCA);
    cr_assert_eq(bca_interval(resampled, 5, INFINITY, 0, 0.5).method, INTERVAL_PERCENTILE);
    cr_assert_eq(bca_interval(resampled, 5, 0, NAN, 0.5).method, INTERVAL_PERCENTILE);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static signed_rank test_of(const double *d, size_t n, zero_handling zeros, size_t exact_most) {
    signed_rank out;
    err         e = {0};
    cr_assert_eq(signed_rank_test(d, n, zeros, exact_most, &out, &e), 0, "%s", e.text);
    return out;
}

/* p by trying all signs of the differences that are not zero. */
static double tried_p(const double *d, size_t n, zero_handling zeros) {
    double signs[16], sum = test_of(d, n, zeros, n).sum;
    size_t at[16], nonzero = 0, below = 0, above = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i] != 0) at[nonzero++] = i;
    for (size_t mask = 0; mask < (size_t)1 << nonzero; mask++) {
        for (size_t i = 0; i < n; i++) signs[i] = 0;
        for (size_t i = 0; i < nonzero; i++) signs[at[i]] = mask >> i & 1 ? fabs(d[at[i]]) : -fabs(d[at[i]]);
        double s = test_of(signs, n, zeros, 0).sum;
        below += s <= sum;
        above += s >= sum;
    }
    return fmin(1, 2 * (double)(below < above ? below : above) / (double)((size_t)1 << nonzero));
}

Test(signed_rank, p_is_exact_with_ties_and_zeros) {
    const double all[][10] = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                              {1, 1, -1, 2, 2, 2, -3, 0, 0, 4},
                              {0, 0, 0, 0, 0.5, 0.5, 0.5, -0.5, 2, 2},
                              {-5, 4, -3, 2, -1, 1, 1, 1, 0, 7}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (zero_handling zeros = ZEROS_DROPPED; zeros <= ZEROS_RANKED; zeros++) {
            signed_rank r = test_of(all[i], 10, zeros, SIGNED_RANK_EXACT);
            cr_assert(r.exact);
            near(r.p, tried_p(all[i], 10, zeros));
        }
    near(test_of(all[0], 10, ZEROS_RANKED, SIGNED_RANK_EXACT).p, 2.0 / 1024);
    near(test_of(all[1], 10, ZEROS_DROPPED, SIGNED_RANK_EXACT).sum, 2 + 2 + 5 + 5 + 5 + 8);
    near(test_of(all[1], 10, ZEROS_RANKED, SIGNED_RANK_EXACT).sum, 4 + 4 + 7 + 7 + 7 + 10);
}

Test(signed_rank, the_normal_one_comes_near) {
    double d[80];
    for (size_t i = 0; i < 80; i++) d[i] = (double)(i * 31 % 23) - 9;
    signed_rank exact = test_of(d, 80, ZEROS_RANKED, 80), normal = test_of(d, 80, ZEROS_RANKED, 0);
    cr_assert(exact.exact && !normal.exact && exact.sum == normal.sum);
    cr_assert(fabs(exact.p - normal.p) < 0.02 * exact.p + 1e-4, "%g and %g", exact.p, normal.p);
    cr_assert(!test_of(d, 80, ZEROS_RANKED, SIGNED_RANK_EXACT).exact == (80 > SIGNED_RANK_EXACT));
}

Test(signed_rank, nothing_differs) {
    const double zeros[3] = {0};
    signed_rank  r = test_of(zeros, 3, ZEROS_RANKED, SIGNED_RANK_EXACT);
    cr_assert(r.p == 1 && r.n == 0 && r.zero == 3);
    cr_assert(isnan(test_of(NULL, 0, ZEROS_RANKED, SIGNED_RANK_EXACT).p));
    const double far[] = {INFINITY, INFINITY, 1, 2, 3, 4};
    near(test_of(far, 6, ZEROS_RANKED, SIGNED_RANK_EXACT).p, 2.0 / 64);
}

Test(holm, adjusts_a_family) {
    double p[] = {0.01, 0.04, NAN, 0.03, 0.005, 0.9}, adjusted[6];
    err    e = {0};
    cr_assert_eq(holm_adjust(p, 6, adjusted, &e), 0);
    near(adjusted[4], 0.025);
    near(adjusted[0], 0.04);
    near(adjusted[3], 0.09);
    near(adjusted[1], 0.09);
    near(adjusted[5], 0.9);
    cr_assert(isnan(adjusted[2]));
    cr_assert_eq(holm_adjust(p, 6, p, &e), 0, "in place");
    near(p[1], 0.09);
}

/* The first records with which `family` times 2 / 2^n is below 0.05. */
Test(holm, few_records_reject_nothing) {
    cr_assert_eq(holm_records(1), 6);
    cr_assert_eq(holm_records(3), 7);
    cr_assert_eq(holm_records(60), 12);
    for (size_t family = 1; family < 100; family++) {
        double least = 2 * (double)family / pow(2, (double)holm_records(family));
        cr_assert(least < HOLM_LEVEL && 2 * least >= HOLM_LEVEL, "%zu", family);
    }
}

static double swapped_p(const ratio_sum *a, const ratio_sum *b, size_t n, size_t family) {
    double p = -1;
    err    e = {0};
    cr_assert_eq(swap_test(a, b, n, family, &p, &e), 0, "%s", e.text);
    return p;
}

/* p by trying every way to give each record's sums to either arm. */
static double tried_swaps(const ratio_sum *a, const ratio_sum *b, size_t n) {
    ratio_sum x[16], y[16];
    size_t    reached = 0;
    double    data = fabs(log(statistic_micro(NULL, n, a) / statistic_micro(NULL, n, b)));
    for (size_t mask = 0; mask < (size_t)1 << n; mask++) {
        for (size_t i = 0; i < n; i++) {
            x[i] = mask >> i & 1 ? b[i] : a[i];
            y[i] = mask >> i & 1 ? a[i] : b[i];
        }
        reached += fabs(log(statistic_micro(NULL, n, x) / statistic_micro(NULL, n, y))) >= data - 1e-9;
    }
    return (double)reached / (double)((size_t)1 << n);
}

Test(swap_test, p_is_exact_for_few_records) {
    enum { N = 9 };
    ratio_sum a[N], b[N], ahead[N];
    for (size_t i = 0; i < N; i++) {
        double plain = 10 + (double)(i * 7 % 5);
        a[i] = (ratio_sum){plain, plain / (2 + (double)i / 10)};
        b[i] = (ratio_sum){plain, a[i].whole * (1 + ((double)(i * 5 % 7) - 2) / 20)};
        ahead[i] = (ratio_sum){plain, a[i].whole * 0.9};
    }
    near(swapped_p(a, b, N, 1), tried_swaps(a, b, N));
    near(swapped_p(b, a, N, 1), tried_swaps(a, b, N));
    cr_assert(swapped_p(a, b, N, 1) > 0.02 && swapped_p(a, b, N, 1) < 0.98);
    near(swapped_p(ahead, a, N, 1), 2.0 / (1 << N));
    near(swapped_p(ahead, a, 1, 1), 1);
    near(swapped_p(a, a, N, 1), 1);
    const ratio_sum none[2] = {{0, 0}, {0, 0}};
    cr_assert(isnan(swapped_p(none, none, 2, 1)) && isnan(swapped_p(none, none, 0, 1)));
}

/* Drawn p come near the exact ones, and none is 0. */
Test(swap_test, p_is_drawn_for_many_records) {
    enum { N = 14 };
    ratio_sum a[N], b[N], ahead[200], behind[200];
    for (size_t i = 0; i < N; i++) {
        a[i] = (ratio_sum){10, 5 + (double)i / 5};
        b[i] = (ratio_sum){10, a[i].whole + ((double)(i * 5 % 7) - 2) / 2};
    }
    double drawn = swapped_p(a, b, N, 1), tried = tried_swaps(a, b, N);
    cr_assert(fabs(drawn - tried) < 0.02 && tried > 0.02 && tried < 0.5, "%g, %g", drawn, tried);
    cr_assert_eq(drawn, swapped_p(a, b, N, 1), "the same numbers from the same data");
    for (size_t i = 0; i < 200; i++) {
        ahead[i] = (ratio_sum){10, 4};
        behind[i] = (ratio_sum){10, 5};
    }
    near(swapped_p(ahead, behind, 200, 1), 1.0 / 10000);
    near(swapped_p(ahead, behind, 200, 1000), 1.0 / 40000);
}
