#include "engine/policies/sglang_tree.h"

#include <stdlib.h>

#include "engine/base/mem.h"

struct sglang_candidate {
    double   p;
    uint32_t order;  /* in which they were found */
    uint32_t node;   /* of the trie or the corpus */
    int32_t  token;  /* its last one */
    int32_t  parent; /* of the draft */
};

typedef sglang_candidate candidate;

typedef struct {
    uint32_t node;
    int32_t  token;
    double   count;
} continuation;

int sglang_tree_init(sglang_tree *t, const sglang_shape *shape, size_t most, err *e) {
    *t = (sglang_tree){.shape = *shape};
    t->found = mem_new((most + 1) * shape->max_breadth + 1, sizeof *t->found, e);
    return t->found != NULL ? 0 : -1;
}

void sglang_tree_free(sglang_tree *t) {
    free(t->found);
    t->found = NULL;
}

void sglang_tree_clear(sglang_tree *t) {
    t->child[0] = 0;
}

/* ---- places ------------------------------------------------------------------------------------------ */

/* The first `most` continuations, most at most shape->max_breadth. */
static size_t continuations(const sglang_place *at, const sglang_shape *shape, size_t most, continuation *out) {
    uint32_t nodes[SGLANG_BREADTH_MAX];
    size_t   n = 0;
    if (at->corpus != NULL) {
        const automaton *a = at->corpus;
        n = automaton_children(a, at->node, shape->by_count ? AUTOMATON_FREQUENT_ID : AUTOMATON_RECENT, nodes, most);
        for (size_t i = 0; i < n; i++)
            out[i] = (continuation){nodes[i], automaton_ends_with(a, nodes[i]), a->states[nodes[i]].count};
        return n;
    }
    const lru_trie *t = at->trie;
    if (shape->by_count)
        n = lru_trie_best(t, at->node, nodes);
    else
        for (uint32_t c = t->nodes[at->node].child; c != TRIE_NONE && n < most; c = t->nodes[c].next) nodes[n++] = c;
    if (n > most) n = most;
    for (size_t i = 0; i < n; i++)
        out[i] = (continuation){nodes[i], t->nodes[nodes[i]].token, t->nodes[nodes[i]].count};
    return n;
}

bool sglang_place_continues(const sglang_place *at) {
    uint32_t one;
    if (at->corpus == NULL) return at->trie->nodes[at->node].n_children > 0;
    return automaton_children(at->corpus, at->node, AUTOMATON_RECENT, &one, 1) > 0;
}

/* ---- drafts ------------------------------------------------------------------------------------------ */

/* The draft's node for a token below `parent`, a new one if there is none. */
static int32_t grow(sglang_tree *t, draft *d, int32_t parent, int32_t id) {
    int32_t *link = &t->child[parent + 1];
    for (; *link != 0; link = &t->sibling[*link])
        if (d->ids[*link - 1] == id) return *link - 1;
    int32_t node = draft_add(d, parent, id);
    *link = node + 1;
    t->child[node + 1] = t->sibling[node + 1] = 0;
    return node;
}

/* G1. */
static void grow_by_recency(sglang_tree *t, const sglang_place *at, size_t length, size_t budget, draft *d) {
    const sglang_shape *shape = &t->shape;
    size_t              head = 0, end = 0;
    int                 levels = (int)shape->depth - 1; /* 1 or more */
    double              scale = (double)(shape->max_breadth - shape->min_breadth) / levels;
    double              breadth = (levels - (int)length) * scale + (double)shape->min_breadth;
    t->found[end++] = (candidate){.p = breadth, .node = at->node, .parent = DRAFT_ROOT};
    while (head < end && d->n < budget) {
        continuation next[SGLANG_BREADTH_MAX];
        candidate    from = t->found[head++];
        sglang_place here = {at->trie, at->corpus, from.node};
        size_t       n = continuations(&here, shape, from.p > 1 ? (size_t)from.p : 1, next);
        for (size_t i = 0; i < n && d->n < budget; i++) {
            int32_t to = grow(t, d, from.parent, next[i].token);
            t->found[end++] = (candidate){.p = from.p - scale, .node = next[i].node, .parent = to};
        }
    }
}

static bool before(const candidate *a, const candidate *b) {
    return a->p > b->p || (a->p == b->p && a->order < b->order);
}

static void heap_push(candidate *heap, size_t *n, candidate x) {
    size_t i = (*n)++;
    for (; i > 0 && before(&x, &heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static candidate heap_pop(candidate *heap, size_t *n) {
    candidate top = heap[0], x = heap[--*n];
    size_t    i = 0;
    for (size_t c = 1; c < *n; c = 2 * i + 1) {
        if (c + 1 < *n && before(&heap[c + 1], &heap[c])) c++;
        if (!before(&heap[c], &x)) break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = x;
    return top;
}

/* The continuations of a place share its probability. */
static void push_continuations(sglang_tree *t, const sglang_place *at, int32_t parent, double p, size_t *n,
                               uint32_t *order) {
    continuation next[SGLANG_BREADTH_MAX];
    size_t       count = continuations(at, &t->shape, t->shape.max_breadth, next);
    double       sum = 0;
    for (size_t i = 0; i < count; i++) sum += next[i].count;
    for (size_t i = 0; i < count; i++)
        heap_push(t->found, n, (candidate){next[i].count / sum * p, (*order)++, next[i].node, next[i].token, parent});
}

/* G2. */
static void grow_by_count(sglang_tree *t, const sglang_place *at, size_t budget, draft *d) {
    size_t   n = 0;
    uint32_t order = 0;
    push_continuations(t, at, DRAFT_ROOT, 1, &n, &order);
    while (n > 0 && d->n < budget) {
        candidate    best = heap_pop(t->found, &n);
        int32_t      to = grow(t, d, best.parent, best.token);
        sglang_place here = {at->trie, at->corpus, best.node};
        push_continuations(t, &here, to, best.p, &n, &order);
    }
}

void sglang_tree_grow(sglang_tree *t, const sglang_place *at, size_t length, size_t budget, draft *d) {
    if (t->shape.by_count)
        grow_by_count(t, at, budget, d);
    else
        grow_by_recency(t, at, length, budget, d);
}

void sglang_tree_merge(sglang_tree *t, const draft *other, draft *d) {
    int32_t to[DRAFT_CAP];
    for (size_t i = 0; i < other->n; i++) {
        int32_t parent = other->parent[i];
        to[i] = grow(t, d, parent == DRAFT_ROOT ? DRAFT_ROOT : to[parent], other->ids[i]);
    }
}

void sglang_chain_grow(const sglang_shape *shape, const sglang_place *at, size_t budget, draft *d) {
    continuation next[SGLANG_BREADTH_MAX];
    sglang_place here = *at;
    while (d->n < budget && continuations(&here, shape, 1, next) > 0) {
        draft_extend(d, &next[0].token, 1);
        here.node = next[0].node;
    }
}
