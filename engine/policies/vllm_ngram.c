/* vllm_ngram.c - vLLM's n-gram proposer (vllm/v1/spec_decode), from prompt and output.
 *
 * The original runs the Knuth-Morris-Pratt automaton over the reversed history in every step. What comes out is the
 * longest suffix, of n_min to n tokens, that occurs earlier, and of its places the leftmost; up to k tokens are copied
 * from there. An index gives the same at once. vLLM presets n and n_min to 5 when neither is given, and has no preset
 * for k; n_min is cut to n here, so that n alone can be swept.
 */
#include "engine/policies/index/history.h"

enum { N, N_MIN, K };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 5, 1, NGRAM_MAX, "longest trigger tried, in tokens (prompt_lookup_max)"),
    [N_MIN] = PARAM_INTEGER("n_min", 5, 1, NGRAM_MAX, "shortest trigger (prompt_lookup_min); n when n is smaller"),
    [K] = PARAM_INTEGER("k", 5, 1, DRAFT_CAP, "most tokens drafted (num_speculative_tokens)"),
};

static int vllm_begin(policy *p, const policy_input *in, err *e) {
    size_t n = (size_t)p->spec.params.at[N].integer, n_min = (size_t)p->spec.params.at[N_MIN].integer;
    return history_begin(p->trial, n_min < n ? n_min : n, n, HISTORY_FIRST, 0, in, e);
}

static int vllm_observe(policy *p, const step_view *step, err *e) {
    return history_observe(p->trial, step, e);
}

static int vllm_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    size_t from, k = (size_t)p->spec.params.at[K].integer, n = history_longest(p->trial, &from);
    if (n > 0) history_copy(p->trial, from, k < limit ? k : limit, n, d);
    return 0;
}

static size_t vllm_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void vllm_end(policy *p) {
    history_free(p->trial);
}

const policy_ops policy_vllm_ngram = {
    .name = "vllm_ngram",
    .source = __FILE__,
    .help = "copies from prompt or output what follows the longest match of their last tokens",
    .origin = "vLLM, vllm/v1/spec_decode/ngram_proposer.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(history),
    .begin = vllm_begin,
    .observe = vllm_observe,
    .propose = vllm_propose,
    .longest = vllm_longest,
    .end = vllm_end,
};
