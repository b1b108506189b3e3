/* The adaptive policy: against its description written without an index, and what it must do in plain cases. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

enum { REFERENCES, HISTORY, EARLIER, SOURCES };
enum { TEXT_CAP = 160, TEXTS = 12, CLASSES = 12, K_CAP = 24, CONTEXTS = 4 };

typedef struct {
    int32_t ids[TEXT_CAP];
    size_t  n;
} text;

static void append(text *t, const int32_t *ids, size_t n) {
    cr_assert_leq(t->n + n, TEXT_CAP);
    memcpy(t->ids + t->n, ids, n * sizeof *ids);
    t->n += n;
}

/* ---- the description, without an index ------------------------------------------------------------------ */

typedef struct {
    const text *in;
    size_t      which, from, length;
} guessed;

typedef struct {
    bool   chain;
    size_t k;
    double time[CONTEXTS][K_CAP + 1]; /* T(m) at contexts[i] */
    size_t contexts[CONTEXTS], n_contexts;
    /* learned */
    double right[SOURCES][CLASSES], seen[SOURCES][CLASSES], tokens, passes;
    text   earlier[TEXTS];
    size_t n_earlier;
    /* of the trial */
    text    references[TEXTS], own;
    size_t  n_references, n_prompt, steps, drafted;
    guessed guesses[SOURCES];
} naive;

static size_t class_of(size_t length) {
    return length <= 4    ? length - 1
           : length <= 6  ? 4
           : length <= 8  ? 5
           : length <= 12 ? 6
           : length <= 16 ? 7
           : length <= 24 ? 8
           : length <= 32 ? 9
           : length <= 48 ? 10
                          : 11;
}

static double chance(const naive *x, size_t source, size_t length) {
    static const double at_first[CLASSES] = {0.25, 0.45, 0.6, 0.7, 0.78, 0.83, 0.87, 0.9, 0.92, 0.93, 0.94, 0.95};
    size_t              c = class_of(length);
    return (8 * at_first[c] + x->right[source][c]) / (8 + x->seen[source][c]);
}

/* How many tokens before a[i] and b[j] are equal. */
static size_t common(const text *a, size_t i, const text *b, size_t j) {
    size_t n = 0;
    while (n < i && n < j && a->ids[i - 1 - n] == b->ids[j - 1 - n]) n++;
    return n;
}

/* The longest match of the last tokens in some texts, up to 5 of which decide; the first place, or the latest. */
static guessed guess_in(const text *texts, size_t n, const text *own, bool latest, size_t before_end) {
    guessed best = {0};
    size_t  longest = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t from = 1; from + before_end <= texts[i].n; from++) {
            size_t length = common(&texts[i], from, own, own->n), decides = length < 5 ? length : 5;
            if (decides == 0 || decides < longest || (decides == longest && !latest)) continue;
            longest = decides;
            best = (guessed){&texts[i], i, from, length < 64 ? length : 64};
        }
    return best;
}

static guessed guess_anew(const naive *x, size_t source) {
    return source == REFERENCES ? guess_in(x->references, x->n_references, &x->own, false, 0)
           : source == HISTORY  ? guess_in(&x->own, 1, &x->own, true, 1)
                                : guess_in(x->earlier, x->n_earlier, &x->own, true, 0);
}

static void naive_emit(naive *x, int32_t id) {
    bool right[SOURCES] = {false};
    for (size_t s = 0; s < SOURCES; s++) {
        guessed g = x->guesses[s];
        if (g.length == 0 || g.from == g.in->n) continue;
        size_t c = class_of(g.length);
        right[s] = g.in->ids[g.from] == id;
        x->right[s][c] += right[s];
        if (++x->seen[s][c] < 256) continue;
        x->right[s][c] /= 2;
        x->seen[s][c] /= 2;
    }
    append(&x->own, &id, 1);
    for (size_t s = 0; s < SOURCES; s++) {
        guessed *g = &x->guesses[s];
        if (right[s])
            *g = (guessed){g->in, g->which, g->from + 1, g->length < 64 ? g->length + 1 : 64};
        else
            *g = guess_anew(x, s);
    }
}

/* T(m), with all tokens but the last one in the cache: on the line through two contexts, and constant before the first
 * one; where the line falls, beyond the last one, too. */
static double takes(const naive *x, size_t m) {
    size_t context = x->own.n > 0 ? x->own.n - 1 : 0, i = 0, last = x->n_contexts - 1;
    if (last == 0 || context < x->contexts[0]) return x->time[0][m];
    while (i + 1 < last && x->contexts[i + 1] < context) i++;
    double a = x->time[i][m], b = x->time[i + 1][m];
    if (context > x->contexts[last] && b < a) return b;
    return a + (double)(context - x->contexts[i]) / (double)(x->contexts[i + 1] - x->contexts[i]) * (b - a);
}

static void naive_observe(naive *x, const int32_t *ids, size_t n) {
    if (x->steps++ > 0) {
        x->tokens += (double)n;
        x->passes += takes(x, 1 + x->drafted) / takes(x, 1);
    }
    for (size_t i = 0; i < n; i++) naive_emit(x, ids[i]);
}

typedef struct {
    draft  d;
    double p[DRAFT_CAP];
} weighed;

/* The share of a node's own chance that its children leave. */
static double left_over(const weighed *w, int32_t node) {
    double rest = node < 0 ? 1 : w->p[node];
    for (size_t i = 0; i < w->d.n; i++)
        if (w->d.parent[i] == node) rest = rest > w->p[i] ? rest - w->p[i] : 0;
    return rest;
}

/* Adds the likeliest node that is not there yet. */
static bool naive_add(const naive *x, weighed *w) {
    double  best = 0;
    int32_t id = 0, below = DRAFT_ROOT;
    for (size_t s = 0; s < SOURCES; s++) {
        guessed g = x->guesses[s];
        size_t  at = 0;
        int32_t node = DRAFT_ROOT, next;
        if (g.length == 0) continue;
        while (g.from + at < g.in->n && (next = draft_child(&w->d, node, g.in->ids[g.from + at])) >= 0) {
            node = next;
            at++;
        }
        if (g.from + at == g.in->n || (x->chain && node != (int32_t)w->d.n - 1)) continue;
        double p = left_over(w, node) * chance(x, s, g.length + at);
        if (!(p > best)) continue;
        best = p;
        id = g.in->ids[g.from + at];
        below = node;
    }
    if (best > 0) w->p[draft_add(&w->d, below, id)] = best;
    return best > 0;
}

static void naive_propose(naive *x, size_t limit, draft *d) {
    weighed w;
    double  rate = (1 + x->tokens) / (1 + x->passes), worth = 0, most = 0;
    size_t  n = 0;
    draft_clear(&w.d);
    draft_clear(d);
    while (w.d.n < x->k - 1 && w.d.n < limit && naive_add(x, &w)) {
        worth += w.p[w.d.n - 1] - rate * (takes(x, w.d.n + 1) / takes(x, 1) - takes(x, w.d.n) / takes(x, 1));
        if (!(worth > most)) continue;
        most = worth;
        n = w.d.n;
    }
    for (size_t i = 0; i < n; i++) draft_add(d, w.d.parent[i], w.d.ids[i]);
    for (size_t s = 0; s < SOURCES && n > 0; s++) {
        guessed g = x->guesses[s];
        if (g.length <= d->match_length || g.from == g.in->n || g.in->ids[g.from] != d->ids[0]) continue;
        bool own = s == HISTORY, prompt = own && g.from < x->n_prompt;
        d->match_length = (uint16_t)g.length;
        d->source = s == EARLIER ? SOURCE_OTHER : prompt ? SOURCE_PROMPT : own ? SOURCE_OUTPUT : (int32_t)g.which;
        d->source_position = (int32_t)(own && !prompt ? g.from - x->n_prompt : g.from);
    }
    x->drafted = n;
}

/* ---- fuzz -------------------------------------------------------------------------------------------- */

static bool same_tree(const draft *a, const draft *b) {
    return steps_same(a, b) && memcmp(a->parent, b->parent, a->n * sizeof *a->parent) == 0;
}

/* One trial; returns how many drafts were compared. */
static size_t trial(gsl_rng *r, policy *p, naive *x, size_t alphabet, size_t *trees) {
    reference refs[TEXTS];
    draft     got, want;
    size_t    compared = 0, output = steps_pick(r, 50);
    int32_t   ids[8];
    x->n_references = steps_pick(r, 4);
    x->own.n = x->steps = x->drafted = 0;
    for (size_t i = 0; i < x->n_references; i++) {
        x->references[i].n = steps_pick(r, 30);
        steps_fill(r, x->references[i].ids, x->references[i].n, alphabet);
        refs[i] = (reference){x->references[i].ids, x->references[i].n};
    }
    int32_t prompt[40];
    x->n_prompt = steps_pick(r, 40);
    steps_fill(r, prompt, x->n_prompt, alphabet);
    append(&x->own, prompt, x->n_prompt);
    for (size_t s = 0; s < SOURCES; s++) x->guesses[s] = guess_anew(x, s);
    steps_begin(p, &(policy_input){prompt, x->n_prompt, refs, x->n_references, NULL, 0, {NULL, 0}, {0, 0}});
    for (;; compared++) {
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
        naive_propose(x, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(same_tree(&got, &want), "%zu drafted, not %zu, after %zu tokens of which %zu are the prompt", got.n,
                  want.n, x->own.n, x->n_prompt);
        *trees += got.branches;
        if (x->own.n - x->n_prompt >= output) break;
        size_t n = 1 + steps_pick(r, 6);
        bool   right = got.n > 0 && !got.branches && steps_pick(r, 3) > 0;
        steps_fill(r, ids, n, alphabet);
        for (size_t i = 0; i < n && i < got.n && right; i++) ids[i] = got.ids[i];
        steps_observe(p, ids, n);
        naive_observe(x, ids, n);
    }
    text *kept = &x->earlier[x->n_earlier++];
    kept->n = 0;
    append(kept, x->own.ids + x->n_prompt, x->own.n - x->n_prompt);
    return compared + 1;
}

/* Times as drawn: rising or falling in both directions. */
static void draw_times(gsl_rng *r, naive *x) {
    x->n_contexts = 1 + steps_pick(r, CONTEXTS);
    for (size_t c = 0; c < x->n_contexts; c++) {
        x->contexts[c] = steps_pick(r, 30) + (c > 0 ? x->contexts[c - 1] + 1 : 0);
        x->time[c][1] = c > 0 ? x->time[c - 1][1] + (double)steps_pick(r, 1000) - 100 : 1000;
        for (size_t m = 2; m <= K_CAP; m++) x->time[c][m] = x->time[c][m - 1] + (double)steps_pick(r, 400) - 20;
    }
}

static policy *open_with(const char *values, size_t vocab, pass_times times) {
    err               e = {0};
    policy_spec       spec = {.vocab = vocab, .times = times};
    const policy_ops *ops = registry_find(&policy_registry, "adaptive");
    cr_assert_eq(param_parse_list("adaptive", ops->params, ops->n_params, values, &spec.params, &e), 0, "%s", e.text);
    policy *p = policy_open(ops, &spec, &e);
    cr_assert_not_null(p, "%s", e.text);
    return p;
}

/* One cell of several trials. */
static size_t cell(gsl_rng *r, size_t *trees) {
    static naive x;
    x = (naive){.chain = steps_pick(r, 2) == 0, .k = 1 + steps_pick(r, K_CAP), .n_contexts = 1};
    size_t     m[K_CAP], alphabet = 1 + steps_pick(r, 6), compared = 0;
    double     ns[CONTEXTS * K_CAP], slope = (double)steps_pick(r, 21) / 40;
    char       values[80];
    pass_times times = {m, x.contexts, ns, 0, 0};
    bool       cell_long = steps_pick(r, 2) == 0;
    if (steps_pick(r, 2) == 0) {
        draw_times(r, &x);
        times.n = K_CAP;
        times.n_contexts = x.n_contexts;
    }
    for (size_t i = 0; i < K_CAP; i++) {
        m[i] = i + 1;
        for (size_t c = 0; c < times.n_contexts; c++) ns[c * K_CAP + i] = x.time[c][i + 1];
        if (times.n == 0) x.time[0][i + 1] = 1 + slope * (double)i;
    }
    snprintf(values, sizeof values, "k=%zu,slope=%.17g,form=%s,memory=%s", x.k, slope, x.chain ? "chain" : "tree",
             cell_long ? "cell" : "none");
    policy *p = open_with(values, alphabet, times);
    for (size_t i = 0; i < TEXTS; i++) {
        compared += trial(r, p, &x, alphabet, trees);
        if (cell_long) continue;
        memset(x.right, 0, sizeof x.right);
        memset(x.seen, 0, sizeof x.seen);
        x.tokens = x.passes = 0;
        x.n_earlier = 0;
    }
    policy_close(p);
    return compared;
}

/* ---- plain cases ------------------------------------------------------------------------------------- */

Test(policy_adaptive, drafts_nothing_where_a_token_costs_a_pass) {
    policy *p = steps_open("adaptive", "slope=1");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, NULL, 0, "no token is sure enough");
    policy_close(p);
}

Test(policy_adaptive, learns_to_trust_what_was_right_and_not_what_was_wrong) {
    policy   *p = steps_open("adaptive", "slope=0.3");
    reference r = {IDS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)};
    draft     d;
    size_t    first = 0;
    steps_begin(p, &(policy_input){.references = &r, .n_references = 1});
    for (int32_t id = 1; id < 10; id++) {
        steps_observe(p, &id, 1);
        steps_propose(p, DRAFT_CAP, &d);
        if (id == 1) first = d.n;
    }
    cr_assert_gt(d.n, first);
    for (int i = 0; i < 60; i++) steps_observe(p, IDS(5, 99)); /* 5 is never followed by 6 */
    steps_observe(p, IDS(500, 5));
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert(d.n == 0 || d.ids[0] == 99);
    policy_close(p);
}

Test(policy_adaptive, branches_where_sources_differ) {
    policy   *p = steps_open("adaptive", "slope=0.01,k=8");
    reference r = {IDS(1, 2, 3, 4)};
    draft     d;
    steps_begin(p, &(policy_input){.prompt = IDS(2, 7, 8, 9, 2), .references = &r, .n_references = 1});
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert(d.branches);
    cr_assert_neq(draft_child(&d, DRAFT_ROOT, 3), -1);
    cr_assert_neq(draft_child(&d, DRAFT_ROOT, 7), -1);
    policy_close(p);
}

Test(policy_adaptive, weighs_with_the_times_of_its_context) {
    static const size_t m[] = {1, 2}, contexts[] = {2, 10};
    static const double ns[] = {1000, 1250, 5000, 5500}; /* one more token: a quarter of a pass, a tenth */
    policy             *p = open_with("", VOCAB, (pass_times){m, contexts, ns, 2, 2});
    draft               d;
    int32_t             prompt[40] = {0};
    for (int32_t i = 0; i < 40; i++) prompt[i] = i;
    /* A match of one token, right with 0.25 before anything is known. */
    for (size_t n = 2; n < 40; n++) {
        prompt[n] = prompt[n - 2];
        steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = n + 1});
        steps_propose(p, DRAFT_CAP, &d);
        cr_assert_eq(d.n, n > 2, "%zu drafted in a context of %zu", d.n, n);
        prompt[n] = (int32_t)n;
    }
    policy_close(p);
}

/* ---- all cases --------------------------------------------------------------------------------------- */

Test(policy_adaptive, is_its_description) {
    gsl_rng *r = rng_new(1, 31);
    size_t   compared = 0, trees = 0;
    while (compared < FUZZ_HISTORIES) compared += cell(r, &trees);
    cr_assert_gt(trees, compared / 100);
    gsl_rng_free(r);
}
