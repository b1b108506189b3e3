/* oracle.c - a control that knows plain decoding's output: the fewest steps that drafting, and that copying, can take.
 *
 * `from = truth` drafts the output itself, so every token is accepted. `from = copies` drafts as much of it as one copy
 * could hold: the longest run of next tokens, at most k - 1, that occurs
 *
 *  O1  within one reference, or in the prompt and the output so far, which are one text;
 *  O2  there also where it runs on into what it drafts, as in LZ77: after 4 5, the run 5 5 5 begins at the 5;
 *  O3  anywhere: no trigger is needed, so the first token after anything is one that a copy may give.
 *
 * Of its places the first counts: in the lowest reference, before the text. Step 0 drafts.
 *
 * No policy that copies one run a step, from these sources and of at most k - 1 tokens, takes fewer steps. Proof: let
 * r(t) be the longest run at output position t. Without its first tokens, the run at t is a run at t + 1, t + 2, ...,
 * so t <= u implies t + r(t) <= u + r(u): a step that begins later does not end earlier. A policy at t that gets
 * a <= r(t) tokens accepted goes on at t + a + 1, hence never beyond this one, by induction over the steps. That holds
 * for a tree, too, if each of its paths is such a run.
 */
#include "engine/policies/index/automaton.h"
#include "engine/policies/policy.h"

enum { K, FROM };
enum { FROM_TRUTH, FROM_COPIES };

static const char *const sources[] = {[FROM_TRUTH] = "truth", [FROM_COPIES] = "copies", NULL};

static const param_spec params[] = {
    [K] = PARAM_INTEGER("k", 8, 1, DRAFT_CAP, "copy length in tokens, the last token included: k - 1 are drafted"),
    [FROM] = PARAM_CHOICE("from", sources, FROM_TRUTH, "what is drafted: the truth, or what one copy has of it"),
};

typedef struct {
    size_t    position; /* tokens in the output so far */
    automaton texts;    /* of copies: the references; then prompt and truth, as one sequence */
} oracle_state;

static int oracle_begin(policy *p, const policy_input *in, err *e) {
    oracle_state *s = p->trial;
    if (p->spec.params.at[FROM].choice == FROM_TRUTH) return 0;
    size_t expected = in->n_prompt + in->n_truth + in->n_references;
    for (size_t i = 0; i < in->n_references; i++) expected += in->references[i].n;
    if (automaton_init(&s->texts, expected, e) != 0) return -1;
    for (size_t i = 0; i < in->n_references; i++)
        if (automaton_sequence(&s->texts, e) != 0 ||
            automaton_append(&s->texts, in->references[i].ids, in->references[i].n, e) != 0)
            return -1;
    if (automaton_sequence(&s->texts, e) != 0) return -1;
    if (automaton_append(&s->texts, in->prompt, in->n_prompt, e) != 0) return -1;
    return automaton_append(&s->texts, in->truth, in->n_truth, e);
}

static int oracle_observe(policy *p, const step_view *step, err *e) {
    (void)e;
    oracle_state *s = p->trial;
    s->position = step->position + step->n;
    return 0;
}

/* How many of the next `most` tokens, all of the truth, one copy holds; says where it is. */
static size_t oracle_copy(const policy *p, size_t most, draft *d) {
    const oracle_state *s = p->trial;
    const automaton    *a = &s->texts;
    const int32_t      *next = p->in.truth + s->position;
    size_t              text = a->starts[p->in.n_references], here = text + p->in.n_prompt + s->position;
    size_t              from = here, n = 0;
    for (uint32_t state = AUTOMATON_ROOT; n < most; n++) {
        state = automaton_next(a, state, next[n]); /* they are in the automaton, here at the latest */
        size_t start = a->states[state].end - (n + 1);
        if (start >= here) break;
        from = start;
    }
    if (n == 0) return 0;
    size_t at = automaton_sequence_at(a, from), position = from - a->starts[at];
    bool   output = from >= text + p->in.n_prompt;
    d->source = from < text ? (int32_t)at : output ? SOURCE_OUTPUT : SOURCE_PROMPT;
    d->source_position = (int32_t)(output ? position - p->in.n_prompt : position);
    return n;
}

static size_t oracle_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

static int oracle_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const oracle_state *s = p->trial;
    size_t              left = s->position < p->in.n_truth ? p->in.n_truth - s->position : 0;
    size_t              n = oracle_longest(&p->spec.params);
    if (n > limit) n = limit;
    if (n > left) n = left;
    if (n > 0 && p->spec.params.at[FROM].choice == FROM_COPIES) n = oracle_copy(p, n, d);
    if (n > 0) draft_extend(d, p->in.truth + s->position, n);
    return 0;
}

static void oracle_end(policy *p) {
    oracle_state *s = p->trial;
    automaton_free(&s->texts);
}

const policy_ops policy_oracle = {
    .name = "oracle",
    .source = __FILE__,
    .help = "control: drafts the true continuation, or what the best copy has of it",
    .origin = "the best that any policy can do, or any that copies",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = NEEDS_TRUTH,
    .trial_bytes = sizeof(oracle_state),
    .begin = oracle_begin,
    .observe = oracle_observe,
    .propose = oracle_propose,
    .longest = oracle_longest,
    .end = oracle_end,
};
