/* sam.c - drafting from suffix automata: SAM-Decoding without a draft model (arXiv 2411.10666; samd_sam_only).
 *
 * A dynamic automaton holds prompt and output, a static one the references. In each, the longest suffix of prompt and
 * output that occurs there, and earlier, is known at any time, however long it is. The longer match is drafted from,
 * and the longer it is, the more.
 *
 *  S1  The dynamic match counts as it is; the static one has to be len_bias tokens longer, and counts by that much
 *      less from then on. Equal ones: the dynamic one.
 *  S2  A match of l tokens drafts at most floor(alpha * l) tokens, and k - 1: k counts the last token.
 *  S3  Dynamic drafts are a copy of what follows the first place, up to the text's end. The original ends it before
 *      the last token of the text, which its automaton does not hold yet when it drafts; so does `compat = yes`.
 *      In a text that repeats itself the first place of the longest match is one period back, and little follows it.
 *      tail = climb takes shorter matches, link by link, until all that S2 allows follows their first place, or none is
 *      left; samd does so. tail = repeat, our own, goes on with the draft itself, as in LZ77.
 *  S4  Static drafts are a tree of what follows in any place. A node's share is its parent's times how often it follows
 *      there; the largest share is added first, of equal ones that which was found first. Only the `width` most
 *      frequent children of a node (of equal ones those that occur first) and `width` nodes of a level are added. The
 *      original leaves these ties to a heap and to the order of a dict.
 *  S5  static = chain copies what follows the first place instead, up to the end of the reference, as the variant with
 *      a draft model does (samd).
 *  S6  References are separated: no match and no draft crosses them. The original puts EOS between texts, and may
 *      draft it.
 *  S7  With memory = cell, a second static automaton holds earlier outputs, and the longer static match counts, of
 *      equal ones the references'. When a trial begins, the last one's output is added. If there were more than
 *      `capacity` tokens then, the oldest outputs are forgotten first, until at most capacity / 2 are left; of an
 *      output only the last capacity / 2 tokens are kept.
 *      pool = texts keeps their prompts with them, as one text each.
 *  S8  A third static automaton holds the documents of a datastore, `corpus`; of equal matches it comes last. It is
 *      built once for a cell, which is not timed, and takes some 71 bytes a token.
 *  S9  With n > 0 no match is longer than n tokens: of a longer one the last n count, from their own first place. A
 *      match of fewer than min_match tokens is none. (What tail = climb goes on to may be shorter.)
 *  S10 Step 0 drafts.
 *
 * TensorRT-LLM's suffix automaton (decoding_type SA; kernels/speculativeDecoding/suffixAutomaton, _torch/speculative/
 * sa_worker.py, 2026), too, looks for the longest match, or with max_matching_ngram_size for one of at most so many
 * tokens, and copies a fixed number of tokens from its first place: alpha = 1024, n. Where it enhances another drafter,
 * its match must have `threshold` tokens: min_match in a chain's first stage. Its global pool holds what other requests
 * said, prompts included, and the longest match counts: memory = cell, pool = texts, static = chain, len_bias = 0.
 * There, the requests that run at the same time are in it; here, those before.
 * SGLang's suffix automaton adds to the drafts of its trie: sglang_ngram.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/store_param.h"

enum { K, N, MIN_MATCH, ALPHA, LEN_BIAS, WIDTH, STATIC, TAIL, CORPUS, CAPACITY, POOL, COMPAT, MEMORY };
enum { STATIC_TREE, STATIC_CHAIN };
enum { TAIL_SHORT, TAIL_CLIMB, TAIL_REPEAT };
enum { WIDTH_MAX = 64, OUTPUT_EXPECTED = 1024 };

static const char *const statics[] = {[STATIC_TREE] = "tree", [STATIC_CHAIN] = "chain", NULL};
enum { POOL_OUTPUTS, POOL_TEXTS };

static const char *const pools[] = {[POOL_OUTPUTS] = "outputs", [POOL_TEXTS] = "texts", NULL};
static const char *const tails[] = {[TAIL_SHORT] = "short", [TAIL_CLIMB] = "climb", [TAIL_REPEAT] = "repeat", NULL};

static const param_spec params[] = {
    [K] = PARAM_INTEGER("k", 40, 1, DRAFT_CAP,
                        "tokens of a pass, the last token included: k - 1 are drafted (max_predicts)"),
    [N] = PARAM_INTEGER("n", 0, 0, UINT16_MAX, "longest match, in tokens; 0 = any (max_matching_ngram_size)"),
    [MIN_MATCH] = PARAM_INTEGER("min_match", 1, 1, UINT16_MAX, "shortest match that is drafted from (threshold)"),
    [ALPHA] = PARAM_REAL("alpha", 4, 0, 1024, "most tokens drafted for each one matched (alpha)"),
    [LEN_BIAS] = PARAM_INTEGER("len_bias", 5, 0, UINT16_MAX, "tokens taken off a static match's length (len_bias)"),
    [WIDTH] =
        PARAM_INTEGER("width", 8, 1, WIDTH_MAX, "most children of a node, and nodes of a level, of a static tree (K)"),
    [STATIC] = PARAM_CHOICE("static", statics, STATIC_TREE, "what references give: a tree, or a copy of one place"),
    [TAIL] =
        PARAM_CHOICE("tail", tails, TAIL_SHORT, "when little follows the match: draft it, match less, or repeat it"),
    [CORPUS] = PARAM_FILE_OR_NONE("corpus", "a datastore to copy from, too (harness datastore build)"),
    [CAPACITY] = PARAM_INTEGER("capacity", 1 << 18, 2, 1 << 28, "most tokens of earlier outputs kept (memory = cell)"),
    [POOL] = PARAM_CHOICE("pool", pools, POOL_OUTPUTS, "what is kept: outputs, or also their prompts (global pool)"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: the last token of the text is never copied"),
    [MEMORY] = PARAM_MEMORY,
};

/* A node that may be added to a tree. */
typedef struct {
    double   share;
    uint32_t order; /* found as the order-th */
    uint32_t state;
    int32_t  parent;
    uint32_t level;
} candidate;

typedef struct {
    automaton corpus; /* a sequence for each document */
} sam_cell;

typedef struct {
    automaton       text, references;
    automaton_match in_references, in_earlier, in_corpus; /* the text's longest suffix there */
    candidate      *heap;                                 /* the best first */
} sam_trial;

typedef struct {
    automaton earlier; /* a sequence for each earlier output */
    tokens    output;  /* this trial's, or the last one's, which `earlier` does not hold yet; with its prompt or not */
} sam_memory;

/* ---- a cell (S8) ------------------------------------------------------------------------------------- */

static int sam_open(policy *p, err *e) {
    const param_value *v = p->spec.params.at;
    sam_cell          *c = p->cell;
    if (v[COMPAT].choice == 1 && v[TAIL].choice == TAIL_REPEAT)
        return err_input(e, "compat = yes and tail = repeat exclude each other (tail = short or climb)");
    if (v[N].integer > 0 && v[MIN_MATCH].integer > v[N].integer)
        return err_input(e, "min_match = %d is more than n = %d", (int)v[MIN_MATCH].integer, (int)v[N].integer);
    if (store_param_automaton(p, CORPUS, &c->corpus, e) != 0) return -1;
    return v[STATIC].choice == STATIC_TREE ? automaton_count(&c->corpus, e) : 0;
}

static void sam_close(policy *p) {
    automaton_free(&((sam_cell *)p->cell)->corpus);
}

/* ---- memory (S7) ------------------------------------------------------------------------------------- */

/* Forgets the oldest outputs. */
static int memory_shrink(automaton *earlier, size_t most, err *e) {
    automaton kept = {0};
    size_t    first = earlier->n_sequences, sum = 0, n;
    for (; first > 0; first--) {
        automaton_tokens(earlier, first - 1, &n);
        if (sum + n > most) break;
        sum += n;
    }
    int ret = automaton_init(&kept, sum, e);
    for (; ret == 0 && first < earlier->n_sequences; first++) {
        const int32_t *ids = automaton_tokens(earlier, first, &n);
        ret = automaton_sequence(&kept, e) != 0 || automaton_append(&kept, ids, n, e) != 0 ? -1 : 0;
    }
    automaton_free(earlier);
    *earlier = kept;
    return ret;
}

static int memory_learn(sam_memory *m, size_t capacity, bool counted, err *e) {
    automaton     *a = &m->earlier;
    size_t         n = m->output.n < capacity / 2 ? m->output.n : capacity / 2;
    const int32_t *ids = n > 0 ? m->output.ids + m->output.n - n : NULL;
    if (a->states == NULL && automaton_init(a, 0, e) != 0) return -1;
    if (n == 0) return 0;
    size_t held = a->n_sequences > 0 ? a->text.n + 1 - a->n_sequences : 0;
    if (held + n > capacity && memory_shrink(a, capacity / 2, e) != 0) return -1;
    if (automaton_sequence(a, e) != 0 || automaton_append(a, ids, n, e) != 0) return -1;
    m->output.n = 0;
    return counted ? automaton_count(a, e) : 0;
}

static void sam_forget(policy *p) {
    sam_memory *m = p->memory;
    automaton_free(&m->earlier);
    tokens_free(&m->output);
}

/* ---- a trial ----------------------------------------------------------------------------------------- */

static int sam_read(policy *p, const int32_t *ids, size_t n, err *e) {
    sam_trial        *t = p->trial;
    const sam_memory *m = p->memory;
    const sam_cell   *c = p->cell;
    for (size_t i = 0; i < n; i++) {
        automaton_follow(&t->references, &t->in_references, ids[i]);
        automaton_follow(&m->earlier, &t->in_earlier, ids[i]);
        automaton_follow(&c->corpus, &t->in_corpus, ids[i]);
    }
    return automaton_append(&t->text, ids, n, e);
}

static int sam_index_references(sam_trial *t, const policy_input *in, bool counted, err *e) {
    size_t expected = in->n_references;
    for (size_t i = 0; i < in->n_references; i++) expected += in->references[i].n;
    if (automaton_init(&t->references, expected, e) != 0) return -1;
    for (size_t i = 0; i < in->n_references; i++)
        if (automaton_sequence(&t->references, e) != 0 ||
            automaton_append(&t->references, in->references[i].ids, in->references[i].n, e) != 0)
            return -1;
    return counted ? automaton_count(&t->references, e) : 0;
}

static int sam_begin(policy *p, const policy_input *in, err *e) {
    const param_value *v = p->spec.params.at;
    sam_trial         *t = p->trial;
    bool               tree = v[STATIC].choice == STATIC_TREE;
    if (memory_learn(p->memory, (size_t)v[CAPACITY].integer, tree, e) != 0) {
        sam_forget(p);
        return -1;
    }
    if (v[POOL].choice == POOL_TEXTS &&
        tokens_append(&((sam_memory *)p->memory)->output, in->prompt, in->n_prompt, e) != 0)
        return -1;
    size_t candidates = tree ? (size_t)(v[K].integer * v[WIDTH].integer) : 0;
    if ((t->heap = mem_new(candidates, sizeof *t->heap, e)) == NULL) return -1;
    if (sam_index_references(t, in, tree, e) != 0) return -1;
    if (automaton_init(&t->text, in->n_prompt + OUTPUT_EXPECTED, e) != 0 || automaton_sequence(&t->text, e) != 0)
        return -1;
    return sam_read(p, in->prompt, in->n_prompt, e);
}

static int sam_observe(policy *p, const step_view *step, err *e) {
    sam_memory *m = p->memory;
    if (tokens_append(&m->output, step->emitted, step->n, e) != 0) return -1;
    return sam_read(p, step->emitted, step->n, e);
}

static void sam_end(policy *p) {
    sam_trial *t = p->trial;
    automaton_free(&t->text);
    automaton_free(&t->references);
    free(t->heap);
}

/* ---- static trees (S4) ------------------------------------------------------------------------------- */

static bool better(const candidate *a, const candidate *b) {
    return a->share != b->share ? a->share > b->share : a->order < b->order;
}

static void heap_push(candidate *heap, size_t n, candidate c) {
    while (n > 0 && better(&c, &heap[(n - 1) / 2])) {
        heap[n] = heap[(n - 1) / 2];
        n = (n - 1) / 2;
    }
    heap[n] = c;
}

/* Takes the best of n. */
static candidate heap_pop(candidate *heap, size_t n) {
    candidate best = heap[0], c = heap[--n];
    size_t    i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && better(&heap[child + 1], &heap[child])) child++;
        if (!better(&heap[child], &c)) break;
        heap[i] = heap[child];
    }
    heap[i] = c;
    return best;
}

/* Adds the children of a node to the n candidates; returns how many there are then. */
static size_t tree_expand(const automaton *a, candidate *heap, size_t n, const candidate *node, size_t width,
                          uint32_t *order) {
    uint32_t children[WIDTH_MAX];
    size_t   n_children = automaton_children(a, node->state, AUTOMATON_FREQUENT, children, width);
    for (size_t i = 0; i < n_children; i++) {
        double share = (double)a->states[children[i]].count / (double)a->states[node->state].count;
        heap_push(heap, n++, (candidate){node->share * share, (*order)++, children[i], node->parent, node->level + 1});
    }
    return n;
}

static void draft_tree(const automaton *a, candidate *heap, uint32_t state, size_t width, size_t most, draft *d) {
    uint16_t  levels[DRAFT_CAP + 1] = {0};
    uint32_t  order = 0;
    candidate node = {1, 0, state, DRAFT_ROOT, 0};
    size_t    n = most > 0 ? tree_expand(a, heap, 0, &node, width, &order) : 0;
    while (n > 0) {
        node = heap_pop(heap, n--);
        if (levels[node.level] == width) continue;
        levels[node.level]++;
        node.parent = draft_add(d, node.parent, automaton_ends_with(a, node.state));
        if (d->n == most) return;
        n = tree_expand(a, heap, n, &node, width, &order);
    }
}

/* ---- drafting ---------------------------------------------------------------------------------------- */

/* S3. The match to draft from. */
static automaton_match sam_climb(const automaton *text, automaton_match m, size_t most, size_t end) {
    const automaton_state *s = &text->states[m.state];
    while (end - s->end < most && s->link != AUTOMATON_ROOT) {
        m.state = s->link;
        s = &text->states[m.state];
        m.length = s->length;
    }
    return m;
}

static void draft_dynamic(const policy *p, automaton_match m, size_t most, draft *d) {
    const sam_trial *t = p->trial;
    size_t           tail = p->spec.params.at[TAIL].choice, n_prompt = p->in.n_prompt;
    size_t           end = t->text.text.n - p->spec.params.at[COMPAT].choice;
    if (m.length == 0) return;
    if (tail == TAIL_CLIMB) m = sam_climb(&t->text, m, most, end);
    size_t from = t->text.states[m.state].end, left = end - from;
    draft_extend(d, t->text.text.ids + from, left < most ? left : most);
    for (size_t i = 0; tail == TAIL_REPEAT && left > 0 && d->n < most; i++) draft_extend(d, &d->ids[i], 1);
    d->match_length = (uint16_t)(m.length < UINT16_MAX ? m.length : UINT16_MAX);
    d->source = from < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    d->source_position = (int32_t)(from < n_prompt ? from : from - n_prompt);
}

static void draft_static(const policy *p, const automaton *a, automaton_match m, size_t most, draft *d) {
    const sam_trial   *t = p->trial;
    const param_value *v = p->spec.params.at;
    d->match_length = (uint16_t)(m.length < UINT16_MAX ? m.length : UINT16_MAX);
    size_t         from = a->states[m.state].end, sequence = automaton_sequence_at(a, from), n;
    const int32_t *ids = automaton_tokens(a, sequence, &n);
    from -= a->starts[sequence];
    d->source = a == &t->references ? (int32_t)sequence : SOURCE_OTHER;
    if (a == &t->references) d->source_position = (int32_t)from;
    if (v[STATIC].choice == STATIC_TREE)
        draft_tree(a, t->heap, m.state, (size_t)v[WIDTH].integer, most, d);
    else
        draft_extend(d, ids + from, n - from < most ? n - from : most);
}

static size_t sam_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

/* S2. */
static size_t sam_most(const policy *p, int64_t length, size_t limit) {
    double tokens_for_match = p->spec.params.at[ALPHA].real * (double)length;
    size_t most = sam_longest(&p->spec.params);
    if (most > limit) most = limit;
    return tokens_for_match < (double)most ? (size_t)tokens_for_match : most;
}

/* S9 */
static automaton_match sam_limit(const policy *p, const automaton *a, automaton_match m) {
    uint32_t most = (uint32_t)p->spec.params.at[N].integer, least = (uint32_t)p->spec.params.at[MIN_MATCH].integer;
    if (most > 0 && m.length > most) {
        while (a->states[a->states[m.state].link].length >= most) m.state = a->states[m.state].link;
        m.length = most;
    }
    if (m.length < least) m = (automaton_match){0};
    return m;
}

static int sam_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const sam_trial *t = p->trial;
    const struct {
        const automaton *a;
        automaton_match  m;
    } fixed[] = {{&t->references, t->in_references},
                 {&((const sam_memory *)p->memory)->earlier, t->in_earlier},
                 {&((const sam_cell *)p->cell)->corpus, t->in_corpus}};
    const automaton *a = NULL;
    automaton_match  best = {0}, moving = sam_limit(p, &t->text, automaton_repeat(&t->text));
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        automaton_match m = sam_limit(p, fixed[i].a, fixed[i].m);
        if (m.length <= best.length) continue;
        best = m;
        a = fixed[i].a;
    }
    int64_t biased = (int64_t)best.length - p->spec.params.at[LEN_BIAS].integer;
    if ((int64_t)moving.length >= biased) /* S1 */
        draft_dynamic(p, moving, sam_most(p, moving.length, limit), d);
    else
        draft_static(p, a, best, sam_most(p, biased, limit), d);
    return 0;
}

const policy_ops policy_sam = {
    .name = "sam",
    .source = __FILE__,
    .help = "copies what follows the longest match, of any length, in prompt and output; a tree from references",
    .origin = "Hu et al. 2024, arXiv 2411.10666; SAM-Decoding, samd_sam_only; TensorRT-LLM, SADecodingConfig",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(sam_cell),
    .trial_bytes = sizeof(sam_trial),
    .memory_bytes = sizeof(sam_memory),
    .open = sam_open,
    .begin = sam_begin,
    .observe = sam_observe,
    .propose = sam_propose,
    .longest = sam_longest,
    .end = sam_end,
    .forget = sam_forget,
    .close = sam_close,
};
