/* sglang_ngram: examples, and its trie written again with stamps instead of lists and without a hash table. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_store.h"
#include "tests/unit/policy_steps.h"

TestSuite(policy_sglang_ngram, .init = scratch_enter, .fini = scratch_leave);

static void check_tree(const draft *d, const int32_t *ids, const int32_t *parents, size_t n, const char *what) {
    cr_assert_eq(d->n, n, "%s: %zu nodes, not %zu", what, d->n, n);
    for (size_t i = 0; i < n; i++)
        cr_assert(d->ids[i] == ids[i] && d->parent[i] == parents[i], "%s: node %zu is %d below %d", what, i,
                  (int)d->ids[i], (int)d->parent[i]);
}

static policy *after(const char *params, const int32_t *output, size_t n) {
    policy *p = steps_open("sglang_ngram", params);
    steps_begin(p, &(policy_input){.prompt = IDS(90)});
    steps_observe(p, IDS(91));
    if (n > 0) steps_observe(p, output, n);
    return p;
}

#define TREE(...)                                                                                                      \
    (const int32_t[]) {                                                                                                \
        __VA_ARGS__                                                                                                    \
    }

Test(policy_sglang_ngram, examples) {
    const struct {
        const char    *params;
        const int32_t *output;
        size_t         n_output;
        const int32_t *ids, *parents;
        size_t         n;
    } cases[] = {
        {"", IDS(1, 2, 3, 1), TREE(2, 3, 1), TREE(-1, 0, 1), 3},
        /* The 3 came last; it has continuations too: 1, and 2 after it. */
        {"", IDS(1, 2, 1, 3, 1), TREE(3, 2, 1, 1, 3, 1), TREE(-1, -1, 0, 1, 3, 4), 6},
        {"k=4", IDS(1, 2, 1, 3, 1), TREE(3, 2, 1), TREE(-1, -1, 0), 3},
        {"k=4,max_breadth=1", IDS(1, 2, 1, 3, 1), TREE(3, 1), TREE(-1, 0), 2},
        {"form=chain", IDS(1, 2, 1, 3, 1), TREE(3, 1), TREE(-1, 0), 2},
        {"form=chain,k=2", IDS(1, 2, 1, 3, 1), TREE(3), TREE(-1), 1},
        {"form=chain,depth=3", IDS(7, 8, 1, 2, 1, 2), TREE(1, 2), TREE(-1, 0), 2}, /* the last three tokens' suffixes */
        {"form=chain,depth=3", IDS(1, 5, 2, 3, 1), NULL, NULL, 0},
        {"k=3,compat=yes", IDS(1, 2), TREE(0, 0), TREE(-1, -1), 2},
        {"k=3", IDS(1, 2), NULL, NULL, 0},
        {"k=1", IDS(1, 2, 1), NULL, NULL, 0},
        {"match=prob,k=2", IDS(1, 2, 1, 2, 1, 3, 1), TREE(2), TREE(-1), 1},
        {"match=bfs,k=2", IDS(1, 2, 1, 2, 1, 3, 1), TREE(3), TREE(-1), 1},
        {"match=prob,form=chain,k=2", IDS(1, 2, 1, 2, 1, 3, 1), TREE(2), TREE(-1), 1},
        {"match=prob,k=3", IDS(1, 3, 1, 2, 1), TREE(2, 3), TREE(-1, -1), 2}, /* as often: the lower id */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char    what[40];
        policy *p = after(cases[i].params, cases[i].output, cases[i].n_output);
        draft   d;
        snprintf(what, sizeof what, "case %zu", i);
        steps_propose(p, DRAFT_CAP, &d);
        check_tree(&d, cases[i].ids, cases[i].parents, cases[i].n, what);
        policy_close(p);
    }
}

Test(policy_sglang_ngram, the_prompt_is_left_out_unless_said) {
    for (int with = 0; with < 2; with++) {
        policy *p = steps_open("sglang_ngram", with ? "depth=3,prompt=yes" : "depth=3");
        draft   d;
        steps_begin(p, &(policy_input){.prompt = IDS(1, 2, 3, 4, 5, 6, 7)});
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, NULL, 0, "step 0");
        steps_observe(p, IDS(2));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, (const int32_t[]){3, 4}, with ? 2 : 0, "after step 0");
        cr_assert_eq(d.match_length, with);
        steps_observe(p, IDS(9, 6));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, (const int32_t[]){7, 2}, with ? 2 : 0,
                    "6 is not among the last three of any step but the first");
        policy_close(p);
    }
}

Test(policy_sglang_ngram, samples_share_a_trie) {
    for (int keep = 0; keep < 2; keep++) {
        policy *p = steps_open("sglang_ngram", keep ? "memory=cell" : "");
        draft   d;
        for (int trial = 0; trial < 3; trial++) {
            steps_begin(p, &(policy_input){.prompt = IDS(8)});
            steps_observe(p, IDS(1));
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, (const int32_t[]){2, 3, 4}, keep && trial > 0 ? 3 : 0, "from an earlier sample");
            steps_observe(p, IDS(2, 3, 4));
        }
        policy_close(p);
    }
}

Test(policy_sglang_ngram, refuses_what_does_not_fit_together) {
    err e = {0};
    cr_assert_null(steps_try_open("sglang_ngram", "min_breadth=5,max_breadth=4", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy sglang_ngram: min_breadth = 5 is more than max_breadth = 4");
    cr_assert_null(steps_try_open("sglang_ngram", "capacity=360", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy sglang_ngram: capacity = 360 is too little for depth = 18 (361 or more)");
    policy_close(steps_open("sglang_ngram", "capacity=361"));
}

/* G9 */
Test(policy_sglang_ngram, a_corpus_has_its_share) {
    const reference docs[] = {{IDS(1, 2, 4)}, {IDS(5, 1, 2, 6, 7)}, {IDS(1, 2, 4, 8)}, {IDS(2, 6)}};
    const struct {
        const char    *params;
        const int32_t *ids, *parents;
        size_t         n, length;
    } cases[] = {
        {"corpus_budget=4,k=5", TREE(6, 7, 4, 8), TREE(-1, 0, -1, 2), 4, 3}, /* after 5 1 2, then after 1 2 */
        {"corpus_budget=2,k=5", TREE(3, 5, 6, 7), TREE(-1, 0, -1, 2), 4, 3},
        {"corpus_budget=3,k=4,max_breadth=1", TREE(6, 7, 4), TREE(-1, 0, -1), 3, 3}, /* 4 came last after 1 2 */
        {"corpus_budget=3,k=4,match=prob", TREE(6, 7, 4), TREE(-1, 0, -1), 3, 3},    /* and most often */
        {"corpus_budget=1,k=2", TREE(6), TREE(-1), 1, 3},
        {"corpus_budget=1,k=9,form=chain", TREE(6, 7), TREE(-1, 0), 2, 3},
        {"corpus_budget=3,k=6,compat=yes", TREE(3, 5, 6, 7, 4), TREE(-1, 0, -1, 2, -1), 5, 3},
    };
    tiny_store_write("c.store", docs, 4, 10, false, tiny_store_digest);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char  params[100];
        draft d;
        snprintf(params, sizeof params, "corpus=c.store,depth=5,%s", cases[i].params);
        policy *p = steps_open_over("sglang_ngram", params, 10, NULL);
        steps_begin(p, &(policy_input){.prompt = IDS(9)});
        steps_propose(p, DRAFT_CAP, &d);
        cr_assert_eq(d.n, 0, "step 0");
        steps_observe(p, IDS(0));
        steps_observe(p, IDS(2, 3, 5, 1, 2));
        steps_propose(p, DRAFT_CAP, &d);
        check_tree(&d, cases[i].ids, cases[i].parents, cases[i].n, params);
        cr_assert_eq(d.match_length, cases[i].length, "%s: length %u", params, (unsigned)d.match_length);
        cr_assert_eq(d.source, SOURCE_OTHER);
        policy_close(p);
    }
    err e = {0};
    cr_assert_null(steps_try_open("sglang_ngram", "corpus=c.store", 10, NULL, &e));
    cr_assert_str_eq(e.text, "policy sglang_ngram: corpus needs corpus_budget of 1 or more: its tokens of a draft");
    cr_assert_null(steps_try_open("sglang_ngram", "corpus_budget=2", 10, NULL, &e));
    cr_assert_str_eq(e.text, "policy sglang_ngram: corpus_budget needs a corpus to draft from");
    cr_assert_null(steps_try_open("sglang_ngram", "corpus=c.store,k=4,corpus_budget=4", 10, NULL, &e));
    cr_assert_str_eq(e.text,
                     "policy sglang_ngram: corpus_budget = 4 is not allowed with k = 4 (at most the 3 drafted tokens)");
    cr_assert_null(steps_try_open("sglang_ngram", "corpus=c.store,corpus_budget=2", 9, NULL, &e));
    cr_assert_str_eq(e.text, "policy sglang_ngram: c.store: is made of 10 ids (the model has 9)");
}

/* ---- the trie once more ------------------------------------------------------------------------------- */

enum { ALPHABET = 6, NODES = 1500, FOUND = 4096, STORES = 4, DOCUMENTS = 3, STRING_CAP = 32 };

typedef struct {
    int32_t ids[STRING_CAP];
    size_t  n;
} string;

typedef struct {
    int32_t  token;
    bool     used;
    size_t   parent, child[ALPHABET], count, n_children; /* child 0: none */
    uint64_t as_child, as_node;                          /* when it was last used */
} node;

typedef struct {
    size_t        k, min, max, depth, capacity, budget;
    bool          prob, chain, prompt, compat, cell;
    const string *corpus; /* [DOCUMENTS], NULL without one */
    node          nodes[NODES];
    size_t        n_nodes, n_live;
    uint64_t      now;
} world;

static void forget(world *w) {
    memset(w->nodes, 0, sizeof w->nodes);
    w->n_nodes = w->n_live = 1;
}

static void evict(world *w) {
    size_t oldest = 0;
    for (size_t i = 1; i < w->n_nodes; i++)
        if (w->nodes[i].used && (oldest == 0 || w->nodes[i].as_node < w->nodes[oldest].as_node)) oldest = i;
    node *x = &w->nodes[oldest];
    cr_assert(oldest != 0 && x->n_children == 0);
    w->nodes[x->parent].child[x->token] = 0;
    w->nodes[x->parent].n_children--;
    *x = (node){0};
    w->n_live--;
}

static size_t new_node(world *w, size_t parent, int32_t token) {
    size_t at = 1;
    while (at < w->n_nodes && w->nodes[at].used) at++;
    if (at == w->n_nodes) w->n_nodes++;
    cr_assert_lt(at, NODES);
    w->nodes[at] = (node){.token = token, .used = true, .parent = parent};
    w->nodes[parent].child[token] = at;
    w->nodes[parent].n_children++;
    w->n_live++;
    return at;
}

static void enter(world *w, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t length = n - i < w->depth ? n - i : w->depth, at = 0;
        while (w->n_live + length > w->capacity) evict(w);
        for (size_t j = i; j < i + length; j++) {
            size_t child = w->nodes[at].child[ids[j]];
            at = child != 0 ? child : new_node(w, at, ids[j]);
            w->nodes[at].count++;
            w->nodes[at].as_child = ++w->now;
        }
        for (; at != 0; at = w->nodes[at].parent) w->nodes[at].as_node = ++w->now;
    }
}

/* ---- the corpus, scanned ------------------------------------------------------------------------------ */

/* The documents of a corpus, for each alphabet a few. */
static string drawn[ALPHABET][STORES][DOCUMENTS];

static void draw_stores(gsl_rng *r) {
    for (size_t a = 0; a < ALPHABET; a++)
        for (size_t i = 0; i < STORES; i++) {
            reference docs[DOCUMENTS];
            char      path[50];
            for (size_t j = 0; j < DOCUMENTS; j++) {
                string *t = &drawn[a][i][j];
                t->n = 1 + steps_pick(r, STRING_CAP);
                steps_fill(r, t->ids, t->n, a + 1);
                docs[j] = (reference){t->ids, t->n};
            }
            snprintf(path, sizeof path, "%zu-%zu.store", a, i);
            tiny_store_write(path, docs, DOCUMENTS, 10, false, tiny_store_digest);
        }
}

/* How often a string occurs, and after how many tokens of the corpus the last time. */
static size_t occurrences(const world *w, const string *x, size_t *last) {
    size_t n = 0, before = 0;
    for (size_t d = 0; w->corpus != NULL && d < DOCUMENTS; before += w->corpus[d++].n)
        for (size_t at = 0; at + x->n <= w->corpus[d].n; at++)
            if (memcmp(w->corpus[d].ids + at, x->ids, x->n * sizeof *x->ids) == 0) n++, *last = before + at + x->n;
    return n;
}

/* ---- trees -------------------------------------------------------------------------------------------- */

/* A node of the trie, or a string of the corpus. */
typedef struct {
    bool   in_corpus;
    size_t node;
    string text;
    size_t count, order; /* the higher, the earlier it comes, of those that count the same */
} spot;

/* What continues a spot, the most recent or the most frequent first. */
static size_t continuations(const world *w, const spot *from, bool by_count, spot out[ALPHABET]) {
    size_t n = 0;
    for (int32_t id = 0; id < ALPHABET; id++) {
        spot   x = {.in_corpus = from->in_corpus, .text = from->text};
        size_t i = n, last = 0;
        x.text.ids[x.text.n++] = id;
        if (x.in_corpus) {
            x.count = occurrences(w, &x.text, &last);
            x.order = last;
        } else if ((x.node = w->nodes[from->node].child[id]) != 0) {
            x.count = w->nodes[x.node].count;
            x.order = w->nodes[x.node].as_child;
        }
        if (x.count == 0) continue;
        for (; i > 0 && (by_count ? x.count > out[i - 1].count : x.order > out[i - 1].order); i--) out[i] = out[i - 1];
        out[i] = x;
        n++;
    }
    return n;
}

static int32_t put(draft *d, int32_t parent, const spot *x) {
    int32_t id = x->text.ids[x->text.n - 1], at = draft_child(d, parent, id);
    return at >= 0 ? at : draft_add(d, parent, id);
}

typedef struct {
    double  weight;
    spot    at;
    int32_t parent;
    bool    done;
} found;

static void by_recency(const world *w, const spot *from, size_t length, size_t budget, draft *d) {
    static found queue[FOUND];
    spot         next[ALPHABET];
    size_t       n = 0;
    int          levels = (int)w->depth - 1;
    double       scale = (double)(w->max - w->min) / levels;
    queue[n++] = (found){(levels - (int)length) * scale + (double)w->min, *from, DRAFT_ROOT, false};
    for (size_t q = 0; q < n && d->n < budget; q++) {
        size_t n_next = continuations(w, &queue[q].at, false, next);
        for (size_t i = 0; i < n_next && d->n < budget; i++) {
            if (i > 0 && (double)(i + 1) > queue[q].weight) break;
            queue[n++] = (found){queue[q].weight - scale, next[i], put(d, queue[q].parent, &next[i]), false};
        }
    }
}

static size_t share(const world *w, const spot *from, int32_t parent, double weight, found *all, size_t n) {
    spot   next[ALPHABET];
    size_t n_next = continuations(w, from, true, next);
    double sum = 0;
    if (n_next > w->max) n_next = w->max;
    for (size_t i = 0; i < n_next; i++) sum += (double)next[i].count;
    for (size_t i = 0; i < n_next; i++)
        all[n++] = (found){(double)next[i].count / sum * weight, next[i], parent, false};
    return n;
}

static void by_count(const world *w, const spot *from, size_t budget, draft *d) {
    static found all[FOUND];
    size_t       n = share(w, from, DRAFT_ROOT, 1, all, 0);
    while (d->n < budget) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!all[i].done && (best == n || all[i].weight > all[best].weight)) best = i;
        if (best == n) return;
        all[best].done = true;
        spot at = all[best].at;
        n = share(w, &at, put(d, all[best].parent, &at), all[best].weight, all, n);
    }
}

/* The suffixes that can be continued, in the trie or in the corpus, the longest first; in the corpus one for all that
 * occur as often, so in the same places. */
static size_t anchors(const world *w, bool in_corpus, const int32_t *h, size_t n_h, spot *out) {
    size_t n = 0, last_count = 0, last;
    for (size_t length = n_h < w->depth ? n_h : w->depth; length > 0; length--) {
        spot x = {.in_corpus = in_corpus, .text.n = length}, next[ALPHABET];
        memcpy(x.text.ids, h + n_h - length, length * sizeof *h);
        if (in_corpus) {
            x.count = occurrences(w, &x.text, &last);
            if (x.count == last_count) continue;
            last_count = x.count;
        } else {
            size_t i = 0;
            while (i < length && (x.node = w->nodes[x.node].child[x.text.ids[i]]) != 0) i++;
            if (x.node == 0) continue;
        }
        if (continuations(w, &x, false, next) > 0) out[n++] = x;
    }
    return n;
}

static void tree(const world *w, const spot *from, size_t n, size_t budget, draft *d) {
    for (size_t i = 0; i < n; i++)
        if (w->prob)
            by_count(w, &from[i], budget, d);
        else
            by_recency(w, &from[i], from[i].text.n, budget, d);
}

static void merge(const draft *other, draft *d) {
    int32_t to[DRAFT_CAP];
    for (size_t i = 0; i < other->n; i++) {
        int32_t parent = other->parent[i] == DRAFT_ROOT ? DRAFT_ROOT : to[other->parent[i]];
        to[i] = draft_child(d, parent, other->ids[i]);
        if (to[i] < 0) to[i] = draft_add(d, parent, other->ids[i]);
    }
}

static void naive(const world *w, const int32_t *h, size_t n_h, size_t n_prompt, size_t limit, draft *d) {
    static draft other;
    size_t       budget = w->k - 1 < limit ? w->k - 1 : limit, part = w->budget < budget ? w->budget : budget;
    spot         in_trie[8], in_corpus[8], next[ALPHABET];
    draft_clear(d);
    draft_clear(&other);
    if (n_h == n_prompt) return;
    size_t n_trie = anchors(w, false, h, n_h, in_trie), n_corpus = anchors(w, true, h, n_h, in_corpus);
    size_t longest = n_trie > 0 ? in_trie[0].text.n : 0, there = n_corpus > 0 ? in_corpus[0].text.n : 0;
    if (w->chain && longest + there > 0) {
        spot at = there > longest ? in_corpus[0] : in_trie[0];
        while (d->n < budget && continuations(w, &at, w->prob, next) > 0) {
            at = next[0];
            draft_extend(d, &at.text.ids[at.text.n - 1], 1);
        }
    } else if (!w->chain) {
        tree(w, in_trie, n_trie, budget - part, d);
        tree(w, in_corpus, n_corpus, part, &other);
        merge(&other, d);
    }
    d->match_length = (uint16_t)(longest > there ? longest : there);
    if (d->match_length > 0) d->source = SOURCE_OTHER;
    while (w->compat && !w->chain && d->n < budget) draft_add(d, DRAFT_ROOT, 0);
}

static size_t compare(gsl_rng *r, world *w, policy *p, size_t alphabet) {
    int32_t h[64];
    size_t  n_prompt = steps_pick(r, 12), n_h = n_prompt + 1 + steps_pick(r, 14), drafted = 0;
    size_t  limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
    draft   got, want;
    steps_fill(r, h, n_h, alphabet);
    if (!w->cell) forget(w);
    steps_begin(p, &(policy_input){.prompt = h, .n_prompt = n_prompt});
    for (size_t at = n_prompt;;) {
        naive(w, h, at, n_prompt, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(
            steps_same(&got, &want) && memcmp(got.parent, want.parent, want.n * sizeof *want.parent) == 0,
            "k %zu breadth %zu to %zu depth %zu capacity %zu corpus %zu prob %d chain %d prompt %d cell %d: %zu for "
            "%zu nodes, %d for %d matched, after %zu of which %zu are the prompt",
            w->k, w->min, w->max, w->depth, w->capacity, w->budget, w->prob, w->chain, w->prompt, w->cell, got.n,
            want.n, got.match_length, want.match_length, at, n_prompt);
        drafted += want.n > 0;
        if (at == n_h) return drafted;
        size_t chunk = 1 + steps_pick(r, n_h - at < 6 ? n_h - at : 6), first = at == n_prompt;
        steps_observe(p, h + at, chunk);
        at += chunk;
        if (first && w->prompt) enter(w, h, at);
        if (!first) enter(w, h + (at > w->depth ? at - w->depth : 0), at > w->depth ? w->depth : at);
    }
}

Test(policy_sglang_ngram, is_the_naive_trie) {
    static world w;
    gsl_rng     *r = rng_new(3, 61);
    size_t       drafted = 0;
    draw_stores(r);
    for (size_t round = 0; round < FUZZ_HISTORIES / 5; round++) {
        char   params[250];
        size_t alphabet = 1 + steps_pick(r, ALPHABET), store = steps_pick(r, 3 * STORES);
        w.k = 1 + steps_pick(r, 10), w.depth = 2 + steps_pick(r, 4);
        w.min = 1 + steps_pick(r, 3), w.max = w.min + steps_pick(r, 4);
        w.capacity = (w.depth + 1) * (w.depth + 1) + steps_pick(r, 50);
        w.prob = steps_pick(r, 2), w.chain = steps_pick(r, 4) == 0, w.prompt = steps_pick(r, 2);
        w.compat = steps_pick(r, 4) == 0, w.cell = steps_pick(r, 2);
        w.corpus = w.k > 1 && store < STORES ? drawn[alphabet - 1][store] : NULL;
        w.budget = w.corpus != NULL ? 1 + steps_pick(r, w.k - 1) : 0;
        forget(&w);
        int used = snprintf(
            params, sizeof params,
            "k=%zu,match=%s,form=%s,min_breadth=%zu,max_breadth=%zu,depth=%zu,capacity=%zu,prompt=%s,compat=%s,"
            "memory=%s",
            w.k, w.prob ? "prob" : "bfs", w.chain ? "chain" : "tree", w.min, w.max, w.depth, w.capacity,
            w.prompt ? "yes" : "no", w.compat ? "yes" : "no", w.cell ? "cell" : "none");
        if (w.corpus != NULL)
            snprintf(params + used, sizeof params - (size_t)used, ",corpus=%zu-%zu.store,corpus_budget=%zu",
                     alphabet - 1, store, w.budget);
        policy *p = steps_open_over("sglang_ngram", params, 10, NULL);
        for (int trial = 0; trial < 5; trial++) drafted += compare(r, &w, p, alphabet);
        policy_close(p);
    }
    cr_assert_gt(drafted, FUZZ_HISTORIES);
    gsl_rng_free(r);
}
