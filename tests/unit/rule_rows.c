#include "tests/unit/rule_rows.h"

#include <criterion/criterion.h>
#include <string.h>

static const float spoken[LANGUAGE_VOCAB + 1][LANGUAGE_VOCAB] = {
    {0.0f, 0.9f, -0.4f, 0.5f, -0.9f, 0.2f}, {0.3f, -0.2f, 1.1f, 0.0f, 0.4f, -0.8f},
    {-0.6f, 0.1f, 0.2f, 1.3f, 0.0f, 0.3f},  {0.8f, 0.7f, -0.5f, -0.3f, 0.6f, 0.1f},
    {0.1f, -0.7f, 0.9f, 0.2f, 1.0f, -0.1f}, {1.2f, 0.4f, 0.3f, -0.4f, -0.6f, 0.5f},
    {-0.3f, 0.6f, 0.0f, 0.7f, 0.5f, 1.4f},
};

const float *language_logits(int32_t last) {
    return spoken[last + 1];
}

const float *drafter_logits(int32_t last) {
    return spoken[(last + 4) % (LANGUAGE_VOCAB + 1)];
}

void language_rows(int32_t last, const draft *d, language_pass *out) {
    CHECK(d->n < LANGUAGE_ROWS, "%zu tokens", d->n);
    for (size_t row = 0; row <= d->n; row++)
        memcpy(out->logits + row * LANGUAGE_VOCAB, language_logits(row == 0 ? last : d->ids[row - 1]),
               LANGUAGE_VOCAB * sizeof *out->logits);
    out->pass = (rows){.n = d->n + 1, .vocab = LANGUAGE_VOCAB, .logits = out->logits};
}

rule *rule_for(const char *name, const char *params, size_t n) {
    const rule_ops *ops = registry_find(&rule_registry, name);
    param_values    values;
    err             e = {0};
    cr_assert_not_null(ops, "no rule %s", name);
    cr_assert_eq(param_parse_list(name, ops->params, ops->n_params, params, &values, &e), 0, "%s", e.text);
    rule *r = rule_open(ops, &values, n, &e);
    cr_assert_not_null(r, "%s", e.text);
    return r;
}

verdict rule_verdict(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws) {
    verdict v;
    err     e = {0};
    CHECK(rule_accept(r, pass, d, position, draws, &v, &e) == 0, "%s: %s", r->ops->name, e.text);
    CHECK(v.n <= d->n && v.next >= 0 && (size_t)v.next < pass->vocab, "%s: %d follows", r->ops->name, (int)v.next);
    for (size_t i = 0; i < v.n; i++)
        CHECK(d->parent[v.path[i]] == (i > 0 ? v.path[i - 1] : DRAFT_ROOT), "%s: no path", r->ops->name);
    return v;
}

noise noise_of(uint64_t seed, uint64_t trial) {
    return (noise){seed, digest64(&trial, sizeof trial)};
}
