/* ngram_mod: each rule's edge, and a plain table of all places. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tests/unit/policy_steps.h"

enum { HISTORY_CAP = 160, PLACES = 1 << 22 };

static const int32_t counting[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2};

Test(policy_ngram_mod, drafts_until_the_table_says_nothing) {
    const struct {
        const char    *params;
        size_t         limit, n;
        const int32_t *draft;
    } cases[] = {
        {"n=2,n_min=0", 99, 8, (const int32_t[]){3, 4, 5, 6, 7, 8, 9, 1}}, /* what follows 9 1 is not of the text */
        {"n=2,n_min=0,k=3", 99, 3, (const int32_t[]){3, 4, 5}},
        {"n=2,n_min=0", 2, 2, (const int32_t[]){3, 4}},
        {"n=2,n_min=8", 99, 8, (const int32_t[]){3, 4, 5, 6, 7, 8, 9, 1}},
        {"n=2,n_min=9", 99, 0, NULL},
        {"n=2", 99, 0, NULL},                           /* 48 at least, unless said */
        {"n=2,k=3", 99, 3, (const int32_t[]){3, 4, 5}}, /* or k */
        {"n=2,k=8", 99, 8, (const int32_t[]){3, 4, 5, 6, 7, 8, 9, 1}},
        {"n=2,k=9", 99, 0, NULL},
        {"n=3,n_min=0", 99, 0, NULL},
        {"n=11,n_min=0", 99, 0, NULL},
        {"n=1024,n_min=0", 99, 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("ngram_mod", cases[i].params);
        draft   d;
        steps_begin(p, &(policy_input){.prompt = counting, .n_prompt = 11});
        steps_propose(p, cases[i].limit, &d);
        steps_check(&d, cases[i].draft, cases[i].n, cases[i].params);
        cr_assert_eq(d.match_length, cases[i].n > 0 ? 2 : 0);
        cr_assert_eq(d.source, cases[i].n > 0 ? SOURCE_OTHER : SOURCE_NONE);
        policy_close(p);
    }
}

/* M1: with n = 1, ids that differ by the number of places share one. */
Test(policy_ngram_mod, others_may_answer) {
    static const int32_t prompt[] = {7, 8, 9, 3, PLACES + 7};
    policy              *p = steps_open_over("ngram_mod", "n=1,n_min=0", 2 * PLACES, NULL);
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 5});
    steps_check_step(p, IDS(8, 9, 3), NULL, 0, "what followed 7");
    policy_close(p);
}

/* M2 */
Test(policy_ngram_mod, entries_lag_behind) {
    int32_t ids[50];
    policy *p = steps_open("ngram_mod", "n=2,n_min=0,k=1");
    for (int32_t i = 0; i < 50; i++) ids[i] = i;
    steps_begin(p, &(policy_input){.prompt = ids, .n_prompt = 20}); /* 17 entries of a text of 19 */
    steps_observe(p, ids + 20, 28);
    steps_check_step(p, NULL, 0, IDS(20, 21), "a text of 47");
    steps_check_step(p, NULL, 0, IDS(20, 21), "a text of 49: not more than 32 since the 17th");
    steps_check_step(p, IDS(20), IDS(30, 60, 61, 62, 60, 61), "a text of 51: 20 21 was followed by 20 last");
    steps_check_step(p, NULL, 0, ids, 25, "60 61 came later");
    steps_check_step(p, IDS(25), IDS(60, 61), "a text of 82: 24 comes from the prompt");
    steps_check_step(p, IDS(0), NULL, 0, "what came after 60 61 last");
    policy_close(p);
}

/* M4 */
Test(policy_ngram_mod, five_bad_drafts_empty_the_table) {
    policy *p = steps_open("ngram_mod", "n=1,n_min=0,k=4,memory=cell");
    int32_t prompt[60];
    for (int32_t i = 0; i < 60; i++) prompt[i] = i;
    prompt[59] = 0;
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 60});
    for (int i = 0; i < 4; i++) steps_check_step(p, IDS(1, 2, 3, 4), IDS(0), "none is accepted");
    steps_check_step(p, IDS(1, 2, 3, 4), IDS(1, 0), "a quarter is accepted: not bad");
    for (int i = 0; i < 4; i++) steps_check_step(p, IDS(1, 2, 3, 4), IDS(0), "none is accepted");
    steps_check_step(p, IDS(1, 2, 3, 4), IDS(200), "the fifth");
    steps_begin(p, &(policy_input){.prompt = (const int32_t[]){0, 30}, .n_prompt = 2});
    steps_check_step(p, NULL, 0, NULL, 0, "emptied before the text was entered anew");
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 60});
    for (int i = 0; i < 3; i++) steps_check_step(p, IDS(1, 2, 3, 4), IDS(0), "none is accepted");
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 60});
    steps_check_step(p, IDS(1, 2, 3, 4), IDS(0), "the count of bad drafts is kept");
    steps_check_step(p, IDS(1, 2, 3, 4), IDS(30), "the fifth");
    steps_check_step(p, IDS(31, 32, 33, 34), NULL, 0, "the text is entered anew");
    policy_close(p);
}

Test(policy_ngram_mod, drafts_that_were_not_taken_empty_no_table) {
    policy *p = steps_open("ngram_mod", "n=1,n_min=0,k=4,memory=cell");
    int32_t prompt[60];
    draft   d;
    for (int32_t i = 0; i < 60; i++) prompt[i] = i;
    prompt[59] = 0;
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = 60});
    for (int i = 0; i < 8; i++) {
        steps_propose(p, DRAFT_CAP, &d);
        steps_observe_foreign(p, IDS(0));
    }
    steps_begin(p, &(policy_input){.prompt = (const int32_t[]){0, 30}, .n_prompt = 2});
    steps_check_step(p, IDS(31, 32, 33, 34), NULL, 0, "the table is as it was");
    policy_close(p);
}

/* M5, M6 */
Test(policy_ngram_mod, a_full_table_is_emptied) {
    enum { LONG = PLACES / 4 + 3 };
    int32_t *prompt = malloc(LONG * sizeof *prompt);
    cr_assert_not_null(prompt);
    for (int32_t i = 0; i < LONG; i++) prompt[i] = i < LONG - 1 ? i : 5;
    for (size_t i = 0; i < 4; i++) { /* full by one; or just not */
        size_t  n = i < 2 ? LONG : LONG - 1;
        policy *p =
            steps_open_over("ngram_mod", i % 2 > 0 ? "n=1,n_min=0,k=2,compat=yes" : "n=1,n_min=0,k=2", PLACES, NULL);
        steps_begin(p, &(policy_input){.prompt = prompt + LONG - n, .n_prompt = n});
        if (i == 1)
            steps_check_step(p, NULL, 0, NULL, 0, "full: the prompt is forgotten");
        else if (i == 0)
            steps_check_step(p, IDS(6, 7), NULL, 0, "full: the prompt is entered anew");
        else
            steps_check_step(p, IDS(6, 7), NULL, 0, "not full");
        policy_close(p);
    }
    free(prompt);
}

Test(policy_ngram_mod, what_is_remembered) {
    for (size_t i = 0; i < 2; i++) {
        policy *p = steps_open("ngram_mod", i > 0 ? "n=2,n_min=0,memory=cell" : "n=2,n_min=0");
        steps_begin(p, &(policy_input){.prompt = counting, .n_prompt = 11});
        steps_begin(p, &(policy_input){.prompt = (const int32_t[]){0, 6, 7}, .n_prompt = 3});
        steps_check_step(p, (const int32_t[]){8, 9, 1}, 3 * i, NULL, 0, "of an earlier prompt");
        policy_forget(p);
        steps_begin(p, &(policy_input){.prompt = (const int32_t[]){0, 6, 7}, .n_prompt = 3});
        steps_check_step(p, NULL, 0, NULL, 0, "forgotten");
        policy_close(p);
    }
}

/* Trials of a cell; -1 when memory ran out. */
static int two_trials(policy *p, draft *d, err *e) {
    for (int i = 0; i < 2; i++) {
        if (steps_try_begin(p, &(policy_input){.prompt = H4, .n_prompt = 14}, e) != 0) return -1;
        if (steps_try_observe(p, H5, 14, e) != 0 || steps_try_observe(p, H3, 12, e) != 0) return -1;
        if (policy_propose(p, DRAFT_CAP, d, e) != 0) return -1;
    }
    return 0;
}

Test(policy_ngram_mod, without_memory_left) {
    policy *p = steps_open("ngram_mod", "n=2,n_min=0,k=4,memory=cell");
    err     e = {0};
    draft   d;
    for (size_t k = 1, failed = 1; failed; k++) {
        policy_forget(p);
        mem_fail_at(k);
        failed = two_trials(p, &d, &e) != 0;
        mem_fail_at(0);
        cr_assert(!failed || e.kind == ERR_RUN);
        cr_assert_eq(two_trials(p, &d, &e), 0, "%s", e.text);
        cr_assert(d.n > 0, "after failure %zu", k);
        cr_assert_lt(k, 1000);
    }
    policy_close(p);
}

/* ---- a plain table ----------------------------------------------------------------------------------- */

typedef struct {
    size_t  n, k, n_min;
    int32_t entry[PLACES];                      /* 1 + a token; 0 = none */
    size_t  written[1 << 20], n_written, n_bad; /* places in use, to empty them */
    size_t  entered, n_drafted;
} naive_mod;

static naive_mod naive;

static size_t naive_place(const int32_t *ids, size_t n) {
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++) h = (h * 6364136223846793005u + (uint64_t)ids[i]) % PLACES;
    return (size_t)h;
}

static void naive_empty(naive_mod *x) {
    for (size_t i = 0; i < x->n_written; i++) x->entry[x->written[i]] = 0;
    x->n_written = 0;
}

static void naive_enter(naive_mod *x, const int32_t *h, size_t end) {
    for (; x->entered < end; x->entered++) {
        size_t place = naive_place(h + x->entered, x->n);
        if (x->entry[place] == 0) x->written[x->n_written++] = place;
        x->entry[place] = h[x->entered + x->n] + 1;
    }
}

static void naive_begin(naive_mod *x, const int32_t *h, size_t n_prompt) {
    x->entered = x->n_drafted = 0;
    if (n_prompt > x->n) naive_enter(x, h, n_prompt - 1 - x->n);
}

static void naive_draft(naive_mod *x, const int32_t *h, size_t n_h, size_t limit, draft *d) {
    int32_t key[8 + HISTORY_CAP];
    size_t  found = 0;
    draft_clear(d);
    x->n_drafted = 0;
    if (n_h < x->n + 1) return;
    if (n_h - 1 > x->entered + 32) naive_enter(x, h, n_h - 1 - x->n);
    memcpy(key, h + n_h - x->n, x->n * sizeof *key);
    for (; found < x->k; found++) {
        int32_t next = x->entry[naive_place(key + found, x->n)];
        if (next == 0) break;
        key[x->n + found] = next - 1;
    }
    if (found == 0 || (found < x->k && found < x->n_min)) return;
    x->n_drafted = found;
    draft_extend(d, key + x->n, found < limit ? found : limit);
    d->match_length = (uint16_t)x->n;
    d->source = SOURCE_OTHER;
}

static void naive_accept(naive_mod *x, size_t accepted) {
    if (x->n_drafted == 0) return;
    x->n_bad = (double)accepted / (double)x->n_drafted < 0.25 ? x->n_bad + 1 : 0;
    if (x->n_bad < 5) return;
    naive_empty(x);
    x->n_bad = x->entered = 0;
}

/* Few ids, of which some share their places with others; long repeats. */
static void fill(gsl_rng *r, int32_t *h, size_t n, size_t alphabet) {
    for (size_t at = 0; at < n;) {
        size_t length = 1 + steps_pick(r, 12), from = at > 0 ? steps_pick(r, at) : 0;
        bool   again = at > 0 && steps_pick(r, 3) > 0;
        for (size_t i = 0; i < length && at < n; i++, at++) {
            size_t id = steps_pick(r, alphabet);
            h[at] = again ? h[from + i] : (int32_t)(id / 2 + id % 2 * PLACES);
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

static size_t compare(gsl_rng *r, naive_mod *x, policy *p, const int32_t *h, size_t n_prompt, size_t n_h,
                      size_t *drafts) {
    size_t compared = 0;
    draft  got, want;
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
    naive_begin(x, h, n_prompt);
    for (size_t at = n_prompt;;) {
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
        naive_draft(x, h, at, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(steps_same(&got, &want), "n %zu k %zu n_min %zu: %zu drafted, not %zu, after %zu of which %zu", x->n,
                  x->k, x->n_min, got.n, want.n, at, n_prompt);
        compared++;
        *drafts += want.n > 0;
        if (at == n_h) return compared;
        size_t n = emitted(r, &got, h + at, n_h - at);
        steps_observe(p, h + at, n);
        naive_accept(x, n - 1);
        at += n;
    }
}

Test(policy_ngram_mod, is_the_plain_table) {
    gsl_rng *r = rng_new(1, 24);
    size_t   compared = 0, drafts = 0;
    int32_t  h[HISTORY_CAP];
    while (compared < FUZZ_HISTORIES) {
        naive_mod *x = &naive;
        bool       keeps = steps_pick(r, 2) > 0;
        char       text[80];
        x->n = 1 + steps_pick(r, 6);
        x->k = 1 + steps_pick(r, 12);
        x->n_min = steps_pick(r, x->k + 3);
        snprintf(text, sizeof text, "n=%zu,k=%zu,n_min=%zu,memory=%s", x->n, x->k, x->n_min, keeps ? "cell" : "none");
        policy *p = steps_open_over("ngram_mod", text, 2 * PLACES, NULL);
        for (int again = 0; again < 10; again++) {
            size_t n_prompt = steps_pick(r, 70), n_h = n_prompt + steps_pick(r, 70);
            if (again == 0 || !keeps) {
                naive_empty(x);
                x->n_bad = 0;
            }
            fill(r, h, n_h, 1 + steps_pick(r, 6));
            compared += compare(r, x, p, h, n_prompt, n_h, &drafts);
        }
        policy_close(p);
    }
    cr_assert_gt(drafts, compared / 10, "%zu drafts in %zu", drafts, compared);
    gsl_rng_free(r);
}
