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
    *r = (rule){.ops = ops, .params = *params, .vocab = vocab};
    if ((ops->needs & GIVES_LOGITS) == 0) return r;
    r->p = mem_new(vocab, sizeof *r->p, e);
    if (r->p != NULL) return r;
    free(r);
    return NULL;
}

void rule_close(rule *r) {
    if (r == NULL) return;
    free(r->p);
    free(r);
}

double rule_temperature(const rule_ops *ops, const param_values *params) {
    int i = param_find(ops->params, ops->n_params, "temperature");
    return i < 0 ? 0 : params->at[i];
}
