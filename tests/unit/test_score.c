/* Scores of given tokens beside the logits of the forward pass. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/score.h"
#include "tests/fixtures/tiny_model.h"

enum { LENGTH = 100 };

static model  *m;
static scorer *s;
static int32_t ids[LENGTH];
static float  *logits; /* [LENGTH, vocab] */

static void setup(void) {
    err             e = {0};
    const tiny_spec spec = tiny_default();
    cr_assert_not_null(m = tiny_open(&spec, &e), "%s", e.text);
    cr_assert_eq(model_pack(m, &e), 0, "%s", e.text);
    cr_assert_not_null(s = scorer_new(m, LENGTH, 1, &e), "%s", e.text);
    gsl_rng *r = rng_new(3, 0);
    for (int i = 0; i < LENGTH; i++) ids[i] = (int32_t)gsl_rng_uniform_int(r, m->shape.vocab);
    gsl_rng_free(r);
    cr_assert_not_null(logits = mem_new(LENGTH, m->shape.vocab * sizeof *logits, &e));
    transformer *t = transformer_new(m, LENGTH, 1, NULL, &e);
    cr_assert_eq(transformer_forward(t, ids, LENGTH, LENGTH, logits, &e), 0, "%s", e.text);
    transformer_free(t);
}

static void teardown(void) {
    scorer_free(s);
    model_close(m);
    free(logits);
}

TestSuite(score, .init = setup, .fini = teardown);

/* The score of `id` after ids[0..at). */
static void assert_score(const token_score *x, size_t at, int32_t id) {
    size_t       vocab = m->shape.vocab, larger = 0;
    const float *row = logits + (at - 1) * vocab;
    float        first = -INFINITY, second = -INFINITY;
    int32_t      best = 0;
    for (size_t i = 0; i < vocab; i++) {
        larger += row[i] > row[id];
        if (row[i] > first) {
            second = first;
            first = row[i];
            best = (int32_t)i;
        } else if (row[i] > second) {
            second = row[i];
        }
    }
    cr_assert_eq(x->likeliest, best);
    cr_assert_eq(x->top, (double)first);
    cr_assert_eq(x->second, (double)second);
    cr_assert_eq(x->logit, (double)row[id]);
    cr_assert_eq(x->rank, larger + 1);
}

static void run(const int32_t *text, size_t n, size_t from, token_score *out) {
    err e = {0};
    cr_assert_eq(scorer_run(s, text, n, from, out, &e), 0, "%s", e.text);
}

Test(score, every_token_by_the_logits_before_it) {
    token_score out[LENGTH];
    run(ids, LENGTH, 1, out);
    for (size_t i = 1; i < LENGTH; i++) assert_score(&out[i - 1], i, ids[i]);
    run(ids, LENGTH, 70, out);
    for (size_t i = 70; i < LENGTH; i++) assert_score(&out[i - 70], i, ids[i]);
}

/* Another ending goes on in the cache, with the same bits. */
Test(score, another_ending) {
    token_score out[LENGTH];
    int32_t     other[LENGTH];
    memcpy(other, ids, sizeof ids);
    run(ids, LENGTH, 40, out);
    for (size_t at = 39; at < 70; at += 10) {
        other[at] = (ids[at] + 1) % (int32_t)m->shape.vocab;
        run(other, at + 1, at, out);
        assert_score(&out[0], at, other[at]);
        other[at] = ids[at];
    }
    run(ids, LENGTH, 69, out);
    for (size_t i = 69; i < LENGTH; i++) assert_score(&out[i - 69], i, ids[i]);
    run(ids, 5, 5, out); /* nothing to score */
}

Test(score, a_text_that_is_too_long) {
    token_score out[LENGTH];
    err         e = {0};
    int32_t     more[LENGTH + 2];
    memcpy(more, ids, sizeof ids);
    more[LENGTH] = more[LENGTH + 1] = 1;
    cr_assert_eq(scorer_run(s, more, LENGTH + 2, LENGTH, out, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    run(ids, LENGTH, 99, out);
    assert_score(&out[0], 99, ids[99]);
}
