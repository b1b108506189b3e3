/* adaptive.c - our own: drafts what is expected to pay, from any source, as a chain or a tree, and nothing where
 * nothing pays.
 *
 *  A1  Sources: references, the history (prompt and output), and earlier outputs where memory is kept. Of each, the
 *      longest match of the last tokens makes a guess: what followed there. Of several places the first one counts in
 *      the references, the latest one elsewhere, by up to MATCH_MAX tokens; but a guess that was right goes on where it
 *      is, for its match is the longest again.
 *  A2  Every token that the target emits says of every guess whether it was right, drafted or not. So the estimate of
 *      being right, by source and by length of the match, learns from all tokens: it is (WEIGHT * prior + right) /
 *      (WEIGHT + seen). When `seen` reaches FULL, both counts are halved: what is recent counts more.
 *  A3  A guess that is right makes a match that is one token longer. So a chain of guesses stands with the product of
 *      the estimates at lengths n, n + 1, ..., and guesses of all sources make a tree in which each node has such a
 *      probability. Where sources agree the larger one counts; where they differ, the second branch is worth its own
 *      estimate in the case that the first one is wrong.
 *  A4  A draft of m nodes that stand with p_1 >= p_2 >= ... gives 1 + sum p_i tokens on average and takes T(1 + m); a
 *      parent is never behind its child. m is chosen to make (sum of the first m p_i) - rate * T(1 + m) largest, where
 *      rate is tokens per time so far. A fixed point of that has the most tokens per time (Dinkelbach 1967).
 *  A5  T is T(m, context) where the model's times are known (policy_spec.times); the context is all tokens of the trial
 *      but the pending one, and no draft makes a pass whose time is not known. Otherwise it is 1 + slope * (m - 1) in
 *      any context. Time is counted in passes of one token
 *      in the same context: such a pass is what an accepted token saves there. So the rate, a speed-up, means the same
 *      in every context, while a longer context makes the tokens of a draft dearer or cheaper beside the first.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/history.h"
#include "engine/policies/policy.h"

enum { K, SLOPE, FORM, MEMORY };
enum { CHAIN, TREE };

static const char *const forms[] = {[CHAIN] = "chain", [TREE] = "tree", NULL};

static const param_spec params[] = {
    [K] = PARAM_INTEGER(
        "k", 32, 1, DRAFT_CAP,
        "most tokens in a pass, the last token included: k - 1 are drafted; with a cost file at most those of "
        "the widest pass in it"),
    [SLOPE] =
        PARAM_REAL("slope", 0.1, 0, 1, "time of one more token, as a share of a pass of one; if none was measured"),
    [FORM] = PARAM_CHOICE("form", forms, TREE, "shape of a draft: one source's guess, or those of all that differ"),
    [MEMORY] = PARAM_MEMORY,
};

enum { REFERENCES, HISTORY, EARLIER, SOURCES };

enum {
    MATCH_MAX = 5,        /* longest n-gram that is looked up */
    LENGTHS = 12,         /* classes of match lengths */
    LENGTH_CAP = 64,      /* a longer match counts as this long */
    FULL = 256,           /* A2 */
    EARLIER_CAP = 1 << 20 /* tokens of earlier outputs; when they are more, all are dropped */
};

/* Counts of A2. */
typedef struct {
    double right, seen, estimate;
} count;

/* What one source says comes next. */
typedef struct {
    const int32_t *ids;       /* [n]; n = 0: nothing follows the match, or there is none */
    size_t         n, length; /* length: of the match; 0 = none */
    size_t         sequence;  /* in the source's index */
    size_t         end;       /* of the match in that sequence: where ids begins */
} guess;

typedef struct {
    size_t  most;  /* tokens to draft */
    double *times; /* [measured contexts, or 1; most + 2]: T(m) at m, from 1 on, in any unit */
} adaptive_cell;

/* What passes take in one context. */
typedef struct {
    double of[DRAFT_CAP + 2]; /* T(m) / T(1) at m, from 1 on */
    double least;             /* that one more token takes */
} pass_costs;

typedef struct {
    count       counts[SOURCES][LENGTHS];
    double      tokens, time; /* of all steps but the prompt's */
    ngram_index earlier;      /* a sequence for each output but the last */
    tokens      output;       /* the last one */
    bool        begun;
} adaptive_memory;

typedef struct {
    ngram_index references;
    history     own;
    size_t      steps;
    double      time; /* of the pass in flight */
    guess       guesses[SOURCES];
} adaptive_trial;

/* ---- estimates -------------------------------------------------------------------------------------- */

/* What holds on average before anything is known, worth WEIGHT tokens. */
static const double WEIGHT = 8;
static const double prior[LENGTHS] = {0.25, 0.45, 0.6, 0.7, 0.78, 0.83, 0.87, 0.9, 0.92, 0.93, 0.94, 0.95};

/* The class of a match: 1, 2, 3, 4, 5-6, 7-8, 9-12, 13-16, 17-24, 25-32, 33-48, longer. */
static size_t length_class(size_t length) {
    static const unsigned char class[50] = {0,  0,  1,  2,  3,  4,  4,  5,  5,  6,  6,  6,  6,  7,  7,  7, 7,
                                            8,  8,  8,  8,  8,  8,  8,  8,  9,  9,  9,  9,  9,  9,  9,  9, 10,
                                            10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11};
    return class[length < sizeof class ? length : sizeof class - 1];
}

static void weigh(count *at, size_t class) {
    at->estimate = (WEIGHT * prior[class] + at->right) / (WEIGHT + at->seen);
}

static double estimate(const adaptive_memory *m, size_t source, size_t length) {
    return m->counts[source][length_class(length)].estimate;
}

static void learn(adaptive_memory *m, size_t source, size_t length, bool right) {
    size_t class = length_class(length);
    count *at = &m->counts[source][class];
    at->right += right;
    at->seen += 1;
    if (at->seen >= FULL) {
        at->right /= 2;
        at->seen /= 2;
    }
    weigh(at, class);
}

/* ---- guesses ---------------------------------------------------------------------------------------- */

/* What an index says follows the last tokens of h[n], of which at most `most` match. */
static guess look_up(const ngram_index *x, const int32_t *h, size_t n, size_t most) {
    ngram_place places[NGRAM_MAX];
    if (most > n) most = n;
    size_t n_text, length = x->n_sequences > 0 ? ngram_index_suffixes(x, h + n - most, most, places) : 0;
    if (length == 0) return (guess){0};
    ngram_place    at = places[length - 1];
    const int32_t *text = ngram_index_tokens(x, at.sequence, &n_text);
    size_t         end = at.position + length;
    while (length >= MATCH_MAX && length < LENGTH_CAP && length < end && length < n &&
           text[end - length - 1] == h[n - length - 1])
        length++;
    return (guess){text + end, n_text - end, length, at.sequence, end};
}

/* After the history grew by one token: a guess that it proved right goes on, another one is made anew. A match now is
 * one token longer than the one before, at most: without its last token it matched then. */
static void guess_next(policy *p, size_t source, bool right) {
    const adaptive_memory *m = p->memory;
    adaptive_trial        *t = p->trial;
    guess                 *g = &t->guesses[source];
    size_t                 n;
    const int32_t         *h = history_ids(&t->own, &n);
    const ngram_index     *all[SOURCES] = {&t->references, &t->own.index, &m->earlier};
    if (right)
        *g = (guess){g->ids + 1, g->n - 1, g->length + (g->length < LENGTH_CAP), g->sequence, g->end + 1};
    else
        *g = look_up(all[source], h, n, g->length < MATCH_MAX ? g->length + 1 : MATCH_MAX);
    if (source == HISTORY && g->length > 0) { /* which grew, and may have moved */
        g->ids = h + g->end;
        g->n = n - g->end;
    }
}

/* ---- cells and trials ------------------------------------------------------------------------------- */

static int adaptive_open(policy *p, err *e) {
    adaptive_cell    *c = p->cell;
    const pass_times *measured = &p->spec.times;
    size_t            known = pass_times_largest(measured), contexts = known > 0 ? measured->n_contexts : 1;
    c->most = (size_t)p->spec.params.at[K].integer - 1;
    if (known > 0 && c->most > known - 1) c->most = known - 1;
    if ((c->times = mem_new(contexts, (c->most + 2) * sizeof *c->times, e)) == NULL) return -1;
    for (size_t i = 0; i < contexts; i++)
        for (size_t m = 1; m <= c->most + 1; m++)
            c->times[i * (c->most + 2) + m] =
                known > 0 ? pass_times_measured(measured, i, m) : 1 + p->spec.params.at[SLOPE].real * (double)(m - 1);
    return 0;
}

/* A5, for drafts of up to `most` tokens. */
static void weigh_passes(const policy *p, size_t most, pass_costs *out) {
    const adaptive_cell *c = p->cell;
    size_t               n;
    history_ids(&((const adaptive_trial *)p->trial)->own, &n);
    pass_place    at = pass_times_place(&p->spec.times, n > 0 ? n - 1 : 0);
    const double *low = c->times + at.low * (c->most + 2), *high = c->times + at.high * (c->most + 2);
    double        one = pass_place_blend(at, low[1], high[1]);
    out->of[1] = out->least = 1;
    for (size_t m = 2; m <= most + 1; m++) {
        out->of[m] = pass_place_blend(at, low[m], high[m]) / one;
        if (out->of[m] - out->of[m - 1] < out->least) out->least = out->of[m] - out->of[m - 1];
    }
}

static int new_index(ngram_index *x, size_t expected, bool latest, err *e) {
    if (ngram_index_init(x, 1, MATCH_MAX, expected, e) != 0) return -1;
    x->latest = latest;
    return 0;
}

/* The last output becomes one of the earlier ones. */
static int remember(adaptive_memory *m, err *e) {
    for (size_t i = 0; !m->begun && i < SOURCES * LENGTHS; i++)
        weigh(&m->counts[i / LENGTHS][i % LENGTHS], i % LENGTHS);
    if (!m->begun || m->earlier.text.n + m->output.n > EARLIER_CAP) {
        ngram_index_free(&m->earlier);
        if (new_index(&m->earlier, 0, true, e) != 0) return -1;
        m->begun = true;
    }
    if (m->output.n == 0) return 0;
    if (ngram_index_sequence(&m->earlier, e) != 0 ||
        ngram_index_append(&m->earlier, m->output.ids, m->output.n, e) != 0)
        return -1;
    m->output.n = 0;
    return 0;
}

static int adaptive_begin(policy *p, const policy_input *in, err *e) {
    adaptive_trial *t = p->trial;
    size_t          expected = 0;
    for (size_t i = 0; i < in->n_references; i++) expected += in->references[i].n;
    if (remember(p->memory, e) != 0 || new_index(&t->references, expected, false, e) != 0) return -1;
    for (size_t i = 0; i < in->n_references; i++) {
        const reference *r = &in->references[i];
        if (ngram_index_sequence(&t->references, e) != 0 || ngram_index_append(&t->references, r->ids, r->n, e) != 0)
            return -1;
    }
    if (history_begin(&t->own, 1, MATCH_MAX, HISTORY_LATEST, 1, in, e) != 0) return -1;
    t->time = 1;
    for (size_t s = 0; s < SOURCES; s++) {
        t->guesses[s].length = MATCH_MAX; /* all may match */
        guess_next(p, s, false);
    }
    return 0;
}

/* The prompt's step takes the prompt's time, whatever is drafted, and counts for no rate; nor does a step in which
 * another policy drafted. */
static void count_step(policy *p, const step_view *step) {
    adaptive_memory *m = p->memory;
    adaptive_trial  *t = p->trial;
    if (t->steps++ == 0 || step->foreign) return;
    m->tokens += (double)step->n;
    m->time += t->time;
}

/* Fetches what the tokens of a step will look up: in the history all of them, which enter it, in another source those
 * from where its guess is wrong. */
static void fetch_step(policy *p, const step_view *step) {
    const adaptive_memory *m = p->memory;
    const adaptive_trial  *t = p->trial;
    enum { NEW = 32 }; /* tokens that are fetched for */
    int32_t            text[MATCH_MAX + NEW];
    size_t             n, some = step->n < NEW ? step->n : NEW;
    const int32_t     *h = history_ids(&t->own, &n);
    size_t             back = n < MATCH_MAX ? n : MATCH_MAX;
    const ngram_index *all[SOURCES] = {&t->references, &t->own.index, &m->earlier};
    if (n > 0) memcpy(text, h + n - back, back * sizeof *text);
    if (some > 0) memcpy(text + back, step->emitted, some * sizeof *text);
    for (size_t s = 0; s < SOURCES; s++) {
        const guess *g = &t->guesses[s];
        size_t       right = 0;
        while (s != HISTORY && right < some && right < g->n && g->ids[right] == step->emitted[right]) right++;
        if (all[s]->text.n > 0) ngram_index_fetch(all[s], text, back + some, back + right);
    }
}

static int adaptive_observe(policy *p, const step_view *step, err *e) {
    adaptive_memory *m = p->memory;
    adaptive_trial  *t = p->trial;
    count_step(p, step);
    if (tokens_append(&m->output, step->emitted, step->n, e) != 0) return -1;
    fetch_step(p, step);
    for (size_t i = 0; i < step->n; i++) {
        bool right[SOURCES] = {false};
        for (size_t s = 0; s < SOURCES; s++) {
            const guess *g = &t->guesses[s];
            if (g->n == 0) continue;
            right[s] = g->ids[0] == step->emitted[i];
            learn(m, s, g->length, right[s]);
        }
        if (ngram_index_append(&t->own.index, &step->emitted[i], 1, e) != 0) return -1;
        for (size_t s = 0; s < SOURCES; s++) guess_next(p, s, right[s]);
    }
    return 0;
}

static void adaptive_end(policy *p) {
    adaptive_trial *t = p->trial;
    ngram_index_free(&t->references);
    history_free(&t->own);
}

static void adaptive_forget(policy *p) {
    adaptive_memory *m = p->memory;
    ngram_index_free(&m->earlier);
    tokens_free(&m->output);
}

static void adaptive_close(policy *p) {
    free(((adaptive_cell *)p->cell)->times);
}

/* ---- drafts ----------------------------------------------------------------------------------------- */

/* A node that may be drafted. */
typedef struct {
    double p, rest; /* that it stands; that it stands and none of its children so far does */
} odds;

/* Where a source's guess goes on: its token `at` below node `parent`. */
typedef struct {
    size_t  at;
    int32_t parent;
    double  p; /* that this token stands; 0 = the guess ends here */
} front;

/* The nodes under consideration, in the order in which they would be drafted. */
typedef struct {
    int32_t id[DRAFT_CAP], parent[DRAFT_CAP];
    odds    at[DRAFT_CAP + 1]; /* of node i at i + 1; of the root at 0 */
    size_t  n;
    front   fronts[SOURCES];
} plan;

static void front_weigh(const policy *p, plan *q, size_t source) {
    const guess *g = &((const adaptive_trial *)p->trial)->guesses[source];
    front       *f = &q->fronts[source];
    size_t       length = g->length + f->at;
    f->p = f->at < g->n ? q->at[f->parent + 1].rest * estimate(p->memory, source, length) : 0;
}

/* Adds the likeliest of the tokens that the sources guess next. */
static void plan_add(const policy *p, plan *q, size_t source) {
    const adaptive_trial *t = p->trial;
    bool                  chain = p->spec.params.at[FORM].choice == CHAIN;
    front                 best = q->fronts[source];
    int32_t               node = (int32_t)q->n++, id = t->guesses[source].ids[best.at];
    q->id[node] = id;
    q->parent[node] = best.parent;
    q->at[node + 1] = (odds){best.p, best.p};
    double *rest = &q->at[best.parent + 1].rest;
    *rest = *rest > best.p ? *rest - best.p : 0;
    for (size_t s = 0; s < SOURCES; s++) {
        front *f = &q->fronts[s];
        if (f->parent != best.parent || f->p <= 0) continue;
        if (t->guesses[s].ids[f->at] == id) {
            f->parent = node;
            f->at++;
        }
        front_weigh(p, q, s);
        if (chain && f->parent != node) f->p = 0;
    }
}

/* A3: all nodes worth a thought. */
static void plan_make(const policy *p, size_t most, double least, plan *q) {
    q->n = 0;
    q->at[0] = (odds){1, 1};
    for (size_t s = 0; s < SOURCES; s++) {
        q->fronts[s] = (front){0, DRAFT_ROOT, 0};
        front_weigh(p, q, s);
    }
    while (q->n < most) {
        size_t best = 0;
        for (size_t s = 1; s < SOURCES; s++)
            if (q->fronts[s].p > q->fronts[best].p) best = s;
        if (!(q->fronts[best].p > least)) break;
        plan_add(p, q, best);
    }
}

/* Where the draft of a source comes from. */
static void name_source(const adaptive_trial *t, size_t source, draft *d) {
    const guess *g = &t->guesses[source];
    bool         prompt = source == HISTORY && g->end < t->own.n_prompt, output = source == HISTORY && !prompt;
    d->source = prompt              ? SOURCE_PROMPT
                : output            ? SOURCE_OUTPUT
                : source == EARLIER ? SOURCE_OTHER
                                    : (int32_t)g->sequence;
    d->source_position = (int32_t)(output ? g->end - t->own.n_prompt : g->end);
}

static int adaptive_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const adaptive_cell   *c = p->cell;
    const adaptive_memory *m = p->memory;
    adaptive_trial        *t = p->trial;
    double                 rate = (1 + m->tokens) / (1 + m->time), sum = 0, best = 0;
    size_t                 n = 0, most = limit < c->most ? limit : c->most;
    pass_costs             costs;
    plan                   q;
    weigh_passes(p, most, &costs);
    plan_make(p, most, costs.least > 0 ? rate * costs.least : 0, &q);
    for (size_t i = 0; i < q.n; i++) { /* A4, over drafting nothing */
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): q.n <= most, up to which costs are set */
        sum += q.at[i + 1].p - rate * (costs.of[i + 2] - costs.of[i + 1]);
        if (!(sum > best)) continue;
        best = sum;
        n = i + 1;
    }
    for (size_t i = 0; i < n; i++) draft_add(d, q.parent[i], q.id[i]);
    t->time = costs.of[n + 1];
    for (size_t s = 0; s < SOURCES; s++) { /* the longest match that guessed the first token */
        const guess *g = &t->guesses[s];
        if (n == 0 || g->n == 0 || g->ids[0] != q.id[0] || g->length <= d->match_length) continue;
        d->match_length = (uint16_t)g->length;
        name_source(t, s, d);
    }
    return 0;
}

static size_t adaptive_longest(const param_values *v) {
    return (size_t)v->at[K].integer - 1;
}

const policy_ops policy_adaptive = {
    .name = "adaptive",
    .source = __FILE__,
    .help = "drafts what is expected to save time, from references, prompt and outputs; learns what to expect",
    .origin = "this project; the choice of length is Dinkelbach's (1967) for a ratio",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = READS_TIMES,
    .cell_bytes = sizeof(adaptive_cell),
    .trial_bytes = sizeof(adaptive_trial),
    .memory_bytes = sizeof(adaptive_memory),
    .open = adaptive_open,
    .begin = adaptive_begin,
    .observe = adaptive_observe,
    .propose = adaptive_propose,
    .longest = adaptive_longest,
    .end = adaptive_end,
    .forget = adaptive_forget,
    .close = adaptive_close,
};
