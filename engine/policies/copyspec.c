/* copyspec.c - CopySpec (arXiv 2502.08923), from prompt and output, as its published code has it.
 *
 * The last n tokens are looked up, and up to k tokens are copied from behind their first place.
 *
 *  C1  n is fixed: no shorter suffix is tried.
 *  C2  A place that something follows counts, also when it overlaps the last n tokens; the copy ends with the text.
 *  C3  The prompt's pass has no draft: the original drafts once a token was sampled.
 *  C4  The original compares hashes of the n tokens; here the tokens are compared, so no collision drafts.
 *  C5  Where fewer than n tokens are left of max_new_tokens, the original looks up as many as are left, in a table that
 *      holds none of that length, and drafts nothing. Here it drafts: the bound on n is no part of the method.
 *
 * So it drafts what vllm_ngram does with n_min = n, and with other presets.
 */
#include "engine/policies/history.h"

enum { N, K };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 3, 1, NGRAM_MAX, "trigger length: last tokens that must match (gamma)"),
    [K] = PARAM_INTEGER("k", 10, 1, DRAFT_CAP, "most tokens drafted (number_copy)"),
};

static int copyspec_begin(policy *p, const policy_input *in, err *e) {
    size_t n = (size_t)p->spec.params.at[N].integer;
    return history_begin(p->trial, n, n, HISTORY_FIRST, 0, in, e);
}

static int copyspec_observe(policy *p, const step_view *step, err *e) {
    return history_observe(p->trial, step, e);
}

static int copyspec_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    size_t from, length, k = (size_t)p->spec.params.at[K].integer;
    history_ids(p->trial, &length);
    size_t n = length > p->in.n_prompt ? history_longest(p->trial, &from) : 0; /* C3 */
    if (n > 0) history_copy(p->trial, from, k < limit ? k : limit, n, d);
    return 0;
}

static size_t copyspec_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void copyspec_end(policy *p) {
    history_free(p->trial);
}

const policy_ops policy_copyspec = {
    .name = "copyspec",
    .source = __FILE__,
    .help = "copies what follows the first place of the last n tokens in prompt or output",
    .origin = "Dumitru et al. 2025, arXiv 2502.08923; RazvanDu/CopySpec, speculative_copying.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(history),
    .begin = copyspec_begin,
    .observe = copyspec_observe,
    .propose = copyspec_propose,
    .longest = copyspec_longest,
    .end = copyspec_end,
};
