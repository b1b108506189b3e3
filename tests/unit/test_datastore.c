/* The datastore's file: what is in it, against a naive sort, and what is refused. test_policy_rest.c has look-ups. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/policies/index/datastore_impl.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/policy_steps.h"

TestSuite(datastore, .init = scratch_enter, .fini = scratch_leave);

static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void add(datastore_corpus *c, const int32_t *ids, size_t n) {
    err e = {0};
    cr_assert_eq(datastore_corpus_add(c, ids, n, &e), 0, "%s", e.text);
}

static void write_small(const char *name) {
    err              e = {0};
    datastore_corpus c;
    datastore_corpus_begin(&c, VOCAB, false);
    add(&c, IDS(7, 3, 9));
    add(&c, NULL, 0);
    add(&c, IDS(7, 3, 8));
    cr_assert_eq(datastore_write(&c, name, digest, 1, &e), 0, "%s", e.text);
    datastore_corpus_free(&c);
}

/* The example of datastore.h. */
Test(datastore, holds_what_its_head_says) {
    static const uint32_t places[] = {5, 1, 4, 0, 6, 2}, differs[] = {3, 9, 7, 9, 8, 9};
    static const uint8_t  common[] = {0, 1, 0, 2, 0, 0};
    err                   e = {0};
    datastore             s;
    write_small("small.store");
    cr_assert_eq(datastore_open(&s, "small.store", &e), 0, "%s", e.text);
    cr_assert(s.n == 6 && s.length == 8 && s.documents == 2 && s.vocab == VOCAB && s.width == 2 && !s.joined);
    cr_assert_str_eq(s.vocabulary, digest);
    cr_assert_eq(memcmp(s.places, places, sizeof places), 0);
    cr_assert_eq(memcmp(s.common, common, sizeof common), 0);
    for (size_t i = 0; i < 6; i++) cr_assert_eq(store_token(s.differs, 2, i), differs[i] + 1);
    cr_assert_eq(store_token(s.text, 2, 3), 0);
    datastore_close(&s);
}

/* ---- against a naive sort --------------------------------------------------------------------------------- */

static const datastore *sorted; /* for compare_places */

static uint32_t token_at(const datastore *s, size_t i) {
    return store_token(s->text, s->width, i);
}

static int compare_places(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    for (size_t i = 0; i < DATASTORE_DEPTH; i++) {
        uint32_t p = token_at(sorted, x + i), q = token_at(sorted, y + i);
        if (p != q) return p < q ? -1 : 1;
        if (p == 0) break;
    }
    return x < y ? -1 : x > y;
}

static void check_order(const datastore *s) {
    uint32_t *want = calloc(s->n, sizeof *want);
    size_t    n = 0;
    for (size_t i = 0; i < s->length; i++)
        if (token_at(s, i) != 0) want[n++] = (uint32_t)i;
    cr_assert_eq(n, s->n);
    sorted = s;
    qsort(want, n, sizeof *want, compare_places);
    cr_assert_eq(memcmp(want, s->places, n * sizeof *want), 0);
    for (size_t i = 1; i < n; i++) {
        size_t same = 0, x = s->places[i - 1], y = s->places[i];
        while (same < DATASTORE_DEPTH && token_at(s, x + same) != 0 && token_at(s, x + same) == token_at(s, y + same))
            same++;
        cr_assert_eq(s->common[i], same);
        cr_assert_eq(store_token(s->differs, s->width, i), token_at(s, y + same));
    }
    free(want);
}

/* Random documents, some with long repetitions; the same file from one thread and from three. */
Test(datastore, sorts_as_a_naive_sort, .timeout = 120) {
    enum { MOST = 4000 };
    gsl_rng       *r = gsl_rng_alloc(gsl_rng_mt19937);
    static int32_t ids[MOST];
    err            e = {0};
    for (size_t round = 0; round < 60; round++) {
        size_t           vocab = round % 2 == 0 ? VOCAB : 70000, alphabet = round % 3 == 0 ? 2 : vocab;
        char             first[DIGEST_HEX], second[DIGEST_HEX];
        datastore_corpus c;
        datastore        s;
        datastore_corpus_begin(&c, vocab, round % 4 == 3);
        for (size_t docs = 1 + steps_pick(r, 6); docs > 0; docs--) {
            size_t n = 1 + steps_pick(r, MOST / 6), period = 1 + steps_pick(r, n);
            steps_fill(r, ids, n, alphabet);
            for (size_t i = period; i < n; i++) ids[i] = ids[i - period];
            add(&c, ids, n);
        }
        cr_assert_eq(datastore_write(&c, "a.store", digest, 1, &e), 0, "%s", e.text);
        cr_assert_eq(datastore_open(&s, "a.store", &e), 0, "%s", e.text);
        cr_assert_eq(s.width, vocab < 65536 ? 2 : 4);
        check_order(&s);
        datastore_close(&s);
        datastore_corpus again = c;
        again.length -= c.joined; /* its last border */
        cr_assert_eq(datastore_write(&again, "b.store", digest, 3, &e), 0, "%s", e.text);
        cr_assert_eq(digest_sha256_file("a.store", first, &e), 0);
        cr_assert_eq(digest_sha256_file("b.store", second, &e), 0);
        cr_assert_str_eq(first, second);
        datastore_corpus_free(&again);
    }
    gsl_rng_free(r);
}

/* ---- what is refused --------------------------------------------------------------------------------------- */

static void refuse(const void *bytes, size_t n, const char *why) {
    err       e = {0};
    datastore s;
    scratch_write_bytes("bad.store", bytes, n);
    cr_assert_eq(datastore_open(&s, "bad.store", &e), -1, "%s", why);
    cr_assert_eq(e.kind, ERR_INPUT, "%s", e.text);
    cr_assert_not_null(strstr(e.text, "bad.store: "), "%s", e.text);
    cr_assert_not_null(strstr(e.text, why), "%s (not: %s)", e.text, why);
}

Test(datastore, refuses_damage_everywhere) {
    err    e = {0};
    size_t n;
    write_small("small.store");
    char *bytes = file_read("small.store", SIZE_MAX - 1, &n, &e);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= 4;
        refuse(bytes, n, i < 8 ? "is not a datastore" : i < 12 ? "of version" : "damaged");
        bytes[i] ^= 4;
    }
    for (size_t i = 0; i < n; i += i < 260 ? 1 : 61)
        refuse(bytes, i, i == 0 ? "is empty" : i < sizeof(datastore_header) ? "is cut" : "was cut, or something");
    char *longer = calloc(n + 1, 1);
    memcpy(longer, bytes, n);
    refuse(longer, n + 1, "something was added");
    free(longer);
    free(bytes);
    refuse("some text\n", 10, "is not a datastore (harness datastore build makes one)");
    refuse("\x1f\x8b 0123456789", 13, "is a gzip file");
}

/* A file whose checksums are right, and whose numbers are not. */
static void refuse_forged(size_t section, size_t at, uint32_t value, const char *why) {
    err              e = {0};
    size_t           n, from[SECTIONS], bytes[SECTIONS], size;
    datastore_header h;
    char            *file = file_read("small.store", SIZE_MAX - 1, &n, &e);
    cr_assert_not_null(file);
    memcpy(&h, file, sizeof h);
    cr_assert(datastore_layout(&h, from, bytes, &size) && size == n);
    memcpy(file + from[section] + at, &value, section == SECTION_COMMON ? 1 : section == SECTION_TEXT ? 2 : 4);
    h.digests[section] = digest64(file + from[section], bytes[section]);
    h.digest = digest64(&h, offsetof(datastore_header, digest));
    memcpy(file, &h, sizeof h);
    refuse(file, n, why);
    free(file);
}

Test(datastore, refuses_numbers_that_point_outside) {
    write_small("small.store");
    refuse_forged(SECTION_TEXT, 0, VOCAB + 1, "a token that");
    refuse_forged(SECTION_TEXT, 14, 5, "a border at its end that");
    refuse_forged(SECTION_TEXT, 20, 5, "a border at its end that");
    refuse_forged(SECTION_PLACES, 4, 8, "a place that");
    refuse_forged(SECTION_COMMON, 2, DATASTORE_DEPTH + 1, "a common length that");
    refuse_forged(SECTION_COMMON, 7, 1, "a common length that");
    refuse_forged(SECTION_DIFFERS, 0, UINT16_MAX, "a token that");
    refuse_forged(SECTION_ROOTS, 12, 7, "a range of places that");
    refuse_forged(SECTION_ROOTS, 8, 7, "a range of places that");
    refuse_forged(SECTION_SLOTS, 0, 7, "a range of places that");
    refuse_forged(SECTION_SLOTS, 0, 1, "a range of places that"); /* no slot is free */
}

/* As one is that was written over while it is open. */
Test(datastore, looks_up_in_a_table_without_a_free_slot, .timeout = 10) {
    int32_t               many[200];
    size_t                rank;
    err                   e = {0};
    datastore_corpus      c;
    datastore             s;
    struct datastore_slot full[400];
    for (size_t i = 0; i < 200; i++) many[i] = 7;
    datastore_corpus_begin(&c, VOCAB, false);
    add(&c, many, 200);
    cr_assert_eq(datastore_write(&c, "many.store", digest, 1, &e), 0, "%s", e.text);
    datastore_corpus_free(&c);
    cr_assert_eq(datastore_open(&s, "many.store", &e), 0, "%s", e.text);
    cr_assert(s.used > 0 && s.n_slots <= 400);
    for (size_t i = 0; i < s.n_slots; i++) full[i] = (struct datastore_slot){1, 0};
    s.slots = full;
    cr_assert_eq(datastore_longest(&s, IDS(7, 500), 2, 2, &rank), 0);
    datastore_close(&s);
}

Test(datastore, refuses_ids_and_empty_corpora) {
    err              e = {0};
    datastore_corpus c;
    datastore_corpus_begin(&c, VOCAB, false);
    cr_assert_eq(datastore_write(&c, "empty.store", digest, 1, &e), -1);
    cr_assert_str_eq(e.text, "empty.store: a datastore needs at least one token");
    cr_assert_eq(datastore_corpus_add(&c, IDS(1, VOCAB), &e), -1);
    cr_assert_str_eq(e.text, "token 1 is 1000 (0 to 999)");
    cr_assert_eq(datastore_corpus_add(&c, IDS(-1), &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    datastore_corpus_free(&c);
    datastore s;
    cr_assert_eq(datastore_open(&s, "absent.store", &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(datastore_open(&s, ".", &e), -1);
    cr_assert_str_eq(e.text, ".: is a folder (a datastore)");
}

Test(datastore, refuses_what_no_place_can_count) {
    err              e = {0};
    datastore_corpus c = {.vocab = VOCAB, .width = 2};
    for (size_t left = 0; left < 4; left++) { /* of three tokens and their border there is no room for one */
        c.length = DATASTORE_MOST - DATASTORE_PAD - left;
        cr_assert_eq(datastore_corpus_add(&c, IDS(1, 2, 3), &e), -1);
        cr_assert(strncmp(e.text, "a datastore holds at most", 25) == 0, "%s", e.text);
    }
}

Test(datastore, survives_every_failing_allocation) {
    for (size_t k = 1;; k++) {
        err              e = {0};
        datastore_corpus c;
        datastore        s = {0};
        int              ret;
        datastore_corpus_begin(&c, VOCAB, false);
        mem_fail_at(k);
        ret = datastore_corpus_add(&c, IDS(1, 2, 3), &e);
        if (ret == 0) ret = datastore_write(&c, "a.store", digest, 2, &e);
        if (ret == 0) ret = datastore_open(&s, "a.store", &e);
        mem_fail_at(0);
        datastore_close(&s);
        datastore_corpus_free(&c);
        if (ret == 0) break;
        cr_assert_eq(e.kind, ERR_RUN, "%s", e.text);
        cr_assert_lt(k, 1000);
    }
}
