/* llma.c - inference with reference (arXiv 2304.04487), as its published code behaves (LMOps, llma/src/decode.py).
 *
 * When the last tokens of the output occur in a reference, what follows there is drafted. Where the paper leaves
 * a choice, the code decides, and so do we:
 *
 *  L1  The trigger is a suffix of the output and never reaches into the prompt. So step 0 cannot draft.
 *  L2  The longest suffix counts, from max_n tokens (n, if that is larger) down to n.
 *  L3  Only its first occurrence counts: lowest reference, then lowest position. If that is at the end of its
 *      reference, the draft is empty, even if a later occurrence or a shorter suffix could give more.
 *  L4  k counts the last token, which goes through the pass too: at most k - 1 tokens are copied.
 *  L5  Copies do not cross the end of a reference.
 *  L6  References are cut to their first `cut` tokens by way of text: ids, cut, text, ids again. The second
 *      tokenization may differ from the cut ids by a token or two.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/tokens.h"
#include "engine/policies/index/ngram_index.h"
#include "engine/policies/policy.h"
#include "engine/tokenizer/tokenizer.h"

enum { N, K, MAX_N, CUT };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 1, 1, NGRAM_MAX, "trigger length: fewest last tokens that must match"),
    [K] = PARAM_INTEGER("k", 20, 1, DRAFT_CAP, "copy length in tokens, the last token included: k - 1 are drafted"),
    [MAX_N] = PARAM_INTEGER("max_n", 5, 1, NGRAM_MAX, "longest trigger tried, in tokens; n when n is larger"),
    [CUT] = PARAM_INTEGER("cut", 768, 0, INT32_MAX, "tokens of each reference that are used; 0 = all"),
};

typedef struct {
    ngram_index index;
    int32_t     last[NGRAM_MAX]; /* the last tokens of the output */
    size_t      n_last;
} llma_state;

/* L6. Appends the tokens of one reference to the index. */
static int llma_index_reference(llma_state *s, const reference *r, size_t cut, const tokenizer *tok, err *e) {
    if (cut == 0 || r->n <= cut) return ngram_index_append(&s->index, r->ids, r->n, e);
    if (tok == NULL) return ngram_index_append(&s->index, r->ids, cut, e);

    int    ret = -1;
    size_t n_text;
    tokens again = {0};
    char  *text = tokenizer_decode(tok, r->ids, cut, &n_text, e);
    if (text != NULL && tokenizer_encode(tok, text, n_text, false, &again, e) == 0)
        ret = ngram_index_append(&s->index, again.ids, again.n, e);
    tokens_free(&again);
    free(text);
    return ret;
}

static int llma_begin(policy *p, const policy_input *in, err *e) {
    llma_state *s = p->trial;
    size_t      n = (size_t)p->spec.params.at[N].integer, max_n = (size_t)p->spec.params.at[MAX_N].integer;
    size_t      cut = (size_t)p->spec.params.at[CUT].integer;
    size_t      expected = 0;
    for (size_t i = 0; i < in->n_references; i++) {
        size_t used = in->references[i].n;
        expected += cut != 0 && used > cut ? cut : used;
    }
    if (ngram_index_init(&s->index, n, n > max_n ? n : max_n, expected, e) != 0) return -1;
    for (size_t i = 0; i < in->n_references; i++) {
        if (ngram_index_sequence(&s->index, e) != 0) return -1;
        if (llma_index_reference(s, &in->references[i], cut, p->spec.tok, e) != 0)
            return err_prefix(e, "reference %zu", i);
    }
    return 0;
}

static int llma_observe(policy *p, const step_view *step, err *e) {
    (void)e;
    llma_state *s = p->trial;
    size_t      taken = step->n < NGRAM_MAX ? step->n : NGRAM_MAX;
    size_t      kept = s->n_last < NGRAM_MAX - taken ? s->n_last : NGRAM_MAX - taken;
    memmove(s->last, s->last + s->n_last - kept, kept * sizeof *s->last);
    if (taken > 0) memcpy(s->last + kept, step->emitted + step->n - taken, taken * sizeof *s->last);
    s->n_last = kept + taken;
    return 0;
}

static int llma_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    llma_state *s = p->trial;
    ngram_place places[NGRAM_MAX];
    size_t      found = ngram_index_suffixes(&s->index, s->last, s->n_last, places);
    if (found == 0) return 0;

    size_t         length = s->index.min_n + found - 1, n_reference;
    ngram_place    first = places[found - 1];
    const int32_t *ids = ngram_index_tokens(&s->index, first.sequence, &n_reference);
    size_t         from = first.position + length;
    size_t         copied = n_reference - from, most = (size_t)p->spec.params.at[K].integer - 1;
    if (copied > most) copied = most;
    if (copied > limit) copied = limit;
    draft_extend(d, ids + from, copied);
    d->match_length = (uint16_t)length;
    d->source = (int32_t)first.sequence;
    d->source_position = (int32_t)from;
    return 0;
}

static size_t llma_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

static void llma_end(policy *p) {
    llma_state *s = p->trial;
    ngram_index_free(&s->index);
}

const policy_ops policy_llma = {
    .name = "llma",
    .source = __FILE__,
    .help = "copies from a reference what follows the output's last tokens there",
    .origin = "Yang et al. 2023, arXiv 2304.04487; behaves as LMOps llma/src/decode.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(llma_state),
    .begin = llma_begin,
    .observe = llma_observe,
    .propose = llma_propose,
    .longest = llma_longest,
    .end = llma_end,
};
