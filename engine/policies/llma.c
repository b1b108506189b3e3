/* llma.c - inference with reference (arXiv 2304.04487), as its published code behaves (LMOps, llma/src/decode.py), and
 * what can be varied about it.
 *
 * When the last tokens of the output occur in a reference, what follows there is drafted. Where the paper leaves
 * a choice, the code decides, and so do we. The presets are:
 *
 *  L1  The trigger is a suffix of the output and never reaches into the prompt. So step 0 cannot draft.
 *  L2  The longest suffix counts, from max_n tokens (n, if that is larger) down to n.
 *  L3  Only its first occurrence counts: lowest reference, then lowest position. If that is at the end of its
 *      reference, the draft is empty, even if a later occurrence or a shorter suffix could give more.
 *  L4  k counts the last token, which goes through the pass too: at most k - 1 tokens are copied.
 *  L5  Copies do not cross the end of a reference.
 *  L6  References are cut to their first `cut` tokens by way of text: ids, cut, text, ids again. The second
 *      tokenization may differ from the cut ids by a token or two.
 *
 * The variants, of which each lifts one of these:
 *
 *  L7  key = history (L1): the trigger is a suffix of prompt and output. Step 0 can draft.
 *  L8  sources (L3): where to look, in this order. The longest suffix that any of these sources holds counts, and of
 *      the sources that hold it the first. An occurrence is within one reference, the prompt, or the output, and so is
 *      what is copied. In prompt and output it counts only if something follows it there.
 *  L9  memory = cell: the outputs of earlier samples are one source more, as prompt and output are: the last one,
 * unless `sources` begins with them. Once they have more than EARLIER_MAX tokens, all are forgotten before the next
 * sample. L10 tie (L3): of the occurrences in the source that counts, the first or the last. Or most_frequent: the
 * token that follows most of them wins, of equals the one that did so first; the copy begins at the first occurrence
 * that it follows. Where nothing follows any of them, the draft is empty as in L3. L11 fallback = yes (L3): an
 * occurrence at the end of its reference does not count. So the next one does, then the next source, then a shorter
 * suffix. L12 cross = yes (L5): a copy runs over a reference's end into the next one, but not out of the last one. What
 *      follows an occurrence (L10, L11) may then be in the next one, too.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/tokens.h"
#include "engine/policies/index/ngram_votes.h"
#include "engine/policies/policy.h"
#include "engine/tokenizer/tokenizer.h"

enum { N, K, MAX_N, CUT, KEY, SOURCES, TIE, FALLBACK, CROSS, MEMORY };

typedef enum { REFERENCES, PROMPT, OUTPUT, EARLIER, N_KINDS } kind;

enum { EARLIER_MAX = 1 << 20, OUTPUT_EXPECTED = 512 }; /* tokens */

static const char *const keys[] = {"output", "history", NULL};
/* The orders of sources by name. Each is there once more with earlier outputs before it. */
#define ORDERS(X)                                                                                                      \
    X("references", REFERENCES)                                                                                        \
    X("prompt", PROMPT)                                                                                                \
    X("output", OUTPUT)                                                                                                \
    X("references_prompt", REFERENCES, PROMPT)                                                                         \
    X("references_output", REFERENCES, OUTPUT)                                                                         \
    X("prompt_references", PROMPT, REFERENCES)                                                                         \
    X("prompt_output", PROMPT, OUTPUT)                                                                                 \
    X("output_references", OUTPUT, REFERENCES)                                                                         \
    X("output_prompt", OUTPUT, PROMPT)                                                                                 \
    X("references_prompt_output", REFERENCES, PROMPT, OUTPUT)                                                          \
    X("references_output_prompt", REFERENCES, OUTPUT, PROMPT)                                                          \
    X("prompt_references_output", PROMPT, REFERENCES, OUTPUT)                                                          \
    X("prompt_output_references", PROMPT, OUTPUT, REFERENCES)                                                          \
    X("output_references_prompt", OUTPUT, REFERENCES, PROMPT)                                                          \
    X("output_prompt_references", OUTPUT, PROMPT, REFERENCES)
#define NAME(name, ...)          name,
#define NAME_EARLIER(name, ...)  "earlier_" name,
#define ORDER(name, ...)         {sizeof((kind[]){__VA_ARGS__}) / sizeof(kind), {__VA_ARGS__}},
#define ORDER_EARLIER(name, ...) ORDER(name, EARLIER, __VA_ARGS__)

static const char *const sources[] = {ORDERS(NAME) "earlier", ORDERS(NAME_EARLIER) NULL};

typedef struct {
    size_t n;
    kind   at[N_KINDS];
} source_order;

static const source_order orders[] = {ORDERS(ORDER) ORDER("earlier", EARLIER) ORDERS(ORDER_EARLIER)};
_Static_assert(sizeof orders / sizeof *orders == sizeof sources / sizeof *sources - 1, "an order for each name");

enum { TIE_FIRST, TIE_LAST, TIE_MOST_FREQUENT };
static const char *const ties[] = {"first", "last", "most_frequent", NULL};

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 1, 1, NGRAM_MAX, "trigger length: fewest last tokens that must match"),
    [K] = PARAM_INTEGER("k", 20, 1, DRAFT_CAP, "copy length in tokens, the last token included: k - 1 are drafted"),
    [MAX_N] = PARAM_INTEGER("max_n", 5, 1, NGRAM_MAX, "longest trigger tried, in tokens; n when n is larger"),
    [CUT] = PARAM_INTEGER("cut", 768, 0, INT32_MAX, "tokens of each reference that are used; 0 = all"),
    [KEY] = PARAM_CHOICE("key", keys, 0, "what the trigger is a suffix of: history = prompt and output"),
    [SOURCES] = PARAM_CHOICE("sources", sources, 0,
                             "where to look, of the longest match the first one counts; earlier outputs "
                             "(memory = cell) come last unless they are named"),
    [TIE] = PARAM_CHOICE("tie", ties, TIE_FIRST, "which of several places counts; most_frequent: by the next token"),
    [FALLBACK] = PARAM_YES_NO("fallback", 0, "whether a place that nothing follows gives way to others"),
    [CROSS] = PARAM_YES_NO("cross", 0, "whether a copy runs over a reference's end into the next one"),
    [MEMORY] = PARAM_MEMORY,
};

typedef struct {
    ngram_index index;
    ngram_votes votes; /* of most_frequent only */
} source;

typedef struct {
    source  at[EARLIER];     /* those that `sources` names */
    int32_t last[NGRAM_MAX]; /* the last tokens of the output, or of prompt and output */
    size_t  n_last;
} llma_state;

typedef struct {
    source earlier; /* outputs of the samples before; a sequence each */
    tokens output;  /* of the last sample; enters when the next one begins */
} llma_memory;

static size_t choice(const policy *p, int at) {
    return p->spec.params.at[at].choice;
}

static bool remembers(const policy *p) {
    return choice(p, MEMORY) == MEMORY_CELL;
}

static bool names_earlier(const source_order *order) {
    return order->at[0] == EARLIER;
}

/* L9 */
static source_order order_of(const policy *p) {
    source_order order = orders[choice(p, SOURCES)];
    if (remembers(p) && !names_earlier(&order)) order.at[order.n++] = EARLIER;
    return order;
}

static int llma_open(policy *p, err *e) {
    if (remembers(p) || !names_earlier(&orders[choice(p, SOURCES)])) return 0;
    return err_input(e, "sources = %s needs memory = cell: no earlier outputs are kept", sources[choice(p, SOURCES)]);
}

/* ---- sources ---------------------------------------------------------------------------------------- */

/* `ends`: whether a place counts that nothing follows. `across`: what follows may be in the next sequence. */
static int source_init(source *s, const policy *p, bool ends, bool across, size_t expected, err *e) {
    size_t n = (size_t)p->spec.params.at[N].integer, max_n = (size_t)p->spec.params.at[MAX_N].integer;
    if (ngram_index_init(&s->index, n, n > max_n ? n : max_n, expected, e) != 0) return -1;
    s->index.latest = choice(p, TIE) == TIE_LAST;
    s->index.lag = ends ? 0 : 1;
    s->index.apart = !across;
    return choice(p, TIE) == TIE_MOST_FREQUENT ? ngram_votes_init(&s->votes, &s->index, across, e) : 0;
}

static int source_append(source *s, const int32_t *ids, size_t n, err *e) {
    if (ngram_index_append(&s->index, ids, n, e) != 0) return -1;
    return s->votes.x != NULL ? ngram_votes_update(&s->votes, e) : 0;
}

/* A source that is one text, which begins with these tokens. */
static int source_text(source *s, const policy *p, const int32_t *ids, size_t n, size_t expected, err *e) {
    if (source_init(s, p, false, false, expected, e) != 0 || ngram_index_sequence(&s->index, e) != 0) return -1;
    return source_append(s, ids, n, e);
}

static void source_free(source *s) {
    ngram_votes_free(&s->votes);
    ngram_index_free(&s->index);
}

/* L6. Appends the tokens of one reference to the source. */
static int append_reference(source *s, const reference *r, size_t cut, const tokenizer *tok, err *e) {
    if (cut == 0 || r->n <= cut) return source_append(s, r->ids, r->n, e);
    if (tok == NULL) return source_append(s, r->ids, cut, e);

    int    ret = -1;
    size_t n_text;
    tokens again = {0};
    char  *text = tokenizer_decode(tok, r->ids, cut, &n_text, e);
    if (text != NULL && tokenizer_encode(tok, text, n_text, false, &again, e) == 0)
        ret = source_append(s, again.ids, again.n, e);
    tokens_free(&again);
    free(text);
    return ret;
}

static int source_references(source *s, const policy *p, const policy_input *in, err *e) {
    size_t cut = (size_t)p->spec.params.at[CUT].integer, expected = 0;
    for (size_t i = 0; i < in->n_references; i++) {
        size_t used = in->references[i].n;
        expected += cut != 0 && used > cut ? cut : used;
    }
    if (source_init(s, p, choice(p, FALLBACK) == 0, choice(p, CROSS) == 1, expected, e) != 0) return -1;
    for (size_t i = 0; i < in->n_references; i++) {
        if (ngram_index_sequence(&s->index, e) != 0) return -1;
        if (append_reference(s, &in->references[i], cut, p->spec.tok, e) != 0) return err_prefix(e, "reference %zu", i);
    }
    return 0;
}

/* ---- what earlier samples left (L9) ------------------------------------------------------------------ */

static void llma_forget(policy *p) {
    llma_memory *m = p->memory;
    source_free(&m->earlier);
    tokens_free(&m->output);
    *m = (llma_memory){0};
}

/* The last sample's output becomes a source. */
static int remember(policy *p, err *e) {
    llma_memory *m = p->memory;
    if (m->earlier.index.text.n + m->output.n > EARLIER_MAX) llma_forget(p);
    if (m->earlier.index.max_n == 0 && source_init(&m->earlier, p, false, false, 0, e) != 0) goto fail;
    if (ngram_index_sequence(&m->earlier.index, e) != 0) goto fail;
    if (source_append(&m->earlier, m->output.ids, m->output.n, e) != 0) goto fail;
    m->output.n = 0;
    return 0;
fail: /* half an output must not stay */
    llma_forget(p);
    return -1;
}

/* ---- a trial ---------------------------------------------------------------------------------------- */

static void keep_last(llma_state *s, const int32_t *ids, size_t n) {
    size_t taken = n < NGRAM_MAX ? n : NGRAM_MAX;
    size_t kept = s->n_last < NGRAM_MAX - taken ? s->n_last : NGRAM_MAX - taken;
    memmove(s->last, s->last + s->n_last - kept, kept * sizeof *s->last);
    if (taken > 0) memcpy(s->last + kept, ids + n - taken, taken * sizeof *s->last);
    s->n_last = kept + taken;
}

static int llma_begin(policy *p, const policy_input *in, err *e) {
    llma_state  *s = p->trial;
    source_order order = order_of(p);
    for (size_t i = 0; i < order.n; i++) {
        kind which = order.at[i];
        int  failed = which == REFERENCES ? source_references(&s->at[which], p, in, e)
                      : which == PROMPT   ? source_text(&s->at[which], p, in->prompt, in->n_prompt, in->n_prompt, e)
                      : which == OUTPUT   ? source_text(&s->at[which], p, NULL, 0, OUTPUT_EXPECTED, e)
                                          : remember(p, e);
        if (failed) return -1;
    }
    if (choice(p, KEY) == 1) keep_last(s, in->prompt, in->n_prompt);
    return 0;
}

static int llma_observe(policy *p, const step_view *step, err *e) {
    llma_state  *s = p->trial;
    llma_memory *m = p->memory;
    keep_last(s, step->emitted, step->n);
    if (s->at[OUTPUT].index.max_n != 0 && source_append(&s->at[OUTPUT], step->emitted, step->n, e) != 0) return -1;
    return remembers(p) ? tokens_append(&m->output, step->emitted, step->n, e) : 0;
}

/* The longest suffix that this source holds, if that is longer than *n tokens. */
static bool longer(const llma_state *s, const source *from, size_t *n, ngram_place *place) {
    ngram_place places[NGRAM_MAX];
    size_t      found = ngram_index_suffixes(&from->index, s->last, s->n_last, places);
    if (found == 0 || from->index.min_n + found - 1 <= *n) return false;
    *n = from->index.min_n + found - 1;
    *place = places[found - 1];
    return true;
}

static int llma_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    llma_state  *s = p->trial;
    llma_memory *m = p->memory;
    source_order order = order_of(p);
    size_t       length = 0, end;
    ngram_place  place;
    kind         which = N_KINDS;
    for (size_t i = 0; i < order.n; i++)
        if (longer(s, order.at[i] == EARLIER ? &m->earlier : &s->at[order.at[i]], &length, &place)) which = order.at[i];
    if (which == N_KINDS) return 0;

    const source *from = which == EARLIER ? &m->earlier : &s->at[which];
    if (from->votes.x != NULL) ngram_votes_best(&from->votes, s->last, s->n_last, length, &place);
    const int32_t *ids = which == REFERENCES && choice(p, CROSS) == 1
                             ? ngram_index_rest(&from->index, place.sequence, &end)
                             : ngram_index_tokens(&from->index, place.sequence, &end);
    size_t         at = place.position + length, copied = end - at, most = (size_t)p->spec.params.at[K].integer - 1;
    if (copied > most) copied = most;
    if (copied > limit) copied = limit;
    draft_extend(d, ids + at, copied);
    d->match_length = (uint16_t)length;
    d->source = which == REFERENCES ? (int32_t)place.sequence
                : which == PROMPT   ? SOURCE_PROMPT
                : which == OUTPUT   ? SOURCE_OUTPUT
                                    : SOURCE_OTHER;
    d->source_position = (int32_t)at;
    return 0;
}

static size_t llma_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

static void llma_end(policy *p) {
    llma_state *s = p->trial;
    for (size_t i = 0; i < EARLIER; i++) source_free(&s->at[i]);
}

const policy_ops policy_llma = {
    .name = "llma",
    .source = __FILE__,
    .help = "copies from a reference what follows the output's last tokens there",
    .origin = "Yang et al. 2023, arXiv 2304.04487; behaves as LMOps llma/src/decode.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(llma_state),
    .memory_bytes = sizeof(llma_memory),
    .open = llma_open,
    .begin = llma_begin,
    .observe = llma_observe,
    .propose = llma_propose,
    .longest = llma_longest,
    .end = llma_end,
    .forget = llma_forget,
};
