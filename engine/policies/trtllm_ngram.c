/* trtllm_ngram.c - TensorRT-LLM's NGram drafter, from prompt, output, and earlier requests
 * (tensorrt_llm/_torch/speculative/ngram.py).
 *
 * A pool holds every pattern of 1 to n tokens that something followed, and as its matches the up to k tokens that did.
 * The longest pattern that ends the text drafts one of its matches.
 *
 *  T1  Near the text's end matches are short. So after each step the last k + n - 1 tokens before it are gone through
 *      again, with what is new. A match that its pattern does not have comes behind the others, and those that are
 *      shorter go. Where use_oldest or keep_all make the first match of k tokens a pattern's last word, the pool does
 *      less for the same drafts (match_pool.h, M2).
 *  T2  use_oldest = yes drafts a pattern's first match, no its last one. The last may be a short one, from the text's
 *      end.
 *  T3  keep_all = no keeps one match of a pattern: a longer one replaces it.
 *  T4  Step 0 does not draft: the original pools a text when it drafts, after the prompt's pass.
 *  T5  memory = cell is the original's is_public_pool = True, which it presets: samples share the pool. memory = none
 *      is False.
 *  T6  The original never forgets. Here a pool with more than `capacity` tokens is emptied before the next sample.
 *  T7  The original does not pool a text that leaves no room to draft, nor what the last step emits. Here all is.
 *  T8  The original takes shorter matches out of the set that it runs through, and so passes over the one behind each.
 *      With keep_all = no it also adds matches that are not longer than the first. `compat = yes` does both, too.
 */
#include "engine/policies/index/match_pool.h"
#include "engine/policies/policy.h"

enum { N, K, KEEP_ALL, USE_OLDEST, CAPACITY, COMPAT, MEMORY };

enum { OUTPUT_EXPECTED = 512 }; /* tokens */

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 2, 1, POOL_PATTERN_MAX, "longest pattern, in tokens (max_matching_ngram_size)"),
    [K] = PARAM_INTEGER("k", 4, 1, DRAFT_CAP, "most tokens of a match, and so of a draft (max_draft_len)"),
    [KEEP_ALL] = PARAM_YES_NO("keep_all", 1, "whether a pattern keeps all its matches (is_keep_all)"),
    [USE_OLDEST] = PARAM_YES_NO("use_oldest", 1, "whether its oldest match is drafted (is_use_oldest)"),
    [CAPACITY] = PARAM_INTEGER("capacity", 1 << 20, 1, 1 << 30,
                               "tokens in the pool with which it is emptied before the next sample"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: matches that should go stay where its loops err"),
    [MEMORY] = PARAM_MEMORY,
};

static int trtllm_begin(policy *p, const policy_input *in, err *e) {
    match_pool         *m = p->memory;
    const param_values *v = &p->spec.params;
    if ((int64_t)(m->text.n - m->n_samples) > v->at[CAPACITY].integer) match_pool_free(m);
    if (m->n == 0 && match_pool_init(m, (size_t)v->at[N].integer, (size_t)v->at[K].integer, v->at[KEEP_ALL].choice == 1,
                                     v->at[USE_OLDEST].choice == 1, v->at[COMPAT].choice == 1, e) != 0) {
        match_pool_free(m);
        return -1;
    }
    if (match_pool_begin(m, in->n_prompt + OUTPUT_EXPECTED, e) != 0) return -1;
    return match_pool_append(m, in->prompt, in->n_prompt, e);
}

static int trtllm_observe(policy *p, const step_view *step, err *e) {
    match_pool *m = p->memory;
    if (match_pool_append(m, step->emitted, step->n, e) != 0) return -1;
    return match_pool_step(m, e); /* T1 */
}

static int trtllm_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const match_pool *m = p->memory;
    pool_span         match;
    size_t            n = m->pooled > m->begin ? match_pool_longest(m, &match) : 0; /* T4 */
    if (n == 0) return 0;
    draft_extend(d, m->text.ids + match.from, match.length < limit ? match.length : limit);
    d->match_length = (uint16_t)n;
    d->source = SOURCE_OTHER;
    if (match.from < m->begin) return 0; /* an earlier sample's */
    size_t at = match.from - m->begin;
    d->source = at < p->in.n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    d->source_position = (int32_t)(at < p->in.n_prompt ? at : at - p->in.n_prompt);
    return 0;
}

static size_t trtllm_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void trtllm_forget(policy *p) {
    match_pool_free(p->memory);
}

const policy_ops policy_trtllm_ngram = {
    .name = "trtllm_ngram",
    .source = __FILE__,
    .help = "drafts what followed the text's last tokens in prompt or output, from a pool that samples may share",
    .origin = "TensorRT-LLM, tensorrt_llm/_torch/speculative/ngram.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .memory_bytes = sizeof(match_pool),
    .begin = trtllm_begin,
    .observe = trtllm_observe,
    .propose = trtllm_propose,
    .longest = trtllm_longest,
    .forget = trtllm_forget,
};
