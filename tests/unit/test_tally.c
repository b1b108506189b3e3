/* Tallies against sorted arrays. */
#include <criterion/criterion.h>
#include <gsl/gsl_sort.h>
#include <math.h>

#include "analysis/stats/quantile.h"
#include "analysis/stats/tally.h"
#include "engine/base/mem.h"

Test(tally, quantiles_are_those_of_the_sorted_values) {
    enum { MOST = 3000 };
    static double all[MOST];
    uint64_t      state = 1;
    for (size_t n = 0; n <= MOST; n = n < 8 ? n + 1 : 2 * n + 1) {
        err   e = {0};
        tally t = {0};
        for (size_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint64_t value = i % 3 == 0 ? state >> 40 : (state >> 60) * 10;
            cr_assert_eq(tally_add(&t, value, &e), 0, "%s", e.text);
            all[i] = (double)value;
        }
        gsl_sort(all, 1, n);
        for (int q = 0; q <= 100; q++) {
            double f = q / 100.0, want = quantile_of_sorted(all, n, f), got = tally_quantile(&t, f);
            cr_assert(got == want || (isnan(got) && isnan(want)), "%zu values, %g: %g, not %g", n, f, got, want);
        }
        tally_free(&t);
    }
}

/* 10^5 values of which 100 differ need no more room than those. */
Test(tally, memory_grows_with_the_values_that_differ) {
    err   e = {0};
    tally t = {0};
    for (uint64_t i = 0; i < 100000; i++) cr_assert_eq(tally_add(&t, i % 100 * 1000003, &e), 0, "%s", e.text);
    cr_assert_eq(t.of, 100000);
    cr_assert_eq(t.n, 100);
    cr_assert_leq(t.places, 512);
    cr_assert_eq(tally_quantile(&t, 1), 99.0 * 1000003);
    tally_free(&t);
}
