/* Token recycling: its trees by hand, and a table filled by sorting all logits. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/rules/logits.h"
#include "tests/unit/policy_model.h"
#include "tests/unit/policy_steps.h"

/* ---- the largest logits ------------------------------------------------------------------------------- */

static const float *sorted_by;

static int by_logit(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (sorted_by[x] != sorted_by[y]) return sorted_by[x] > sorted_by[y] ? -1 : 1;
    return (x > y) - (x < y);
}

static size_t sorted_top(const float *x, size_t n, size_t k, int32_t *out) {
    int32_t all[1000];
    for (size_t i = 0; i < n; i++) all[i] = (int32_t)i;
    sorted_by = x;
    qsort(all, n, sizeof *all, by_logit);
    if (k > n) k = n;
    memcpy(out, all, k * sizeof *all);
    return k;
}

Test(logits, the_largest_are_those_of_a_sort) {
    gsl_rng *r = rng_new(3, 41);
    for (int i = 0; i < 20000; i++) {
        float   x[1000];
        int32_t got[LOGITS_TOP], want[LOGITS_TOP];
        size_t  n = steps_pick(r, 400), k = steps_pick(r, LOGITS_TOP + 1), values = 2 + steps_pick(r, 2000);
        int     zero = steps_pick(r, 2) == 0 ? -1 : 1;
        for (size_t j = 0; j < n; j++) x[j] = (float)zero * ((float)steps_pick(r, values) - (float)(values / 2));
        size_t found = logits_top(x, n, k, got);
        cr_assert_eq(found, sorted_top(x, n, k, want));
        cr_assert_eq(memcmp(got, want, found * sizeof *got), 0, "%zu of %zu", k, n);
    }
    gsl_rng_free(r);
}

/* ---- a table as the description has it ---------------------------------------------------------------- */

/* The 80 nodes as lists of ranks, as Spec-Bench has them. */
static const char *const paths80[] = {
    "0",     "1",     "2",     "3",     "4",     "5",      "6",      "7",     "00",   "01",    "02",    "03",
    "04",    "05",    "06",    "07",    "10",    "11",     "12",     "13",    "20",   "21",    "22",    "30",
    "31",    "40",    "50",    "60",    "70",    "000",    "001",    "002",   "003",  "004",   "005",   "006",
    "007",   "010",   "011",   "012",   "020",   "021",    "030",    "040",   "050",  "060",   "070",   "100",
    "101",   "110",   "200",   "300",   "400",   "500",    "0000",   "0001",  "0002", "0003",  "0004",  "0010",
    "0011",  "0020",  "0030",  "0040",  "0100",  "0200",   "1000",   "2000",  "3000", "00000", "00001", "00002",
    "00010", "00020", "00100", "01000", "10000", "000000", "000001", "000100"};

enum { PATHS = sizeof paths80 / sizeof *paths80, MOST_IDS = 12 };

typedef struct {
    int32_t next[MOST_IDS][8];
    size_t  n[MOST_IDS];
} table;

/* The token at the end of a path of ranks; -1: there is none. */
static int32_t walk(const table *t, int32_t token, const char *path, bool compat) {
    for (; *path != '\0' && token >= 0; path++) {
        size_t rank = (size_t)(*path - '0');
        token = rank < t->n[token] ? t->next[token][rank] : compat ? 0 : -1;
    }
    return token;
}

/* The path that each one grows from; -1: the root. */
static int grown_from[PATHS];

static void find_parents(void) {
    for (int i = 0; i < PATHS; i++) {
        size_t n = strlen(paths80[i]) - 1;
        grown_from[i] = -1;
        for (int k = 0; k < i; k++)
            if (strlen(paths80[k]) == n && strncmp(paths80[k], paths80[i], n) == 0) grown_from[i] = k;
    }
}

static void naive_tree(const table *t, int32_t last, bool compat, size_t limit, draft *d) {
    int32_t at[PATHS];
    draft_clear(d);
    for (int i = 0; i < PATHS; i++) {
        int32_t token = walk(t, last, paths80[i], compat);
        at[i] = -1;
        if (token < 0 || d->n == limit) continue;
        at[i] = draft_add(d, grown_from[i] < 0 ? DRAFT_ROOT : at[grown_from[i]], token);
    }
}

/* The eight largest, one after the other. */
static size_t naive_top(const float *x, size_t n, int32_t *out) {
    bool   taken[MOST_IDS] = {false};
    size_t k = 0;
    for (; k < 8 && k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!taken[i] && (best == n || x[i] > x[best])) best = i;
        taken[best] = true;
        out[k] = (int32_t)best;
    }
    return k;
}

static void naive_learn(table *t, int32_t last, const draft *d, const rows *r) {
    for (size_t row = 0; row < r->n; row++) {
        int32_t token = row == 0 ? last : d->ids[row - 1];
        t->n[token] = naive_top(r->logits + row * r->vocab, r->vocab, t->next[token]);
    }
}

enum { DRAWN = 1 << 16, DRAWN_MOST = DRAWN + (DRAFT_CAP + 1) * MOST_IDS };

static bool same_tree(const draft *a, const draft *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
           memcmp(a->parent, b->parent, a->n * sizeof *a->parent) == 0;
}

/* A trial over random logits, cut out of a long row of them. Returns the steps. */
static size_t run_trial(gsl_rng *r, policy *p, table *t, const float *drawn, size_t vocab, bool compat) {
    int32_t prompt[3], emitted[8];
    size_t  n_prompt = 1 + steps_pick(r, 3), steps = steps_pick(r, 12), position = 0;
    err     e = {0};
    steps_fill(r, prompt, n_prompt, vocab);
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = n_prompt});
    int32_t last = prompt[n_prompt - 1];
    for (size_t s = 0;; s++) {
        draft  got, want;
        size_t limit = steps_pick(r, 3) > 0 ? steps_pick(r, 90) : DRAFT_CAP;
        steps_propose(p, limit, &got);
        naive_tree(t, last, compat, limit, &want);
        cr_assert(same_tree(&got, &want), "step %zu: %zu nodes, not %zu", s, got.n, want.n);
        cr_assert_eq(got.match_length, want.n > 0);
        if (s == steps) return steps + 1;
        if (steps_pick(r, 8) == 0) { /* another policy's draft */
            draft_clear(&got);
            for (size_t i = steps_pick(r, 6); i > 0; i--)
                draft_add(&got, (int32_t)got.n - 1, (int32_t)steps_pick(r, vocab));
        }
        rows   pass = {.n = got.n + 1, .vocab = vocab, .logits = drawn + steps_pick(r, DRAWN)};
        size_t n = 1 + steps_pick(r, 8);
        steps_fill(r, emitted, n, vocab);
        verdict   v = {0};
        step_view step = {
            .emitted = emitted, .n = n, .position = position, .draft = &got, .verdict = &v, .rows = &pass};
        naive_learn(t, last, &got, &pass);
        cr_assert_eq(policy_observe(p, &step, &e), 0, "%s", e.text);
        last = emitted[n - 1];
        position += n;
    }
}

Test(policy_recycle, is_a_table_filled_by_sorting) {
    gsl_rng *r = rng_new(1, 42);
    table   *t = mem_new(1, sizeof *t, NULL);
    float   *drawn = mem_new(DRAWN_MOST, sizeof *drawn, NULL);
    for (size_t i = 0; i < DRAWN_MOST; i++) drawn[i] = (float)steps_pick(r, 20);
    find_parents();
    for (size_t compared = 0; compared < FUZZ_HISTORIES;) {
        size_t vocab = 1 + steps_pick(r, MOST_IDS);
        bool   compat = steps_pick(r, 2) == 0, keeps = steps_pick(r, 2) == 0;
        char   params[60];
        sprintf(params, "compat=%s,memory=%s", compat ? "yes" : "no", keeps ? "cell" : "none");
        policy *p = steps_open_over("recycle", params, vocab, NULL);
        memset(t, 0, sizeof *t);
        for (int again = 0; again < 8; again++) {
            if (!keeps) memset(t, 0, sizeof *t);
            compared += run_trial(r, p, t, drawn, vocab, compat);
        }
        policy_close(p);
    }
    free(drawn);
    free(t);
    gsl_rng_free(r);
}

Test(policy_recycle, trees_have_the_nodes_of_their_sources) {
    static const struct {
        const char *params;
        size_t      n, levels;
        uint16_t    level[6];
    } trees[] = {{"tree=80,compat=yes", 80, 6, {8, 21, 25, 15, 8, 3}},
                 {"tree=60,compat=yes", 60, 5, {7, 20, 21, 8, 4}}};
    for (size_t i = 0; i < 2; i++) {
        policy  *p = steps_open("recycle", trees[i].params);
        draft    d;
        uint16_t levels[DRAFT_CAP];
        steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 1});
        steps_propose(p, DRAFT_CAP, &d);
        cr_assert_eq(d.n, trees[i].n);
        size_t n = draft_levels(&d, levels);
        cr_assert_eq(n, trees[i].levels);
        for (size_t k = 0; k < n; k++) cr_assert_eq(levels[k], trees[i].level[k], "level %zu: %d", k, levels[k]);
        for (size_t k = 0; k < d.n; k++) cr_assert_eq(d.ids[k], 0);
        policy_close(p);
    }
}

Test(policy_recycle, refuses_a_target_without_logits) {
    policy *p = steps_open("recycle", "");
    err     e = {0};
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 1});
    cr_assert_eq(steps_try_observe(p, H1, 1, &e), -1);
    cr_assert_str_eq(e.text, "policy recycle reads logits, which the target does not give");
    policy_close(p);
}

Test(policy_recycle, survives_a_failing_allocation) {
    policy *p = steps_open("recycle", "");
    err     e = {0};
    mem_fail_at(1);
    cr_assert_eq(steps_try_begin(p, &(policy_input){.prompt = H1, .n_prompt = 1}, &e), -1);
    mem_fail_at(0);
    cr_assert_eq(e.kind, ERR_RUN);
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 1});
    policy_close(p);
}

Test(policy_recycle, leaves_a_models_output_as_it_is) {
    model       *m = model_tiny(5);
    model_counts c = model_check(m, "recycle", "", (decode_sink){0});
    cr_assert(c.drafted > 1000 && c.accepted > 100, "%zu, %zu", c.drafted, c.accepted);
    model_counts kept = model_check(m, "recycle", "memory=cell,tree=60,compat=yes", (decode_sink){0});
    cr_assert_gt(kept.accepted, 100);
    model_counts chained = model_check(m, "chain", "stages=pld n=2 k=3 > recycle", (decode_sink){0});
    cr_assert_gt(chained.accepted, 20);
    model_close(m);
}
