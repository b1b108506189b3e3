/* chain.c - several policies, asked in turn: the first one whose draft is long enough drafts (llama.cpp's list of
 * speculative types, common/speculative.cpp, September 2026).
 *
 *     stages = suffix > llma n=2 k=20 at_least=4 > pld       (stages.h)
 *
 *  C1  A draft of fewer tokens than its stage's at_least is dropped, and the next stage is asked; those after the first
 *      draft that is taken are not. In the original, most stages have a limit of their own (n_min) and drop a shorter
 *      draft themselves, and the first draft that is not empty is taken. It is the same.
 *  C2  A draft drawn at random (draft.q) is taken as soon as it has a token: whether it is dropped must not depend on
 *      what was drawn, or a rule that knows q would not give the target's distribution.
 *  C3  Every stage observes every step. The one that drafted sees it as its own. For the others, step.foreign says that
 *      the draft is another policy's; what was emitted and what the target said are for all.
 *  C4  What is recorded of a draft (source, match) is as its stage recorded it; nothing is when no draft is taken. The
 *      draft says which stage it was.
 *  C5  A stage gets what it would get alone: the same input and noise, memory by its own parameter `memory`. But its
 *      propose is not called in every step.
 */
#include "engine/policies/stages.h"

enum { STAGES };

static const param_spec params[] = {
    [STAGES] = PARAM_TEXT("stages", &stages_reader,
                          "policies to ask in turn: POLICY NAME=VALUE .. > POLICY ..; at_least=N: fewest tokens of a "
                          "stage's draft (n_min). A value with blanks, commas or > goes in quotes, \" or '"),
};

typedef struct {
    policy *at[STAGES_MAX];
    size_t  n;
} chain_cell;

typedef struct {
    size_t taken; /* the stage that drafted last; n = none */
} chain_trial;

static const policy_stage *chain_stages(const param_values *v, size_t *n) {
    return stages_of_value(&v->at[STAGES], n);
}

static int chain_open(policy *p, err *e) {
    chain_cell         *c = p->cell;
    size_t              n;
    const policy_stage *stages = chain_stages(&p->spec.params, &n);
    for (; c->n < n; c->n++) {
        policy_spec spec = p->spec;
        spec.params = stages[c->n].params;
        if ((c->at[c->n] = policy_open(stages[c->n].ops, &spec, e)) == NULL)
            return err_prefix(e, "stage %zu", c->n + 1);
        size_t longest = policy_longest(stages[c->n].ops, &spec.params);
        if (longest > 0 && stages[c->n].at_least > longest) {
            err_input(e, "stage %zu, %s: at_least = %zu is more than it ever drafts, %zu", c->n + 1,
                      stages[c->n].ops->name, stages[c->n].at_least, longest);
            c->n++; /* it was opened */
            return -1;
        }
    }
    return 0;
}

static int chain_check_files(const policy *p, err *e) {
    const chain_cell *c = p->cell;
    for (size_t i = 0; i < c->n; i++)
        if (policy_check_files(c->at[i], e) != 0) return err_prefix(e, "policy %s", p->ops->name);
    return 0;
}

static int chain_begin(policy *p, const policy_input *in, err *e) {
    const chain_cell *c = p->cell;
    ((chain_trial *)p->trial)->taken = c->n;
    for (size_t i = 0; i < c->n; i++)
        if (policy_begin(c->at[i], in, e) != 0) return -1;
    return 0;
}

static int chain_observe(policy *p, const step_view *step, err *e) {
    const chain_cell  *c = p->cell;
    const chain_trial *t = p->trial;
    for (size_t i = 0; i < c->n; i++) {
        step_view own = *step;
        own.foreign = step->foreign || i != t->taken;
        if (policy_observe(c->at[i], &own, e) != 0) return -1;
    }
    return 0;
}

static int chain_propose(policy *p, size_t limit, draft *d, err *e) {
    const chain_cell   *c = p->cell;
    chain_trial        *t = p->trial;
    size_t              n;
    const policy_stage *stages = chain_stages(&p->spec.params, &n);
    for (t->taken = 0; t->taken < n; t->taken++) {
        if (policy_propose(c->at[t->taken], limit, d, e) != 0) return -1;
        if (d->n >= stages[t->taken].at_least || (d->n > 0 && d->q != NULL)) {
            d->stage = (uint16_t)(t->taken + 1);
            return 0;
        }
    }
    draft_clear(d);
    return 0;
}

static void chain_end(policy *p) {
    const chain_cell *c = p->cell;
    for (size_t i = 0; i < c->n; i++) policy_end(c->at[i]);
}

static void chain_forget(policy *p) {
    const chain_cell *c = p->cell;
    for (size_t i = 0; i < c->n; i++) policy_forget(c->at[i]);
}

static void chain_close(policy *p) {
    const chain_cell *c = p->cell;
    for (size_t i = 0; i < c->n; i++) policy_close(c->at[i]);
}

const policy_ops policy_chain = {
    .name = "chain",
    .source = __FILE__,
    .help = "asks several policies in turn, and takes the first draft that is long enough",
    .origin = "llama.cpp, common/speculative.cpp (--spec-type, given more than once)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(chain_cell),
    .trial_bytes = sizeof(chain_trial),
    .open = chain_open,
    .begin = chain_begin,
    .observe = chain_observe,
    .propose = chain_propose,
    .stages = chain_stages,
    .check_files = chain_check_files,
    .end = chain_end,
    .forget = chain_forget,
    .close = chain_close,
};
