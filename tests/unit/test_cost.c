/* Cost files and the times read from them. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/base/digest.h"
#include "experiments/cost.h"
#include "tests/fixtures/scratch.h"

TestSuite(cost, .init = scratch_enter, .fini = scratch_leave);

static const char good[] =
    "[cost]\nmodel = llama-1.1b, Q8_0\nthreads = 2\n[T]\n1 = 50e6\n4 = 56000000 ; ns\n5 = 60000000.5\n";

Test(cost, is_linear_between_points_and_nothing_beyond) {
    cost_model c;
    err        e = {0};
    char       hex[DIGEST_HEX];
    scratch_write("cost.ini", good);
    cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
    digest_sha256(good, strlen(good), hex, &e);
    cr_assert_str_eq(c.sha256, hex);
    cr_assert_eq(c.n, 3);
    cr_assert_eq(cost_pass(&c, 1), 50e6);
    cr_assert_eq(cost_pass(&c, 2), 52e6);
    cr_assert_eq(cost_pass(&c, 3), 54e6);
    cr_assert_eq(cost_pass(&c, 4), 56e6);
    cr_assert_eq(cost_pass(&c, 5), 60000000.5);
    cr_assert(isnan(cost_pass(&c, 6)));
    cr_assert(isnan(cost_pass(&c, 0)));
    cost_free(&c);
}

Test(cost, of_a_trial_counts_every_pass_but_the_prompts) {
    cost_model c;
    err        e = {0};
    scratch_write("cost.ini", "[T]\n1 = 100\n3 = 300\n");
    cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
    step_trace steps[] = {
        {.drafted = 9, .verify_ns = 999}, /* wider than the table, but the prompt's */
        {.drafted = 2, .draft_ns = 10} /* drafting is not modeled */,
        {.drafted = 0, .draft_ns = 5},
    };
    cr_assert_eq(cost_trial(&c, steps, 0), 0);
    cr_assert_eq(cost_trial(&c, steps, 1), 0);
    cr_assert_eq(cost_trial(&c, steps, 3), 300 + 100);
    steps[2].drafted = 3;
    cr_assert(isnan(cost_trial(&c, steps, 3)));
    cost_free(&c);
}

Test(cost, names_place_and_reason_of_every_refusal) {
    static const char *const bad[][3] = {
        {"", "cost.ini:", "no times"},
        {"[cost]\nmodel = x\n", "cost.ini:", "no times"},
        {"[T]\n", "cost.ini:1:", "no times"},
        {"[T]\n2 = 5\n", "cost.ini:2:", "begin with k = 1"},
        {"[T]\n1 = 5\n4 = 6\n3 = 7\n", "cost.ini:4:", "ascending"},
        {"[T]\n1 = 5\n01 = 6\n", "cost.ini:3:", "ascending"},
        {"[T]\n1 = 5\n1 = 6\n", "cost.ini:3:", "already set"},
        {"[T]\n1 = 0\n", "cost.ini:2:", "above 0"},
        {"[T]\n1 = -5\n", "cost.ini:2:", "above 0"},
        {"[T]\n1 = nan\n", "cost.ini:2:", "above 0"},
        {"[T]\n1 = inf\n", "cost.ini:2:", "above 0"},
        {"[T]\n1 = 5 ns\n", "cost.ini:2:", "\"5 ns\""},
        {"[T]\n1 =\n", "cost.ini:2:", "one value"},
        {"[T]\n1 = 5\n  6\n", "cost.ini:3:", "one value"},
        {"[T]\nk = 5\n", "cost.ini:2:", "number of tokens"},
        {"[T]\n0 = 5\n", "cost.ini:2:", "from 1 to 65536"},
        {"[T]\n-1 = 5\n", "cost.ini:2:", "from 1 to 65536"},
        {"[T]\n1x = 5\n", "cost.ini:2:", "number of tokens"},
        {"[T]\n1 = 5\n65537 = 6\n", "cost.ini:3:", "65536"},
        {"[T]\n1 = 5\n99999999999999999999999 = 6\n", "cost.ini:3:", "65536"},
        {"[cost]\nthread = 2\n[T]\n1 = 5\n", "cost.ini:2:", "did you mean \"threads\""},
        {"[cost]\nthreads = 0\n[T]\n1 = 5\n", "cost.ini:2:", "from 1"},
        {"[cost]\nthreads = two\n[T]\n1 = 5\n", "cost.ini:2:", "an integer"},
        {"[cots]\n[T]\n1 = 5\n", "cost.ini:1:", "did you mean \"cost\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cost_model c;
        err        e = {0};
        scratch_write("cost.ini", bad[i][0]);
        cr_assert_eq(cost_read("cost.ini", &c, &e), -1, "taken: %s", bad[i][0]);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, bad[i][1], strlen(bad[i][1])), 0, "\"%s\", not %s", e.text, bad[i][1]);
        cr_assert_not_null(strstr(e.text, bad[i][2]), "\"%s\" does not say \"%s\"", e.text, bad[i][2]);
    }
}
