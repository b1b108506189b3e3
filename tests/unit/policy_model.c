#include "tests/unit/policy_model.h"

#include <criterion/criterion.h>

#include "tests/fixtures/tiny_model.h"

enum { MOST = 60 };

static const int32_t prompts[MODEL_PROMPTS][6] = {{1, 300, 301, 302, 300, 301}, {1}, {270, 270, 270, 270}, {5, 290, 7}};
static const size_t  lengths[MODEL_PROMPTS] = {6, 1, 4, 3};

reference model_prompt(size_t i) {
    return (reference){prompts[i], lengths[i]};
}

model *model_tiny(uint64_t seed) {
    tiny_spec s = tiny_default();
    err       e = {0};
    s.seed = seed;
    model *m = tiny_open(&s, &e);
    cr_assert(m != NULL && model_pack(m, &e) == 0, "%s", e.text);
    return m;
}

static policy *open_policy(model *m, const char *name, const char *text) {
    const policy_ops *ops = registry_find(&policy_registry, name);
    policy_spec       spec = {.vocab = m->shape.vocab, .tok = m->tok, .threads = 1};
    err               e = {0};
    cr_assert_eq(param_parse_list(name, ops->params, ops->n_params, text, &spec.params, &e), 0, "%s", e.text);
    policy *p = policy_open(ops, &spec, &e);
    cr_assert_not_null(p, "%s", e.text);
    param_values_free(&spec.params);
    return p;
}

static void add_counts(model_counts *c, const trial_trace *t) {
    c->steps += t->n_steps;
    c->emitted += t->output.n;
    for (size_t i = 0; i < t->n_steps; i++) {
        c->drafted += t->steps[i].drafted;
        c->testable += t->steps[i].testable;
        c->accepted += t->steps[i].accepted;
    }
}

model_counts model_run(model *m, const char *name, const char *text, const char *rule_name, const char *rule_text,
                       bool same, decode_sink sink) {
    const rule_ops *ops = registry_find(&rule_registry, rule_name);
    err             e = {0};
    param_values    v;
    target_spec     spec = {.weights = m, .vocab = m->shape.vocab, .context = m->shape.context, .threads = 1};
    model_counts    counts = {0};
    trial_trace     plain = {0}, trace = {0};
    policy         *p = open_policy(m, name, text), *none = open_policy(m, "none", "");
    target         *t = target_open(&target_transformer, &spec, &e);
    cr_assert_eq(param_parse_list(rule_name, ops->params, ops->n_params, rule_text, &v, &e), 0, "%s", e.text);
    rule *r = rule_open(ops, &v, m->shape.vocab, &e);
    cr_assert(t != NULL && r != NULL, "%s", e.text);
    for (size_t i = 0; i < MODEL_PROMPTS; i++) {
        decode_setup s = {.target = t,
                          .policy = none,
                          .rule = r,
                          .input = {.prompt = prompts[i], .n_prompt = lengths[i], .noise = {11, i}},
                          .stops = tokenizer_stops(m->tok),
                          .max_new_tokens = MOST,
                          .noise = {7, i}};
        cr_assert_eq(decode_run(&s, &plain, &e), 0, "%s", e.text);
        s.policy = p;
        s.sink = sink;
        cr_assert_eq(decode_run(&s, &trace, &e), 0, "%s %s: %s", name, text, e.text);
        comparison c;
        compare_traces(&trace, plain.output.ids, plain.output.n, plain.logits_hash, &c);
        if (same)
            cr_assert(c.equal && c.logits_equal == LOGITS_EQUAL, "%s %s, %s %s, prompt %zu: differs at %ld", name, text,
                      rule_name, rule_text, i, (long)c.first_divergence);
        add_counts(&counts, &trace);
    }
    trial_trace_free(&plain);
    trial_trace_free(&trace);
    target_close(t);
    rule_close(r);
    policy_close(p);
    policy_close(none);
    return counts;
}

model_counts model_check(model *m, const char *name, const char *text, decode_sink sink) {
    static const char *const rules[][2] = {
        {"greedy", ""}, {"coupled", "temperature=0.3"}, {"coupled", "temperature=1"}};
    model_counts all = {0};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        model_counts c = model_run(m, name, text, rules[i][0], rules[i][1], true, sink);
        all.steps += c.steps;
        all.emitted += c.emitted;
        all.drafted += c.drafted;
        all.testable += c.testable;
        all.accepted += c.accepted;
    }
    return all;
}
