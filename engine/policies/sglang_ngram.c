/* sglang_ngram.c - SGLang's NGRAM drafter, from what was decoded (python/sglang/srt/speculative/cpp_ngram, 2026).
 *
 * After each step but the first, every suffix of the text's last `depth` tokens is entered into a trie. A draft is a
 * tree: the suffixes of the text that the trie can continue, its anchors, are gone through from the longest on, and
 * their continuations are put below one root until there are k - 1 nodes.
 *
 *  G1  match = bfs goes down an anchor's continuations level by level, the most recently used children first. How many
 *      children of a node: (depth - 1 - the anchor's length - the levels above the node) * (max_breadth - min_breadth)
 *      / (depth - 1) + min_breadth, rounded down, and at least 1.
 *  G2  match = prob takes an anchor's likeliest continuation first. Of a node's children the max_breadth most frequent
 *      ones count, of equals those with the lowest ids. They share its probability by their counts. Of continuations
 *      equally likely the one found first comes first; the original leaves that open.
 *  G3  A sequence counts once for each step in which the last `depth` tokens hold it. So text that is accepted in long
 *      pieces counts for less.
 *  G4  Of the prompt only what is in the last `depth` tokens of a later step is entered, and of what a step emits its
 *      last `depth` tokens. prompt = yes enters the prompt after step 0, as a comment in the original considers.
 *  G5  Step 0 does not draft: it is the prompt's pass.
 *  G6  A full trie of `capacity` nodes, the root included, forgets what was used longest ago. memory = cell is what
 *      the original does: one trie for all requests.
 *  G7  form = chain drafts one path, for models that take no tree: from the longest anchor, always the first child.
 *  G8  The original's passes have one size: it fills a tree up with tokens of id 0 below the root. `compat = yes`
 *      does, too.
 *  G9  `corpus`, a datastore, is external text. Of a draft's tokens `corpus_budget` are for a tree of its own, whose
 *      anchors are the suffixes of the text's last `depth` tokens that the corpus can continue; those that occur in the
 *      same places are one, as long as the longest of them. G1 and G2 hold, by the last place and the number of places.
 *      Then both trees become one, and what is in both counts once. A chain follows the longer of the two longest
 *      anchors, of equal ones the trie's. The corpus drafts after step 0 only, as the trie does.
 *  G10 Left out: shares of the budget by scores of both matches, which later revisions of the original have, and
 *      batches of several requests.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/policies/sglang_tree.h"
#include "engine/policies/store_param.h"

enum { K, MATCH, MIN_BREADTH, MAX_BREADTH, DEPTH, CAPACITY, CORPUS, CORPUS_BUDGET, PROMPT, FORM, COMPAT, MEMORY };
enum { BFS, PROB };
enum { TREE, CHAIN };
enum { OUTPUT_EXPECTED = 512 /* tokens */ };

static const char *const matches[] = {"bfs", "prob", NULL};
static const char *const forms[] = {"tree", "chain", NULL};

static const param_spec params[] = {
    [K] = PARAM_INTEGER("k", 12, 1, DRAFT_CAP,
                        "tokens of a pass, the last one included (num_draft_tokens): k - 1 are drafted"),
    [MATCH] = PARAM_CHOICE("match", matches, BFS, "the most recent children first, or the likeliest (match_type)"),
    [MIN_BREADTH] =
        PARAM_INTEGER("min_breadth", 1, 1, SGLANG_BREADTH_MAX, "fewest children of a node (min_bfs_breadth)"),
    [MAX_BREADTH] =
        PARAM_INTEGER("max_breadth", 10, 1, SGLANG_BREADTH_MAX, "most children of a node (max_bfs_breadth)"),
    [DEPTH] = PARAM_INTEGER("depth", 18, 2, TRIE_DEPTH_MAX, "tokens of a sequence in the trie (max_trie_depth)"),
    [CAPACITY] = PARAM_INTEGER("capacity", 10000000, 9, 1 << 28, "most nodes of the trie, of some 60 bytes each"),
    [CORPUS] = PARAM_FILE_OR_NONE("corpus", "a datastore to draft from, too (external_corpus_path)"),
    [CORPUS_BUDGET] = PARAM_INTEGER("corpus_budget", 0, 0, DRAFT_CAP,
                                    "drafted tokens that are the corpus's (external_sam_budget); 0 without one"),
    [PROMPT] = PARAM_YES_NO("prompt", 0, "whether the trie gets the prompt"),
    [FORM] = PARAM_CHOICE("form", forms, TREE, "shape of a draft"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: a tree is filled up with tokens of id 0"),
    [MEMORY] = PARAM_MEMORY,
};

typedef struct {
    automaton corpus; /* a sequence for each document */
} sglang_cell;

typedef struct {
    size_t          depth, n;             /* n: tokens of the text */
    int32_t         tail[TRIE_DEPTH_MAX]; /* its last ones */
    size_t          n_tail;
    trie_path       paths[TRIE_DEPTH_MAX]; /* [at % depth] of the suffix that begins at text[at], when it is there */
    bool            entered;               /* the tail's suffixes are in the trie, by these paths */
    automaton_match in_corpus;             /* the longest suffix of the text, or of its last tokens, that is there */
    sglang_tree     tree, corpus_tree;
    draft           from_corpus;
} sglang_state;

static size_t number(const policy *p, int at) {
    return (size_t)p->spec.params.at[at].integer;
}

static const automaton *corpus_of(const policy *p) {
    return &((const sglang_cell *)p->cell)->corpus;
}

static size_t sglang_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

static int sglang_open(policy *p, err *e) {
    size_t depth = number(p, DEPTH), least = (depth + 1) * (depth + 1);
    if (number(p, MIN_BREADTH) > number(p, MAX_BREADTH))
        return err_input(e, "min_breadth = %zu is more than max_breadth = %zu", number(p, MIN_BREADTH),
                         number(p, MAX_BREADTH));
    if (number(p, CAPACITY) < least) /* so that the paths of two steps are in the trie together */
        return err_input(e, "capacity = %zu is too little for depth = %zu (%zu or more)", number(p, CAPACITY), depth,
                         least);
    bool corpus = p->spec.params.at[CORPUS].file != NULL;
    if (corpus != (number(p, CORPUS_BUDGET) > 0))
        return err_input(e, "%s",
                         corpus ? "corpus needs corpus_budget of 1 or more: its tokens of a draft"
                                : "corpus_budget needs a corpus to draft from");
    if (number(p, CORPUS_BUDGET) > sglang_longest(&p->spec.params))
        return err_input(e, "corpus_budget = %zu is not allowed with k = %zu (at most the %zu drafted tokens)",
                         number(p, CORPUS_BUDGET), number(p, K), sglang_longest(&p->spec.params));
    automaton *a = &((sglang_cell *)p->cell)->corpus;
    return store_param_automaton(p, CORPUS, a, e) == 0 ? automaton_count(a, e) : -1;
}

static void sglang_close(policy *p) {
    automaton_free(&((sglang_cell *)p->cell)->corpus);
}

/* ---- the text ---------------------------------------------------------------------------------------- */

/* G9. Matches in the corpus, too, are of at most `depth` tokens. */
static void follow(sglang_state *s, const automaton *corpus, int32_t id) {
    automaton_match *m = &s->in_corpus;
    automaton_follow(corpus, m, id);
    if (m->length <= s->depth) return;
    m->length = (uint32_t)s->depth;
    while (corpus->states[corpus->states[m->state].link].length >= s->depth) m->state = corpus->states[m->state].link;
}

static void keep_tail(sglang_state *s, const automaton *corpus, const int32_t *ids, size_t n) {
    size_t taken = n < s->depth ? n : s->depth, kept = s->n_tail < s->depth - taken ? s->n_tail : s->depth - taken;
    memmove(s->tail, s->tail + s->n_tail - kept, kept * sizeof *s->tail);
    if (taken > 0) memcpy(s->tail + kept, ids + n - taken, taken * sizeof *s->tail);
    s->n_tail = kept + taken;
    s->n += n;
    for (size_t i = n - taken; i < n; i++) follow(s, corpus, ids[i]);
}

/* Every suffix of the tail. Those that begin in the text's first `before` tokens have been entered before, up to there;
 * some of them have left the tail. */
static int enter_tail(sglang_state *s, lru_trie *t, size_t before, err *e) {
    size_t    begin = s->n - s->n_tail;
    trie_walk walks[TRIE_DEPTH_MAX];
    for (size_t i = 0; i < s->n_tail; i++)
        walks[i] = (trie_walk){s->tail + i, s->n_tail - i, &s->paths[(begin + i) % s->depth]};
    for (size_t at = before > s->depth ? before - s->depth : 0; at < begin && at < before; at++)
        lru_trie_let_go(t, &s->paths[at % s->depth]);
    s->entered = true;
    lru_trie_fetch(t, walks, s->n_tail);
    for (size_t i = 0; i < s->n_tail; i++)
        if (lru_trie_enter(t, s->tail + i, s->n_tail - i, &s->paths[(begin + i) % s->depth], e) != 0) return -1;
    return 0;
}

/* G4. What begins in the tail is entered with it. */
static int enter_prompt(const policy *p, const step_view *step, err *e) {
    const sglang_state *s = p->trial;
    const policy_input *in = &p->in;
    int32_t             ids[TRIE_DEPTH_MAX];
    for (size_t at = 0; at < s->n - s->n_tail; at++) {
        trie_path path = {0};
        for (size_t i = 0; i < s->depth; i++) /* at least `depth` tokens follow */
            ids[i] = at + i < in->n_prompt ? in->prompt[at + i] : step->emitted[at + i - in->n_prompt];
        if (lru_trie_enter(p->memory, ids, s->depth, &path, e) != 0) return -1;
        lru_trie_let_go(p->memory, &path);
    }
    return 0;
}

static int sglang_begin(policy *p, const policy_input *in, err *e) {
    sglang_state *s = p->trial;
    lru_trie     *t = p->memory;
    size_t        best = p->spec.params.at[MATCH].choice == PROB ? number(p, MAX_BREADTH) : 0, expected;
    s->depth = number(p, DEPTH);
    expected = (OUTPUT_EXPECTED + (p->spec.params.at[PROMPT].choice == 1 ? in->n_prompt : 0)) * s->depth;
    sglang_shape shape = {best > 0, s->depth, number(p, MIN_BREADTH), number(p, MAX_BREADTH)};
    if (sglang_tree_init(&s->tree, &shape, number(p, K), e) != 0) return -1;
    if (sglang_tree_init(&s->corpus_tree, &shape, number(p, CORPUS_BUDGET), e) != 0) return -1;
    if (t->depth == 0 && lru_trie_init(t, s->depth, number(p, CAPACITY), best, expected, e) != 0) {
        lru_trie_free(t);
        return -1;
    }
    keep_tail(s, corpus_of(p), in->prompt, in->n_prompt);
    return 0;
}

static int sglang_observe(policy *p, const step_view *step, err *e) {
    sglang_state *s = p->trial;
    size_t        before = s->n;
    bool          first = step->position == 0;
    keep_tail(s, corpus_of(p), step->emitted, step->n);
    if (first && p->spec.params.at[PROMPT].choice == 0) return 0;
    if (first && enter_prompt(p, step, e) != 0) return -1;
    return enter_tail(s, p->memory, before, e);
}

/* The node of the text's last n tokens, or TRIE_NONE. */
static uint32_t anchor(const sglang_state *s, const lru_trie *t, size_t n) {
    if (s->entered) return s->paths[(s->n - n) % s->depth].nodes[n - 1];
    uint32_t node = TRIE_ROOT;
    for (size_t i = s->n_tail - n; i < s->n_tail; i++)
        if ((node = lru_trie_child(t, node, s->tail[i])) == TRIE_NONE) break;
    return node;
}

/* ---- drafts ------------------------------------------------------------------------------------------ */

/* An anchor, the text's last `length` tokens; 0 = none. */
typedef struct {
    sglang_place at;
    size_t       length;
} sglang_anchor;

/* The longest anchor in the trie of at most `most` tokens. */
static sglang_anchor trie_anchor(const policy *p, size_t most) {
    const sglang_state *s = p->trial;
    for (size_t n = most; n >= 1; n--) {
        sglang_place at = {.trie = p->memory, .node = anchor(s, p->memory, n)};
        if (at.node != TRIE_NONE && sglang_place_continues(&at)) return (sglang_anchor){at, n};
    }
    return (sglang_anchor){0};
}

/* G9. The longest anchor in the corpus of at most `most` tokens. */
static sglang_anchor corpus_anchor(const policy *p, size_t most) {
    const automaton *a = corpus_of(p);
    automaton_match  m = ((const sglang_state *)p->trial)->in_corpus;
    for (uint32_t link; m.state != AUTOMATON_ROOT; m = (automaton_match){link, a->states[link].length}) {
        sglang_anchor found = {{.corpus = a, .node = m.state}, m.length < most ? m.length : most};
        link = a->states[m.state].link;
        if (a->states[link].length < most && sglang_place_continues(&found.at)) return found;
    }
    return (sglang_anchor){0};
}

/* G7. */
static void draft_chain(const policy *p, size_t budget, draft *d) {
    const sglang_state *s = p->trial;
    sglang_anchor       best = trie_anchor(p, s->n_tail), other = corpus_anchor(p, s->n_tail);
    if (other.length > best.length) best = other;
    d->match_length = (uint16_t)best.length;
    if (best.length > 0) sglang_chain_grow(&s->tree.shape, &best.at, budget, d);
}

static void draft_tree(policy *p, size_t budget, draft *d) {
    sglang_state *s = p->trial;
    size_t        share = number(p, CORPUS_BUDGET) < budget ? number(p, CORPUS_BUDGET) : budget, longest = 0;
    sglang_anchor at;
    sglang_tree_clear(&s->tree);
    for (size_t n = s->n_tail; (at = trie_anchor(p, n)).length > 0; n = at.length - 1) {
        if (longest < at.length) longest = at.length;
        sglang_tree_grow(&s->tree, &at.at, at.length, budget - share, d);
    }
    if (number(p, CORPUS_BUDGET) > 0) {
        draft_clear(&s->from_corpus);
        sglang_tree_clear(&s->corpus_tree);
        for (size_t n = s->n_tail; (at = corpus_anchor(p, n)).length > 0;) {
            if (longest < at.length) longest = at.length;
            sglang_tree_grow(&s->corpus_tree, &at.at, at.length, share, &s->from_corpus);
            n = corpus_of(p)->states[corpus_of(p)->states[at.at.node].link].length;
        }
        sglang_tree_merge(&s->tree, &s->from_corpus, d);
    }
    d->match_length = (uint16_t)longest;
    while (p->spec.params.at[COMPAT].choice == 1 && d->n < budget) draft_add(d, DRAFT_ROOT, 0);
}

static int sglang_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const sglang_state *s = p->trial;
    const lru_trie     *t = p->memory;
    size_t              budget = number(p, K) - 1 < limit ? number(p, K) - 1 : limit;
    if (s->n == p->in.n_prompt) return 0; /* G5 */
    for (size_t n = s->n_tail; n >= 1 && s->entered; n--) __builtin_prefetch(&t->nodes[anchor(s, t, n)]);
    if (p->spec.params.at[FORM].choice == CHAIN)
        draft_chain(p, budget, d);
    else
        draft_tree(p, budget, d);
    if (d->match_length > 0) d->source = SOURCE_OTHER;
    return 0;
}

static void sglang_end(policy *p) {
    sglang_state *s = p->trial;
    for (size_t i = 0; i < s->n_tail; i++) lru_trie_let_go(p->memory, &s->paths[(s->n - s->n_tail + i) % s->depth]);
    sglang_tree_free(&s->tree);
    sglang_tree_free(&s->corpus_tree);
}

static void sglang_forget(policy *p) {
    lru_trie_free(p->memory);
}

const policy_ops policy_sglang_ngram = {
    .name = "sglang_ngram",
    .source = __FILE__,
    .help = "drafts a tree of what followed the text's last tokens in text that was decoded",
    .origin = "SGLang, python/sglang/srt/speculative/cpp_ngram",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(sglang_cell),
    .trial_bytes = sizeof(sglang_state),
    .memory_bytes = sizeof(lru_trie),
    .open = sglang_open,
    .begin = sglang_begin,
    .observe = sglang_observe,
    .propose = sglang_propose,
    .longest = sglang_longest,
    .end = sglang_end,
    .forget = sglang_forget,
    .close = sglang_close,
};
