#include "engine/policies/policy.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/target/rows.h"

#define POLICY(name) extern const policy_ops policy_##name;
#include "engine/policies/policies.def"
#undef POLICY

static const void *const all[] = {
#define POLICY(name) &policy_##name,
#include "engine/policies/policies.def"
#undef POLICY
};

const registry policy_registry = REGISTRY("policy", all);

const char *const policy_memories[] = {[MEMORY_NONE] = "none", [MEMORY_CELL] = "cell", NULL};

/* Those of its parameters; none for a policy without. */
static const policy_stage *stages_of(const policy_ops *ops, const param_values *params, size_t *n) {
    *n = 0;
    return ops->stages != NULL ? ops->stages(params, n) : NULL;
}

unsigned policy_needs(const policy_ops *ops, const param_values *params) {
    size_t              n;
    const policy_stage *stages = stages_of(ops, params, &n);
    unsigned            needs = ops->needs;
    for (size_t i = 0; i < n; i++) needs |= policy_needs(stages[i].ops, &stages[i].params);
    return needs;
}

bool policy_remembers(const policy_ops *ops, const param_values *params) {
    size_t              n;
    const policy_stage *stages = stages_of(ops, params, &n);
    for (size_t i = 0; i < n; i++)
        if (policy_remembers(stages[i].ops, &stages[i].params)) return true;
    int at = param_find(ops->params, ops->n_params, "memory");
    return ops->memory_bytes > 0 && at >= 0 && params->at[at].choice == MEMORY_CELL;
}

size_t policy_longest(const policy_ops *ops, const param_values *params) {
    size_t              n;
    const policy_stage *stages = stages_of(ops, params, &n);
    size_t              longest = ops->longest != NULL ? ops->longest(params) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t own = policy_longest(stages[i].ops, &stages[i].params);
        if (own > longest) longest = own;
    }
    return longest;
}

static const param_file *file_at(const policy *p, size_t i) {
    const param_value *v = &p->spec.params.at[i];
    return i < p->ops->n_params && v->type == PARAM_IS_FILE ? v->file : NULL;
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
    int ret = param_check_present(ops->name, ops->params, ops->n_params, &p->spec.params, e);
    if (ret == 0) {
        p->longest = policy_longest(ops, &p->spec.params);
        p->remembers = policy_remembers(ops, &p->spec.params);
        ret = spec->vocab > 0 ? 0 : err_run(e, "policy %s: the vocabulary is empty", ops->name);
    }
    for (size_t i = 0; ret == 0 && i < PARAM_MAX; i++)
        if (file_at(p, i) != NULL) p->files[i] = file_stamp_of(file_at(p, i)->path);
    if (ret == 0 && param_check_unchanged(&p->spec.params, e) != 0) ret = err_prefix(e, "policy %s", ops->name);
    if (ret == 0 &&
        ((p->cell = mem_new(1, ops->cell_bytes, e)) == NULL || (p->trial = mem_new(1, ops->trial_bytes, e)) == NULL ||
         (p->memory = mem_new(1, ops->memory_bytes, e)) == NULL))
        ret = -1;
    if (ret == 0 && ops->open != NULL && ops->open(p, e) != 0) ret = err_prefix(e, "policy %s", ops->name);
    if (ret == 0) return p;
    policy_close(p);
    return NULL;
}

/* What a policy maps must stay as it was when the policy was opened. A file that is replaced, as `harness datastore`
 * does it, stays; one that is written over does not, and what was checked of it then would not hold. */
int policy_check_files(const policy *p, err *e) {
    for (size_t i = 0; i < PARAM_MAX; i++) {
        const param_file *f = file_at(p, i);
        if (f == NULL || !file_overwritten(f->path, &p->files[i])) continue;
        return err_run(e, "policy %s: %s: was written over while it was in use (put a new file in its place instead)",
                       p->ops->name, f->path);
    }
    return p->ops->check_files != NULL ? p->ops->check_files(p, e) : 0;
}

static void end_trial(policy *p) {
    if (p->ops->end != NULL) p->ops->end(p);
    memset(p->trial, 0, p->ops->trial_bytes);
}

void policy_end(policy *p) {
    if (p->remembers)
        end_trial(p);
    else
        policy_forget(p);
}

void policy_forget(policy *p) {
    end_trial(p);
    if (p->ops->forget != NULL) p->ops->forget(p);
    memset(p->memory, 0, p->ops->memory_bytes);
}

void policy_close(policy *p) {
    if (p == NULL) return;
    if (p->trial != NULL && p->memory != NULL) policy_forget(p);
    if (p->cell != NULL && p->ops->close != NULL) p->ops->close(p);
    param_values_free(&p->spec.params);
    free(p->cell);
    free(p->trial);
    free(p->memory);
    free(p);
}

int policy_begin(policy *p, const policy_input *in, err *e) {
    policy_end(p);
    p->in = *in;
    if ((policy_needs(p->ops, &p->spec.params) & NEEDS_TRUTH) != 0 && in->truth == NULL)
        return err_run(e, "policy %s needs the output of plain decoding, which is not known here", p->ops->name);
    if (p->ops->begin != NULL && p->ops->begin(p, in, e) != 0) return err_prefix(e, "policy %s", p->ops->name);
    return 0;
}

int policy_observe(policy *p, const step_view *step, err *e) {
    if ((p->ops->needs & READS_LOGITS) != 0 && (step->rows == NULL || step->rows->logits == NULL))
        return err_run(e, "policy %s reads logits, which the target does not give", p->ops->name);
    if (p->ops->observe != NULL && p->ops->observe(p, step, e) != 0) return err_prefix(e, "policy %s", p->ops->name);
    return 0;
}

int policy_propose(policy *p, size_t limit, draft *d, err *e) {
    const char *name = p->ops->name;
    draft_clear(d);
    if (p->ops->propose == NULL) return 0;
    if (limit > DRAFT_CAP) limit = DRAFT_CAP;
    if (p->ops->propose(p, limit, d, e) != 0) return err_prefix(e, "policy %s", name);
    size_t most = p->longest < limit ? p->longest : limit;
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
