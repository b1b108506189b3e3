/* rest.c - REST, retrieval-based speculative decoding (arXiv 2311.08252), as its published code behaves
 * (FasterDecoding/REST, DraftRetriever/src/lib.rs and rest/model/utils.py), from a datastore on disk.
 *
 *  R1  The history is the prompt and the output so far, its last token included. Its longest suffix of max_span to
 *      min_span tokens that occurs in the datastore is taken.
 *  R2  Of that suffix's places the first k count, sorted by what follows them, lower ids first. Each gives the next
 *      `long` tokens.
 *  R3  The draft is the tree of the num_draft prefixes of these that are most frequent. Of equally frequent ones the
 *      shorter ones come first, and of these the ones with lower ids; the original lets the order of a hash decide.
 *  R4  Matches and copies end at a document's border, and a place that nothing follows does not count: where that
 *      leaves no place, a shorter suffix is tried. The original's documents follow each other without a border: so do
 *      those of a datastore built with --joined.
 *  R5  Where nothing matches, the token `miss` is drafted; the original always drafts 100.
 *  R6  The prompt's pass has no draft: the original drafts once a token was chosen.
 *  R7  form = chain drafts the most frequent token at each depth.
 *
 * The original cuts the tree once more: it adds up the distinct tokens of each prefix as if they were nodes, and drops
 * the prefixes with most of them until the sum is at most num_draft. So two continuations of 10 tokens each are cut to
 * 15 nodes where 20 are wanted and 64 allowed. What it means is R3, which needs no cut; compat = yes does what it does.
 * Of prefixes with equally many the longer ones go first, and of these the ones with higher ids.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/policies/store_param.h"

enum { STORE, MAX_SPAN, MIN_SPAN, PLACES, LONG, NUM_DRAFT, MISS, FORM, COMPAT };
enum { TREE, CHAIN };

static const char *const forms[] = {[TREE] = "tree", [CHAIN] = "chain", NULL};

static const param_spec params[] = {
    [STORE] = PARAM_FILE("store", "the datastore (harness datastore build)"),
    [MAX_SPAN] = PARAM_INTEGER("max_span", 16, 1, DATASTORE_SPAN, "longest suffix tried, in tokens (max_token_span)"),
    [MIN_SPAN] = PARAM_INTEGER("min_span", 2, 1, DATASTORE_SPAN, "shortest suffix tried, at most max_span"),
    [PLACES] = PARAM_INTEGER("places", 5000, 1, INT32_MAX, "places of the suffix that count (k)"),
    [LONG] = PARAM_INTEGER("long", 10, 1, DATASTORE_AHEAD, "tokens that are looked at after a place"),
    [NUM_DRAFT] = PARAM_INTEGER("num_draft", 64, 1, DATASTORE_NODES, "most tokens drafted (choices)"),
    [MISS] = PARAM_INTEGER("miss", -1, -1, INT32_MAX,
                           "id drafted alone when nothing matches (the original: 100); -1 = none"),
    [FORM] = PARAM_CHOICE("form", forms, TREE, "shape of a draft: a tree, or the chain of the most frequent tokens"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: the tree is cut, far below num_draft"),
};

/* The end of the history. */
typedef struct {
    int32_t last[DATASTORE_SPAN];
    size_t  n;
    size_t  most;  /* tokens that can match: one more than last time for each new one */
    bool    begun; /* a token was chosen */
} rest_state;

static size_t get(const policy *p, int at) {
    return (size_t)p->spec.params.at[at].integer;
}

/* ---- the datastore ----------------------------------------------------------------------------------------- */

static int rest_open(policy *p, err *e) {
    size_t min = get(p, MIN_SPAN), max = get(p, MAX_SPAN);
    if (min > max) return err_input(e, "min_span = %zu is more than max_span = %zu", min, max);
    int64_t miss = p->spec.params.at[MISS].integer;
    if (miss >= (int64_t)p->spec.vocab)
        return err_input(e, "miss = %" PRId64 " is not in the vocabulary (-1 to %zu)", miss, p->spec.vocab - 1);
    return store_param_open(p, STORE, p->cell, e);
}

static void rest_close(policy *p) {
    datastore_close(p->cell);
}

/* ---- the history ------------------------------------------------------------------------------------------- */

static void add_ids(rest_state *s, const int32_t *ids, size_t n) {
    size_t taken = n < DATASTORE_SPAN ? n : DATASTORE_SPAN;
    size_t kept = s->n < DATASTORE_SPAN - taken ? s->n : DATASTORE_SPAN - taken;
    memmove(s->last, s->last + s->n - kept, kept * sizeof *s->last);
    if (taken > 0) memcpy(s->last + kept, ids + n - taken, taken * sizeof *s->last);
    s->n = kept + taken;
    s->most = s->most < DATASTORE_SPAN - taken ? s->most + taken : DATASTORE_SPAN;
}

static int rest_begin(policy *p, const policy_input *in, err *e) {
    (void)e;
    rest_state *s = p->trial;
    add_ids(s, in->prompt, in->n_prompt);
    s->most = DATASTORE_SPAN;
    return 0;
}

static int rest_observe(policy *p, const step_view *step, err *e) {
    (void)e;
    rest_state *s = p->trial;
    add_ids(s, step->emitted, step->n);
    s->begun = s->begun || step->n > 0;
    return 0;
}

/* R1. What matches now did so without the tokens that came since, so it cannot be longer than that. */
static size_t find_suffix(const policy *p, size_t *rank) {
    rest_state *s = p->trial;
    size_t      min = get(p, MIN_SPAN), max = get(p, MAX_SPAN);
    if (s->most < max) max = s->most;
    size_t found = min <= max ? datastore_longest(p->cell, s->last, s->n, min, max, rank) : 0;
    /* A match of max_span tokens may be part of a longer one. */
    if (found < get(p, MAX_SPAN)) s->most = found > 0 ? found : min - 1;
    return found;
}

/* ---- the draft --------------------------------------------------------------------------------------------- */

/* The distinct tokens on the way to each node. */
static void count_distinct(const datastore_node *nodes, size_t n, uint32_t *distinct) {
    for (size_t i = 0; i < n; i++) {
        int32_t at = nodes[i].parent;
        distinct[i] = at >= 0 ? distinct[at] : 0;
        while (at >= 0 && nodes[at].id != nodes[i].id) at = nodes[at].parent;
        distinct[i] += at < 0;
    }
}

/* What the original leaves of the tree: nodes that are cut get a count of 0. A prefix has no more distinct tokens than
 * what it begins, and comes before it: so it is cut later. */
static void cut_as_original(datastore_node *nodes, size_t n, size_t num_draft) {
    uint32_t distinct[DATASTORE_NODES], sum = 0, most = 0;
    count_distinct(nodes, n, distinct);
    for (size_t i = 0; i < n; i++) {
        sum += distinct[i];
        most = distinct[i] > most ? distinct[i] : most;
    }
    for (; most > 0; most--) {
        for (size_t i = n; i-- > 0 && sum > num_draft;) {
            if (distinct[i] != most) continue;
            sum -= most;
            nodes[i].count = 0;
        }
    }
}

static int rest_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const rest_state *s = p->trial;
    size_t            rank, num_draft = get(p, NUM_DRAFT);
    size_t            length = s->begun ? find_suffix(p, &rank) : 0;
    if (length == 0) {
        int32_t miss = (int32_t)p->spec.params.at[MISS].integer;
        if (s->begun && miss >= 0 && limit > 0) draft_extend(d, &miss, 1);
        return 0;
    }
    d->match_length = (uint16_t)length;
    d->source = SOURCE_OTHER;
    if (limit == 0) return 0;
    bool           compat = p->spec.params.at[COMPAT].choice != 0;
    datastore_want want = {.places = get(p, PLACES),
                           .ahead = get(p, LONG),
                           .most = compat || num_draft < limit ? num_draft : limit,
                           .chain = p->spec.params.at[FORM].choice == CHAIN};
    datastore_node nodes[DATASTORE_NODES];
    int32_t        at[DATASTORE_NODES]; /* nodes of the draft */
    size_t         n = datastore_top(p->cell, rank, length, &want, nodes);
    if (compat) cut_as_original(nodes, n, num_draft);
    for (size_t i = 0; i < n && d->n < limit; i++)
        if (nodes[i].count > 0)
            at[i] = draft_add(d, nodes[i].parent < 0 ? DRAFT_ROOT : at[nodes[i].parent], nodes[i].id);
    return 0;
}

static size_t rest_longest(const param_values *v) {
    size_t ahead = (size_t)v->at[LONG].integer, num_draft = (size_t)v->at[NUM_DRAFT].integer;
    return v->at[FORM].choice == CHAIN && ahead < num_draft ? ahead : num_draft;
}

const policy_ops policy_rest = {
    .name = "rest",
    .source = __FILE__,
    .help = "copies from a datastore, as a tree, what most often follows the last tokens there",
    .origin = "He et al. 2023, arXiv 2311.08252; behaves as FasterDecoding/REST",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(datastore),
    .trial_bytes = sizeof(rest_state),
    .open = rest_open,
    .begin = rest_begin,
    .observe = rest_observe,
    .propose = rest_propose,
    .longest = rest_longest,
    .close = rest_close,
};
