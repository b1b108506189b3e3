#include "engine/rules/rule.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

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
    bool scratch = (ops->needs & GIVES_LOGITS) != 0;
    if (param_values_copy(params, &r->params, e) == 0 && (!scratch || (r->p = mem_new(vocab, sizeof *r->p, e)) != NULL))
        return r;
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
