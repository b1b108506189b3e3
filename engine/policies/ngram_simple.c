/* ngram_simple.c - llama.cpp's drafter "ngram-simple", from prompt and output (common/ngram-map.cpp, September 2026).
 *
 * The last n tokens are searched for backwards, and up to k tokens are copied from behind their most recent place. The
 * original holds the token that comes last apart, and its bounds are on the tokens before it, |H| - 1 of them:
 *
 *  S1  They must be more than n + k + 1.
 *  S2  A place has one of them after it, and is not at the history's very beginning: index 0 means "none" there.
 *  S3  A copy ends with them: the last token of H is never drafted.
 *  S4  A draft of fewer than n tokens is dropped, and no older place is tried. So a text that repeats itself with a
 *      period shorter than n drafts nothing while it does.
 *  S5  Step 0 drafts, after the prompt's last token.
 */
#include "engine/policies/history.h"

enum { N, K };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 12, 1, NGRAM_MAX,
                        "trigger length: last tokens that must match, and fewest drafted (size-n)"),
    [K] = PARAM_INTEGER("k", 48, 1, DRAFT_CAP, "most tokens drafted (size-m); none before the text has n + k + 3"),
};

enum { APART = 2 }; /* the token sampled last, and the one that a place must have after it */

static int simple_begin(policy *p, const policy_input *in, err *e) {
    size_t n = (size_t)p->spec.params.at[N].integer;
    return history_begin(p->trial, n, n, HISTORY_LATEST, APART, in, e);
}

static int simple_observe(policy *p, const step_view *step, err *e) {
    return history_observe(p->trial, step, e);
}

static int simple_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    history *h = p->trial;
    size_t   n = (size_t)p->spec.params.at[N].integer, k = (size_t)p->spec.params.at[K].integer;
    size_t   ends[NGRAM_MAX], length;
    history_ids(h, &length);
    if (length < n + k + 3 || history_suffixes(h, ends) == 0 || ends[0] == n) return 0;
    size_t left = length - 1 - ends[0], count = k < left ? k : left;
    if (count >= n) history_copy(h, ends[0], count < limit ? count : limit, n, d);
    return 0;
}

static size_t simple_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void simple_end(policy *p) {
    history_free(p->trial);
}

const policy_ops policy_ngram_simple = {
    .name = "ngram_simple",
    .source = __FILE__,
    .help = "copies what follows the most recent place of the last n tokens in prompt or output",
    .origin = "llama.cpp, common/ngram-map.cpp (ngram-simple)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(history),
    .begin = simple_begin,
    .observe = simple_observe,
    .propose = simple_propose,
    .longest = simple_longest,
    .end = simple_end,
};
