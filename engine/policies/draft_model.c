/* draft_model.c - a smaller model drafts: speculative decoding (Leviathan et al. 2023, arXiv 2211.17192), as in
 * llama.cpp's drafter "draft-simple" (common/speculative.cpp, September 2026).
 *
 * The draft model reads prompt and output as the target does, with a cache of its own. A draft is a chain of the tokens
 * that it would write next itself, one pass of it for each:
 *
 *     the draft model's cache     p p p p a b c d1 d2          after a draft d1 d2 d3; d3 was not read
 *     the target emitted                        d1 x           d2 was rejected
 *     the cache                   p p p p a b c d1             x is read at the next draft
 *
 *  M1  A token is drafted while the likeliest one has at least the probability p_min. As in the original that is its
 *      share among the ten likeliest, at temperature 1.
 *  M2  temperature = 0 drafts the likeliest token, and of equal ones the lowest id. Above 0 the token is drawn from the
 *      softmax of all logits, and the draft says what it was drawn from (draft.q). The original does not draw.
 *  M3  A drawn draft must not be dropped for what was drawn: a rule that knows q would no longer give the target's
 *      distribution. So n_min, which drops short drafts, goes with temperature = 0 only. Where a draft ends depends on
 *      the tokens before its end, which does no harm.
 *  M4  Nothing is drafted after a stop token, of which nothing could be accepted, and nothing beyond the draft model's
 *      context.
 *  M5  Both vocabularies must be the same, id by id. The original lets sizes differ by 128 ids and does not look at
 *      the first five. Without a tokenizer only the sizes can be compared.
 *
 * Loading the model is not timed; its passes are, as drafting.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/base/tokens.h"
#include "engine/model/model.h"
#include "engine/model/transformer.h"
#include "engine/policies/policy.h"
#include "engine/rules/logits.h"
#include "engine/tokenizer/tokenizer.h"

enum { MODEL, K, N_MIN, P_MIN, TEMPERATURE };
enum { DRAW_TOKEN };

static const param_spec params[] = {
    [MODEL] = PARAM_FILE("model", "GGUF of the draft model, with the target's vocabulary (--model-draft)"),
    [K] = PARAM_INTEGER("k", 3, 1, DRAFT_CAP, "most tokens drafted (n_max)"),
    [N_MIN] = PARAM_INTEGER("n_min", 0, 0, DRAFT_CAP, "fewest tokens of a draft; a shorter one is dropped"),
    [P_MIN] = PARAM_REAL("p_min", 0, 0, 1, "least probability of the likeliest token, for a token to be drafted"),
    [TEMPERATURE] = PARAM_REAL("temperature", 0, 0, 100, "softmax temperature that tokens are drawn at; 0 = likeliest"),
};

enum { CANDIDATES = 10 }; /* M1 */

typedef struct {
    model       *m;
    transformer *t;
    float       *logits; /* [vocab], after the last token in the cache */
    double      *q;      /* [k, vocab]; NULL when nothing is drawn */
} drafter;

typedef struct {
    tokens  text;            /* the prompt and the output so far */
    size_t  read;            /* of it, tokens in the cache */
    int32_t tail[DRAFT_CAP]; /* [n_tail] drafted tokens in the cache behind them */
    size_t  n_tail;
} drafted_text;

/* ---- a cell ------------------------------------------------------------------------------------------- */

/* M5 */
static int check_vocabulary(const policy *p, const model *m, err *e) {
    const char      *path = p->spec.params.at[MODEL].file->path;
    const tokenizer *tok = p->spec.tok;
    if (m->shape.vocab != p->spec.vocab)
        return err_input(e, "model = %s: its vocabulary has %zu ids, and the target's has %zu (it must be the same)",
                         path, m->shape.vocab, p->spec.vocab);
    for (size_t i = 0; tok != NULL && i < p->spec.vocab; i++) {
        gguf_str own = tokenizer_spelling(m->tok, (int32_t)i), other = tokenizer_spelling(tok, (int32_t)i);
        char     a[60], b[60];
        if (own.n == other.n && memcmp(own.at, other.at, own.n) == 0) continue;
        quote(a, sizeof a, own.at, own.n);
        quote(b, sizeof b, other.at, other.n);
        return err_input(e, "model = %s: id %zu is %s, and in the target's vocabulary %s (it must be the same)", path,
                         i, a, b);
    }
    return 0;
}

static int drafter_open(policy *p, err *e) {
    drafter           *d = p->cell;
    const param_value *at = p->spec.params.at;
    int                threads = p->spec.threads > 0 ? p->spec.threads : 1;
    if (at[N_MIN].integer > at[K].integer)
        return err_input(e, "n_min = %" PRId64 " is more than k = %" PRId64, at[N_MIN].integer, at[K].integer);
    if (at[N_MIN].integer > 1 && at[TEMPERATURE].real > 0)
        return err_input(e,
                         "n_min = %" PRId64 " does not go with temperature = %g (0 or 1: a drawn draft is not dropped)",
                         at[N_MIN].integer, at[TEMPERATURE].real);
    if ((d->m = model_open(at[MODEL].file->path, e)) == NULL || check_vocabulary(p, d->m, e) != 0 ||
        model_pack(d->m, e) != 0 || (d->t = transformer_new(d->m, d->m->shape.context, threads, NULL, e)) == NULL ||
        (d->logits = mem_new(p->spec.vocab, sizeof *d->logits, e)) == NULL)
        return -1;
    if (at[TEMPERATURE].real > 0 && (d->q = mem_new((size_t)at[K].integer, p->spec.vocab * sizeof *d->q, e)) == NULL)
        return -1;
    return 0;
}

static void drafter_close(policy *p) {
    drafter *d = p->cell;
    transformer_free(d->t);
    model_close(d->m);
    free(d->logits);
    free(d->q);
}

/* ---- a trial ------------------------------------------------------------------------------------------ */

static int drafter_begin(policy *p, const policy_input *in, err *e) {
    drafted_text *s = p->trial;
    transformer_rewind(((drafter *)p->cell)->t, 0);
    return tokens_append(&s->text, in->prompt, in->n_prompt, e);
}

static int drafter_observe(policy *p, const step_view *step, err *e) {
    drafted_text *s = p->trial;
    size_t        same = 0;
    /* The last token is read again: what follows it is not known any more. */
    while (same < s->n_tail && same + 1 < step->n && s->tail[same] == step->emitted[same]) same++;
    s->read += same;
    s->n_tail = 0;
    transformer_rewind(((drafter *)p->cell)->t, s->read);
    return tokens_append(&s->text, step->emitted, step->n, e);
}

/* Reads n tokens; the logits are those after the last one. */
static int drafter_read(policy *p, const int32_t *ids, size_t n, err *e) {
    drafter *d = p->cell;
    if (transformer_forward(d->t, ids, n, 1, d->logits, e) != 0) return -1;
    if (logits_finite(d->logits, p->spec.vocab)) return 0;
    return err_run(e, "the draft model's logits are not finite at position %zu", transformer_length(d->t) - 1);
}

/* The next token, or -1 when none is likely enough. `i` are drafted. */
static int32_t drafter_choose(policy *p, size_t i) {
    const drafter     *d = p->cell;
    const param_value *at = p->spec.params.at;
    size_t             vocab = p->spec.vocab;
    int32_t            top[CANDIDATES];
    size_t             n = logits_top(d->logits, vocab, CANDIDATES, top);
    if (logits_share(d->logits, top, n) < at[P_MIN].real) return -1;
    if (d->q == NULL) return top[0];
    size_t  position = ((const drafted_text *)p->trial)->text.n - p->in.n_prompt + i;
    double *q = d->q + i * vocab;
    logits_softmax(d->logits, vocab, at[TEMPERATURE].real, q);
    return probs_sample(q, vocab, noise_uniform(p->in.noise, position, DRAW_TOKEN));
}

/* Reads what of the text is not in the cache. */
static int drafter_catch_up(policy *p, err *e) {
    drafted_text *s = p->trial;
    if (s->read == s->text.n) s->read--; /* for the logits after the last token */
    s->n_tail = 0;
    transformer_rewind(((drafter *)p->cell)->t, s->read);
    int ret = drafter_read(p, s->text.ids + s->read, s->text.n - s->read, e);
    s->read = transformer_length(((drafter *)p->cell)->t);
    return ret;
}

static int drafter_propose(policy *p, size_t limit, draft *d, err *e) {
    const drafter     *own = p->cell;
    drafted_text      *s = p->trial;
    const param_value *at = p->spec.params.at;
    size_t             most = (size_t)at[K].integer < limit ? (size_t)at[K].integer : limit;
    size_t             context = transformer_context(own->t);
    if (most == 0 || s->text.n == 0 || s->text.n > context) return 0;
    if (drafter_catch_up(p, e) != 0) return -1;
    while (d->n < most) {
        int32_t id = drafter_choose(p, d->n);
        if (id < 0) break;
        draft_extend(d, &id, 1);
        if (d->n == most || stops_have(p->in.stops, id) || s->read + s->n_tail == context) break;
        if (drafter_read(p, &id, 1, e) != 0) return -1;
        s->tail[s->n_tail++] = id;
    }
    if (d->n < (size_t)at[N_MIN].integer) d->n = 0;
    if (d->n == 0) return 0;
    d->source = SOURCE_OTHER;
    d->q = own->q;
    return 0;
}

static size_t drafter_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void drafter_end(policy *p) {
    tokens_free(&((drafted_text *)p->trial)->text);
}

const policy_ops policy_draft_model = {
    .name = "draft_model",
    .source = __FILE__,
    .help = "drafts what a smaller model writes next",
    .origin = "Leviathan et al. 2023, arXiv 2211.17192; behaves as llama.cpp, common/speculative.cpp (draft-simple)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(drafter),
    .trial_bytes = sizeof(drafted_text),
    .open = drafter_open,
    .begin = drafter_begin,
    .observe = drafter_observe,
    .propose = drafter_propose,
    .longest = drafter_longest,
    .end = drafter_end,
    .close = drafter_close,
};
