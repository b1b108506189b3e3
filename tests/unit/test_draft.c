/* What policies are made of: drafts, and the index of n-grams. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/index/ngram_index.h"
#include "tests/unit/policy_steps.h"

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

/* Large tables, sequences of every length, all at once or in small pieces: the same places, and those of a scan. */
Test(ngram_index, is_the_scan_of_a_long_text) {
    enum { MANY = 400000, MOST = 4 };
    gsl_rng    *r = rng_new(5, 1);
    err         e = {0};
    int32_t    *ids = mem_new(MANY, sizeof *ids, &e);
    ngram_index whole = {0}, pieces = {0};
    ngram_place a[NGRAM_MAX], b[NGRAM_MAX];
    for (size_t i = 0; i < MANY; i++) ids[i] = (int32_t)steps_pick(r, 1 + steps_pick(r, 70000));
    cr_assert_eq(ngram_index_init(&whole, 1, MOST, MANY, &e), 0);
    cr_assert_eq(ngram_index_init(&pieces, 1, MOST, 0, &e), 0);
    for (size_t at = 0, n; at < MANY; at += n) {
        n = steps_pick(r, steps_pick(r, 3) == 0 ? 5000 : 90);
        if (n > MANY - at) n = MANY - at;
        cr_assert_eq(ngram_index_sequence(&whole, &e), 0);
        cr_assert_eq(ngram_index_sequence(&pieces, &e), 0);
        cr_assert_eq(ngram_index_append(&whole, ids + at, n, &e), 0);
        for (size_t i = 0, some; i < n; i += some) {
            some = 1 + steps_pick(r, 40);
            if (some > n - i) some = n - i;
            cr_assert_eq(ngram_index_append(&pieces, ids + at + i, some, &e), 0);
        }
    }
    for (size_t i = 1; i <= MANY; i++) {
        size_t n = ngram_index_suffixes(&whole, ids, i, a);
        cr_assert_eq(ngram_index_suffixes(&pieces, ids, i, b), n);
        cr_assert_geq(n, 1);
        for (size_t m = 1; m <= n; m++) {
            cr_assert(a[m - 1].sequence == b[m - 1].sequence && a[m - 1].position == b[m - 1].position);
            size_t         n_text, at = a[m - 1].position;
            const int32_t *text = ngram_index_tokens(&whole, a[m - 1].sequence, &n_text);
            cr_assert(at + m <= n_text && memcmp(text + at, ids + i - m, m * sizeof *ids) == 0);
            size_t place = (size_t)(text - whole.text.ids) + at;
            cr_assert_leq(place, i - m);
            for (size_t k = 0; i % 1000 == 0 && k < place; k++) /* first, in a sequence of its own */
                if (memcmp(ids + k, ids + i - m, m * sizeof *ids) == 0)
                    cr_assert_gt(k + m, whole.starts[whole.owner[k] + 1], "an earlier place");
        }
    }
    ngram_index_free(&whole);
    ngram_index_free(&pieces);
    free(ids);
    gsl_rng_free(r);
}

/* Scanned, with tables, and on the way from one to the other. */
Test(ngram_index, is_the_same_scanned) {
    enum { SAME = 3, LONGEST = 300 };
    static const size_t scanned[SAME] = {0, 40, LONGEST};
    gsl_rng            *r = rng_new(5, 2);
    err                 e = {0};
    int32_t             ids[LONGEST];
    size_t              found = 0;
    for (int round = 0; round < FUZZ_HISTORIES / 500; round++) {
        ngram_index x[SAME];
        ngram_place places[SAME][NGRAM_MAX];
        size_t      min_n = 1 + steps_pick(r, 3), max_n = min_n + steps_pick(r, 5), lag = steps_pick(r, 3);
        size_t      expected = steps_pick(r, LONGEST), n = 1 + steps_pick(r, LONGEST), chunk = 1 + steps_pick(r, 60);
        bool        latest = steps_pick(r, 2), apart = steps_pick(r, 2);
        steps_fill(r, ids, n, 1 + steps_pick(r, 6));
        for (size_t i = 0; i < SAME; i++) {
            ngram_index_scanned = scanned[i];
            cr_assert_eq(ngram_index_init(&x[i], min_n, max_n, expected, &e), 0);
            x[i].latest = latest, x[i].lag = lag, x[i].apart = apart;
        }
        for (size_t at = 0, some; at < n; at += some) {
            bool border = at == 0 || steps_pick(r, 4) == 0;
            some = 1 + steps_pick(r, chunk < n - at ? chunk : n - at);
            for (size_t i = 0; i < SAME; i++) {
                ngram_index_scanned = scanned[i];
                if (border) cr_assert_eq(ngram_index_sequence(&x[i], &e), 0);
                cr_assert_eq(ngram_index_append(&x[i], ids + at, some, &e), 0);
            }
            for (size_t from = 0; from < 4; from++) {
                size_t end = steps_pick(r, n + 1), count = ngram_index_suffixes(&x[0], ids, end, places[0]);
                found += count;
                for (size_t i = 1; i < SAME; i++) {
                    cr_assert_eq(ngram_index_suffixes(&x[i], ids, end, places[i]), count);
                    for (size_t m = 0; m < count; m++)
                        cr_assert(places[i][m].sequence == places[0][m].sequence &&
                                  places[i][m].position == places[0][m].position);
                }
            }
        }
        for (size_t i = 0; i < SAME; i++) ngram_index_free(&x[i]);
    }
    cr_assert_gt(found, FUZZ_HISTORIES / 100);
    gsl_rng_free(r);
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

/* The place of an n-gram by a scan, as an index in x's text; -1: none counts. */
static int scan(const ngram_index *x, const int32_t *key, size_t n) {
    int found = -1;
    for (size_t i = 0; i + n <= x->text.n; i++) {
        size_t s = x->owner[i], own = s + 1 < x->n_sequences ? x->starts[s + 1] : x->text.n;
        size_t end = x->apart ? own : x->text.n; /* in whose last tokens it does not count */
        if (i + n > own || i + n + x->lag > end) continue;
        if (memcmp(x->text.ids + i, key, n * sizeof *key) == 0 && (found < 0 || x->latest)) found = (int)i;
    }
    return found;
}

/* Sequences that repeat each other, so that copies run up to their ends. */
Test(ngram_index, is_a_scan_of_sequences) {
    gsl_rng *r = rng_new(5, 2);
    err      e = {0};
    for (int round = 0; round < FUZZ_HISTORIES / 50; round++) {
        ngram_index x = {0};
        ngram_place places[NGRAM_MAX];
        int32_t     ids[30], history[6];
        size_t      max_n = 1 + steps_pick(r, 4), alphabet = 1 + steps_pick(r, 4);
        cr_assert_eq(ngram_index_init(&x, 1, max_n, 0, &e), 0);
        x.latest = steps_pick(r, 4) == 0;
        x.lag = steps_pick(r, 3);
        x.apart = steps_pick(r, 2) == 0;
        for (size_t s = 0; s < 4; s++) {
            size_t n = steps_pick(r, 30), some;
            cr_assert_eq(ngram_index_sequence(&x, &e), 0);
            steps_fill(r, ids, n, alphabet);
            if (x.text.n > n && steps_pick(r, 2) == 0)
                memcpy(ids, x.text.ids + steps_pick(r, x.text.n - n), n * sizeof *ids);
            for (size_t at = 0; at < n; at += some) {
                some = 1 + steps_pick(r, n - at);
                cr_assert_eq(ngram_index_append(&x, ids + at, some, &e), 0);
                for (int query = 0; query < 4; query++) {
                    steps_fill(r, history, 6, alphabet);
                    size_t found = ngram_index_suffixes(&x, history, 6, places);
                    for (size_t m = 1; m <= max_n && m <= found + 1; m++) {
                        int place = scan(&x, history + 6 - m, m);
                        cr_assert_eq(place >= 0, m <= found, "%zu found, round %d", found, round);
                        if (place < 0) continue;
                        cr_assert_eq(x.starts[places[m - 1].sequence] + places[m - 1].position, (size_t)place);
                    }
                }
            }
        }
        ngram_index_free(&x);
    }
    gsl_rng_free(r);
}
