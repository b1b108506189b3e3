/* lookahead.c - lookahead decoding (Fu et al. 2024, arXiv 2402.02057), as its published code behaves for greedy
 * decoding (hao-ai-lab/LookaheadDecoding, lade/decoding.py).
 *
 * The target guesses far ahead of itself, in every pass a little better (Jacobi iteration), and n-grams that it passed
 * by on the way are kept and checked. A pass has two branches. The lookahead branch is a window of guesses in levels: a
 * trunk (level 0) after the last token, and below each token of the trunk a column of what the last passes guessed
 * there. The verification branch is n-grams that once followed the last token. With level N = 4 and window W = 3:
 *
 *     last ──┬── a ──┬── b ───── x ── y        trunk: last a b; columns: u v, s t, x y
 *            │       └── s ── t                after t the target says w: s t w follow a, which is an n-gram
 *            ├── u ── v
 *            └── g ── h ── i                   an n-gram that followed `last` before
 *
 *  A1  Each pass makes one more level: what the target says at each column's end. The oldest level but one becomes the
 *      trunk, without its first token, however many tokens were accepted (ALWAYS_FWD_ONE).
 *  A2  At first the trunk is W + N - 3 tokens drawn from the prompt, and there are no columns. Each pass adds a level,
 *      and takes the first token of all others, until there are N - 1. Only then n-grams are kept and checked.
 *  A3  A column and what the target says after it are an n-gram, kept under the trunk's token above it: of each first
 *      token the last G, where one seen again is the newest.
 *  A4  What begins alike shares its nodes, as a node's logits depend on its path only. So a token of the lookahead
 *      branch may be accepted, too. The original keeps the branches apart, and accepts n-grams only.
 *  A5  The original counts an n-gram that is right to its last token as one shorter. Here it is accepted whole;
 *      compat = yes leaves the last token out.
 *  A6  With pool_from_prompt the n-grams of the prompt, and then those of the output, are kept, too. The original's
 *      greedy code adds the wrong tokens of an output where several are accepted (its sampling code does not); here the
 *      right ones are added.
 *  A7  What the target says is its likeliest token, under any rule. (Where the original samples, it draws a stop token
 *      in the window again; here it stays.)
 *  A8  With room for fewer tokens, the newest n-grams come first, and the lookahead branch is drafted whole or not at
 *      all. Then the window stays as it is, as it does in a chain while another stage drafts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/index/gram_pool.h"
#include "engine/policies/policy.h"
#include "engine/rules/logits.h"
#include "engine/target/rows.h"

enum { LEVEL, WINDOW, GUESS, POOL_FROM_PROMPT, COMPAT };

enum { LEVEL_MAX = 32, HALF_MAX = DRAFT_CAP / 2 };

static const param_spec params[] = {
    [LEVEL] = PARAM_INTEGER("level", 5, 3, LEVEL_MAX, "tokens of an n-gram (LEVEL, the paper's N)"),
    [WINDOW] = PARAM_INTEGER("window", 7, 1, HALF_MAX, "columns of the lookahead branch (WINDOW_SIZE, W)"),
    [GUESS] = PARAM_INTEGER("guess", 7, 1, HALF_MAX, "most n-grams kept and checked of each token (GUESS_SET_SIZE, G)"),
    [POOL_FROM_PROMPT] = PARAM_YES_NO("pool_from_prompt", 0, "keep the n-grams of prompt and output, too"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: n-grams are checked without their last token"),
};

/* Level l has n_trunk + (l > 0) tokens: level 0 lacks that of the first column, the last token of the context. */
typedef struct {
    gram_pool pool;
    int32_t  *cells;             /* [level - 1, width]: the window's levels */
    int32_t  *ends;              /* [width]: nodes of the last draft whose rows make the next level */
    size_t    width;             /* window + level - 3 */
    size_t    n_trunk;           /* tokens of level 0 */
    size_t    levels;            /* there so far */
    bool      drafted;           /* the last draft has the window */
    int32_t   recent[LEVEL_MAX]; /* [n_recent] last tokens of the context, at most `level` */
    size_t    n_recent;
} window;

/* The nodes of a draft, with their children in lists. */
typedef struct {
    draft  *d;
    int32_t first[DRAFT_CAP + 1], last[DRAFT_CAP + 1]; /* child of a node, by its row; -1 = none */
    int32_t next[DRAFT_CAP];                           /* sibling of a node */
} trie;

static size_t param_of(const param_values *v, size_t i) {
    return (size_t)v->at[i].integer;
}

/* Nodes of a window with this many levels. */
static size_t window_nodes(size_t n_trunk, size_t levels) {
    return n_trunk + (levels - 1) * (n_trunk + 1);
}

static size_t lookahead_longest(const param_values *v) {
    size_t level = param_of(v, LEVEL), width = param_of(v, WINDOW) + level - 3, longest = 0;
    for (size_t levels = 1; levels < level; levels++) {
        size_t n = window_nodes(width - levels + 1, levels);
        if (levels == level - 1) n += param_of(v, GUESS) * (level - 1);
        if (n > longest) longest = n;
    }
    return longest;
}

static int lookahead_open(policy *p, err *e) {
    const param_value *at = p->spec.params.at;
    size_t             longest = lookahead_longest(&p->spec.params);
    if (longest <= DRAFT_CAP) return 0;
    return err_input(
        e, "level = %" PRId64 ", window = %" PRId64 " and guess = %" PRId64 " make drafts of %zu tokens (at most %d)",
        at[LEVEL].integer, at[WINDOW].integer, at[GUESS].integer, longest, DRAFT_CAP);
}

/* ---- n-grams of the text ------------------------------------------------------------------------------ */

/* A6. One more token of the context. */
static int add_recent(policy *p, int32_t id, err *e) {
    window *w = p->trial;
    size_t  level = param_of(&p->spec.params, LEVEL);
    if (w->n_recent == level) memmove(w->recent, w->recent + 1, --w->n_recent * sizeof *w->recent);
    w->recent[w->n_recent++] = id;
    if (w->n_recent < level || p->spec.params.at[POOL_FROM_PROMPT].choice == 0) return 0;
    return gram_pool_add(&w->pool, w->recent[0], w->recent + 1, e);
}

/* ---- the window --------------------------------------------------------------------------------------- */

static int32_t *level_at(const window *w, size_t level) {
    return w->cells + level * w->width;
}

static int lookahead_begin(policy *p, const policy_input *in, err *e) {
    window *w = p->trial;
    size_t  level = param_of(&p->spec.params, LEVEL);
    w->width = w->n_trunk = param_of(&p->spec.params, WINDOW) + level - 3;
    w->levels = 1;
    if (gram_pool_init(&w->pool, p->spec.vocab, level - 1, param_of(&p->spec.params, GUESS), e) != 0 ||
        (w->cells = mem_new(level, w->width * sizeof *w->cells, e)) == NULL ||
        (w->ends = mem_new(w->width + 1, sizeof *w->ends, e)) == NULL)
        return -1;
    for (size_t i = 0; i < w->n_trunk; i++) {
        size_t from = in->n_prompt > 0 ? in->n_prompt : p->spec.vocab;
        size_t at = (size_t)(noise_uniform(in->noise, i, 0) * (double)from);
        if (at == from) at--;
        w->cells[i] = in->n_prompt > 0 ? in->prompt[at] : (int32_t)at;
    }
    for (size_t i = 0; i < in->n_prompt; i++)
        if (add_recent(p, in->prompt[i], e) != 0) return -1;
    return 0;
}

/* A3. Each column, with what the target says after it. */
static int keep_columns(policy *p, const int32_t *said, err *e) {
    window *w = p->trial;
    int32_t rest[LEVEL_MAX];
    for (size_t i = 0; i <= w->n_trunk; i++) {
        int32_t first = i > 0 ? w->cells[i - 1] : w->recent[w->n_recent - 1];
        for (size_t l = 1; l < w->levels; l++) rest[l - 1] = level_at(w, l)[i];
        rest[w->levels - 1] = said[i];
        if (gram_pool_add(&w->pool, first, rest, e) != 0) return -1;
    }
    return 0;
}

/* A1, A2. `said` is what the target says at the ends. */
static void move_window(window *w, size_t level, const int32_t *said) {
    bool   full = w->levels == level - 1;
    size_t n_said = w->levels == 1 ? w->n_trunk : w->n_trunk + 1;
    if (full) {
        memmove(w->cells, level_at(w, 1) + 1, w->n_trunk * sizeof *w->cells);
        memmove(level_at(w, 1), level_at(w, 2), (w->levels - 2) * w->width * sizeof *w->cells);
        memcpy(level_at(w, w->levels - 1), said, n_said * sizeof *said);
        return;
    }
    for (size_t l = 0; l < w->levels; l++) memmove(level_at(w, l), level_at(w, l) + 1, w->n_trunk * sizeof *w->cells);
    size_t skipped = w->levels == 1 ? 0 : 1; /* the first pass says nothing of the last token's column */
    memcpy(level_at(w, w->levels), said + skipped, (n_said - skipped) * sizeof *said);
    w->levels++;
    w->n_trunk--;
}

static int lookahead_observe(policy *p, const step_view *step, err *e) {
    window *w = p->trial;
    size_t  level = param_of(&p->spec.params, LEVEL), n_said = w->levels == 1 ? w->n_trunk : w->n_trunk + 1;
    if (w->drafted && !step->foreign) {
        int32_t *said = level_at(w, level - 1); /* behind all levels */
        for (size_t i = 0; i < n_said; i++)
            logits_top(step->rows->logits + rows_of(w->ends[i]) * step->rows->vocab, step->rows->vocab, 1, &said[i]);
        if (w->levels == level - 1 && w->n_recent > 0 && keep_columns(p, said, e) != 0) return -1;
        move_window(w, level, said);
    }
    w->drafted = false;
    for (size_t i = 0; i < step->n; i++)
        if (add_recent(p, step->emitted[i], e) != 0) return -1;
    return 0;
}

/* ---- drafts ------------------------------------------------------------------------------------------- */

/* The child of a node with this id, made when there is none and room for it; -1 = no room. */
static int32_t trie_child(trie *t, int32_t parent, int32_t id, size_t limit) {
    size_t row = rows_of(parent);
    for (int32_t c = t->first[row]; c >= 0; c = t->next[c])
        if (t->d->ids[c] == id) return c;
    if (t->d->n >= limit) return -1;
    int32_t node = draft_add(t->d, parent, id);
    t->first[rows_of(node)] = t->next[node] = -1;
    if (t->first[row] < 0)
        t->first[row] = node;
    else
        t->next[t->last[row]] = node;
    t->last[row] = node;
    return node;
}

static void draft_guesses(const policy *p, trie *t, size_t limit) {
    const window  *w = p->trial;
    size_t         n, width = w->pool.width;
    const int32_t *grams = gram_pool_find(&w->pool, w->recent[w->n_recent - 1], &n);
    size_t         checked = p->spec.params.at[COMPAT].choice != 0 ? width - 1 : width;
    while (n-- > 0) {
        int32_t node = DRAFT_ROOT;
        for (size_t i = 0; i < checked && (i == 0 || node >= 0); i++)
            node = trie_child(t, node, grams[n * width + i], limit);
    }
}

static void draft_window(window *w, trie *t) {
    int32_t trunk = DRAFT_ROOT;
    for (size_t i = 0; i <= w->n_trunk; i++) {
        int32_t node = trunk = i > 0 ? trie_child(t, trunk, w->cells[i - 1], DRAFT_CAP) : DRAFT_ROOT;
        for (size_t l = 1; l < w->levels; l++) node = trie_child(t, node, level_at(w, l)[i], DRAFT_CAP);
        if (w->levels > 1)
            w->ends[i] = node;
        else if (i > 0)
            w->ends[i - 1] = node;
    }
}

static int lookahead_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    window *w = p->trial;
    trie    t;
    t.d = d;
    t.first[rows_of(DRAFT_ROOT)] = -1;
    w->drafted = false;
    if (w->n_recent == 0) return 0;
    if (w->levels == param_of(&p->spec.params, LEVEL) - 1) draft_guesses(p, &t, limit);
    d->match_length = d->n > 0;
    w->drafted = window_nodes(w->n_trunk, w->levels) <= limit - d->n;
    if (w->drafted) draft_window(w, &t);
    if (d->n > 0) d->source = SOURCE_OTHER;
    return 0;
}

static void lookahead_end(policy *p) {
    window *w = p->trial;
    gram_pool_free(&w->pool);
    free(w->cells);
    free(w->ends);
}

const policy_ops policy_lookahead = {
    .name = "lookahead",
    .source = __FILE__,
    .help = "lets the target guess far ahead, and drafts the n-grams that came of it",
    .origin = "Fu et al. 2024, arXiv 2402.02057; behaves as hao-ai-lab/LookaheadDecoding, lade/decoding.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = READS_LOGITS,
    .trial_bytes = sizeof(window),
    .open = lookahead_open,
    .begin = lookahead_begin,
    .observe = lookahead_observe,
    .propose = lookahead_propose,
    .longest = lookahead_longest,
    .end = lookahead_end,
};
