/* The suffix automaton, compared with scans of the text. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/policies/index/automaton.h"
#include "tests/unit/policy_steps.h"

enum { TEXT_CAP = 64 };

static bool same_ids(const int32_t *a, const int32_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

/* Where a string ends in the text: the indexes after its first and its last place, 0 when it does not occur. */
typedef struct {
    size_t first, last, count;
} places;

static places places_of(const int32_t *text, size_t n_text, const int32_t *ids, size_t n) {
    places p = {0};
    for (size_t at = 0; at + n <= n_text; at++)
        if (same_ids(text + at, ids, n)) {
            if (p.first == 0) p.first = at + n;
            p.last = at + n;
            p.count++;
        }
    return p;
}

/* The longest suffix of the text that occurs before its end. */
static void check_repeat(const automaton *a) {
    const int32_t  *text = a->text.ids;
    size_t          n = a->text.n, longest = n - 1;
    automaton_match m = automaton_repeat(a);
    while (longest > 0 && places_of(text, n, text + n - longest, longest).first == n) longest--;
    cr_assert_eq(m.length, longest, "%u, not %zu, of %zu tokens", m.length, longest, n);
    cr_assert(longest == 0 || a->states[m.state].end == places_of(text, n, text + n - longest, longest).first);
}

/* Of a query read token by token, the longest suffix that occurs, where and how often. */
static void check_follow(const automaton *a, const int32_t *query, size_t n_query) {
    automaton_match m = {0};
    for (size_t n = 1; n <= n_query; n++) {
        size_t longest = n;
        places p;
        while ((p = places_of(a->text.ids, a->text.n, query + n - longest, longest)).count == 0 && longest > 0)
            longest--;
        automaton_follow(a, &m, query[n - 1]);
        cr_assert_eq(m.length, longest);
        if (longest == 0) continue;
        const automaton_state *s = &a->states[m.state];
        cr_assert(s->end == p.first && s->last == p.last);
        cr_assert_eq(s->count, p.count, "%u, not %zu, places", s->count, p.count);
    }
}

static bool comes_before(automaton_order by, const places *of, size_t x, size_t y) {
    if (by == AUTOMATON_RECENT) return of[x].last > of[y].last;
    if (of[x].count != of[y].count) return of[x].count > of[y].count;
    return by == AUTOMATON_FREQUENT ? of[x].first < of[y].first : x < y;
}

/* The children of a substring: the tokens that follow it. */
static void check_children(const automaton *a, const int32_t *ids, size_t n, size_t alphabet, automaton_order by,
                           size_t most) {
    uint32_t children[TEXT_CAP], state = AUTOMATON_ROOT;
    size_t   left = 0;
    int32_t  longer[TEXT_CAP];
    places   of[8];
    for (size_t i = 0; i < n; i++) cr_assert_neq(state = automaton_next(a, state, ids[i]), 0);
    size_t n_children = automaton_children(a, state, by, children, most);
    memcpy(longer, ids, n * sizeof *ids);
    for (size_t token = 0; token < alphabet; token++) {
        longer[n] = (int32_t)token;
        of[token] = places_of(a->text.ids, a->text.n, longer, n + 1);
        left += of[token].count > 0;
        cr_assert_eq(automaton_next(a, state, (int32_t)token) != 0, of[token].count > 0);
    }
    cr_assert_eq(n_children, left < most ? left : most);
    for (size_t i = 0; i < n_children; i++) {
        size_t best = 0;
        for (size_t token = 1; token < alphabet; token++)
            if (of[token].count > 0 && (of[best].count == 0 || comes_before(by, of, token, best))) best = token;
        const automaton_state *s = &a->states[children[i]];
        cr_assert(s->count == of[best].count && s->end == of[best].first && s->last == of[best].last);
        cr_assert_eq(automaton_ends_with(a, children[i]), (int32_t)best);
        of[best].count = 0;
    }
}

static void check_sequences(const automaton *a, const int32_t *ids, const size_t *ends, size_t n_sequences) {
    cr_assert_eq(a->n_sequences, n_sequences);
    for (size_t i = 0, at = 0; i < n_sequences; at = ends[i++]) {
        size_t         n;
        const int32_t *found = automaton_tokens(a, i, &n);
        cr_assert(n == ends[i] - at && same_ids(found, ids + at, n));
        for (size_t j = 0; j <= n; j++) cr_assert_eq(automaton_sequence_at(a, a->starts[i] + j), i);
    }
}

Test(automaton, finds_and_counts_as_scans_do) {
    gsl_rng *r = rng_new(11, 21);
    err      e = {0};
    int32_t  ids[TEXT_CAP], query[TEXT_CAP];
    for (int round = 0; round < FUZZ_HISTORIES / 20; round++) {
        automaton a;
        size_t    alphabet = 1 + steps_pick(r, 5), n = 1 + steps_pick(r, 40), ends[TEXT_CAP], n_sequences = 0;
        bool      alone = steps_pick(r, 2) == 0;
        steps_fill(r, ids, n, alphabet);
        cr_assert_eq(automaton_init(&a, steps_pick(r, 50), &e), 0);
        for (size_t at = 0; at < n; ends[n_sequences++] = at) {
            size_t chunk = alone ? n : steps_pick(r, n - at + 1);
            cr_assert_eq(automaton_sequence(&a, &e), 0);
            for (size_t i = 0; i < chunk; i++) {
                cr_assert_eq(automaton_append(&a, ids + at + i, 1, &e), 0);
                check_repeat(&a);
            }
            at += chunk;
        }
        cr_assert_eq(automaton_count(&a, &e), 0);
        check_sequences(&a, ids, ends, n_sequences);
        steps_fill(r, query, 30, alphabet + 1);
        check_follow(&a, query, 30);
        for (size_t i = 0, at = 0; i < n_sequences; at = ends[i++]) {
            size_t from = at + steps_pick(r, ends[i] - at + 1), length = steps_pick(r, ends[i] - from + 1);
            check_children(&a, ids + from, length, alphabet, (automaton_order)steps_pick(r, 3), 1 + steps_pick(r, 6));
        }
        automaton_free(&a);
    }
    gsl_rng_free(r);
}
