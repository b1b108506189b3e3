/* Cost files, the times read from them, and reasons to doubt them. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "experiments/machine/load.h"
#include "experiments/sweep/cost.h"
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
    cr_assert_str_eq(c.name, "cost.ini");
    cr_assert_str_eq(c.text, good);
    cr_assert_eq(c.n, 3);
    const pass_times t = cost_times(&c);
    for (size_t context = 0; context < 5000; context += 1000) { /* one section is of any context */
        cr_assert_eq(pass_times_at(&t, 1, context), 50e6);
        cr_assert_eq(pass_times_at(&t, 2, context), 52e6);
        cr_assert_eq(pass_times_at(&t, 3, context), 54e6);
        cr_assert_eq(pass_times_at(&t, 4, context), 56e6);
        cr_assert_eq(pass_times_at(&t, 5, context), 60000000.5);
        cr_assert(isnan(pass_times_at(&t, 6, context)));
        cr_assert(isnan(pass_times_at(&t, 0, context)));
    }
    cost_free(&c);
}

/* T(1) rises by 1 for each token of context up to 100 and by 0.1 from there; T(3) rises to 100 and falls then. */
static const char sections_text[] = "[T]\n1 = 100\n3 = 300\n[T 100]\n1 = 200\n3 = 500\n[T 300]\n1 = 220\n3 = 400\n";

Test(cost, is_linear_in_the_context_between_sections_and_beyond_the_last) {
    static const struct {
        size_t k, context;
        double ns;
    } cases[] = {
        {1, 0, 100},   {3, 0, 300},   {2, 0, 200},   {1, 1, 101},   {1, 99, 199},      {1, 100, 200},
        {3, 100, 500}, {2, 100, 350}, {2, 50, 275},  {1, 200, 210}, {3, 200, 450},     {3, 300, 400},
        {1, 300, 220}, {1, 310, 221}, {1, 400, 230}, {3, 301, 400}, {3, 1000000, 400}, {1, 1000300, 100220},
        {2, 300, 310}, {2, 310, 310}, {2, 100, 350}, {2, 200, 330}, {2, 2000000, 310}, /* falls by 0.2, so not beyond */
    };
    cost_model c;
    err        e = {0};
    scratch_write("cost.ini", sections_text);
    cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
    cr_assert_eq(c.n, 2);
    cr_assert_eq(c.n_contexts, 3);
    const pass_times t = cost_times(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double ns = pass_times_at(&t, cases[i].k, cases[i].context);
        cr_assert_float_eq(ns, cases[i].ns, 1e-9, "T(%zu, %zu) = %.17g", cases[i].k, cases[i].context, ns);
    }
    cr_assert(isnan(pass_times_at(&t, 4, 100)));
    cost_free(&c);
}

Test(cost, of_the_first_section_counts_below_it) {
    cost_model c;
    err        e = {0};
    scratch_write("cost.ini", "[T 100]\n1 = 200\n[T 300]\n1 = 600\n");
    cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
    const pass_times t = cost_times(&c);
    cr_assert_eq(pass_times_at(&t, 1, 0), 200);
    cr_assert_eq(pass_times_at(&t, 1, 99), 200);
    cr_assert_eq(pass_times_at(&t, 1, 101), 202);
    cr_assert_eq(pass_times_at(&t, 1, 400), 800);
    cost_free(&c);
}

Test(cost, of_a_trial_counts_every_pass_but_the_prompts) {
    cost_model c;
    err        e = {0};
    scratch_write("cost.ini", "[T]\n1 = 100\n3 = 300\n");
    cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
    step_trace steps[] = {
        {.drafted = 9, .verify_ns = 999}, /* wider than the table, but the prompt's */
        {.position = 1, .drafted = 2, .draft_ns = 10} /* drafting is not modeled */,
        {.position = 4, .drafted = 0, .draft_ns = 5},
    };
    cr_assert_eq(cost_trial(&c, 7, steps, 0), 0);
    cr_assert_eq(cost_trial(&c, 7, steps, 1), 0);
    cr_assert_eq(cost_trial(&c, 7, steps, 3), 300 + 100);
    cr_assert_eq(cost_plain(&c, 7, 0), 0);
    cr_assert_eq(cost_plain(&c, 7, 1), 0);
    cr_assert_eq(cost_plain(&c, 7, 5), 400);
    steps[2].drafted = 3;
    cr_assert(isnan(cost_trial(&c, 7, steps, 3)));
    cost_free(&c);
}

Test(cost, of_a_trial_is_that_of_each_steps_context) {
    cost_model c;
    err        e = {0};
    scratch_write("cost.ini", sections_text);
    cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
    /* A prompt of 98 tokens and an output of 7. The first token comes from the prompt's pass; before the pass that
     * checks the first draft the cache holds the prompt, and the second pass finds 98 + 3 tokens there: all of the
     * output so far but the last one. */
    const step_trace steps[] = {
        {.position = 0, .drafted = 2, .emitted = 1},
        {.position = 1, .drafted = 2, .accepted = 2, .emitted = 3},
        {.position = 4, .drafted = 0, .emitted = 1},
        {.position = 5, .drafted = 1, .accepted = 1, .emitted = 2},
    };
    double first = 300 + 0.98 * 200, second = 200 + 0.1, third = (200 + 0.2 + 500 - 1) / 2;
    cr_assert_float_eq(cost_trial(&c, 98, steps, 4), first + second + third, 1e-9);
    cr_assert_float_eq(cost_plain(&c, 98, 7), 198 + 199 + 200 + 200.1 + 200.2 + 200.3, 1e-9);
    cost_free(&c);
}

Test(cost, of_a_busy_machine_is_doubtful) {
    cost_model c;
    err        e = {0};
    char       text[256];
    for (int busy = 0; busy < 2; busy++) {
        scratch_write("cost.ini", busy ? "[cost]\nloaded = yes\n[T]\n1 = 100\n2 = 110\n"
                                       : "[cost]\nloaded = no\n[T]\n1 = 100\n2 = 110\n");
        cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
        cr_assert_eq(cost_doubtful(&c, text, sizeof text), busy);
        cr_assert_eq(strcmp(text, busy ? "the machine was busy with other work when they were measured" : ""), 0, "%s",
                     text);
        cost_free(&c);
    }
    scratch_write("cost.ini", "[cost]\nloaded = maybe\n[T]\n1 = 100\n");
    cr_assert_eq(cost_read("cost.ini", &c, &e), -1);
    cr_assert_str_eq(e.text, "cost.ini:2: loaded = \"maybe\" is not allowed (yes or no: whether other processes kept "
                             "the processors busy; if so, a sweep warns)");
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
        {"[T]\n1 = 0\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = 0.5\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = 58e166\n4 = 67e6 65e6 67e6\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = -5\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = nan\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = inf\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = 5 ns\n", "cost.ini:2:", "\"5 ns\""},
        {"[T]\n1 = 5 4\n", "cost.ini:2:", "both quartiles"},
        {"[T]\n1 = 5 4 6 7\n", "cost.ini:2:", "both quartiles"},
        {"[T]\n1 = 5, 4, 6\n", "cost.ini:2:", "both quartiles"},
        {"[T]\n1 = 5 -4 6\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = 5 4 inf\n", "cost.ini:2:", "1 to 1e+15 nanoseconds"},
        {"[T]\n1 = 5 6 7\n", "cost.ini:2:", "the median is not between the quartiles"},
        {"[T]\n1 = 5 3 4\n", "cost.ini:2:", "(MEDIAN Q1 Q3)"},
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
        {"[t]\n1 = 5\n", "cost.ini:1:", "unknown section \"t\""},
        {"[T512]\n1 = 5\n", "cost.ini:1:", "unknown section \"T512\""},
        {"[T x]\n1 = 5\n", "cost.ini:1:", "\"x\" is not a context ([T CONTEXT], tokens in the cache"},
        {"[T -1]\n1 = 5\n", "cost.ini:1:", "\"-1\" is not a context"},
        {"[T 0 1]\n1 = 5\n", "cost.ini:1:", "\"0 1\" is not a context"},
        {"[T 2147483648]\n1 = 5\n", "cost.ini:1:", "0 to 2147483647)"},
        {"[T 0]\n1 = 5\n[T 512]\n", "cost.ini:3:", "no times in [T 512]"},
        {"[T 0]\n1 = 5\n[T 0]\n1 = 5\n", "cost.ini:3:", "already on line 1"},
        {"[T]\n1 = 5\n[T 0]\n1 = 5\n",
         "cost.ini:3:", "context 0 comes after context 0 (ascending, each once; [T] is [T 0])"},
        {"[T 512]\n1 = 5\n[cost]\n[T]\n1 = 5\n", "cost.ini:4:", "context 0 comes after context 512"},
        {"[T 0]\n1 = 5\n2 = 6\n[T 9]\n1 = 5\n3 = 6\n", "cost.ini:6:", "k = 3 where the first section has k = 2"},
        {"[T 0]\n1 = 5\n[T 9]\n1 = 5\n3 = 6\n", "cost.ini:5:", "k = 3 is not in the first section"},
        {"[T 0]\n1 = 5\n2 = 6\n[T 9]\n1 = 5\n", "cost.ini:4:", "[T 9] has no k = 2, as the first section has"},
        {"[T 0]\n1 = 5\n[T 9]\n1 = 0\n", "cost.ini:4:", "1 to 1e+15 nanoseconds"},
        {"[T 0]\n1 = 5\n[T 9]\n1 = 5 6 7\n", "cost.ini:4:", "the median is not between the quartiles"},
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

Test(cost, quartiles_are_the_median_where_none_are_given) {
    cost_model c;
    err        e = {0};
    scratch_write("folder/x.ini", "[T]\n1 = 100 90.5 1.2e2\n4 = 400\n8 =  800\t800   800 ; quiet\n");
    cr_assert_eq(cost_read("folder/x.ini", &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.name, "x.ini");
    const double want[][3] = {{100, 90.5, 120}, {400, 400, 400}, {800, 800, 800}};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(c.ns[i], want[i][0]);
        cr_assert_eq(c.q1[i], want[i][1]);
        cr_assert_eq(c.q3[i], want[i][2]);
    }
    const pass_times t = cost_times(&c);
    cr_assert_eq(pass_times_at(&t, 2, 0), 200);
    cost_free(&c);
}

Test(cost, what_looks_like_noise_is_said_to) {
    static const struct {
        const char *times, *doubt; /* "": none */
    } cases[] = {
        {"1 = 100e6\n2 = 100e6\n4 = 110e6\n", ""},
        {"1 = 100e6 95e6 105e6\n2 = 101e6 100e6 103e6\n", ""}, /* a tenth is not over a tenth */
        {"1 = 100e6 99e6 101e6\n2 = 99.5e6 99e6 100e6\n", ""}, /* falls, but within the quartiles */
        {"1 = 324e6\n2 = 200e6\n4 = 109e6\n8 = 400e6\n", "T falls: T(1) = 324 ms, T(4) = 109 ms"},
        {"1 = 10e6\n4 = 30e6 29e6 31e6\n8 = 28e6 27e6 28.5e6\n", "T falls: T(4) = 30 ms, T(8) = 28 ms"},
        {"1 = 100e6 94e6 105e6\n2 = 110e6 109e6 130e6\n4 = 200e6\n",
         "the quartiles of 2 of 3 T(k) are over 10% of the median apart, those of T(2) 19%"},
        {"1 = 324e6 200e6 330e6\n2 = 109e6 108e6 110e6\n",
         "T falls: T(1) = 324 ms, T(2) = 109 ms; the quartiles of 1 "
         "of 2 T(k) are over 10% of the median apart, those of T(1) 40%"},
        {"1 = 100e6\n2 = 110e6\n[T 512]\n1 = 100e6\n2 = 110e6\n", ""},
        {"1 = 100e6\n2 = 110e6\n[T 512]\n1 = 120e6\n2 = 90e6\n", "T falls: T(1, 512) = 120 ms, T(2, 512) = 90 ms"},
        {"1 = 100e6\n2 = 190e6\n[T 512]\n1 = 120e6\n2 = 130e6\n[T 900]\n1 = 120e6\n2 = 120e6\n",
         "T falls: T(2, 0) = 190 ms, T(2, 900) = 120 ms"},
        {"1 = 100e6\n2 = 110e6 90e6 120e6\n[T 512]\n1 = 100e6\n2 = 110e6 80e6 120e6\n",
         "the quartiles of 2 of 4 T(k) are over 10% of the median apart, those of T(2, 512) 36%"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cost_model c;
        err        e = {0};
        char       text[256], file[256];
        snprintf(file, sizeof file, "[T]\n%s", cases[i].times);
        scratch_write("cost.ini", file);
        cr_assert_eq(cost_read("cost.ini", &c, &e), 0, "%s", e.text);
        cr_assert_eq(cost_doubtful(&c, text, sizeof text), *cases[i].doubt != '\0', "%s: %s", cases[i].times, text);
        cr_assert_str_eq(text, cases[i].doubt);
        cost_free(&c);
    }
}

Test(load, what_the_threads_leave_free_is_in_nobodys_way) {
    static const struct {
        load   l;
        size_t threads;
        bool   doubtful;
    } cases[] = {
        {{.known = true, .processors = 2, .others = 0.05}, 2, false},
        {{.known = true, .processors = 2, .others = 0.5}, 2, true},
        {{.known = true, .processors = 2, .stolen = 0.2}, 2, true},
        {{.known = true, .processors = 2, .others = 0.06, .stolen = 0.06}, 2, true},
        {{.known = true, .processors = 8, .others = 3.5, .stolen = 0.4}, 4, false},
        {{.known = true, .processors = 8, .others = 3.5, .stolen = 0.4}, 5, true},
        {{.known = true, .processors = 2, .others = 0.5}, 4, true},
        {{.known = false, .processors = 2, .others = 2}, 2, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        cr_assert_eq(load_doubtful(&cases[i].l, cases[i].threads, text, sizeof text), cases[i].doubtful, "case %zu", i);
        cr_assert_eq(*text != '\0', cases[i].doubtful);
    }
}

Test(load, is_of_the_processors_that_this_process_may_use) {
    static load_moment begun;
    cpu_set_t          one;
    cr_assert_eq(sched_getaffinity(0, sizeof one, &one), 0);
    load_now(&begun);
    load l = load_since(&begun);
    cr_assert_eq(l.processors, (size_t)CPU_COUNT(&one));
    for (size_t i = 0, kept = 0; i < CPU_SETSIZE; i++) {
        if (kept > 0) CPU_CLR(i, &one);
        kept += CPU_ISSET(i, &one) != 0;
    }
    DIR *tasks = opendir("/proc/self/task"); /* libraries may have threads too */
    cr_assert_not_null(tasks);
    for (struct dirent *d; (d = readdir(tasks)) != NULL;)
        if (atoi(d->d_name) > 0) sched_setaffinity((pid_t)atoi(d->d_name), sizeof one, &one);
    closedir(tasks);
    l = load_since(&begun);
    cr_assert_eq(l.processors, 1);
    cr_assert(l.others >= 0 && l.stolen >= 0);
}
