/* What every drafting policy keeps: the table, the limits, a cell and its trials, memory that runs out. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tests/fixtures/tiny_store.h"
#include "tests/unit/policy_steps.h"

/* ---- the table -------------------------------------------------------------------------------------- */

Test(policies, table_is_sound) {
    for (size_t i = 0; i < policy_registry.n; i++) {
        const policy_ops *ops = policy_registry.at[i];
        cr_assert_eq(registry_find(&policy_registry, ops->name), ops, "two policies are named %s", ops->name);
        for (size_t k = 0; k < 2; k++) { /* these have columns of their own in results */
            int at = param_find(ops->params, ops->n_params, k == 0 ? "n" : "k");
            cr_assert(at < 0 || ops->params[at].type == PARAM_IS_INTEGER, "%s", ops->name);
        }
        cr_assert(ops->help != NULL && ops->origin != NULL);
        cr_assert_leq(ops->n_params, PARAM_MAX);
        for (size_t j = 0; j < ops->n_params; j++) {
            const param_spec *s = &ops->params[j];
            double            most = s->max;
            for (size_t c = 0; s->type == PARAM_IS_CHOICE && s->choices[c] != NULL; c++) most = (double)c;
            cr_assert(s->min <= s->preset && s->preset <= most, "%s: preset of %s", ops->name, s->name);
            cr_assert_eq(param_find(ops->params, ops->n_params, s->name), (int)j);
        }
    }
    cr_assert_null(registry_find(&policy_registry, "lmla"));
    cr_assert_null(registry_find(&policy_registry, ""));
}

static int breaks_limit(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)e;
    for (size_t i = 0; i <= limit; i++) draft_extend(d, &(int32_t){0}, 1);
    return 0;
}

static int breaks_vocabulary(policy *p, size_t limit, draft *d, err *e) {
    (void)limit, (void)e;
    draft_extend(d, &(int32_t){(int32_t)p->spec.vocab}, 1);
    return 0;
}

static int breaks_sign(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, &(int32_t){-1}, 1);
    return 0;
}

static int breaks_order(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, IDS(1, 2));
    d->parent[0] = 1;
    return 0;
}

static int breaks_root(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_add(d, -2, 1);
    return 0;
}

static int breaks_longest(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, IDS(1, 2, 3, 4));
    return 0;
}

static int drafts_tree(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_add(d, draft_add(d, DRAFT_ROOT, 1), 2);
    draft_add(d, DRAFT_ROOT, 3);
    return 0;
}

static size_t three(const param_values *v) {
    (void)v;
    return 3;
}

Test(policies, broken_ones_are_caught) {
    int (*const breaks[])(policy *, size_t, draft *, err *) = {breaks_limit, breaks_vocabulary, breaks_sign,
                                                               breaks_order, breaks_root,       breaks_longest};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        policy_ops ops = {.name = "broken", .propose = breaks[i], .longest = three};
        err        e = {0};
        draft      d;
        policy    *p = policy_open(&ops, &(policy_spec){.vocab = VOCAB}, &e);
        steps_begin(p, &(policy_input){0});
        cr_assert_eq(policy_propose(p, 5, &d, &e), -1, "case %zu", i);
        cr_assert_eq(e.kind, ERR_RUN);
        policy_close(p);
    }
}

Test(policies, trees_are_the_targets_to_refuse) {
    policy_ops ops = {.name = "branching", .propose = drafts_tree, .longest = three};
    err        e = {0};
    draft      d;
    policy    *p = policy_open(&ops, &(policy_spec){.vocab = VOCAB}, &e);
    steps_begin(p, &(policy_input){0});
    steps_propose(p, 5, &d);
    cr_assert(d.n == 3 && d.branches);
    policy_close(p);
}

/* ---- a cell and its trials -------------------------------------------------------------------------- */

static struct { int opened, begun, ended, closed; } calls;

typedef struct {
    int32_t *store; /* of the cell */
} counting_cell;

typedef struct {
    int32_t *index; /* of the trial */
} counting_trial;

static int counting_open(policy *p, err *e) {
    counting_cell *c = p->cell;
    cr_assert_null(c->store);
    cr_assert_eq(p->spec.vocab, VOCAB);
    calls.opened++;
    if (p->spec.params.at[0].integer == 13) return err_input(e, "13 is not allowed");
    if ((c->store = mem_new(1, sizeof *c->store, e)) == NULL) return -1;
    *c->store = (int32_t)p->spec.params.at[0].integer;
    return 0;
}

static int counting_begin(policy *p, const policy_input *in, err *e) {
    counting_trial *t = p->trial;
    cr_assert_null(t->index, "a trial begins with zeroed memory");
    calls.begun++;
    if ((t->index = mem_new(1, sizeof *t->index, e)) == NULL) return -1;
    return in->n_prompt > 0 ? 0 : err_run(e, "no prompt"); /* with memory taken */
}

static int counting_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)limit, (void)e;
    const counting_cell *c = p->cell;
    draft_add(d, DRAFT_ROOT, *c->store + (int32_t)p->in.n_prompt);
    return 0;
}

static void counting_end(policy *p) {
    counting_trial *t = p->trial;
    if (t->index != NULL) calls.ended++;
    free(t->index);
}

static void counting_close(policy *p) {
    counting_cell *c = p->cell;
    calls.closed++;
    free(c->store);
}

static const param_spec counting_params[] = {PARAM_INTEGER("first", 5, 0, 100, "id drafted after a prompt of none")};
static const policy_ops counting = {
    .name = "counting",
    .params = counting_params,
    .n_params = 1,
    .cell_bytes = sizeof(counting_cell),
    .trial_bytes = sizeof(counting_trial),
    .open = counting_open,
    .begin = counting_begin,
    .propose = counting_propose,
    .longest = three,
    .end = counting_end,
    .close = counting_close,
};

Test(policies, what_a_cell_opens_serves_all_its_trials) {
    policy_spec spec = {.vocab = VOCAB};
    err         e = {0};
    draft       d;
    param_presets(counting_params, 1, &spec.params);
    policy *p = policy_open(&counting, &spec, &e);
    cr_assert_not_null(p, "%s", e.text);
    cr_assert(calls.opened == 1 && calls.begun == 0);
    for (size_t i = 1; i <= 3; i++) {
        steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = i});
        steps_propose(p, 5, &d);
        steps_check(&d, IDS(5 + (int32_t)i), "from the cell's and the trial's knowledge");
        if (i == 2) policy_end(p); /* the others end where the next begins, or at close */
    }
    cr_assert_eq(policy_begin(p, &(policy_input){0}, &e), -1);
    cr_assert_str_eq(e.text, "policy counting: no prompt");
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 4});
    steps_propose(p, 5, &d);
    steps_check(&d, IDS(9), "after a trial that could not begin");
    policy_close(p);
    cr_assert(calls.opened == 1 && calls.closed == 1, "opened %d, closed %d", calls.opened, calls.closed);
    cr_assert(calls.begun == 5 && calls.ended == 5, "begun %d, ended %d", calls.begun, calls.ended);
}

Test(policies, open_may_refuse_or_fail) {
    policy_spec spec = {.vocab = VOCAB};
    err         e = {0};
    param_presets(counting_params, 1, &spec.params);
    spec.params.at[0].integer = 13;
    cr_assert_null(policy_open(&counting, &spec, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy counting: 13 is not allowed");
    cr_assert(calls.opened == 1 && calls.closed == 1);
    spec.vocab = 0;
    cr_assert_null(policy_open(&policy_none, &spec, &e));
    cr_assert_eq(e.kind, ERR_RUN);
}

static int forged_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)p, (void)limit, (void)e;
    draft_extend(d, IDS(1, 2));
    d->parent[1] = DRAFT_ROOT;
    return 0;
}

Test(policies, a_draft_that_hides_its_branches_is_refused) {
    static const policy_ops forged = {.name = "forged", .propose = forged_propose, .longest = three};
    policy_spec             spec = {.vocab = VOCAB};
    err                     e = {0};
    draft                   d;
    policy                 *p = policy_open(&forged, &spec, &e);
    cr_assert_not_null(p, "%s", e.text);
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 1});
    cr_assert_eq(policy_propose(p, 5, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_eq(strncmp(e.text, "policy forged changed the parents", 33), 0, "%s", e.text);
    policy_close(p);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

/* One short trial; 0, or -1 when an allocation failed on the way. */
static int trial(policy *p, const policy_input *in, draft *d, err *e) {
    static int32_t many[200];
    for (int i = 0; i < 200; i++) many[i] = i;
    if (steps_try_begin(p, in, e) != 0 || steps_try_observe(p, many, 200, e) != 0) return -1;
    if (steps_try_observe(p, IDS('a'), e) != 0) return -1;
    return policy_propose(p, DRAFT_CAP, d, e);
}

Test(policies, survive_every_failing_allocation) {
    err          e = {0};
    tokenizer   *tok = tokenizer_bytes(&e);
    reference    refs[] = {{(const int32_t[]){'a', 'b', 'c', 'd', 'e'}, 5}, {(const int32_t[]){'x', 'y'}, 2}};
    policy_input in = {.prompt = H3, .n_prompt = 13, .references = refs, .n_references = 2, .truth = H4, .n_truth = 14};
    for (size_t i = 0; i < policy_registry.n; i++) {
        const policy_ops *ops = policy_registry.at[i];
        policy_spec       spec = {.vocab = tokenizer_vocab(tok), .tok = tok};
        draft             want, got;
        bool              begun = false;
        const char       *own = steps_params(ops) != NULL ? steps_params(ops) : tiny_store(ops, spec.vocab, tok);
        if (own == NULL || (ops->needs & READS_LOGITS) != 0) continue; /* tested where they are */
        param_parse_list(ops->name, ops->params, ops->n_params, own, &spec.params, &e);
        if (strcmp(ops->name, "llma") == 0) spec.params.at[3].integer = 4; /* cut */
        policy *p = policy_open(ops, &spec, &e);
        cr_assert_eq(trial(p, &in, &want, &e), 0, "%s", e.text);
        policy_close(p);
        for (size_t k = 1;; k++) {
            mem_fail_at(k);
            p = policy_open(ops, &spec, &e);
            begun = p != NULL && trial(p, &in, &got, &e) == 0;
            mem_fail_at(0);
            if (begun) break;
            cr_assert_eq(e.kind, ERR_RUN, "%s: %s", ops->name, e.text);
            /* What failed once works when begun again. */
            if (p != NULL) cr_assert_eq(trial(p, &in, &got, &e), 0, "%s: %s", ops->name, e.text);
            if (p != NULL) cr_assert(steps_same(&got, &want), "%s after failure %zu", ops->name, k);
            policy_close(p);
            cr_assert_lt(k, 1000);
        }
        cr_assert(steps_same(&got, &want));
        policy_close(p);
        param_values_free(&spec.params);
    }
    tokenizer_close(tok);
}
