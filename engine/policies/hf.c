/* hf.c - prompt lookup as Hugging Face transformers has it (PromptLookupCandidateGenerator), from prompt and output.
 *
 * Of the last n tokens, n from the largest down to 1, the leftmost earlier occurrence that something follows decides;
 * up to k tokens are copied from there, as many as there are.
 *
 *  H1  A draft ends before the first stop token in it. If that leaves nothing, nothing is drafted: no other place is
 *      tried.
 *  H2  The original does not draft where only one more token may come, and does not cut a draft at max_new_tokens. Here
 *      the decode loop's limits hold, and the last step may draft. Neither changes what is accepted.
 */
#include "engine/policies/history.h"

enum { N, K };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 2, 1, NGRAM_MAX, "longest trigger tried, in tokens (max_matching_ngram_size)"),
    [K] = PARAM_INTEGER("k", 10, 1, DRAFT_CAP, "most tokens drafted (prompt_lookup_num_tokens)"),
};

static int hf_begin(policy *p, const policy_input *in, err *e) {
    return history_begin(p->trial, 1, (size_t)p->spec.params.at[N].integer, HISTORY_FIRST, 0, in, e);
}

static int hf_observe(policy *p, const step_view *step, err *e) {
    return history_observe(p->trial, step, e);
}

static int hf_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    size_t from, k = (size_t)p->spec.params.at[K].integer, n = history_longest(p->trial, &from);
    if (n == 0) return 0;
    history_copy(p->trial, from, k < limit ? k : limit, n, d);
    for (size_t i = 0; i < d->n; i++)
        if (stops_have(p->in.stops, d->ids[i])) d->n = i;
    return 0;
}

static size_t hf_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void hf_end(policy *p) {
    history_free(p->trial);
}

const policy_ops policy_hf = {
    .name = "hf",
    .source = __FILE__,
    .help = "copies from prompt or output what follows their last tokens there, as many as there are",
    .origin = "Hugging Face transformers, PromptLookupCandidateGenerator",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(history),
    .begin = hf_begin,
    .observe = hf_observe,
    .propose = hf_propose,
    .longest = hf_longest,
    .end = hf_end,
};
