/* suffix_long: its order is that of an array in which children are moved by the rule of suffix_index.h, S2. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/policies/index/suffix_long.h"
#include "tests/unit/policy_steps.h"

enum { TOKENS = 300 };

typedef struct {
    suffix_child at[TOKENS];
    size_t       n;
} array;

static void move(array *a, size_t from, size_t to) {
    suffix_child moved = a->at[from];
    for (; from > to; from--) a->at[from] = a->at[from - 1];
    for (; from < to; from++) a->at[from] = a->at[from + 1];
    a->at[to] = moved;
}

static size_t find(const array *a, int32_t token) {
    size_t i = 0;
    while (i < a->n && a->at[i].token != token) i++;
    return i;
}

static void raise(array *a, size_t i) {
    size_t   to = 0;
    uint32_t c = a->at[i].count;
    while (a->at[to].count != c) to++;
    if (to == i) /* the first with as many: before those with one more */
        for (to = 0; to < i && a->at[to].count != c + 1;) to++;
    a->at[i].count++;
    move(a, i, to);
}

static void lower(array *a, size_t i) {
    size_t   to = i;
    uint32_t c = a->at[i].count--;
    while (to + 1 < a->n && a->at[to + 1].count == c) to++;
    move(a, i, to);
    if (a->at[to].count > 0) return;
    move(a, to, a->n - 1);
    a->n--;
}

static void check(suffix_long *l, const array *a) {
    uint32_t at = suffix_long_first(l);
    for (size_t i = 0; i < a->n; i++, at = suffix_long_next(l, at)) {
        cr_assert_neq(at, UINT32_MAX, "%zu children, not %zu", i, a->n);
        suffix_child *got = suffix_long_at(l, at);
        cr_assert(got->token == a->at[i].token && got->count == a->at[i].count && got->state == a->at[i].state,
                  "child %zu of %zu is %d, %u times, not %d, %u times", i, a->n, (int)got->token, got->count,
                  (int)a->at[i].token, a->at[i].count);
        cr_assert_eq(suffix_long_find(l, got->token), at);
    }
    cr_assert_eq(at, UINT32_MAX, "more than %zu children", a->n);
}

Test(suffix_long, is_an_array_in_order) {
    gsl_rng *r = rng_new(3, 25);
    for (size_t round = 0; round < FUZZ_HISTORIES / 2000; round++) {
        err          e = {0};
        array        a = {0};
        suffix_long *l = suffix_long_new(NULL, 0, &e);
        size_t       alphabet = 1 + steps_pick(r, TOKENS), falling = steps_pick(r, 10);
        for (size_t i = 0; i < 2000; i++) {
            int32_t  token = (int32_t)(steps_pick(r, alphabet) * steps_pick(r, alphabet) / alphabet);
            size_t   there = find(&a, token);
            uint32_t at = suffix_long_find(l, token);
            cr_assert_eq(at == UINT32_MAX, there == a.n);
            if (there == a.n) {
                a.at[a.n++] = (suffix_child){token, (uint32_t)i, 1};
                cr_assert_eq(suffix_long_add(l, token, (uint32_t)i, &e), 0);
            } else if (steps_pick(r, 16) < falling) {
                lower(&a, there);
                suffix_long_lower(l, at);
            } else {
                raise(&a, there);
                suffix_long_raise(l, at);
            }
            if (i % 100 != 99) continue;
            check(l, &a);
            suffix_long *copy = i % 200 == 99 ? suffix_long_copy(l, &e) : suffix_long_new(a.at, a.n, &e);
            cr_assert_not_null(copy);
            suffix_long_free(l);
            l = copy;
            check(l, &a);
        }
        suffix_long_free(l);
    }
    gsl_rng_free(r);
}
