/* controls.c - policies that attack the decode loop rather than save time.
 *
 * `wrong` drafts what plain decoding will not say: no token is accepted. `random` drafts anything. `hedge` drafts a
 * tree: what plain decoding will say, behind wrong siblings. Whatever they draft, the output must be the same. All
 * draft from step 0 on.
 */
#include <inttypes.h>

#include "engine/policies/policy.h"

enum { K, WIDTH };

static const param_spec params[] = {
    [K] = PARAM_INTEGER("k", 8, 1, DRAFT_CAP, "copy length in tokens, the last token included: k - 1 are drafted"),
};

static const param_spec hedge_params[] = {
    [K] = PARAM_INTEGER("k", 8, 1, DRAFT_CAP,
                        "tokens of a pass, the last token included: a tree has at most k - 1 nodes"),
    [WIDTH] = PARAM_INTEGER("width", 2, 1, DRAFT_CAP, "children of each true token; the true one comes last"),
};

typedef struct {
    size_t position; /* tokens in the output so far */
} control_state;

static int control_observe(policy *p, const step_view *step, err *e) {
    (void)e;
    control_state *s = p->trial;
    s->position = step->position + step->n;
    return 0;
}

static size_t control_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

/* How many tokens to draft. */
static size_t control_length(const policy *p, size_t limit) {
    size_t most = control_longest(&p->spec.params);
    return most < limit ? most : limit;
}

/* An integer from 0 to n - 1 that depends only on the output position. */
static int32_t control_pick(const policy *p, uint64_t position, size_t n) {
    size_t i = (size_t)(noise_uniform(p->in.noise, position, 0) * (double)n);
    return (int32_t)(i < n ? i : n - 1);
}

/* Any id but the true one at an output position, all of them equally likely. Needs two ids. */
static int32_t control_wrong(const policy *p, size_t position) {
    size_t vocab = p->spec.vocab;
    if (position >= p->in.n_truth) return control_pick(p, position, vocab);
    int32_t id = control_pick(p, position, vocab - 1);
    return id >= p->in.truth[position] ? id + 1 : id;
}

static int random_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const control_state *s = p->trial;
    size_t               n = control_length(p, limit);
    for (size_t i = 0; i < n; i++) {
        int32_t id = control_pick(p, s->position + i, p->spec.vocab);
        draft_extend(d, &id, 1);
    }
    return 0;
}

static int wrong_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const control_state *s = p->trial;
    size_t               n = control_length(p, limit);
    if (p->spec.vocab < 2) return 0; /* no token is wrong */
    for (size_t i = s->position; i < s->position + n; i++) draft_extend(d, (int32_t[]){control_wrong(p, i)}, 1);
    return 0;
}

static int hedge_open(policy *p, err *e) {
    int64_t k = p->spec.params.at[K].integer, width = p->spec.params.at[WIDTH].integer;
    if (width == 1 || width < k) return 0;
    return err_input(e, "width = %" PRId64 " does not fit into k - 1 = %" PRId64 " tokens", width, k - 1);
}

/* Wrong siblings are consecutive ids without the true one, around the vocabulary. */
static int hedge_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const control_state *s = p->trial;
    size_t               most = control_length(p, limit), width = (size_t)p->spec.params.at[WIDTH].integer;
    int32_t              above = DRAFT_ROOT, vocab = (int32_t)p->spec.vocab;
    if (width > p->spec.vocab) width = p->spec.vocab;
    for (size_t at = s->position; at < p->in.n_truth && d->n + width <= most; at++) {
        int32_t id = width > 1 ? control_wrong(p, at) : 0;
        for (size_t i = 1; i < width; i++, id = (id + 1) % vocab) {
            if (id == p->in.truth[at]) id = (id + 1) % vocab;
            draft_add(d, above, id);
        }
        above = draft_add(d, above, p->in.truth[at]);
    }
    return 0;
}

const policy_ops policy_random = {
    .name = "random",
    .source = __FILE__,
    .help = "control: drafts tokens drawn uniformly from the vocabulary",
    .origin = "a test of the decode loop",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(control_state),
    .observe = control_observe,
    .propose = random_propose,
    .longest = control_longest,
};

const policy_ops policy_wrong = {
    .name = "wrong",
    .source = __FILE__,
    .help = "control: drafts tokens that are not the true ones",
    .origin = "the worst any policy can do",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = NEEDS_TRUTH,
    .trial_bytes = sizeof(control_state),
    .observe = control_observe,
    .propose = wrong_propose,
    .longest = control_longest,
};

const policy_ops policy_hedge = {
    .name = "hedge",
    .source = __FILE__,
    .help = "control: drafts a tree, the true continuation behind wrong siblings",
    .origin = "a test of trees: every level costs its width, and one of its tokens is accepted",
    .params = hedge_params,
    .n_params = sizeof hedge_params / sizeof *hedge_params,
    .needs = NEEDS_TRUTH,
    .trial_bytes = sizeof(control_state),
    .open = hedge_open,
    .observe = control_observe,
    .propose = hedge_propose,
    .longest = control_longest,
};
