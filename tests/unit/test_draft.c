/* What policies are made of: drafts, and the index of n-grams. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/draft.h"
#include "engine/policies/index/ngram_index.h"
#include "engine/policies/policy.h"

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

static const int32_t H1[] = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3};

/* ---- drafts ----------------------------------------------------------------------------------------- */

Test(draft, is_a_tree_below_the_pending_token) {
    draft d;
    draft_clear(&d);
    cr_assert_eq(draft_next_child(&d, DRAFT_ROOT, DRAFT_ROOT), -1);
    cr_assert_eq(draft_child(&d, DRAFT_ROOT, 5), -1);
    draft_extend(&d, IDS(5, 6, 7));
    cr_assert_not(d.branches);
    for (int32_t i = 0; i < 3; i++) {
        cr_assert_eq(d.parent[i], i - 1);
        cr_assert_eq(draft_child(&d, i - 1, 5 + i), i);
        cr_assert_eq(draft_child(&d, i - 1, 4), -1);
        cr_assert_eq(draft_next_child(&d, i - 1, i), -1, "a chain has no siblings");
    }
    cr_assert_eq(draft_next_child(&d, 2, 2), -1);

    cr_assert_eq(draft_add(&d, DRAFT_ROOT, 8), 3);
    cr_assert_eq(draft_add(&d, 0, 7), 4);
    cr_assert_eq(draft_add(&d, 3, 7), 5);
    cr_assert_eq(draft_add(&d, 0, 6), 6, "siblings may be equal");
    draft_extend(&d, IDS(9));
    cr_assert(d.branches);
    cr_assert_eq(d.parent[7], 6, "a chain goes on below the last node");
    cr_assert_eq(draft_next_child(&d, DRAFT_ROOT, DRAFT_ROOT), 0);
    cr_assert_eq(draft_next_child(&d, DRAFT_ROOT, 0), 3);
    cr_assert_eq(draft_next_child(&d, DRAFT_ROOT, 3), -1);
    cr_assert_eq(draft_child(&d, DRAFT_ROOT, 8), 3);
    cr_assert_eq(draft_child(&d, 0, 6), 1, "the first of equals");
    cr_assert_eq(draft_child(&d, 0, 7), 4);
    cr_assert_eq(draft_child(&d, 3, 7), 5);
    cr_assert_eq(draft_child(&d, 3, 6), -1);

    uint16_t levels[DRAFT_CAP];
    cr_assert_eq(draft_levels(&d, levels), 3);
    cr_assert(levels[0] == 2 && levels[1] == 4 && levels[2] == 2);

    draft_clear(&d);
    cr_assert_not(d.branches);
    cr_assert_eq(draft_levels(&d, levels), 0);
    for (int32_t i = 0; i < DRAFT_CAP; i++) cr_assert_eq(draft_add(&d, i - 1, i), i);
    cr_assert_eq(draft_add(&d, 0, 1), -1, "it is full");
    draft_extend(&d, IDS(1, 2));
    cr_assert(d.n == DRAFT_CAP && !d.branches);
}

/* ---- the index -------------------------------------------------------------------------------------- */

Test(ngram_index, equal_tags_are_not_a_match) {
    /* 2^18 distinct tokens share 32-bit tags in places; each must still be found where it is, and no other. */
    enum { MANY = 1 << 18 };
    ngram_index x = {0};
    ngram_place places[NGRAM_MAX];
    err         e = {0};
    int32_t    *ids = mem_new(MANY, sizeof *ids, &e);
    for (int32_t i = 0; i < MANY; i++) ids[i] = i * 8191;
    cr_assert_eq(ngram_index_init(&x, 1, 2, 0, &e), 0);
    cr_assert_eq(ngram_index_sequence(&x, &e), 0);
    cr_assert_eq(ngram_index_append(&x, ids, MANY, &e), 0);
    for (size_t i = 0; i < MANY; i++) {
        size_t n = i == 0 ? 1 : 2;
        cr_assert_eq(ngram_index_suffixes(&x, ids, i + 1, places), n);
        for (size_t m = 0; m < n; m++) cr_assert_eq(places[m].position, i - m);
        int32_t absent = ids[i] + 1;
        cr_assert_eq(ngram_index_suffixes(&x, &absent, 1, places), 0);
    }
    ngram_index_free(&x);
    free(ids);
}

Test(ngram_index, sequences_keep_apart) {
    ngram_index x = {0};
    ngram_place places[NGRAM_MAX];
    err         e = {0};
    size_t      n;
    cr_assert_eq(ngram_index_init(&x, 1, 3, 0, &e), 0);
    cr_assert_eq(ngram_index_suffixes(&x, H1, 3, places), 0, "an empty index holds nothing");
    const reference parts[] = {{H1, 0}, {H1, 2}, {H1, 0}, {H1 + 2, 2}, {H1, 4}};
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(ngram_index_sequence(&x, &e), 0);
        cr_assert_eq(ngram_index_append(&x, parts[i].ids, parts[i].n, &e), 0);
    }
    for (size_t i = 0; i < 5; i++) {
        const int32_t *ids = ngram_index_tokens(&x, i, &n);
        cr_assert_eq(n, parts[i].n);
        cr_assert(n == 0 || memcmp(ids, parts[i].ids, n * sizeof *ids) == 0);
    }
    /* 2 3 spans sequences 1 and 3, so it occurs first in 4. */
    cr_assert_eq(ngram_index_suffixes(&x, H1, 3, places), 3);
    cr_assert(places[0].sequence == 3 && places[0].position == 0);
    cr_assert(places[1].sequence == 4 && places[1].position == 1);
    cr_assert(places[2].sequence == 4 && places[2].position == 0);
    cr_assert_eq(ngram_index_suffixes(&x, H1, 0, places), 0);
    ngram_index_free(&x);
}
