/* Lookahead decoding against its description: levels as lists, n-grams as lists, and every guess from a pass of its own
 * over its path. A tiny model is the target, and for many histories a hash of the last tokens. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/transformer.h"
#include "engine/policies/index/gram_pool.h"
#include "engine/rules/logits.h"
#include "tests/unit/policy_model.h"
#include "tests/unit/policy_steps.h"

enum { CELLS = 40, LEVELS = 10, GRAMS = 40, IDS = 1000, TEXT = 300, FEW_IDS = 6 };

/* ---- n-grams ------------------------------------------------------------------------------------------ */

/* Of one first token, oldest first. */
typedef struct {
    int32_t rest[GRAMS][LEVELS];
    size_t  n;
} gram_list;

static void list_add(gram_list *l, const int32_t *rest, size_t width, size_t most) {
    size_t at = 0, bytes = width * sizeof *rest;
    while (at < l->n && memcmp(l->rest[at], rest, bytes) != 0) at++;
    if (at == l->n && l->n == most) at = 0;
    if (at < l->n) {
        for (size_t i = at; i + 1 < l->n; i++) memcpy(l->rest[i], l->rest[i + 1], sizeof l->rest[i]);
        l->n--;
    }
    memcpy(l->rest[l->n++], rest, bytes);
}

Test(gram_pool, keeps_the_newest_of_each_first_token) {
    gsl_rng *r = rng_new(2, 61);
    for (int i = 0; i < 300; i++) {
        gram_list lists[8] = {0};
        gram_pool p = {0};
        err       e = {0};
        size_t    width = 1 + steps_pick(r, 4), most = 1 + steps_pick(r, 6);
        cr_assert_eq(gram_pool_init(&p, 8, width, most, &e), 0);
        for (int k = 0; k < 1000; k++) {
            int32_t rest[4], first = (int32_t)steps_pick(r, 8);
            size_t  n;
            steps_fill(r, rest, width, 3);
            list_add(&lists[first], rest, width, most);
            cr_assert_eq(gram_pool_add(&p, first, rest, &e), 0);
            first = (int32_t)steps_pick(r, 8);
            const int32_t *got = gram_pool_find(&p, first, &n);
            cr_assert_eq(n, lists[first].n);
            for (size_t g = 0; g < n; g++)
                cr_assert_eq(memcmp(got + g * width, lists[first].rest[g], width * sizeof *got), 0);
        }
        gram_pool_free(&p);
    }
    gsl_rng_free(r);
}

/* ---- the description ---------------------------------------------------------------------------------- */

typedef struct {
    int32_t ids[CELLS];
    size_t  n;
} row_of_cells;

typedef struct {
    const model *m; /* NULL: a hash of the last `order` tokens says what follows them, of `vocab` ids */
    size_t       order, vocab;
    size_t       N, W, G;
    bool         from_prompt, compat;
    row_of_cells level[LEVELS]; /* [levels] */
    size_t       levels;
    gram_list    pool[IDS];
    int32_t      text[TEXT];
    size_t       n, n_prompt, trial;
    size_t       steps, guesses, columns;
    transformer *t;
} described;

/* Few values, so that equal ones abound. */
static void hashed_logits(const described *x, const int32_t *path, size_t n, float *logits) {
    uint64_t h = 1;
    for (size_t i = 0; i < x->order && i < n + x->n; i++)
        h = (h + (uint64_t)(i < n ? path[n - 1 - i] : x->text[x->n - 1 - (i - n)]) + 1) * 0x9e3779b97f4a7c15u;
    for (size_t v = 0; v < x->vocab; v++) {
        h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
        logits[v] = (float)(h >> 61);
    }
}

static void model_logits(const described *x, const int32_t *path, size_t n, float *logits) {
    err e = {0};
    if (transformer_length(x->t) >= x->n - 1)
        transformer_rewind(x->t, x->n - 1);
    else
        cr_assert_eq(transformer_forward(x->t, x->text, x->n - 1, 0, NULL, &e), 0, "%s", e.text);
    int32_t tail[2 * CELLS] = {x->text[x->n - 1]};
    memcpy(tail + 1, path, n * sizeof *path);
    cr_assert_eq(transformer_forward(x->t, tail, n + 1, 1, logits, &e), 0, "%s", e.text);
}

static int32_t says(const described *x, const int32_t *path, size_t n) {
    static float logits[IDS];
    int32_t      best = 0;
    (x->m != NULL ? model_logits : hashed_logits)(x, path, n, logits);
    for (size_t v = 1; v < x->vocab; v++)
        if (logits[v] > logits[best]) best = (int32_t)v;
    return best;
}

static void new_trial(described *x, reference prompt, noise draws) {
    memset(x->pool, 0, x->vocab * sizeof *x->pool);
    memcpy(x->text, prompt.ids, prompt.n * sizeof *prompt.ids);
    x->n = x->n_prompt = prompt.n;
    x->levels = 1;
    x->level[0].n = x->W + x->N - 3;
    for (size_t i = 0; i < x->level[0].n; i++)
        x->level[0].ids[i] = prompt.ids[(size_t)(noise_uniform(draws, i, 0) * (double)prompt.n)];
    for (size_t i = 0; x->from_prompt && i + x->N <= prompt.n; i++)
        list_add(&x->pool[prompt.ids[i]], prompt.ids + i + 1, x->N - 1, x->G);
}

/* The tokens of column i down to its end, below the last token of the text. */
static size_t column(const described *x, size_t i, int32_t *path) {
    size_t n = 0;
    for (; n < i; n++) path[n] = x->level[0].ids[n];
    for (size_t l = 1; l < x->levels; l++) path[n++] = x->level[l].ids[i];
    return n;
}

/* The node at the end of a path, which must be in the draft; marks those on the way. */
static void follow(const draft *d, const int32_t *path, size_t n, bool *used) {
    int32_t node = DRAFT_ROOT;
    for (size_t i = 0; i < n; i++) {
        node = draft_child(d, node, path[i]);
        cr_assert_geq(node, 0, "token %zu of a path is not drafted", i);
        used[node] = true;
    }
}

static void check_draft(described *x, const draft *d) {
    bool             used[DRAFT_CAP] = {false};
    int32_t          path[2 * CELLS];
    const gram_list *l = &x->pool[x->text[x->n - 1]];
    size_t           columns = x->levels == 1 ? 1 : x->level[0].n + 1;
    for (size_t i = 0; i < columns; i++) {
        size_t n = column(x, x->levels == 1 ? x->level[0].n : i, path);
        follow(d, path, n, used);
    }
    for (size_t g = 0; x->levels == x->N - 1 && g < l->n; g++, x->guesses++)
        follow(d, l->rest[g], x->compat ? x->N - 2 : x->N - 1, used);
    for (size_t i = 0; i < d->n; i++) cr_assert(used[i], "node %zu is on no path", i);
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert(d->parent[i] != d->parent[k] || d->ids[i] != d->ids[k], "two nodes for one path");
}

static void drop_first(row_of_cells *r) {
    memmove(r->ids, r->ids + 1, --r->n * sizeof *r->ids);
}

/* The window after a pass. */
static void move(described *x) {
    row_of_cells said = {.n = 0};
    int32_t      path[2 * CELLS];
    if (x->levels == 1) {
        for (size_t i = 0; i < x->level[0].n; i++) said.ids[said.n++] = says(x, x->level[0].ids, i + 1);
        drop_first(&x->level[0]);
        x->level[x->levels++] = said;
        return;
    }
    for (size_t i = 0; i <= x->level[0].n; i++) {
        size_t n = column(x, i, path);
        said.ids[said.n++] = says(x, path, n);
    }
    if (x->levels < x->N - 1) {
        for (size_t l = 0; l < x->levels; l++) drop_first(&x->level[l]);
        drop_first(&said);
        x->level[x->levels++] = said;
        return;
    }
    for (size_t i = 0; i < x->W; i++, x->columns++) {
        int32_t rest[LEVELS];
        for (size_t l = 1; l < x->levels; l++) rest[l - 1] = x->level[l].ids[i];
        rest[x->levels - 1] = said.ids[i];
        list_add(&x->pool[i == 0 ? x->text[x->n - 1] : x->level[0].ids[i - 1]], rest, x->N - 1, x->G);
    }
    for (size_t l = 0; l + 1 < x->levels; l++) x->level[l] = x->level[l + 1];
    drop_first(&x->level[0]);
    x->level[x->levels - 1] = said;
}

static void emit(described *x, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x->text[x->n++] = ids[i];
        if (x->from_prompt && x->n >= x->N)
            list_add(&x->pool[x->text[x->n - x->N]], x->text + x->n - x->N + 1, x->N - 1, x->G);
    }
}

static int check_step(void *ctx, const step_trace *s, const step_view *view, err *e) {
    (void)e;
    described *x = ctx;
    if (s->position == 0) {
        size_t i = x->trial++ % MODEL_PROMPTS;
        new_trial(x, model_prompt(i), (noise){11, i});
    }
    transformer_rewind(x->t, 0);
    check_draft(x, view->draft);
    move(x);
    emit(x, view->emitted, view->n);
    x->steps++;
    return 0;
}

Test(policy_lookahead, is_its_description) {
    static const struct {
        size_t N, W, G;
        bool   from_prompt, compat;
    } cases[] = {{5, 7, 7, false, false}, {3, 4, 2, false, false}, {4, 1, 3, true, false},
                 {6, 3, 2, true, true},   {7, 2, 9, false, true},  {4, 10, 12, true, false}};
    model     *m = model_tiny(9);
    described *x = mem_new(1, sizeof *x, NULL);
    size_t     guesses = 0, columns = 0, accepted = 0;
    err        e = {0};
    cr_assert_leq(m->shape.vocab, IDS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int sampled = 0; sampled < 2; sampled++) {
            char text[100];
            *x = (described){.m = m, .vocab = m->shape.vocab, .N = cases[i].N, .W = cases[i].W, .G = cases[i].G};
            x->from_prompt = cases[i].from_prompt;
            x->compat = cases[i].compat;
            x->t = transformer_new(m, m->shape.context, 1, NULL, &e);
            sprintf(text, "level=%zu,window=%zu,guess=%zu,pool_from_prompt=%s,compat=%s", x->N, x->W, x->G,
                    x->from_prompt ? "yes" : "no", x->compat ? "yes" : "no");
            model_counts c = model_run(m, "lookahead", text, sampled ? "coupled" : "greedy",
                                       sampled ? "temperature=0.4" : "", true, (decode_sink){check_step, x});
            cr_assert_eq(c.steps, x->steps);
            guesses += x->guesses;
            columns += x->columns;
            accepted += c.accepted;
            transformer_free(x->t);
        }
    cr_assert(guesses > 500 && columns > 5000 && accepted > 100, "%zu, %zu, %zu", guesses, columns, accepted);
    free(x);
    model_close(m);
}

/* ---- many histories ----------------------------------------------------------------------------------- */

enum { NO_ROOM = -2 };

/* The node below `parent` with this id, made if need be. */
static int32_t naive_child(draft *d, int32_t parent, int32_t id, size_t limit) {
    int32_t node = draft_child(d, parent, id);
    if (node >= 0) return node;
    return d->n < limit ? draft_add(d, parent, id) : NO_ROOM;
}

static void naive_path(draft *d, const int32_t *path, size_t n, size_t limit) {
    int32_t node = DRAFT_ROOT;
    for (size_t i = 0; i < n && node != NO_ROOM; i++) node = naive_child(d, node, path[i], limit);
}

/* Whether the window is drafted. */
static bool naive_draft(const described *x, size_t limit, draft *d) {
    const gram_list *l = &x->pool[x->text[x->n - 1]];
    size_t           trunk = x->level[0].n;
    int32_t          path[2 * CELLS];
    draft_clear(d);
    for (size_t g = x->levels == x->N - 1 ? l->n : 0; g > 0; g--)
        naive_path(d, l->rest[g - 1], x->compat ? x->N - 2 : x->N - 1, limit);
    d->match_length = d->n > 0;
    if (trunk + (x->levels - 1) * (trunk + 1) > limit - d->n) return false;
    for (size_t i = 0; i <= trunk; i++) naive_path(d, path, column(x, i, path), DRAFT_CAP);
    return true;
}

/* What the target says at the pending token and at each node. */
static rows rows_of_draft(const described *x, const draft *d) {
    static float logits[(DRAFT_CAP + 1) * FEW_IDS];
    hashed_logits(x, x->text, 0, logits);
    for (size_t i = 0; i < d->n; i++) {
        int32_t path[2 * CELLS];
        size_t  n = draft_depth(d, (int32_t)i);
        for (int32_t node = (int32_t)i, k = (int32_t)n; k > 0; node = d->parent[node]) path[--k] = d->ids[node];
        hashed_logits(x, path, n, logits + (i + 1) * x->vocab);
    }
    return (rows){.n = d->n + 1, .vocab = x->vocab, .logits = logits};
}

/* Tokens that the target says, and others. */
static size_t draw_step(gsl_rng *r, const described *x, int32_t *out) {
    size_t n = 1 + steps_pick(r, 3);
    for (size_t i = 0; i < n; i++) out[i] = steps_pick(r, 4) > 0 ? says(x, out, i) : (int32_t)steps_pick(r, x->vocab);
    return n;
}

/* Returns the drafts that were compared. */
static size_t run_trial(gsl_rng *r, described *x, policy *p) {
    int32_t   ids[12], emitted[3];
    reference prompt = {ids, 1 + steps_pick(r, 12)};
    noise     draws = {11, steps_pick(r, 1000)};
    size_t    steps = 1 + steps_pick(r, 24), position = 0;
    err       e = {0};
    steps_fill(r, ids, prompt.n, x->vocab);
    new_trial(x, prompt, draws);
    steps_begin(p, &(policy_input){.prompt = ids, .n_prompt = prompt.n, .noise = draws});
    for (size_t s = 0; s < steps; s++) {
        draft  got, want;
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 30) : DRAFT_CAP;
        bool   moves = naive_draft(x, limit, &want), foreign = steps_pick(r, 8) == 0;
        steps_propose(p, limit, &got);
        cr_assert(got.n == want.n && memcmp(got.ids, want.ids, got.n * sizeof *got.ids) == 0 &&
                      memcmp(got.parent, want.parent, got.n * sizeof *got.parent) == 0,
                  "step %zu: %zu nodes, not %zu", s, got.n, want.n);
        cr_assert_eq(got.match_length, want.match_length);
        x->guesses += want.match_length;
        size_t    n = draw_step(r, x, emitted);
        rows      pass = rows_of_draft(x, &got);
        verdict   v = {0};
        step_view step = {emitted, n, position, &got, &v, &pass, foreign};
        cr_assert_eq(policy_observe(p, &step, &e), 0, "%s", e.text);
        if (moves && !foreign) move(x);
        emit(x, emitted, n);
        position += n;
    }
    return steps;
}

Test(policy_lookahead, is_its_description_over_many_histories) {
    gsl_rng   *r = rng_new(1, 62);
    described *x = mem_new(1, sizeof *x, NULL);
    for (size_t compared = 0; compared < FUZZ_HISTORIES;) {
        char text[100];
        *x = (described){.guesses = x->guesses};
        x->order = 1 + steps_pick(r, 8);
        x->vocab = 2 + steps_pick(r, FEW_IDS - 1);
        x->N = 3 + steps_pick(r, 3);
        x->W = 1 + steps_pick(r, 4);
        x->G = 1 + steps_pick(r, 4);
        x->from_prompt = steps_pick(r, 2) > 0;
        x->compat = steps_pick(r, 2) > 0;
        sprintf(text, "level=%zu,window=%zu,guess=%zu,pool_from_prompt=%s,compat=%s", x->N, x->W, x->G,
                x->from_prompt ? "yes" : "no", x->compat ? "yes" : "no");
        policy *p = steps_open_over("lookahead", text, x->vocab, NULL);
        for (int again = 0; again < 64; again++) compared += run_trial(r, x, p);
        policy_close(p);
    }
    cr_assert_gt(x->guesses, FUZZ_HISTORIES / 3, "%zu", x->guesses);
    free(x);
    gsl_rng_free(r);
}

Test(policy_lookahead, leaves_a_models_output_as_it_is) {
    model       *m = model_tiny(5);
    model_counts c = model_check(m, "lookahead", "", (decode_sink){0});
    cr_assert(c.drafted > 1000 && c.accepted > 50, "%zu, %zu", c.drafted, c.accepted);
    c = model_check(m, "chain", "stages=pld n=1 k=2 > lookahead level=3 pool_from_prompt=yes", (decode_sink){0});
    cr_assert_gt(c.accepted, 20);
    model_close(m);
}

Test(policy_lookahead, drafts_what_there_is_room_for) {
    for (size_t limit = 0; limit < 20; limit++) {
        policy *p = steps_open("lookahead", "level=4,window=3,guess=2");
        draft   d;
        steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11});
        steps_propose(p, limit, &d);
        cr_assert(d.n == 0 || (d.n == 4 && limit >= 4), "%zu of %zu", d.n, limit); /* W + N - 3 of the trunk */
        policy_close(p);
    }
}

Test(policy_lookahead, refuses_drafts_that_are_too_long) {
    err e = {0};
    policy_close(steps_open("lookahead", "level=5,window=128,guess=128"));
    cr_assert_null(steps_try_open("lookahead", "level=5,window=128,guess=129", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(
        e.text, "policy lookahead: level = 5, window = 128 and guess = 129 make drafts of 1027 tokens (at most 1024)");
}

Test(policy_lookahead, survives_every_failing_allocation) {
    float     logits[50 * 20] = {0};
    int       pick = 0;
    const err none = {0};
    for (size_t k = 1;; k++) {
        err     e = none;
        policy *p = steps_open_over("lookahead", "level=3,window=2,pool_from_prompt=yes", 20, NULL);
        bool    worked = true;
        mem_fail_at(k);
        worked = steps_try_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11}, &e) == 0;
        for (int s = 0; worked && s < 6; s++) {
            draft d;
            worked = policy_propose(p, 49, &d, &e) == 0;
            for (size_t i = 0; i <= d.n; i++) logits[i * 20 + (size_t)(pick = (pick * 5 + 3) % 20)] += 1;
            rows      pass = {.n = d.n + 1, .vocab = 20, .logits = logits};
            verdict   v = {0};
            step_view step = {.emitted = H1, .n = 1, .position = (size_t)s, .draft = &d, .verdict = &v, .rows = &pass};
            worked = worked && policy_observe(p, &step, &e) == 0;
        }
        mem_fail_at(0);
        if (!worked) cr_assert_eq(e.kind, ERR_RUN, "%s", e.text);
        policy_close(p);
        if (worked) break;
        cr_assert_lt(k, 1000);
    }
}
