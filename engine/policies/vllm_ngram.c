/* vllm_ngram.c - vLLM's n-gram proposer (vllm/v1/spec_decode), from prompt and output.
 *
 * The original runs the Knuth-Morris-Pratt automaton over the reversed history in every step. What comes out is the
 * longest suffix, of n_min to n tokens, that occurs earlier, and of its places the leftmost; up to k tokens are copied
 * from there. An index gives the same at once.
 *
 *  V1  The prompt's pass has no draft: the original drafts once a token was sampled.
 *  V2  With one of n and n_min given, the other mirrors it; both are 5 when neither is. So n_min is preset to n.
 *  V3  It has no preset for k.
 */
#include <inttypes.h>

#include "engine/policies/history.h"

enum { N, N_MIN, K };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 5, 1, NGRAM_MAX, "longest trigger tried, in tokens (prompt_lookup_max)"),
    [N_MIN] = PARAM_INTEGER("n_min", 0, 0, NGRAM_MAX, "shortest trigger, at most n (prompt_lookup_min); 0 = n"),
    [K] = PARAM_INTEGER("k", 5, 1, DRAFT_CAP, "most tokens drafted (num_speculative_tokens)"),
};

static int vllm_open(policy *p, err *e) {
    int64_t n = p->spec.params.at[N].integer, n_min = p->spec.params.at[N_MIN].integer;
    return n_min <= n ? 0 : err_input(e, "n_min = %" PRId64 " is more than n = %" PRId64, n_min, n);
}

static int vllm_begin(policy *p, const policy_input *in, err *e) {
    size_t n = (size_t)p->spec.params.at[N].integer, n_min = (size_t)p->spec.params.at[N_MIN].integer;
    return history_begin(p->trial, n_min > 0 ? n_min : n, n, HISTORY_FIRST, 0, in, e);
}

static int vllm_observe(policy *p, const step_view *step, err *e) {
    return history_observe(p->trial, step, e);
}

static int vllm_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    size_t from, length, k = (size_t)p->spec.params.at[K].integer;
    history_ids(p->trial, &length);
    size_t n = length > p->in.n_prompt ? history_longest(p->trial, &from) : 0; /* V1 */
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
    .open = vllm_open,
    .begin = vllm_begin,
    .observe = vllm_observe,
    .propose = vllm_propose,
    .longest = vllm_longest,
    .end = vllm_end,
};
