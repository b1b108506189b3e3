#include "tests/unit/policy_steps.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/policies/index/ngram_index.h"

const int32_t H1[] = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3}, H2[] = {7, 1, 7, 1, 7, 1, 7};
const int32_t H3[] = {1, 2, 3, 9, 5, 1, 2, 3, 4, 6, 1, 2, 3}, H4[] = {1, 2, 8, 0, 1, 2, 9, 0, 1, 2, 9, 3, 1, 2};
const int32_t H5[] = {5, 6, 7, 5, 6, 8, 5, 6, 8, 5, 6, 7, 5, 6};

const reference EXAMPLES[3] = {
    {(const int32_t[]){10, 11, 12, 13, 14, 15, 16}, 7},
    {(const int32_t[]){11, 12, 20, 21}, 4},
    {(const int32_t[]){5, 12, 13, 99}, 4},
};

const char *steps_params(const policy_ops *ops) {
    for (size_t i = 0; i < ops->n_params; i++)
        if (ops->params[i].type == PARAM_IS_FILE && !ops->params[i].optional) return NULL;
    return ops->stages != NULL ? "stages=ngram_simple n=2 k=3 > llma at_least=2 > pld k=4" : "";
}

policy *steps_try_open(const char *name, const char *text, size_t vocab, const tokenizer *tok, err *e) {
    const policy_ops *ops = registry_find(&policy_registry, name);
    policy_spec       spec = {.vocab = vocab, .tok = tok};
    cr_assert_not_null(ops, "no policy %s", name);
    cr_assert_eq(param_parse_list(name, ops->params, ops->n_params, text, &spec.params, e), 0, "%s", e->text);
    policy *p = policy_open(ops, &spec, e);
    param_values_free(&spec.params);
    return p;
}

policy *steps_open_over(const char *name, const char *text, size_t vocab, const tokenizer *tok) {
    static const size_t scanned[] = {0, 8, 2048};
    static size_t       opened;
    err                 e = {0};
    ngram_index_scanned = scanned[opened++ % 3];
    policy *p = steps_try_open(name, text, vocab, tok, &e);
    cr_assert_not_null(p, "%s", e.text);
    return p;
}

policy *steps_open(const char *name, const char *text) {
    return steps_open_over(name, text, VOCAB, NULL);
}

static size_t shown; /* tokens since the trial began */

int steps_try_begin(policy *p, const policy_input *in, err *e) {
    shown = 0;
    return policy_begin(p, in, e);
}

void steps_begin(policy *p, const policy_input *in) {
    err e = {0};
    cr_assert_eq(steps_try_begin(p, in, &e), 0, "%s", e.text);
}

int steps_try_observe(policy *p, const int32_t *ids, size_t n, err *e) {
    step_view step = {.emitted = ids, .n = n, .position = shown};
    shown += n;
    return policy_observe(p, &step, e);
}

void steps_observe_foreign(policy *p, const int32_t *ids, size_t n) {
    err       e = {0};
    step_view step = {.emitted = ids, .n = n, .position = shown, .foreign = true};
    shown += n;
    cr_assert_eq(policy_observe(p, &step, &e), 0, "%s", e.text);
}

void steps_observe(policy *p, const int32_t *ids, size_t n) {
    err e = {0};
    cr_assert_eq(steps_try_observe(p, ids, n, &e), 0, "%s", e.text);
}

void steps_propose(policy *p, size_t limit, draft *d) {
    err e = {0};
    cr_assert_eq(policy_propose(p, limit, d, &e), 0, "%s", e.text);
}

void steps_check(const draft *d, const int32_t *ids, size_t n, const char *what) {
    cr_assert_eq(d->n, n, "%s: %zu tokens drafted, not %zu", what, d->n, n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(d->ids[i], ids[i], "%s: token %zu is %d, not %d", what, i, (int)d->ids[i], (int)ids[i]);
        cr_assert_eq(d->parent[i], (int32_t)i - 1, "%s: token %zu is not in a chain", what, i);
    }
}

void steps_check_after(policy *p, const int32_t *h, size_t n_h, size_t n_prompt, const int32_t *want, size_t n_want,
                       const char *what) {
    draft d;
    char  where[100];
    snprintf(where, sizeof where, "%s, prompt of %zu", what, n_prompt);
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
    steps_observe(p, n_h > n_prompt ? h + n_prompt : NULL, n_h - n_prompt);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, want, n_want, where);
    policy_close(p);
}

void steps_check_step(policy *p, const int32_t *want, size_t n_want, const int32_t *emitted, size_t n,
                      const char *what) {
    draft d;
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, want, n_want, what);
    steps_observe(p, emitted, n);
}

bool steps_same(const draft *a, const draft *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 && a->match_length == b->match_length &&
           a->source == b->source && a->source_position == b->source_position;
}

size_t steps_pick(gsl_rng *r, size_t n) {
    return (size_t)gsl_rng_uniform_int(r, n);
}

void steps_fill(gsl_rng *r, int32_t *ids, size_t n, size_t alphabet) {
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)steps_pick(r, alphabet);
}
