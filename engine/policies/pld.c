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

#include "engine/policies/index/ngram_index.h"
#include "engine/policies/policy.h"

enum { N, K, MISS };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 3, 1, NGRAM_MAX, "longest trigger tried, in tokens (max_ngram_size)"),
    [K] = PARAM_INTEGER("k", 10, 1, DRAFT_CAP,
                        "drafted tokens (num_pred_tokens); as its authors count, the last token is not among them"),
    [MISS] = PARAM_INTEGER("miss", -1, -1, INT32_MAX,
                           "id drafted alone when nothing matches (the original: 100); -1 = none"),
};

typedef struct {
    ngram_index index; /* one sequence: H */
} pld_state;

static int pld_open(policy *p, err *e) {
    int64_t miss = p->spec.params.at[MISS].integer;
    if (miss < (int64_t)p->spec.vocab) return 0;
    return err_input(e, "miss = %" PRId64 " is not in the vocabulary (-1 to %zu)", miss, p->spec.vocab - 1);
}

static int pld_begin(policy *p, const policy_input *in, err *e) {
    pld_state *s = p->trial;
    if (ngram_index_init(&s->index, 1, (size_t)p->spec.params.at[N].integer, in->n_prompt, e) != 0) return -1;
    if (ngram_index_sequence(&s->index, e) != 0) return -1;
    return ngram_index_append(&s->index, in->prompt, in->n_prompt, e);
}

static int pld_observe(policy *p, const step_view *step, err *e) {
    pld_state *s = p->trial;
    return ngram_index_append(&s->index, step->emitted, step->n, e);
}

static int pld_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    pld_state     *s = p->trial;
    size_t         k = (size_t)p->spec.params.at[K].integer, n_history;
    const int32_t *history = ngram_index_tokens(&s->index, 0, &n_history);
    ngram_place    places[NGRAM_MAX];
    for (size_t n = ngram_index_suffixes(&s->index, history, n_history, places); n >= 1; n--) {
        size_t from = places[n - 1].position + n;
        if (from + k > n_history || from + n >= n_history) continue;
        size_t n_prompt = p->in.n_prompt;
        draft_extend(d, history + from, k < limit ? k : limit);
        d->match_length = (uint16_t)n;
        d->source = from < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
        d->source_position = (int32_t)(from < n_prompt ? from : from - n_prompt);
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
    pld_state *s = p->trial;
    ngram_index_free(&s->index);
}

const policy_ops policy_pld = {
    .name = "pld",
    .source = __FILE__,
    .help = "copies from prompt or output what follows their last tokens there",
    .origin = "Saxena 2023, prompt-lookup-decoding",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(pld_state),
    .open = pld_open,
    .begin = pld_begin,
    .observe = pld_observe,
    .propose = pld_propose,
    .longest = pld_longest,
    .end = pld_end,
};
