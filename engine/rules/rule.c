#include "engine/rules/rule.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/rules/logits.h"

#define RULE(name) extern const rule_ops rule_##name;
#include "engine/rules/rules.def"
#undef RULE

static const void *const all[] = {
#define RULE(name) &rule_##name,
#include "engine/rules/rules.def"
#undef RULE
};

const registry rule_registry = REGISTRY("rule", all);

rule *rule_open(const rule_ops *ops, const param_values *params, size_t vocab, err *e) {
    rule *r = mem_new(1, sizeof *r, e);
    if (r == NULL) return NULL;
    r->ops = ops;
    r->vocab = vocab;
    r->sampler = sampler_of(ops->params, ops->n_params, params);
    bool scratch = (ops->needs & GIVES_LOGITS) != 0;
    int  ret = param_values_copy(params, &r->params, e);
    if (ret == 0 && param_check_unchanged(&r->params, e) != 0) ret = err_prefix(e, "rule %s", ops->name);
    if (ret == 0 && ops->check != NULL && ops->check(r, e) != 0) ret = err_prefix(e, "rule %s", ops->name);
    if (ret == 0 && (!scratch || (r->p = mem_new(vocab, sizeof *r->p, e)) != NULL)) {
        rule_begin(r, NULL, 0);
        return r;
    }
    rule_close(r);
    return NULL;
}

void rule_close(rule *r) {
    if (r == NULL) return;
    param_values_free(&r->params);
    free(r->p);
    free(r);
}

double rule_temperature(const rule_ops *ops, const param_values *params) {
    int i = param_find(ops->params, ops->n_params, "temperature");
    return i < 0 ? 0 : params->at[i].real;
}

/* ---- accepting ---------------------------------------------------------------------------------------- */

static int check_rows(const rule *r, const rows *pass, const draft *d, err *e) {
    const char *name = r->ops->name;
    if (pass->n != d->n + 1)
        return err_run(e, "rule %s: a draft of %zu tokens needs %zu rows, not %zu", name, d->n, d->n + 1, pass->n);
    bool logits = pass->logits != NULL && pass->vocab == r->vocab;
    if ((r->ops->needs & GIVES_LOGITS) != 0 && !logits)
        return err_run(e, "rule %s needs logits over %zu ids, which the target does not give", name, r->vocab);
    if (d->q != NULL && d->branches) return err_run(e, "rule %s: a tree of drafts was drawn at random (a chain)", name);
    if (pass->forced == NULL && !logits)
        return err_run(e, "rule %s: the target gives neither choices nor logits", name);
    return 0;
}

void rule_begin(rule *r, const int32_t *prompt, size_t n) {
    if (r->ops->begin != NULL) r->ops->begin(r, prompt, n);
}

void rule_observe(rule *r, const int32_t *emitted, size_t n) {
    if (r->ops->observe != NULL) r->ops->observe(r, emitted, n);
}

int rule_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out, err *e) {
    out->n = 0;
    return check_rows(r, pass, d, e) == 0 ? r->ops->accept(r, pass, d, position, draws, out, e) : -1;
}

int32_t rule_choice(const rows *pass, size_t row) {
    return pass->forced != NULL ? pass->forced[row] : logits_argmax(rule_logits(pass, row), pass->vocab);
}

const float *rule_logits(const rows *pass, size_t row) {
    return pass->logits + row * pass->vocab;
}

const double *rule_probs(rule *r, const rows *pass, size_t row) {
    sampler_probs(&r->sampler, rule_logits(pass, row), pass->vocab, r->p);
    return r->p;
}
