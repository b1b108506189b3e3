/* suffix.c - ik_llama.cpp's drafter "suffix" (common/suffix-tree.cpp, August 2026).
 *
 * A trie counts all strings of the text so far, up to max_depth tokens. Each suffix of the text, from n tokens on, is
 * followed by what followed it most often, token by token. Beside it, a second trie counts a corpus. vLLM's drafter of
 * this name is suffix_tree (suffix_tree.c).
 *
 *  X1  The last max_depth tokens are the context. A match of m tokens drafts at most k, and at most m + 8.
 *  X2  Scores and paths are those of suffix_draft.h, D1, D3 and D4; children that followed equally often are in the
 *      order of suffix_index.h, S2, where the original has that of a hash table. Of equal scores the shorter match
 *      counts.
 *  X3  The corpus is asked as well, and its draft is taken if it has more tokens.
 *  X4  A draft of fewer than n_min tokens is dropped. In the original it then counts as one of which nothing stood.
 *  X5  The least probability begins at 0.1. After the third draft in a row of which less than half stood it rises by
 *      0.1, to 0.5 at most, and the count begins again. After any other draft it falls by 0.05, if it is above p_min,
 *      to p_min at least. With p_min = 0.75 as the original presets it, it never falls.
 *  X6  The corpus is what earlier requests put out, `requests` of them at most; the oldest one goes first. Each is a
 *      text of its own. The original reads its corpus from a file, where it runs on from one text into the next.
 *  X7  A text has a trie of its own. The original's trie goes on for as long as the program runs: it then holds the
 *      prompts and outputs of all requests as one text, and what comes again in a conversation's next prompt is
 *      counted again. So counts stand for repeated prompts, and a request's drafts depend on what others asked.
 *      compat = yes does so, with memory = cell; once 2^28 / max_depth tokens are there, which is its bound for a
 *      corpus, it begins anew. There, a step's tokens join the trie when the next draft is proposed, so those of a
 *      request's last step never do. The least probability is kept from one request to the next either way, but not
 *      the count of X5.
 */
#include "engine/policies/policy.h"
#include "engine/policies/suffix_draft.h"
#include "engine/policies/suffix_outputs.h"

enum { N, K, N_MIN, MAX_DEPTH, P_MIN, REQUESTS, COMPAT, MEMORY };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 5, 1, SUFFIX_DEPTH_MAX, "fewest last tokens that must match (suffix_min_match_len)"),
    [K] = PARAM_INTEGER("k", 16, 1, DRAFT_CAP, "most tokens drafted (n_max)"),
    [N_MIN] = PARAM_INTEGER("n_min", 0, 0, DRAFT_CAP, "fewest tokens drafted (n_min)"),
    [MAX_DEPTH] =
        PARAM_INTEGER("max_depth", 64, 2, SUFFIX_DEPTH_MAX, "longest match with its draft (suffix_max_depth)"),
    [P_MIN] =
        PARAM_REAL("p_min", 0.75, 0, 1, "to where the least probability of a token falls, from 0.1 to 0.5 (p_min)"),
    [REQUESTS] = PARAM_INTEGER("requests", 100000, 0, INT32_MAX, "earlier outputs in the corpus"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: one trie for all requests"),
    [MEMORY] = PARAM_MEMORY,
};

enum { AHEAD = 8, ROUNDS = 3, TOKENS_TIMES_DEPTH = 1 << 28 };

typedef struct {
    suffix_outputs corpus;
    tokens         output; /* of the last request: it joins the corpus when the next one begins */
    size_t         n_requests;
    suffix_index   text; /* with compat = yes */
    float          least;
} learned;

typedef struct {
    suffix_rules   rules;
    suffix_index   text;
    tokens         coming; /* they join the text with the next draft, with compat = yes */
    uint32_t       before; /* tokens of earlier requests in the text, with compat = yes */
    suffix_match   corpus; /* the context's longest suffix there */
    size_t         drafted, n_low;
    suffix_scratch scratch;
    suffix_best    best, other;
} request;

static size_t depth_of(const policy *p) {
    return (size_t)p->spec.params.at[MAX_DEPTH].integer;
}

static bool compat(const policy *p) {
    return p->spec.params.at[COMPAT].choice == 1;
}

/* Whether outputs join the corpus. */
static bool keeps(const policy *p) {
    return policy_remembers(p->ops, &p->spec.params) && p->spec.params.at[REQUESTS].integer > 0;
}

static suffix_index *text_of(const policy *p) {
    return compat(p) ? &((learned *)p->memory)->text : &((request *)p->trial)->text;
}

static int suffix_open(policy *p, err *e) {
    int64_t n = p->spec.params.at[N].integer, k = p->spec.params.at[K].integer,
            least = p->spec.params.at[N_MIN].integer;
    if ((size_t)n >= depth_of(p))
        return err_input(e, "n = %d leaves nothing of max_depth = %zu for a draft (n is less)", (int)n, depth_of(p));
    if (least > k) return err_input(e, "n_min = %d is more than k = %d", (int)least, (int)k);
    return 0;
}

/* X6. */
static int corpus_add(policy *p, err *e) {
    learned *l = p->memory;
    size_t   most = (size_t)p->spec.params.at[REQUESTS].integer;
    if (l->n_requests++ == 0 || !keeps(p)) return 0;
    if (suffix_outputs_begin(&l->corpus, depth_of(p), most, e) != 0) return -1;
    int ret = suffix_outputs_append(&l->corpus, l->output.ids, l->output.n, e);
    l->output.n = 0;
    return ret;
}

static int text_add(policy *p, const int32_t *ids, size_t n, err *e) {
    request *r = p->trial;
    learned *l = p->memory;
    for (size_t i = 0; i < n; i++) {
        if (suffix_index_append(text_of(p), ids[i], e) != 0) return -1;
        if (l->corpus.n > 0) suffix_match_step(&l->corpus.index, &r->corpus, ids[i]);
    }
    return 0;
}

/* X7 */
static int text_take(policy *p, const int32_t *ids, size_t n, err *e) {
    return compat(p) ? tokens_append(&((request *)p->trial)->coming, ids, n, e) : text_add(p, ids, n, e);
}

static int text_join(policy *p, err *e) {
    request *r = p->trial;
    int      ret = text_add(p, r->coming.ids, r->coming.n, e);
    r->coming.n = 0;
    return ret;
}

static int suffix_begin(policy *p, const policy_input *in, err *e) {
    request      *r = p->trial;
    learned      *l = p->memory;
    suffix_index *text = text_of(p);
    size_t        k = (size_t)p->spec.params.at[K].integer;
    if (l->n_requests == 0) l->least = 0.1f;
    r->rules = (suffix_rules){.min_length = (size_t)p->spec.params.at[N].integer, .shortest = true};
    for (size_t n = 1; n < depth_of(p); n++) r->rules.allowed[n] = (uint16_t)(n + AHEAD < k ? n + AHEAD : k);
    if (corpus_add(p, e) != 0) return -1;
    if (text->broken || text->appended >= TOKENS_TIMES_DEPTH / depth_of(p)) suffix_index_free(text);
    if (text->n_states == 0 && suffix_index_init(text, depth_of(p), in->n_prompt, e) != 0) {
        suffix_index_free(text);
        return -1;
    }
    r->before = text->appended;
    return text_take(p, in->prompt, in->n_prompt, e);
}

/* X5. */
static void judge(policy *p, size_t accepted) {
    request *r = p->trial;
    learned *l = p->memory;
    float    base = (float)p->spec.params.at[P_MIN].real;
    if (r->drafted == 0) return;
    if (accepted * 2 < r->drafted) {
        if (++r->n_low < ROUNDS) return;
        l->least = l->least + 0.1f < 0.5f ? l->least + 0.1f : 0.5f;
        r->n_low = 0;
    } else {
        r->n_low = 0;
        if (l->least > base) l->least = l->least - 0.05f > base ? l->least - 0.05f : base;
    }
}

static int suffix_observe(policy *p, const step_view *step, err *e) {
    learned *l = p->memory;
    if (step->n > 0 && !step->foreign) judge(p, step->n - 1);
    ((request *)p->trial)->drafted = 0;
    if (keeps(p) && tokens_append(&l->output, step->emitted, step->n, e) != 0) return -1;
    return text_take(p, step->emitted, step->n, e);
}

static int best_of(policy *p, const suffix_index *x, suffix_match m, size_t limit, suffix_best *best, err *e) {
    request *r = p->trial;
    best->score = 0;
    best->n = best->length = 0;
    size_t own = text_of(p)->appended - r->before; /* tokens of this request */
    suffix_match_shorten(x, &m, own < x->depth ? own : x->depth - 1);
    return suffix_draft_best(x, &r->rules, m, limit, &r->scratch, best, e);
}

/* Where the first token drafted occurred first. */
static void name_source(const policy *p, bool corpus, size_t at, draft *d) {
    size_t before = ((const request *)p->trial)->before, n_prompt = p->in.n_prompt;
    d->source = corpus || at < before ? SOURCE_OTHER : at - before < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    if (d->source != SOURCE_OTHER)
        d->source_position = (int32_t)(at - before - (d->source == SOURCE_PROMPT ? 0 : n_prompt));
}

static int suffix_propose(policy *p, size_t limit, draft *d, err *e) {
    request      *r = p->trial;
    learned      *l = p->memory;
    suffix_index *text = text_of(p);
    size_t        most = limit > 0 ? limit : 1; /* that there is a match is said in any case */
    if (text_join(p, e) != 0) return -1;
    r->rules.min_prob = l->least;
    r->other.n = 0;
    if (best_of(p, text, suffix_index_end(text), most, &r->best, e) != 0) return -1;
    if (l->corpus.n > 0 && best_of(p, &l->corpus.index, r->corpus, most, &r->other, e) != 0) return -1;
    bool         other = r->other.n > r->best.n; /* X3 */
    suffix_best *best = other ? &r->other : &r->best;
    if (best->n == 0 || best->n < (size_t)p->spec.params.at[N_MIN].integer) return 0; /* X4 */
    if (best->n > limit) best->n = limit;
    suffix_draft_add(best, d);
    r->drafted = d->n;
    name_source(p, other, best->at, d);
    return 0;
}

static size_t suffix_longest(const param_values *v) {
    int64_t most = v->at[MAX_DEPTH].integer - v->at[N].integer;
    return (size_t)(v->at[K].integer < most ? v->at[K].integer : most);
}

static void suffix_end(policy *p) {
    request *r = p->trial;
    suffix_index_free(&r->text);
    tokens_free(&r->coming);
    suffix_scratch_free(&r->scratch);
}

static void suffix_forget(policy *p) {
    learned *l = p->memory;
    suffix_outputs_free(&l->corpus);
    suffix_index_free(&l->text);
    tokens_free(&l->output);
}

const policy_ops policy_suffix = {
    .name = "suffix",
    .source = __FILE__,
    .help = "drafts what followed the last tokens most often in prompt and output, or in earlier outputs",
    .origin = "ik_llama.cpp, common/suffix-tree.cpp and common/speculative.cpp (suffix)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(request),
    .memory_bytes = sizeof(learned),
    .open = suffix_open,
    .begin = suffix_begin,
    .observe = suffix_observe,
    .propose = suffix_propose,
    .longest = suffix_longest,
    .end = suffix_end,
    .forget = suffix_forget,
};
