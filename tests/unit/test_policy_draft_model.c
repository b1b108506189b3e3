/* A draft model: with itself, with another one, and against passes that begin anew. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/transformer.h"
#include "engine/rules/logits.h"
#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/unit/policy_model.h"
#include "tests/unit/policy_steps.h"

TestSuite(policy_draft_model, .init = scratch_enter, .fini = scratch_leave);

/* Writes a model and opens it. */
static model *write_model(const char *path, uint64_t seed, size_t context) {
    tiny_spec s = tiny_default();
    err       e = {0};
    s.seed = seed;
    s.context = context;
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    model *m = model_open(path, &e);
    cr_assert(m != NULL && model_pack(m, &e) == 0, "%s", e.text);
    return m;
}

Test(policy_draft_model, all_that_it_drafts_for_itself_is_accepted) {
    model *m = write_model("m.gguf", 1, 256);
    for (int k = 1; k <= 9; k += 4) {
        char text[40];
        sprintf(text, "model=m.gguf,k=%d", k);
        model_counts c = model_run(m, "draft_model", text, "greedy", "", true, (decode_sink){0});
        cr_assert(c.testable > 100 && c.accepted == c.testable, "k %d: %zu of %zu", k, c.accepted, c.testable);
        cr_assert_eq(c.steps + c.accepted, c.emitted);
    }
    model_close(m);
}

Test(policy_draft_model, leaves_a_models_output_as_it_is) {
    static const char *const settings[] = {"model=d.gguf,k=4",           "model=d.gguf,k=3,temperature=0.5",
                                           "model=m.gguf,k=7,p_min=0.1", "model=m.gguf,k=6,temperature=1",
                                           "model=m.gguf,k=6,n_min=4",   "model=d.gguf,k=1024"};
    model                   *m = write_model("m.gguf", 1, 256), *d = write_model("d.gguf", 2, 50);
    size_t                   accepted = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        accepted += model_check(m, "draft_model", settings[i], (decode_sink){0}).accepted;
    accepted += model_check(m, "chain", "stages=pld n=1 k=3 at_least=2 > draft_model model=m.gguf k=2 temperature=1",
                            (decode_sink){0})
                    .accepted;
    cr_assert_gt(accepted, 500, "%zu", accepted);
    model_close(m);
    model_close(d);
}

Test(policy_draft_model, a_drawn_draft_is_not_dropped_in_a_chain) {
    model *m = write_model("m.gguf", 1, 256);
    /* p_min ends some drafts before the eighth token. */
    model_counts c = model_run(m, "chain", "stages=draft_model model=m.gguf k=8 p_min=0.2 temperature=1 at_least=8",
                               "greedy", "", true, (decode_sink){0});
    cr_assert_neq(c.drafted % 8, 0, "%zu", c.drafted);
    c = model_run(m, "chain", "stages=draft_model model=m.gguf k=8 p_min=0.2 at_least=8", "greedy", "", true,
                  (decode_sink){0});
    cr_assert_eq(c.drafted % 8, 0, "%zu", c.drafted);
    model_close(m);
}

/* ---- against passes that begin anew ------------------------------------------------------------------- */

enum { CONTEXT = 12, TINY_IDS = 1000, SEEN = 1 << 13 };

/* Logits that such a pass gave. */
typedef struct {
    int32_t ids[CONTEXT];
    size_t  n;
    int32_t likeliest;
    double  share; /* of it, among the ten largest */
    float   logits[TINY_IDS];
} seen_pass;

/* What a policy drafts, computed with an empty cache for each token. */
typedef struct {
    const model *m; /* the draft model */
    size_t       k;
    double       p_min, temperature;
    stops        ends;
    noise        draws;
    double       q[12][TINY_IDS];
    transformer *t;
    seen_pass   *seen; /* [SEEN] by a hash of the ids */
} anew;

/* The first of the ten largest, and its share. */
static int32_t likeliest(const float *logits, size_t vocab, double *share) {
    bool    taken[TINY_IDS] = {false};
    double  sum = 0;
    int32_t first = -1;
    for (int i = 0; i < 10; i++) {
        int32_t best = -1;
        for (size_t v = 0; v < vocab; v++)
            if (!taken[v] && (best < 0 || logits[v] > logits[best])) best = (int32_t)v;
        taken[best] = true;
        if (i == 0) first = best;
        sum += exp((double)logits[best] - (double)logits[first]);
    }
    *share = 1 / sum;
    return first;
}

/* All tokens in one pass, from an empty cache on. */
static const seen_pass *pass_anew(const anew *x, const int32_t *ids, size_t n) {
    uint64_t h = n;
    err      e = {0};
    for (size_t i = 0; i < n; i++) h = (h + (uint64_t)ids[i]) * 0x9e3779b97f4a7c15u;
    seen_pass *s = &x->seen[h >> 32 & (SEEN - 1)];
    if (s->n == n && memcmp(s->ids, ids, n * sizeof *ids) == 0) return s;
    memcpy(s->ids, ids, n * sizeof *ids);
    s->n = n;
    transformer_rewind(x->t, 0);
    cr_assert_eq(transformer_forward(x->t, ids, n, 1, s->logits, &e), 0, "%s", e.text);
    s->likeliest = likeliest(s->logits, x->m->shape.vocab, &s->share);
    return s;
}

/* `n` tokens of text, of which n_prompt are the prompt; room for those drafted behind them. */
static void draft_anew(anew *x, int32_t *text, size_t n, size_t n_prompt, size_t limit, draft *d) {
    size_t vocab = x->m->shape.vocab;
    draft_clear(d);
    while (d->n < x->k && d->n < limit && n > 0 && n + d->n <= CONTEXT) {
        const seen_pass *s = pass_anew(x, text, n + d->n);
        int32_t          id = s->likeliest;
        if (s->share < x->p_min) break;
        if (x->temperature > 0) {
            double *q = x->q[d->n];
            logits_softmax(s->logits, vocab, x->temperature, q);
            id = probs_sample(q, vocab, noise_uniform(x->draws, n - n_prompt + d->n, 0));
        }
        text[n + d->n] = id;
        draft_add(d, (int32_t)d->n - 1, id);
        if (stops_have(x->ends, id)) break;
    }
}

/* Emits some of the draft, then another token of a few; or tokens that another policy drafted. */
static size_t emit(gsl_rng *r, const draft *d, int32_t *out) {
    size_t n = steps_pick(r, d->n + 1), others = n == 0 || steps_pick(r, 8) > 0; /* else cut where the draft was */
    if (steps_pick(r, 6) == 0) {
        n = 0;
        others = 1 + steps_pick(r, 3);
    }
    for (size_t i = 0; i < n; i++) out[i] = d->ids[i];
    for (; others > 0; others--) out[n++] = (int32_t)steps_pick(r, 2);
    return n;
}

typedef struct {
    size_t compared, drafted, beyond; /* beyond: drafts that end with the context */
} totals;

static void run_trial(gsl_rng *r, policy *p, anew *x, totals *t) {
    int32_t text[3 * CONTEXT], prompt[3];
    size_t  n_prompt = steps_pick(r, 4), n = n_prompt, vocab = x->m->shape.vocab;
    steps_fill(r, prompt, n, 2);
    memcpy(text, prompt, n * sizeof *text);
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = n_prompt, .stops = x->ends, .noise = x->draws});
    while (n < CONTEXT + 2) {
        draft  got, want;
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 4) : DRAFT_CAP;
        draft_anew(x, text, n, n_prompt, limit, &want);
        if (steps_pick(r, 8) > 0) { /* else as a stage that is not asked */
            steps_propose(p, limit, &got);
            if (steps_pick(r, 8) == 0) steps_propose(p, limit, &got); /* asking again changes nothing */
            steps_check(&got, want.ids, want.n, "with a cache");
            cr_assert_eq(got.source, want.n > 0 ? SOURCE_OTHER : SOURCE_NONE);
            cr_assert_eq(got.q != NULL, want.n > 0 && x->temperature > 0);
            for (size_t i = 0; got.q != NULL && i < got.n; i++)
                cr_assert_eq(memcmp(got.q + i * vocab, x->q[i], vocab * sizeof(double)), 0);
            t->compared++;
        }
        t->drafted += want.n;
        t->beyond += n + want.n > CONTEXT;
        int32_t out[CONTEXT];
        size_t  n_out = emit(r, &want, out);
        memcpy(text + n, out, n_out * sizeof *out);
        steps_observe(p, out, n_out);
        n += n_out;
    }
}

/* The smallest that there can be, nearly: a million passes should take seconds. */
static model *write_smallest(const char *path) {
    tiny_spec s = tiny_default();
    err       e = {0};
    s.layers = 1;
    s.dim = 16;
    s.heads = s.kv_heads = 1;
    s.ffn = 16;
    s.context = CONTEXT;
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    model *m = model_open(path, &e);
    cr_assert(m != NULL && model_pack(m, &e) == 0, "%s", e.text);
    return m;
}

Test(policy_draft_model, drafts_as_passes_that_begin_anew) {
    static const struct {
        const char *text;
        size_t      k, of; /* of: parts of twenty of the drafts compared; a softmax of all logits takes its time */
        double      p_min, temperature;
        bool        stop;
    } cases[] = {
        {"model=m.gguf,k=2", 2, 12, 0, 0, false},
        {"model=m.gguf,k=3,p_min=0.15", 3, 6, 0.15, 0, true},
        {"model=m.gguf,k=3,temperature=0.7", 3, 1, 0, 0.7, false},
        {"model=m.gguf,k=2,temperature=2,p_min=0.12", 2, 1, 0.12, 2, true},
    };
    gsl_rng     *r = rng_new(1, 51);
    model       *m = write_smallest("m.gguf");
    anew        *x = mem_new(1, sizeof *x, NULL);
    int32_t      stop_ids[60];
    totals       all = {0};
    err          e = {0};
    seen_pass   *seen = mem_new(SEEN, sizeof *seen, NULL);
    transformer *t = transformer_new(m, CONTEXT, 1, NULL, &e);
    cr_assert_not_null(t, "%s", e.text);
    for (size_t i = 0; i < 60; i++) stop_ids[i] = (int32_t)(i * 5);
    cr_assert_leq(m->shape.vocab, TINY_IDS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open_over("draft_model", cases[i].text, m->shape.vocab, m->tok);
        totals  own = {0};
        *x = (anew){.m = m, .k = cases[i].k, .p_min = cases[i].p_min, .temperature = cases[i].temperature};
        x->t = t;
        x->seen = seen;
        if (cases[i].stop) x->ends = (stops){stop_ids, 60};
        while (own.compared < FUZZ_HISTORIES / 20 * cases[i].of) {
            x->draws = (noise){4, steps_pick(r, 2)};
            run_trial(r, p, x, &own);
        }
        cr_assert(own.drafted > own.compared / 2 && own.beyond > own.compared / 100, "case %zu: %zu, %zu", i,
                  own.drafted, own.beyond);
        all.compared += own.compared;
        policy_close(p);
    }
    cr_assert_geq(all.compared, FUZZ_HISTORIES);
    free(seen);
    free(x);
    transformer_free(t);
    model_close(m);
    gsl_rng_free(r);
}

/* ---- what is refused ---------------------------------------------------------------------------------- */

Test(policy_draft_model, refuses_another_vocabulary_and_says_where) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"model=m.gguf,k=2,n_min=3", "policy draft_model: n_min = 3 is more than k = 2"},
        {"model=m.gguf,n_min=2,temperature=0.5",
         "policy draft_model: n_min = 2 does not go with temperature = 0.5 (0 or 1: a drawn draft is not dropped)"},
    };
    model     *m = write_model("m.gguf", 1, 64);
    err        e = {0};
    tokenizer *bytes = tokenizer_bytes(&e);
    char       says[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_null(steps_try_open("draft_model", cases[i].text, m->shape.vocab, m->tok, &e));
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_str_eq(e.text, cases[i].says);
    }
    cr_assert_null(steps_try_open("draft_model", "model=m.gguf", m->shape.vocab + 1, NULL, &e));
    snprintf(says, sizeof says,
             "policy draft_model: model = m.gguf: its vocabulary has %zu ids, and the target's has %zu (it must be the "
             "same)",
             m->shape.vocab, m->shape.vocab + 1);
    cr_assert_str_eq(e.text, says);
    cr_assert_null(steps_try_open("draft_model", "model=m.gguf", m->shape.vocab, bytes, &e));
    cr_assert_str_eq(e.text, "policy draft_model: model = m.gguf: id 0 is \"<unk>\", and in the target's vocabulary "
                             "\"\\x00\" (it must be the same)");
    scratch_write("x.gguf", "not a model");
    cr_assert_null(steps_try_open("draft_model", "model=x.gguf", m->shape.vocab, m->tok, &e));
    cr_assert_not_null(strstr(e.text, "x.gguf"), "%s", e.text);
    tokenizer_close(bytes);
    model_close(m);
}

Test(policy_draft_model, survives_every_failing_allocation) {
    model            *m = write_model("m.gguf", 1, 64);
    const policy_ops *ops = registry_find(&policy_registry, "draft_model");
    policy_spec       spec = {.vocab = m->shape.vocab, .tok = m->tok};
    err               e = {0};
    draft             d;
    cr_assert_eq(param_parse_list("x", ops->params, ops->n_params, "model=m.gguf,temperature=1", &spec.params, &e), 0);
    for (size_t k = 1;; k++) {
        mem_fail_at(k);
        policy *p = policy_open(ops, &spec, &e);
        bool    worked = p != NULL && steps_try_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11}, &e) == 0 &&
                      steps_try_observe(p, H1, 11, &e) == 0 && policy_propose(p, 9, &d, &e) == 0;
        mem_fail_at(0);
        policy_close(p);
        if (worked) break;
        cr_assert_eq(e.kind, ERR_RUN, "%s", e.text);
        cr_assert_lt(k, 100000);
    }
    cr_assert_eq(d.n, 3);
    param_values_free(&spec.params);
    model_close(m);
}
