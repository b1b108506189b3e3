/* The controls, which say what copying could gain at most and what it costs where it is never right: no drafts at all,
 * the truth, what differs from the truth everywhere, ids drawn at random, and trees in which the truth is one path.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

Test(policy_controls, none_never_drafts) {
    policy *p = steps_open("none", "");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = (int32_t[]){1, 1, 1}, .n_prompt = 3});
    steps_observe(p, IDS(1, 1, 1));
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    cr_assert_eq(d.source, SOURCE_NONE);
    cr_assert_eq(d.source_position, -1);
    policy_close(p);
}

Test(policy_controls, controls_need_the_truth) {
    const char *const names[] = {"oracle", "wrong", "hedge"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        policy *p = steps_open(names[i], "");
        err     e = {0};
        cr_assert_eq(policy_begin(p, &(policy_input){0}, &e), -1);
        cr_assert_not_null(strstr(e.text, names[i]), "%s", e.text);
        policy_close(p);
    }
}

Test(policy_controls, oracle_follows_the_truth_to_its_end) {
    policy *p = steps_open("oracle", "k=5");
    draft   d;
    steps_begin(p, &(policy_input){.truth = H1, .n_truth = 11});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, H1, 4, "from the first step on");
    steps_observe(p, H1, 5);
    steps_observe(p, H1 + 5, 3);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, H1 + 8, 3, "up to the end");
    steps_observe(p, H1 + 8, 5);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    policy_close(p);
}

Test(policy_controls, wrong_is_wrong_everywhere_and_any_other_token) {
    enum { SMALL = 5 };
    static int32_t truth[4000];
    gsl_rng       *r = rng_new(3, 3);
    size_t         seen[SMALL] = {0};
    steps_fill(r, truth, 4000, SMALL);
    policy *p = steps_open_over("wrong", "k=1024", SMALL, NULL);
    draft   d;
    steps_begin(p, &(policy_input){.truth = truth, .n_truth = 4000, .noise = {1, 2}});
    for (size_t at = 0; at < 4000; at += 100) {
        steps_propose(p, DRAFT_CAP, &d);
        cr_assert_eq(d.n, 1023);
        for (size_t i = 0; i < d.n && at + i < 4000; i++) {
            cr_assert_neq(d.ids[i], truth[at + i]);
            seen[(d.ids[i] - truth[at + i] + SMALL) % SMALL]++;
        }
        steps_observe(p, truth + at, 100);
    }
    for (size_t i = 1; i < SMALL; i++) cr_assert_gt(seen[i], 5000);

    /* Two tokens leave one choice, one leaves none. */
    policy_close(p);
    p = steps_open_over("wrong", "k=1024", 2, NULL);
    steps_begin(p, &(policy_input){.truth = (int32_t[]){0, 1, 1}, .n_truth = 3});
    steps_propose(p, 3, &d);
    steps_check(&d, IDS(1, 0, 0), "two tokens");
    policy_close(p);
    p = steps_open_over("wrong", "k=1024", 1, NULL);
    steps_begin(p, &(policy_input){.truth = (int32_t[]){0, 0, 0}, .n_truth = 3});
    steps_propose(p, 3, &d);
    cr_assert_eq(d.n, 0);
    policy_close(p);
    gsl_rng_free(r);
}

Test(policy_controls, random_depends_on_the_position_alone) {
    policy *p = steps_open("random", "k=101");
    draft   whole, later;
    size_t  low = 0;
    steps_begin(p, &(policy_input){.noise = {7, 8}});
    steps_propose(p, DRAFT_CAP, &whole);
    cr_assert_eq(whole.n, 100);
    for (size_t i = 0; i < 100; i++) low += whole.ids[i] < VOCAB / 2;
    cr_assert(low > 30 && low < 70, "%zu of 100 in the lower half", low);
    steps_observe(p, H4, 10);
    steps_propose(p, DRAFT_CAP, &later);
    cr_assert_eq(later.n, 100);
    cr_assert_eq(memcmp(later.ids, whole.ids + 10, 90 * sizeof(int32_t)), 0);
    steps_begin(p, &(policy_input){.noise = {7, 9}});
    steps_propose(p, DRAFT_CAP, &later);
    cr_assert_neq(memcmp(later.ids, whole.ids, 100 * sizeof(int32_t)), 0);
    policy_close(p);
}

Test(policy_controls, hedge_refuses_levels_that_never_fit) {
    err e = {0};
    cr_assert_null(steps_try_open("hedge", "k=8,width=8", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy hedge: width = 8 does not fit into k - 1 = 7 tokens");
    policy_close(steps_open("hedge", "k=8,width=7"));
    policy_close(steps_open("hedge", "k=1,width=1"));
}

Test(policy_controls, hedge_drafts_the_truth_behind_other_siblings) {
    static int32_t truth[200];
    gsl_rng       *r = rng_new(4, 3);
    draft          d;
    for (size_t width = 1; width <= 7; width++) {
        enum { SMALL = 5 };
        size_t siblings = width < SMALL ? width : SMALL; /* no more than there are ids */
        char   text[40];
        steps_fill(r, truth, 200, SMALL);
        snprintf(text, sizeof text, "k=42,width=%zu", width);
        policy *p = steps_open_over("hedge", text, SMALL, NULL);
        steps_begin(p, &(policy_input){.truth = truth, .n_truth = 200, .noise = {1, width}});
        for (size_t at = 0; at < 200; at += 20) {
            size_t  left = 200 - at, levels = 41 / siblings < left ? 41 / siblings : left;
            int32_t above = DRAFT_ROOT;
            steps_propose(p, DRAFT_CAP, &d);
            cr_assert_eq(d.n, levels * siblings);
            cr_assert_eq(d.branches, siblings > 1);
            for (size_t level = 0; level < levels; level++) {
                bool   seen[SMALL] = {false};
                size_t first = level * siblings;
                for (size_t i = first; i < first + siblings; i++) {
                    cr_assert_eq(d.parent[i], above);
                    cr_assert_not(seen[d.ids[i]], "two siblings are equal");
                    seen[d.ids[i]] = true;
                }
                above = (int32_t)(first + siblings - 1);
                cr_assert_eq(d.ids[above], truth[at + level], "the last one is not true");
            }
            steps_observe(p, truth + at, 20);
        }
        policy_close(p);
    }
    gsl_rng_free(r);
}
