/* ngram_map_k and ngram_map_k4v: published examples, each rule's edge, and plain searches written from the rules in
 * ngram_map.h, without an index. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

enum { HISTORY_CAP = 160, SLOTS = 1 << 18, COUNT_MAX = 16380 };

static void check(const char *name, const char *params, const int32_t *h, size_t n_h, size_t n_prompt,
                  const int32_t *want, size_t n_want) {
    policy *p = steps_open_over(name, params, SLOTS + VOCAB, NULL);
    char    what[80];
    snprintf(what, sizeof what, "%s:%s", name, params);
    steps_check_after(p, h, n_h, n_prompt, want, n_want, what);
}

Test(policy_ngram_map, examples) {
    const struct {
        const int32_t *h;
        size_t         n;
        const int32_t *k, *k4v; /* three tokens, or none */
    } cases[] = {
        {WHOLE(H1), (const int32_t[]){4, 5, 6}, (const int32_t[]){4, 5, 6}},
        {WHOLE(H2), NULL, NULL},
        {WHOLE(H3), (const int32_t[]){4, 6, 1}, NULL},
        {WHOLE(H4), (const int32_t[]){9, 0, 1}, NULL},
        {WHOLE(H5), (const int32_t[]){8, 5, 6}, (const int32_t[]){8, 5, 6}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < 4; k++) { /* as a prompt, or as an output; without the original's bugs, or with them */
            size_t n = cases[i].n, n_prompt = k / 2 * n;
            check("ngram_map_k", k % 2 > 0 ? "n=2,k=3,compat=yes" : "n=2,k=3", cases[i].h, n, n_prompt, cases[i].k,
                  cases[i].k != NULL ? 3 : 0);
            check("ngram_map_k4v", k % 2 > 0 ? "n=2,k=3,compat=yes" : "n=2,k=3", cases[i].h, n, n_prompt, cases[i].k4v,
                  cases[i].k4v != NULL ? 3 : 0);
        }
}

/* K3: of places that are entered together the latest, of others the first. */
Test(policy_ngram_map, places_stay) {
    check("ngram_map_k", "n=1,k=2", IDS(9, 1, 2, 3, 1, 4, 5, 6, 7, 1), 10, IDS(4, 5));
    check("ngram_map_k", "n=1,k=2", IDS(9, 1, 2, 3, 1, 4, 5, 6, 7, 1), 6, IDS(2, 3));
}

Test(policy_ngram_map, drafts_get_shorter) {
    static const int32_t prompt[] = {9, 1, 2, 3, 4, 5, 6, 7, 8, 1};
    policy              *p = steps_open("ngram_map_k", "n=1,k=4");
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 10});
    steps_check_step(p, IDS(2, 3, 4, 5), IDS(2, 3, 1), "the first draft");
    steps_check_step(p, IDS(2, 3), IDS(2, 3, 1), "two were accepted");
    steps_check_step(p, IDS(2, 3), IDS(2, 0), "both were accepted, and it gets no longer");
    steps_check_step(p, NULL, 0, IDS(1), "another key, unknown");
    steps_check_step(p, IDS(2), IDS(1), "one was accepted");
    steps_check_step(p, NULL, 0, IDS(1), "none was accepted");
    steps_check_step(p, NULL, 0, IDS(1), "and so it stays");
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 10});
    steps_check_step(p, IDS(2, 3, 4, 5), NULL, 0, "a new trial");
    policy_close(p);
}

Test(policy_ngram_map, drafts_that_were_not_taken_say_nothing) {
    static const int32_t prompt[] = {9, 1, 2, 3, 4, 5, 6, 7, 8, 1};
    policy              *p = steps_open("ngram_map_k", "n=1,k=4");
    draft                d;
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 10});
    steps_propose(p, DRAFT_CAP, &d);
    steps_observe_foreign(p, IDS(1));
    steps_check_step(p, IDS(2, 3, 4, 5), NULL, 0, "another stage of a chain drafted");
    policy_close(p);
}

Test(policy_ngram_map, a_limit_of_nothing_retires_no_key) {
    static const int32_t prompt[] = {9, 1, 2, 3, 4, 5, 6, 7, 8, 1};
    policy              *p = steps_open("ngram_map_k", "n=1,k=4");
    draft                d;
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 10});
    steps_propose(p, 0, &d);
    cr_assert(d.n == 0 && d.match_length == 1 && d.source == SOURCE_PROMPT && d.source_position == 2);
    steps_observe(p, IDS(1));
    steps_check_step(p, IDS(2, 3, 4, 5), NULL, 0, "as before");
    policy_close(p);
}

/* K7: with n = 1, ids that differ by a multiple of the slots share one. The later place is entered first. */
Test(policy_ngram_map, keys_of_one_slot) {
    static const int32_t prompt[] = {9, 8, 5, 1, 2, SLOTS + 5, 3, 4, 6, 7, 5};
    for (size_t twice = 0; twice < 2; twice++) {
        policy *p = steps_open_over("ngram_map_k", twice ? "n=1,k=2,compat=yes" : "n=1,k=2", SLOTS + VOCAB, NULL);
        steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 11});
        steps_check_step(p, IDS(1, 2), IDS(1, 2, SLOTS + 5), "a key that is entered now");
        steps_check_step(p, IDS(3, 4), IDS(3, 4, 5), "the one that has the slot");
        steps_check_step(p, (const int32_t[]){1, 2}, twice ? 0 : 2, NULL, 0, "the first one again");
        policy_close(p);
    }
}

/* K8: a key whose value crosses the prompt's end. */
Test(policy_ngram_map, places_at_the_end_of_a_prompt) {
    static const int32_t h[] = {9, 8, 7, 6, 5, 4, 1, 2, 3, 0, 0, 0, 1};
    for (size_t n_prompt = 0; n_prompt <= 13; n_prompt++) {
        check("ngram_map_k", "n=1,k=2", h, 13, n_prompt, IDS(2, 3));
        bool lost = n_prompt >= 7 && n_prompt <= 10; /* the text of a prompt is one token less */
        check("ngram_map_k", "n=1,k=2,compat=yes", h, 13, n_prompt, lost ? NULL : (const int32_t[]){2, 3},
              lost ? 0 : 2);
    }
}

Test(policy_ngram_map, min_hits) {
    static const int32_t h[] = {9, 1, 2, 3, 1, 2, 3, 9, 9, 1};
    check("ngram_map_k", "n=1,k=2,min_hits=2", h, 10, 10, IDS(2, 3));
    check("ngram_map_k", "n=1,k=2,min_hits=3", h, 10, 10, NULL, 0);
    check("ngram_map_k", "n=1,k=2,min_hits=3,compat=yes", h, 10, 10, IDS(2, 3));
    check("ngram_map_k4v", "n=1,k=2,min_hits=2", h, 10, 10, IDS(2, 3));
    check("ngram_map_k4v", "n=1,k=2,min_hits=3", h, 10, 10, NULL, 0);
    check("ngram_map_k4v", "n=1,k=2,min_hits=2,compat=yes", h, 10, 10, NULL, 0);
}

/* V5: 2 3 is twice as frequent as the value at the latest place. */
Test(policy_ngram_map, the_winner_is_drafted) {
    static const int32_t h[] = {9, 1, 2, 3, 1, 2, 3, 1, 5, 6, 9, 9, 1};
    check("ngram_map_k4v", "n=1,k=2", h, 13, 13, IDS(2, 3));
    check("ngram_map_k4v", "n=1,k=2,compat=yes", h, 13, 13, IDS(5, 6));
}

/* V1: index 0 is counted, but no place; of five values the fifth is passed over. */
Test(policy_ngram_map, which_values_are_counted) {
    static const int32_t start[] = {1, 2, 3, 4, 5, 6, 1}, five[] = {1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 6, 1, 6, 9, 9, 1};
    for (size_t twice = 0; twice < 2; twice++) {
        check("ngram_map_k", twice ? "n=1,k=2,compat=yes" : "n=1,k=2", start, 7, 7, NULL, 0);
        check("ngram_map_k4v", twice ? "n=1,k=2,compat=yes" : "n=1,k=2", start, 7, 7, NULL, 0);
        check("ngram_map_k4v", twice ? "n=1,k=1,compat=yes" : "n=1,k=1", five, 17, 17, NULL, 0);
    }
}

/* ---- plain searches ---------------------------------------------------------------------------------- */

typedef struct {
    size_t at, count, accepted;
} naive_value;

typedef struct {
    size_t      at, counted, hits;
    naive_value values[4];
} naive_key;

typedef struct {
    bool           compat, counts;
    size_t         n, m, min_hits;
    const int32_t *h;
    size_t         n_prompt, searched, n_batches, n_slots, n_keys, drafted; /* drafted: 1 + a key; 0 = none */
    size_t         value, batch_end[HISTORY_CAP];
    struct {
        size_t hash, place;
    } slots[HISTORY_CAP];
    naive_key keys[HISTORY_CAP];
} naive_map;

static bool same_ids(const int32_t *a, const int32_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static size_t naive_hash(const int32_t *ids, size_t n) {
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++) h = h * 2654435761u % SLOTS + (uint64_t)ids[i];
    return h % SLOTS;
}

/* Of the places in the earliest batch that has one, the latest. */
static size_t naive_place(const naive_map *x, const int32_t *key) {
    size_t from = 1;
    for (size_t b = 0; b < x->n_batches; from = x->batch_end[b++] + 1)
        for (size_t at = x->batch_end[b]; at >= from && at > 0; at--)
            if (same_ids(x->h + at, key, x->n)) return at;
    return 0;
}

/* The places of the original's two searches, in their order. */
static size_t naive_order(const naive_map *x, size_t end, size_t order[HISTORY_CAP]) {
    size_t text = x->n_prompt > 0 ? x->n_prompt - 1 : 0, n = 0;
    for (size_t part = 0; part < 2; part++)
        for (size_t at = end; at > 0; at--) {
            bool in_prompt = at + x->n + x->m + 1 <= text, behind = at > text;
            if (at > x->searched && (part == 0 ? in_prompt : behind)) order[n++] = at;
        }
    return n;
}

static size_t naive_place_compat(naive_map *x, const int32_t *key, size_t end) {
    size_t order[HISTORY_CAP], n = naive_order(x, end, order), place = 0;
    for (size_t i = 0; i < x->n_slots; i++)
        if (x->slots[i].hash == naive_hash(key, x->n) && same_ids(x->h + x->slots[i].place, key, x->n))
            place = x->slots[i].place;
    for (size_t i = 0; i < n && place == 0; i++)
        if (same_ids(x->h + order[i], key, x->n)) place = order[i];
    for (size_t i = 0; i < n; i++) {
        size_t hash = naive_hash(x->h + order[i], x->n), j = 0;
        while (j < x->n_slots && x->slots[j].hash != hash) j++;
        if (j < x->n_slots) continue;
        x->slots[x->n_slots].hash = hash;
        x->slots[x->n_slots++].place = order[i];
    }
    if (end > x->searched) x->searched = end;
    return place;
}

static naive_key *naive_find_key(naive_map *x, const int32_t *key, size_t place) {
    for (size_t i = 0; i < x->n_keys; i++)
        if (same_ids(x->h + x->keys[i].at, key, x->n)) return &x->keys[i];
    naive_key *k = &x->keys[x->n_keys++];
    *k = (naive_key){.at = place};
    for (size_t i = 0; i < 4; i++) k->values[i].accepted = x->m;
    return k;
}

/* Counts the values at places from `from` to `to`. */
static void naive_count(const naive_map *x, naive_key *k, const int32_t *key, size_t from, size_t to) {
    for (size_t at = from; at <= to; at++) {
        if (!same_ids(x->h + at, key, x->n)) continue;
        for (size_t i = 0; i < 4; i++) {
            naive_value *v = &k->values[i];
            if (v->at == 0) v->at = at + x->n;
            if (!same_ids(x->h + v->at, x->h + at + x->n, x->m)) continue;
            if (v->count < COUNT_MAX) v->count++;
            break;
        }
    }
}

static size_t naive_hits(const naive_map *x, const int32_t *key, size_t end) {
    size_t hits = 0;
    for (size_t at = 0; at <= end; at++) hits += same_ids(x->h + at, key, x->n);
    return hits;
}

static void naive_draft(naive_map *x, size_t n_h, size_t limit, draft *d) {
    draft_clear(d);
    x->drafted = 0;
    if (n_h < 2 * x->n + x->m + 1) return;
    size_t         end = n_h - 1 - x->n - x->m - 1;
    const int32_t *key = x->h + n_h - x->n;
    x->batch_end[x->n_batches++] = end;
    size_t place = x->compat ? naive_place_compat(x, key, end) : naive_place(x, key);
    if (place == 0) return;
    naive_key *k = naive_find_key(x, key, place);
    k->hits = x->compat ? k->hits + 1 : naive_hits(x, key, end);
    if (k->hits < x->min_hits && (x->counts || !x->compat)) return;
    size_t from = place + x->n, best = 0, others = 0;
    if (x->counts) {
        for (size_t i = 0; i < 4 && !x->compat; i++) k->values[i].at = k->values[i].count = 0; /* from the beginning */
        naive_count(x, k, key, x->compat ? k->counted : 0, x->compat ? place : end);
        k->counted = place;
        for (size_t i = 1; i < 4; i++)
            if (k->values[i].count > k->values[best].count) best = i;
        for (size_t i = 0; i < 4; i++) others += i != best ? k->values[i].count : 0;
        if (k->values[best].count < 2 * others) return;
        if (!x->compat) from = k->values[best].at;
    }
    size_t most = k->values[best].accepted < limit ? k->values[best].accepted : limit;
    draft_extend(d, x->h + from, most);
    d->match_length = (uint16_t)x->n;
    d->source = from < x->n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    d->source_position = (int32_t)(from < x->n_prompt ? from : from - x->n_prompt);
    if (d->n > 0) x->drafted = (size_t)(k - x->keys) + 1;
    x->value = best;
}

static void naive_accept(naive_map *x, size_t accepted) {
    if (x->drafted > 0) x->keys[x->drafted - 1].values[x->value].accepted = accepted < x->m ? accepted : x->m;
}

/* ---- the comparison ---------------------------------------------------------------------------------- */

/* Few ids, of which some share their slots with others; long repeats. */
static void fill(gsl_rng *r, int32_t *h, size_t n, size_t alphabet) {
    for (size_t at = 0; at < n;) {
        size_t length = 1 + steps_pick(r, 12), from = at > 0 ? steps_pick(r, at) : 0;
        bool   again = at > 0 && steps_pick(r, 3) > 0;
        for (size_t i = 0; i < length && at < n; i++, at++) {
            size_t id = steps_pick(r, alphabet);
            h[at] = again ? h[from + i] : (int32_t)(id / 2 + id % 2 * SLOTS);
        }
    }
}

/* How many tokens a step emits: mostly those of the draft that are right and one more, sometimes any. */
static size_t emitted(gsl_rng *r, const draft *d, const int32_t *next, size_t left) {
    if (steps_pick(r, 4) == 0) return 1 + steps_pick(r, left < 5 ? left : 5);
    size_t right = 0;
    while (right < d->n && right + 1 < left && d->ids[right] == next[right]) right++;
    return right + 1;
}

static size_t compare(gsl_rng *r, naive_map *x, policy *p, size_t n_h, size_t *drafts) {
    size_t compared = 0;
    draft  got, want;
    steps_begin(p, &(policy_input){.prompt = x->h, .n_prompt = x->n_prompt});
    for (size_t at = x->n_prompt;;) {
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
        naive_draft(x, at, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(steps_same(&got, &want),
                  "n %zu m %zu hits %zu compat %d: %zu drafted, not %zu, after %zu of which %zu", x->n, x->m,
                  x->min_hits, x->compat, got.n, want.n, at, x->n_prompt);
        compared++;
        *drafts += want.n > 0;
        if (at == n_h) return compared;
        size_t n = emitted(r, &got, x->h + at, n_h - at);
        steps_observe(p, x->h + at, n);
        naive_accept(x, n - 1);
        at += n;
    }
}

static void fuzz(const char *name, uint64_t seed) {
    gsl_rng         *r = rng_new(seed, 23);
    size_t           compared = 0, drafts = 0;
    int32_t          h[HISTORY_CAP];
    static naive_map x;
    while (compared < FUZZ_HISTORIES) {
        size_t n = 1 + steps_pick(r, 5), m = 1 + steps_pick(r, 8), min_hits = 1 + steps_pick(r, 3);
        bool   compat = steps_pick(r, 2) > 0;
        char   text[60];
        snprintf(text, sizeof text, "n=%zu,k=%zu,min_hits=%zu,compat=%s", n, m, min_hits, compat ? "yes" : "no");
        policy *p = steps_open_over(name, text, SLOTS + VOCAB, NULL);
        for (int again = 0; again < 10; again++) {
            size_t n_prompt = steps_pick(r, 70), n_h = n_prompt + steps_pick(r, 70);
            memset(&x, 0, offsetof(naive_map, slots));
            x.compat = compat;
            x.counts = strcmp(name, "ngram_map_k4v") == 0;
            x.n = n, x.m = m, x.min_hits = min_hits;
            x.h = h, x.n_prompt = n_prompt;
            fill(r, h, n_h, 1 + steps_pick(r, 6));
            compared += compare(r, &x, p, n_h, &drafts);
        }
        policy_close(p);
    }
    cr_assert_gt(drafts, compared / 20, "%zu drafts in %zu", drafts, compared);
    gsl_rng_free(r);
}

Test(policy_ngram_map, k_is_the_plain_search) {
    fuzz("ngram_map_k", 1);
}

Test(policy_ngram_map, k4v_is_the_plain_search) {
    fuzz("ngram_map_k4v", 2);
}
