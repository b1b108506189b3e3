/* pld.c - prompt-lookup decoding (Saxena 2023, prompt-lookup-decoding), from prompt and output.
 *
 * The history H is the prompt and the output so far. For n from the largest down to 1, its last n tokens are
 * searched from the left. The first window, at s, is taken for which c = s + n, where copying starts, satisfies
 *
 *     c + k <= |H|  (all k tokens are there)   and   c < |H| - n  (binds only when k <= n),
 *
 * and exactly k tokens are drafted from c. A shorter match never yields a shorter draft.
 *
 * P1  Both conditions bound c from above, so if any window passes, the leftmost does: the first occurrence of an
 *     n-gram decides, and the suffix itself, at c = |H|, never passes. One look-up replaces the scan.
 * P2  Step 0 drafts, from the prompt only.
 * P3  n > |H| is left out; the original refuses such a history.
 */
#include <inttypes.h>

#include "engine/policies/history.h"

enum { N, K, MISS };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 3, 1, NGRAM_MAX, "longest trigger tried, in tokens (max_ngram_size)"),
    [K] = PARAM_INTEGER("k", 10, 1, DRAFT_CAP,
                        "drafted tokens (num_pred_tokens); as its authors count, the last token is not among them"),
    [MISS] = PARAM_INTEGER("miss", -1, -1, INT32_MAX,
                           "id drafted alone when nothing matches (the original: 100); -1 = none"),
};

static int pld_open(policy *p, err *e) {
    int64_t miss = p->spec.params.at[MISS].integer;
    if (miss < (int64_t)p->spec.vocab) return 0;
    return err_input(e, "miss = %" PRId64 " is not in the vocabulary (-1 to %zu)", miss, p->spec.vocab - 1);
}

static int pld_begin(policy *p, const policy_input *in, err *e) {
    return history_begin(p->trial, 1, (size_t)p->spec.params.at[N].integer, HISTORY_FIRST, 0, in, e);
}

static int pld_observe(policy *p, const step_view *step, err *e) {
    return history_observe(p->trial, step, e);
}

static int pld_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    history *h = p->trial;
    size_t   k = (size_t)p->spec.params.at[K].integer, ends[NGRAM_MAX], length;
    history_ids(h, &length);
    for (size_t n = history_suffixes(h, ends); n >= 1; n--) {
        size_t from = ends[n - 1];
        if (from + k > length || from + n >= length) continue;
        history_copy(h, from, k < limit ? k : limit, n, d);
        return 0;
    }
    int32_t miss = (int32_t)p->spec.params.at[MISS].integer;
    if (miss >= 0 && limit > 0) draft_extend(d, &miss, 1);
    return 0;
}

static size_t pld_longest(const param_values *v) {
    return (size_t)v->at[K].integer; /* at least the 1 of a miss */
}

static void pld_end(policy *p) {
    history_free(p->trial);
}

const policy_ops policy_pld = {
    .name = "pld",
    .source = __FILE__,
    .help = "copies from prompt or output what follows their last tokens there",
    .origin = "Saxena 2023, prompt-lookup-decoding",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(history),
    .open = pld_open,
    .begin = pld_begin,
    .observe = pld_observe,
    .propose = pld_propose,
    .longest = pld_longest,
    .end = pld_end,
};
