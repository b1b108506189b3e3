/* paddle_ngram.c - "inference with reference" as PaddleNLP and FastDeploy have it (their operator ngram_match, on the
 * CPU), from prompt and output.
 *
 * The output's last n tokens, n from the largest down to 1, are searched for from the left: in the prompt, and if they
 * have no place there, in the output. The first n with a place decides; up to `length` tokens are copied from there,
 * as many as there are. Once all of a draft stood, the next one may be longer.
 *
 *  A1  The trigger is a suffix of the output and never reaches into the prompt. So step 0 cannot draft.
 *  A2  At equal n the prompt comes before the output. But a longer suffix in the output beats a shorter one in the
 *      prompt.
 *  A3  A place counts only if something follows it in the same text. A copy ends with the text: it does not run from
 *      the prompt into the output.
 *  A4  The length is k at first. After a step with a draft it grows by 2, to at most k, if all of the draft stood;
 *      otherwise it shrinks by 1, to at least 1. `adaptive = no` leaves it at k, as later versions of FastDeploy do.
 *  A5  The original compares what stood with the length, not with the draft. So a draft that is short because its text
 *      ends shrinks the next one, though all of it stood. `compat = yes` does so, too.
 *  A6  The original's array of output tokens begins at 1 where its scan counts from 0. So the scan leaves out the last
 *      token: none may follow a place, and it is not copied. `compat = yes` leaves it out, too.
 *  A7  The original holds all requests of a batch under 128 tokens together (INFER_WITH_REFERENCE_TOKENUM_THRESHOLD):
 *      for one request, k is then at most 127. Here k says what it is.
 *  A8  Its own k is 1 unless it is set, and 5 in its examples. 10 here is what pld, hf and vllm_ngram have, so that
 *      presets compare policies and not lengths.
 */
#include "engine/policies/index/ngram_index.h"
#include "engine/policies/policy.h"

enum { N, K, ADAPTIVE, COMPAT };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 3, 1, NGRAM_MAX, "longest trigger tried, in tokens (speculate_max_ngram_size)"),
    [K] = PARAM_INTEGER("k", 10, 1, DRAFT_CAP, "most tokens drafted (speculate_max_draft_token_num)"),
    [ADAPTIVE] = PARAM_YES_NO("adaptive", 1, "whether the length follows what was accepted"),
    [COMPAT] = PARAM_YES_NO(
        "compat", 0,
        "as the original: the output's last token is left out, and a short draft that stood makes the next shorter"),
};

typedef struct {
    ngram_index prompt, output;
    size_t      length;  /* A4 */
    size_t      drafted; /* in the step that runs */
} paddle_state;

static int index_text(ngram_index *x, size_t n, size_t lag, const int32_t *ids, size_t n_ids, err *e) {
    if (ngram_index_init(x, 1, n, n_ids, e) != 0) return -1;
    x->lag = lag;
    if (ngram_index_sequence(x, e) != 0) return -1;
    return ngram_index_append(x, ids, n_ids, e);
}

static int paddle_begin(policy *p, const policy_input *in, err *e) {
    paddle_state *s = p->trial;
    size_t        n = (size_t)p->spec.params.at[N].integer, lag = p->spec.params.at[COMPAT].choice == 1 ? 2 : 1;
    s->length = (size_t)p->spec.params.at[K].integer;
    if (index_text(&s->prompt, n, 1, in->prompt, in->n_prompt, e) != 0) return -1;
    return index_text(&s->output, n, lag, NULL, 0, e);
}

/* A4, A5. A step emits what stood, and one token more. */
static void adapt(paddle_state *s, size_t emitted, size_t k, bool compat) {
    size_t all = compat ? s->length : s->drafted;
    if (s->drafted == 0) return;
    if (emitted > all)
        s->length = s->length + 2 < k ? s->length + 2 : k;
    else if (s->length > 1)
        s->length--;
}

static int paddle_observe(policy *p, const step_view *step, err *e) {
    paddle_state       *s = p->trial;
    const param_values *v = &p->spec.params;
    if (v->at[ADAPTIVE].choice == 1 && !step->foreign)
        adapt(s, step->n, (size_t)v->at[K].integer, v->at[COMPAT].choice == 1);
    s->drafted = 0;
    return ngram_index_append(&s->output, step->emitted, step->n, e);
}

static int paddle_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    paddle_state  *s = p->trial;
    bool           compat = p->spec.params.at[COMPAT].choice == 1;
    ngram_place    places[2][NGRAM_MAX];
    size_t         n_output;
    const int32_t *output = ngram_index_tokens(&s->output, 0, &n_output);
    size_t         in_prompt = ngram_index_suffixes(&s->prompt, output, n_output, places[0]);
    size_t         in_output = ngram_index_suffixes(&s->output, output, n_output, places[1]);
    size_t         n = in_prompt >= in_output ? in_prompt : in_output, length;
    s->drafted = 0;
    if (n == 0) return 0;

    bool           from_prompt = n == in_prompt; /* A2 */
    const int32_t *ids = ngram_index_tokens(from_prompt ? &s->prompt : &s->output, 0, &length);
    size_t         from = places[from_prompt ? 0 : 1][n - 1].position + n;
    if (compat && !from_prompt) length--;
    size_t most = s->length < limit ? s->length : limit;
    draft_extend(d, ids + from, length - from < most ? length - from : most);
    d->match_length = (uint16_t)n;
    d->source = from_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    d->source_position = (int32_t)from;
    s->drafted = d->n;
    return 0;
}

static size_t paddle_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void paddle_end(policy *p) {
    paddle_state *s = p->trial;
    ngram_index_free(&s->prompt);
    ngram_index_free(&s->output);
}

const policy_ops policy_paddle_ngram = {
    .name = "paddle_ngram",
    .source = __FILE__,
    .help = "copies from prompt or output what follows the output's last tokens there, more after a draft that stood",
    .origin = "PaddleNLP, inference_with_reference; FastDeploy, ngram",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(paddle_state),
    .begin = paddle_begin,
    .observe = paddle_observe,
    .propose = paddle_propose,
    .longest = paddle_longest,
    .end = paddle_end,
};
