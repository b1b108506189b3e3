/* match_pool: how much it holds. What it finds, test_policy_trtllm_ngram.c compares with lists. */
#include <criterion/criterion.h>

#include "engine/policies/index/match_pool.h"

/* Numbers of patterns and matches have 32 bits, and 0 is none. */
Test(match_pool, refuses_what_it_has_no_number_for) {
    match_pool    m;
    err           e = {0};
    const int32_t ids[] = {1, 2, 3, 4, 5};
    cr_assert_eq(match_pool_init(&m, 1, 2, true, false, false, &e), 0);
    cr_assert_eq(match_pool_begin(&m, 0, &e), 0);
    cr_assert_eq(match_pool_append(&m, ids, 3, &e), 0);
    cr_assert_eq(match_pool_step(&m, &e), 0);
    size_t n_matches = m.n_matches;
    m.n_matches = UINT32_MAX;
    cr_assert_eq(match_pool_append(&m, ids + 3, 1, &e), 0);
    cr_assert_eq(match_pool_step(&m, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_str_eq(e.text, "a pool of matches holds at most 4294967295 matches");
    m.n_matches = n_matches;
    m.n_patterns = UINT32_MAX;
    cr_assert_eq(match_pool_append(&m, ids + 4, 1, &e), 0);
    cr_assert_eq(match_pool_step(&m, &e), -1);
    cr_assert_str_eq(e.text, "a pool of matches holds at most 4294967295 patterns");
    match_pool_free(&m);
}
