#include "engine/policies/policy.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

#define POLICY(name) extern const policy_ops policy_##name;
#include "engine/policies/policies.def"
#undef POLICY

static const void *const all[] = {
#define POLICY(name) &policy_##name,
#include "engine/policies/policies.def"
#undef POLICY
};

const registry policy_registry = REGISTRY("policy", all);

size_t policy_longest(const policy_ops *ops, const param_values *params) {
    return ops->longest != NULL ? ops->longest(params) : 0;
}

policy *policy_open(const policy_ops *ops, const policy_spec *spec, err *e) {
    policy *p = mem_new(1, sizeof *p, e);
    if (p == NULL) return NULL;
    p->ops = ops;
    p->spec = *spec;
    if (param_values_copy(&spec->params, &p->spec.params, e) != 0) {
        free(p);
        return NULL;
    }
    int ret = spec->vocab > 0 ? 0 : err_run(e, "policy %s: the vocabulary is empty", ops->name);
    if (ret == 0 && param_check_unchanged(&p->spec.params, e) != 0) ret = err_prefix(e, "policy %s", ops->name);
    if (ret == 0 &&
        ((p->cell = mem_new(1, ops->cell_bytes, e)) == NULL || (p->trial = mem_new(1, ops->trial_bytes, e)) == NULL))
        ret = -1;
    if (ret == 0 && ops->open != NULL && ops->open(p, e) != 0) ret = err_prefix(e, "policy %s", ops->name);
    if (ret == 0) return p;
    policy_close(p);
    return NULL;
}

void policy_end(policy *p) {
    if (p->ops->end != NULL) p->ops->end(p);
    memset(p->trial, 0, p->ops->trial_bytes);
}

void policy_close(policy *p) {
    if (p == NULL) return;
    if (p->trial != NULL) policy_end(p);
    if (p->cell != NULL && p->ops->close != NULL) p->ops->close(p);
    param_values_free(&p->spec.params);
    free(p->cell);
    free(p->trial);
    free(p);
}

int policy_begin(policy *p, const policy_input *in, err *e) {
    policy_end(p);
    p->in = *in;
    if ((p->ops->needs & NEEDS_TRUTH) != 0 && in->truth == NULL)
        return err_run(e, "policy %s needs the output of plain decoding, which is not known here", p->ops->name);
    if (p->ops->begin != NULL && p->ops->begin(p, in, e) != 0) return err_prefix(e, "policy %s", p->ops->name);
    return 0;
}

int policy_observe(policy *p, const step_view *step, err *e) {
    if (p->ops->observe != NULL && p->ops->observe(p, step, e) != 0) return err_prefix(e, "policy %s", p->ops->name);
    return 0;
}

int policy_propose(policy *p, size_t limit, draft *d, err *e) {
    const char *name = p->ops->name;
    draft_clear(d);
    if (p->ops->propose == NULL) return 0;
    if (limit > DRAFT_CAP) limit = DRAFT_CAP;
    if (p->ops->propose(p, limit, d, e) != 0) return err_prefix(e, "policy %s", name);
    size_t longest = policy_longest(p->ops, &p->spec.params), most = longest < limit ? longest : limit;
    if (d->n > most) return err_run(e, "policy %s drafted %zu tokens (at most %zu)", name, d->n, most);
    bool branches = false;
    for (size_t i = 0; i < d->n; i++) {
        branches = branches || d->parent[i] != (int32_t)i - 1;
        if (d->ids[i] < 0 || (size_t)d->ids[i] >= p->spec.vocab)
            return err_run(e, "policy %s drafted id %d (0 to %zu)", name, (int)d->ids[i], p->spec.vocab - 1);
        if (d->parent[i] < DRAFT_ROOT || d->parent[i] >= (int32_t)i)
            return err_run(e, "policy %s drafted node %zu below node %d (parents come first)", name, i,
                           (int)d->parent[i]);
    }
    if (branches != d->branches)
        return err_run(e, "policy %s changed the parents of a draft by hand (draft_add keeps `branches` right)", name);
    return 0;
}
