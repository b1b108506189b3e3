/* suffix_tree: published examples, the rules that its head comment numbers, and a counted trie of all substrings,
 * without path compression or states, written from the description. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/policies/suffix_outputs.h"
#include "tests/unit/counted_trie.h"
#include "tests/unit/policy_steps.h"

/* ---- examples --------------------------------------------------------------------------------------- */

Test(policy_suffix_tree, examples) {
    const struct {
        const char    *params;
        const int32_t *history;
        size_t         n_history;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {"", WHOLE(H1), IDS(4, 5, 6)},
        {"", WHOLE(H2), IDS(1, 7, 1)},
        {"", WHOLE(H3), IDS(9, 5, 1)},
        {"", WHOLE(H4), IDS(9, 0)},
        {"", WHOLE(H5), IDS(8, 5, 6, 8, 5)},
        {"factor=4", WHOLE(H1), IDS(4, 5, 6, 7, 8, 1, 2, 3)},
        {"factor=4", WHOLE(H2), IDS(1, 7, 1, 7)},
        {"factor=4", WHOLE(H3), IDS(9, 5, 1, 2, 3, 4, 6, 1, 2, 3)},
        {"factor=4", WHOLE(H4), IDS(9, 0, 1, 2, 9, 3, 1, 2)},
        {"factor=4", WHOLE(H5), IDS(8, 5, 6, 8, 5, 6, 7, 5, 6)},
        {"factor=4,max_depth=6", WHOLE(H1), IDS(4, 5, 6, 7)}, /* 2 3 and four more */
        {"factor=4,k=2", WHOLE(H1), IDS(4, 5)},
        {"factor=0,offset=2", WHOLE(H1), IDS(4, 5)},
        {"factor=4,min_prob=0.6", WHOLE(H1), NULL, 0}, /* 4 followed once, and the context counts, too */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n_history;
        for (size_t n_prompt = 0; n_prompt <= n; n_prompt++) { /* wherever it is cut into prompt and output */
            draft d;
            char  what[60], params[60]; /* the output alone may score more */
            snprintf(what, sizeof what, "case %zu, prompt of %zu", i, n_prompt);
            snprintf(params, sizeof params, "requests=0%s%s", cases[i].params[0] != '\0' ? "," : "", cases[i].params);
            policy *p = steps_open("suffix_tree", params);
            steps_begin(p, &(policy_input){.prompt = cases[i].history, .n_prompt = n_prompt});
            steps_observe(p, n > n_prompt ? cases[i].history + n_prompt : NULL, n - n_prompt);
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, cases[i].draft, cases[i].n_draft, what);
            policy_close(p);
        }
    }
}

Test(policy_suffix_tree, trees_hold_what_followed_before) {
    policy *p = steps_open("suffix_tree", "form=tree,factor=2");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = H4, .n_prompt = 14});
    steps_propose(p, DRAFT_CAP, &d);
    /* After 1 2, which is there four times: 9 twice, 8 once. */
    const int32_t ids[] = {9, 8, 0, 3}, parents[] = {-1, -1, 0, 0};
    cr_assert_eq(d.n, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert(d.ids[i] == ids[i] && d.parent[i] == parents[i], "node %zu: %d below %d", i, (int)d.ids[i],
                  (int)d.parent[i]);
    cr_assert(d.branches && d.match_length == 2 && d.source == SOURCE_PROMPT && d.source_position == 6);
    policy_close(p);
}

static void request_of(policy *p, const int32_t *output, size_t n) {
    steps_begin(p, &(policy_input){.prompt = IDS(9)});
    steps_observe(p, output, n);
}

/* After the prompt 7 1 2. */
static void drafts(policy *p, const int32_t *ids, size_t n, const char *what) {
    draft d;
    steps_begin(p, &(policy_input){.prompt = IDS(7, 1, 2)});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, ids, n, what);
    cr_assert_eq(d.match_length, n > 0 ? 2 : 0);
    cr_assert_eq(d.source, n > 0 ? SOURCE_OTHER : SOURCE_NONE);
    cr_assert_eq(d.source_position, -1);
}

Test(policy_suffix_tree, earlier_outputs_are_kept_for_a_cell) {
    policy *p = steps_open("suffix_tree", "memory=cell");
    request_of(p, IDS(1, 2, 3, 4));
    drafts(p, IDS(3, 4), "the first request's output");
    request_of(p, IDS(1, 2, 5, 6));
    drafts(p, IDS(3, 4), "the older of two that followed once");
    request_of(p, IDS(1, 2, 5, 6));
    drafts(p, IDS(5, 6), "what followed twice");
    policy_forget(p);
    drafts(p, NULL, 0, "nothing is left");
    policy_close(p);
    p = steps_open("suffix_tree", "");
    request_of(p, IDS(1, 2, 3, 4));
    drafts(p, NULL, 0, "nothing is kept");
    policy_close(p);
}

Test(policy_suffix_tree, the_oldest_output_goes) {
    policy *p = steps_open("suffix_tree", "memory=cell,requests=3");
    request_of(p, IDS(1, 2, 3, 4));
    request_of(p, IDS(1, 2, 5, 6));
    drafts(p, IDS(3, 4), "both are there, and the running one");
    drafts(p, IDS(5, 6), "the first has gone");
    drafts(p, NULL, 0, "the second has gone");
    policy_close(p);
    p = steps_open("suffix_tree", "memory=cell,requests=0");
    request_of(p, IDS(1, 2, 3, 4));
    drafts(p, NULL, 0, "there is no global index");
    policy_close(p);
}

Test(policy_suffix_tree, a_match_is_said_without_room_for_a_draft) {
    policy *p = steps_open("suffix_tree", "");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11});
    steps_propose(p, 0, &d);
    cr_assert(d.n == 0 && d.match_length > 0 && d.source == SOURCE_PROMPT && d.source_position == 3);
    steps_propose(p, 2, &d);
    steps_check(&d, IDS(4, 5), "room for two");
    policy_close(p);
}

Test(policy_suffix_tree, refuses_what_never_drafts) {
    err e = {0};
    cr_assert_null(steps_try_open("suffix_tree", "factor=0.5,offset=-2,max_depth=6", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text,
                     "policy suffix_tree: factor = 0.5 and offset = -2 draft nothing: a match of n tokens, at most"
                     " max_depth - 1 = 5, gives factor * n + offset");
    policy_close(steps_open("suffix_tree", "factor=0.5,offset=-2,max_depth=7"));
}

Test(policy_suffix_tree, memory_stays_bounded) {
    gsl_rng       *r = rng_new(5, 22);
    suffix_outputs o = {0};
    err            e = {0};
    int32_t        ids[100];
    size_t         early = 0;
    for (size_t i = 0; i < 3000; i++) {
        steps_fill(r, ids, 100, 1 + i % 20);
        cr_assert_eq(suffix_outputs_begin(&o, 16, 4, &e), 0);
        cr_assert_eq(suffix_outputs_append(&o, ids, 100, &e), 0);
        if (i == 300) early = o.index.n_states + o.index.n_lists + o.text.cap + o.cap_starts + o.index.mask;
    }
    size_t late = o.index.n_states + o.index.n_lists + o.text.cap + o.cap_starts + o.index.mask;
    cr_assert_leq(late, early + early / 4, "%zu, then %zu", early, late);
    for (size_t i = 0; i < 4; i++) cr_assert_eq(suffix_outputs_begin(&o, 16, 1, &e), 0);
    cr_assert_eq(o.index.used, 0, "an empty output leaves nothing");
    suffix_outputs_free(&o);
    gsl_rng_free(r);
}

/* ---- the same, naively ------------------------------------------------------------------------------- */

enum { ALPHABET = 4, TOKENS = 48, KEPT = 8, DEPTH_MAX = 12, WIDE = 600 };

typedef struct {
    size_t k, depth, kept;
    float  factor, offset, min_prob;
    bool   tree, remembers;
} settings;

typedef struct {
    float   score;
    size_t  n, length;
    int32_t ids[WIDE], parent[WIDE];
} proposal;

static void follow_path(const settings *s, const trie *t, int at, size_t most, proposal *d) {
    float p = 1;
    while (d->n < most && t->nodes[at].n > 0) {
        int child = t->nodes[at].child[0];
        p *= (float)t->nodes[child].count / (float)t->nodes[at].count;
        if (p < s->min_prob) break;
        d->ids[d->n] = t->nodes[child].token;
        d->parent[d->n] = (int32_t)d->n - 1;
        d->score += p;
        d->n++;
        at = child;
    }
}

/* A token to draft, or a node to branch at. */
typedef struct {
    float p;
    int   node, parent;
    bool  branch;
} waiting;

static waiting heap[WIDE * (ALPHABET + 1)];
static size_t  n_heap;

static void swap(size_t a, size_t b) {
    waiting w = heap[a];
    heap[a] = heap[b];
    heap[b] = w;
}

static void push(waiting w) {
    size_t at = n_heap++;
    for (heap[at] = w; at > 0 && heap[(at - 1) / 2].p < heap[at].p; at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

/* The first goes down to a leaf, and is then replaced by the last. */
static waiting pop(void) {
    waiting first = heap[0], last = heap[--n_heap];
    size_t  at = 0;
    for (size_t left = 1; left < n_heap; left = 2 * at + 1) {
        size_t larger = left + 1 < n_heap && !(heap[left + 1].p < heap[left].p) ? left + 1 : left;
        swap(at, larger);
        at = larger;
    }
    for (heap[at] = last; at > 0 && heap[(at - 1) / 2].p < heap[at].p; at = (at - 1) / 2) swap(at, (at - 1) / 2);
    return first;
}

static void wait_at(const trie *t, float p, int at, int parent) {
    const node *n = &t->nodes[at];
    bool        alone = n->n == 1 && t->nodes[n->child[0]].count == n->count;
    push((waiting){p, alone ? n->child[0] : at, parent, !alone});
}

static void follow_tree(const settings *s, const trie *t, int at, size_t most, proposal *d) {
    n_heap = 0;
    wait_at(t, 1, at, -1);
    while (d->n < most && n_heap > 0) {
        waiting     w = pop();
        const node *n = &t->nodes[w.node];
        if (!w.branch) {
            d->ids[d->n] = n->token;
            d->parent[d->n] = w.parent;
            d->score += w.p;
            wait_at(t, w.p, w.node, (int)d->n++);
            continue;
        }
        for (int j = 0; j < n->n; j++) {
            float p = w.p * (float)t->nodes[n->child[j]].count / (float)n->count;
            if (p >= s->min_prob) push((waiting){p, n->child[j], w.parent, false});
        }
    }
}

static void naive(const settings *s, const trie *t, const int32_t *h, size_t n_h, size_t limit, proposal *best) {
    size_t context = n_h < s->depth ? n_h : s->depth;
    best->score = 0;
    best->n = best->length = 0;
    for (size_t l = 1; l < context; l++) {
        static proposal d;
        int at = trie_find(t, h + n_h - l, l), most = (int)((double)((float)l * s->factor + s->offset) + 1e-6);
        if (at < 0) break;
        size_t room = s->k < limit ? s->k : limit;
        d.score = 0;
        d.n = 0;
        d.length = l;
        (s->tree ? follow_tree : follow_path)(s, t, at, most < 0 ? 0 : (size_t)most < room ? (size_t)most : room, &d);
        if (d.n > 0 && d.score >= best->score) *best = d;
    }
}

static bool occurs(const int32_t *h, size_t n_h, const int32_t *ids, size_t n, size_t *at) {
    for (*at = 0; *at + n <= n_h; ++*at)
        if (memcmp(h + *at, ids, n * sizeof *ids) == 0) return true;
    return false;
}

/* One request, and those before it in `earlier`. */
static struct {
    int32_t h[2 * TOKENS]; /* prompt and output */
    size_t  n_prompt, n;
    int32_t earlier[KEPT][TOKENS];
    size_t  n_earlier[KEPT], kept;
    trie    local, global;
    size_t  drafts, drafted, branching, from_others;
} run;

static void check_source(const proposal *want, bool global, const draft *got) {
    int32_t key[DEPTH_MAX + 1];
    size_t  at, l = want->length;
    memcpy(key, run.h + run.n - l, l * sizeof *key);
    key[l] = want->ids[0];
    int32_t source = SOURCE_OUTPUT, where;
    for (size_t i = 0; global && i < run.kept; i++)
        if (occurs(run.earlier[i], run.n_earlier[i], key, l + 1, &at)) source = SOURCE_OTHER;
    size_t from = global ? run.n_prompt : 0;
    if (source == SOURCE_OTHER) {
        where = -1;
        run.from_others++;
    } else {
        cr_assert(occurs(run.h + from, run.n - from, key, l + 1, &at));
        at += from + l;
        source = at < run.n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
        where = (int32_t)(at < run.n_prompt ? at : at - run.n_prompt);
    }
    cr_assert(got->source == source && got->source_position == where, "source %d at %d, not %d at %d", (int)got->source,
              (int)got->source_position, (int)source, (int)where);
}

static void compare(policy *p, const settings *s, size_t limit) {
    static proposal local, global;
    draft           got;
    size_t          most = limit > 0 ? limit : 1;
    naive(s, &run.local, run.h, run.n, most, &local);
    naive(s, &run.global, run.h, run.n, most, &global);
    bool      other = global.score > local.score;
    proposal *want = other ? &global : &local;
    steps_propose(p, limit, &got);
    size_t n = want->n < limit ? want->n : limit;
    run.drafts++;
    run.drafted += n;
    run.branching += got.branches;
    cr_assert_eq(got.n, n, "%zu drafted, not %zu", got.n, n);
    cr_assert_eq(got.match_length, want->length, "a match of %zu, not %zu", (size_t)got.match_length, want->length);
    for (size_t i = 0; i < n; i++)
        cr_assert(got.ids[i] == want->ids[i] && got.parent[i] == want->parent[i],
                  "node %zu: %d below %d, not %d below %d", i, (int)got.ids[i], (int)got.parent[i], (int)want->ids[i],
                  (int)want->parent[i]);
    if (want->n > 0) check_source(want, other, &got);
}

static void begin_request(const settings *s) {
    trie_clear(&run.local, s->depth);
    if (!s->remembers) {
        trie_clear(&run.global, s->depth);
        run.kept = 0;
    }
    while (run.kept > 0 && run.kept + 1 > s->kept) {
        trie_take_away(&run.global, run.earlier[0], run.n_earlier[0]);
        run.kept--;
        memmove(run.earlier, run.earlier + 1, run.kept * sizeof *run.earlier);
        memmove(run.n_earlier, run.n_earlier + 1, run.kept * sizeof *run.n_earlier);
    }
    trie_tidy(&run.global);
    for (size_t i = 1; i <= run.n_prompt; i++) trie_add_last(&run.local, run.h, i);
}

static void fuzz_request(gsl_rng *r, policy *p, const settings *s, size_t alphabet) {
    size_t n_output = steps_pick(r, 14);
    run.n = run.n_prompt = steps_pick(r, 14);
    steps_fill(r, run.h, run.n_prompt + n_output, alphabet);
    begin_request(s);
    steps_begin(p, &(policy_input){.prompt = run.h, .n_prompt = run.n_prompt});
    for (size_t left = n_output;;) {
        compare(p, s, steps_pick(r, 6) == 0 ? steps_pick(r, 4) : DRAFT_CAP);
        if (left == 0) break;
        size_t chunk = 1 + steps_pick(r, left < 6 ? left : 6);
        steps_observe(p, run.h + run.n, chunk);
        for (size_t i = 0; i < chunk; i++) {
            run.n++;
            trie_add_last(&run.local, run.h, run.n);
            if (s->kept > 0) trie_add_last(&run.global, run.h + run.n_prompt, run.n - run.n_prompt);
        }
        left -= chunk;
    }
    if (!s->remembers || s->kept == 0) return;
    memcpy(run.earlier[run.kept], run.h + run.n_prompt, n_output * sizeof *run.h);
    run.n_earlier[run.kept++] = n_output;
}

/* Each history is a request; 50 share settings and, half of the time, a memory. */
static void fuzz(bool tree, uint64_t seed) {
    gsl_rng *r = rng_new(seed, 23);
    for (size_t done = 0; done < FUZZ_HISTORIES / 2; done += 50) {
        settings s = {.k = 1 + steps_pick(r, 20),
                      .depth = 2 + steps_pick(r, DEPTH_MAX - 1),
                      .kept = steps_pick(r, KEPT),
                      .factor = (float)(1 + steps_pick(r, 8)) / 2,
                      .offset = (float)steps_pick(r, 3),
                      .min_prob = (float)steps_pick(r, 5) / 8,
                      .tree = tree,
                      .remembers = steps_pick(r, 2) == 1};
        if (s.factor * (float)(s.depth - 1) + s.offset < 1) s.factor = 1;
        char text[200];
        snprintf(text, sizeof text,
                 "k=%zu,max_depth=%zu,requests=%zu,factor=%g,offset=%g,min_prob=%g,form=%s,memory=%s", s.k, s.depth,
                 s.kept, (double)s.factor, (double)s.offset, (double)s.min_prob, tree ? "tree" : "path",
                 s.remembers ? "cell" : "none");
        size_t  alphabet = 1 + steps_pick(r, ALPHABET);
        policy *p = steps_open_over("suffix_tree", text, alphabet, NULL);
        trie_clear(&run.global, s.depth);
        run.kept = 0;
        for (int i = 0; i < 50; i++) fuzz_request(r, p, &s, alphabet);
        policy_close(p);
    }
    cr_assert_gt(run.drafted, run.drafts);
    cr_assert_gt(run.from_others, run.drafts / 100);
    cr_assert(tree == (run.branching > run.drafts / 10));
    gsl_rng_free(r);
}

Test(policy_suffix_tree, paths_are_those_of_a_naive_trie) {
    fuzz(false, 1);
}

Test(policy_suffix_tree, trees_are_those_of_a_naive_trie) {
    fuzz(true, 2);
}
