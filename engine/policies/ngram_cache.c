/* ngram_cache.c - llama.cpp's drafter "ngram-cache", by counts of what follows (common/ngram-cache.cpp,
 * common/speculative.cpp, examples/lookup, September 2026).
 *
 * Two tables count what followed each n-gram of 1 to 4 tokens: the context table those of prompt and output so far, the
 * dynamic table those of earlier prompts and outputs. A third one, the static table, counts what followed each pair of
 * tokens in a large text. A draft is built token by token, each one from the last tokens of text and draft; nothing is
 * copied.
 *
 *  C1  The context table is asked first, then the dynamic one, each for the last 4 tokens, then 3, 2 and 1; then the
 *      static one, for the last 2.
 *  C2  A table answers with what followed most often, if something followed at least 2, 2, 1, 1 times (n = 1, 2,
 *      3, 4), and that one at least 66, 50, 50, 50 percent of the times. The dynamic table must be surer: at
 *      least 4, 3, 2, 2 times, and 75, 66, 66, 66 percent.
 *  C3  Of two that followed equally often, the one that was new later counts. The original leaves this to the
 *      order of a hash table. Where its C++ library is GNU's, that is the same: such a pair gets 50 percent each,
 *      so nothing else followed, and of two elements that library visits the younger first.
 *  C4  A draft ends where no table answers, or after k tokens (always 8 in the original's server). A text of one
 *      token drafts nothing.
 *  C5  Tokens are counted when they are emitted, drafts never. The original's server counts each step's tokens by
 *      themselves: what follows n-grams that reach back over the step's beginning is not counted, and a step of
 *      one token counts nothing. Its lookup program counts all, and so do we; compat = yes does as the server
 *      does.
 *  C6  With text of 2 or 3 tokens the original reads before the text's beginning. Here longer n-grams are left
 *      out.
 *  C7  The memory is the dynamic table: at the end of a trial the context table's counts are added to it, as the
 *      lookup program does; the server only reads it from a file. It holds up to 2^22 counts. Then what is new is
 *      left out.
 *  C8  The static table is a datastore (`static`; harness datastore build), so there is no second kind of file. The
 *      original has a file of its own for it, made by llama-lookup-create. The table answers as the context table
 *      does. Two tokens with 50 percent each: the one that was new later in the text (C3).
 *  C9  Where the last 2 tokens are in the static table, what followed an n-gram in another table counts 100 times as
 *      often as it followed them there; what never did, once. So one of the few that C2 lets pass may lose to a rarer
 *      one, which C2 does not let pass: then the n-gram does not answer. Of equal products the one that was new later
 *      counts, again. The original computes products in 32 bits, which a text of 2^31 / 100 tokens can exceed.
 */
#include <string.h>

#include "engine/base/tokens.h"
#include "engine/policies/index/follower_counts.h"
#include "engine/policies/store_param.h"

enum { K, STATIC, COMPAT, MEMORY };

static const param_spec params[] = {
    [K] = PARAM_INTEGER("k", 8, 1, DRAFT_CAP, "most tokens drafted (n_draft)"),
    [STATIC] = PARAM_FILE_OR_NONE("static", "a datastore of a large text (harness datastore build): the static table"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original's server: each step's tokens are counted by themselves"),
    [MEMORY] = PARAM_MEMORY,
};

enum { DYNAMIC_MAX = 1 << 22, WINDOW = FOLLOWER_NGRAM_MAX };

typedef struct {
    follower_counts context;
    tokens          text;
} cache_trial;

typedef struct {
    follower_counts dynamic;
} cache_memory;

typedef struct {
    uint32_t times[WINDOW], percent[WINDOW]; /* of n-grams of 1, 2, 3, 4 tokens */
} thresholds;

static const thresholds lax = {{2, 2, 1, 1}, {66, 50, 50, 50}}, strict = {{4, 3, 2, 2}, {75, 66, 66, 66}};

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* C5. Counts tokens that belong together. */
static int learn(policy *p, const int32_t *ids, size_t n, err *e) {
    cache_trial  *t = p->trial;
    cache_memory *m = p->memory;
    size_t        before = p->spec.params.at[COMPAT].choice != 0 ? 0 : t->text.n;
    if (tokens_append(&t->text, ids, n, e) != 0) return -1;
    if (follower_counts_add(&t->context, t->text.ids + (t->text.n - n), before, n, e) != 0) return -1;
    if (!policy_remembers(p->ops, &p->spec.params)) return 0;
    return follower_counts_reserve(&m->dynamic, &t->context, DYNAMIC_MAX, e); /* end cannot fail */
}

static int cache_open(policy *p, err *e) {
    return store_param_open(p, STATIC, p->cell, e);
}

static void cache_close(policy *p) {
    datastore_close(p->cell);
}

static int cache_begin(policy *p, const policy_input *in, err *e) {
    cache_trial *t = p->trial;
    if (follower_counts_expect(&t->context, in->n_prompt, e) != 0) return -1;
    return learn(p, in->prompt, in->n_prompt, e);
}

static int cache_observe(policy *p, const step_view *step, err *e) {
    return learn(p, step->emitted, step->n, e);
}

/* ---- the static table -------------------------------------------------------------------------------- */

enum { PAIR = 2, EACH = 100 }; /* C9 */

/* The last two tokens there. */
typedef struct {
    const datastore *store; /* NULL: they do not occur */
    size_t           rank;
} fixed_pair;

static fixed_pair find_pair(const policy *p, const int32_t last[PAIR]) {
    const datastore *s = p->cell;
    fixed_pair       x = {0};
    if (s->map != NULL && datastore_longest(s, last, PAIR, PAIR, PAIR, &x.rank) == PAIR) x.store = s;
    return x;
}

static uint64_t product(const fixed_pair *x, uint64_t count, int32_t id) {
    uint32_t first;
    size_t   times = datastore_followed(x->store, x->rank, PAIR, id, &first);
    return times > 0 ? count * EACH * times : count;
}

/* Whether what followed most often has the largest product, too (C9). If another one of the same count has it, that one
 * is the answer. */
static bool outweighs(const follower_counts *c, const follower_node *node, const fixed_pair *x, int32_t *answer) {
    const follower *best = &c->followers[node->newest - 1]; /* the vote saw that something followed */
    uint64_t        most = product(x, best->count, best->next);
    for (uint32_t at = best->older; at > 0; at = c->followers[at - 1].older) {
        const follower *f = &c->followers[at - 1];
        uint64_t        own = product(x, f->count, f->next);
        if (own <= most) continue;
        most = own;
        best = f;
    }
    *answer = best->next;
    return best->count == node->best_count;
}

/* C8. */
static bool fixed_vote(const fixed_pair *x, const thresholds *need, int32_t *answer) {
    datastore_node nodes[2];
    uint32_t       first[2];
    if (x->store == NULL) return false;
    size_t places = datastore_places(x->store, x->rank, PAIR);
    size_t n = datastore_top(x->store, x->rank, PAIR, &(datastore_want){.ahead = 1, .most = 2}, nodes);
    size_t best = n == 2 && nodes[1].count > nodes[0].count;
    if (places < need->times[PAIR - 1] || EACH * (uint64_t)nodes[best].count < need->percent[PAIR - 1] * places)
        return false;
    if (n == 2 && nodes[0].count == nodes[1].count) {
        for (size_t i = 0; i < 2; i++) datastore_followed(x->store, x->rank, PAIR, nodes[i].id, &first[i]);
        best = first[1] > first[0];
    }
    *answer = nodes[best].id;
    return true;
}

/* ---- drafts ------------------------------------------------------------------------------------------ */

/* C2. The length of the n-gram that answers; 0: none does. */
static size_t vote(const follower_counts *c, const follower_grams *g, const fixed_pair *x, const thresholds *need,
                   int32_t *answer) {
    const follower_node *found[WINDOW];
    for (size_t n = follower_counts_find(c, g, found); n > 0; n--) {
        const follower_node *node = found[n - 1];
        if (node->total < need->times[n - 1]) continue;
        if (100 * (uint64_t)node->best_count < need->percent[n - 1] * (uint64_t)node->total) continue;
        *answer = node->best;
        if (x->store == NULL || outweighs(c, node, x, answer)) return n;
    }
    return 0;
}

static int cache_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const cache_trial  *t = p->trial;
    const cache_memory *m = p->memory;
    size_t              k = (size_t)p->spec.params.at[K].integer, n_last = least(t->text.n, WINDOW);
    int32_t             last[WINDOW + DRAFT_CAP]; /* of the text, then the draft */
    if (t->text.n < 2) return 0;
    memcpy(last, t->text.ids + (t->text.n - n_last), n_last * sizeof *last);
    for (size_t i = 0; i < k; i++) {
        follower_grams g = follower_grams_at(last + n_last + i, n_last + i);
        follower_counts_fetch(&t->context, &g);
        follower_counts_fetch(&m->dynamic, &g);
        int32_t   *next = last + n_last + i;
        fixed_pair fixed = find_pair(p, next - PAIR);
        size_t     n = vote(&t->context, &g, &fixed, &lax, next);
        if (n == 0) n = vote(&m->dynamic, &g, &fixed, &strict, next);
        if (n == 0 && fixed_vote(&fixed, &lax, next)) n = PAIR;
        if (n == 0) break;
        if (i == 0) {
            d->match_length = (uint16_t)n;
            d->source = SOURCE_OTHER;
        }
        if (i == limit) break;
        draft_extend(d, next, 1);
    }
    return 0;
}

static size_t cache_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

/* C7. Only a trial that ran out of memory finds no room. As much room again is made for the next trial, so that its
 * steps need not; they do where this fails. */
static void cache_end(policy *p) {
    cache_trial  *t = p->trial;
    cache_memory *m = p->memory;
    err           e = {0};
    if (policy_remembers(p->ops, &p->spec.params) &&
        follower_counts_merge(&m->dynamic, &t->context, DYNAMIC_MAX, &e) == 0)
        (void)follower_counts_reserve(&m->dynamic, &t->context, DYNAMIC_MAX, &e);
    follower_counts_free(&t->context);
    tokens_free(&t->text);
}

static void cache_forget(policy *p) {
    cache_memory *m = p->memory;
    follower_counts_free(&m->dynamic);
}

const policy_ops policy_ngram_cache = {
    .name = "ngram_cache",
    .source = __FILE__,
    .help = "drafts token by token what most often followed the last 4 to 1 tokens, here or in earlier samples",
    .origin = "llama.cpp, common/ngram-cache.cpp (ngram-cache)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(datastore),
    .trial_bytes = sizeof(cache_trial),
    .memory_bytes = sizeof(cache_memory),
    .open = cache_open,
    .begin = cache_begin,
    .observe = cache_observe,
    .propose = cache_propose,
    .longest = cache_longest,
    .end = cache_end,
    .forget = cache_forget,
    .close = cache_close,
};
