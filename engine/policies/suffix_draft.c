#include "engine/policies/suffix_draft.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* A token that may be drafted, or a place whose children are still to be looked at. */
struct heap_item {
    float    prob;
    uint32_t state;  /* with the token; of the place */
    int32_t  token;  /* -1: a place */
    int32_t  parent; /* of the token, of the place's children */
    uint16_t above;  /* tokens of the draft before the token, before the place's children */
};

static const float slack = 1.001f; /* bounds are larger by this, for what rounding may add */

void suffix_scratch_free(suffix_scratch *s) {
    free(s->heap);
    *s = (suffix_scratch){0};
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* ---- the heap of a tree ----------------------------------------------------------------------------- */

/* Moves an item up from a free place, past all that are less. */
static void heap_rise(struct heap_item *heap, size_t at, struct heap_item item) {
    for (size_t up; at > 0 && heap[up = (at - 1) / 2].prob < item.prob; at = up) heap[at] = heap[up];
    heap[at] = item;
}

static int heap_push(suffix_scratch *s, struct heap_item item, err *e) {
    if (mem_reserve(&s->heap, &s->cap_heap, s->n_heap + 1, e) != 0) return -1;
    heap_rise(s->heap, s->n_heap++, item);
    return 0;
}

/* Takes the first item. The free place sinks to the bottom, below the larger child, of equal ones the right; the last
 * item rises from there. */
static struct heap_item heap_pop(suffix_scratch *s) {
    struct heap_item *heap = s->heap, first = heap[0], last = heap[--s->n_heap];
    size_t            n = s->n_heap, at = 0, below;
    while ((below = 2 * at + 2) < n) {
        if (heap[below].prob < heap[below - 1].prob) below--;
        heap[at] = heap[below];
        at = below;
    }
    if (below == n) {
        heap[at] = heap[n - 1];
        at = n - 1;
    }
    if (n > 0) heap_rise(heap, at, last);
    return first;
}

/* ---- drafts ----------------------------------------------------------------------------------------- */

static void path_grow(const suffix_index *x, uint32_t state, float min_prob, size_t most, suffix_scratch *s) {
    float        prob = 1, score = 0;
    suffix_child child;
    s->n = 0;
    s->scores[0] = 0;
    while (s->n < most && suffix_index_children(x, state, &child) > 0) {
        uint32_t count = x->states[state].count;
        if (child.count != count) prob *= (float)child.count / (float)count;
        if (prob < min_prob) break;
        state = child.state;
        if (s->n == 0) s->at = x->states[state].at;
        s->ids[s->n] = child.token;
        s->parent[s->n] = (int32_t)s->n - 1;
        score += prob;
        s->scores[++s->n] = score;
    }
}

/* A place goes into the heap as its child, where all that come there go on alike. */
static int tree_place(const suffix_index *x, suffix_scratch *s, struct heap_item place, err *e) {
    suffix_child child;
    place.token = -1;
    if (place.above < s->room && suffix_index_children(x, place.state, &child) == 1 &&
        child.count == x->states[place.state].count) {
        place.token = child.token;
        place.state = child.state;
    }
    return heap_push(s, place, e);
}

static int tree_branch(const suffix_index *x, suffix_scratch *s, struct heap_item place, float min_prob, err *e) {
    suffix_child child;
    if (place.above >= s->room) return 0;
    for (uint32_t cursor = 0; suffix_index_child(x, place.state, &cursor, &child);) {
        struct heap_item item = {place.prob * (float)child.count / (float)x->states[place.state].count, child.state,
                                 child.token, place.parent, place.above};
        if (item.prob < min_prob) break;
        if (heap_push(s, item, e) != 0) return -1;
    }
    return 0;
}

/* At most `most` tokens, at most `room` in depth. */
static int tree_grow(const suffix_index *x, uint32_t state, float min_prob, size_t room, size_t most, suffix_scratch *s,
                     err *e) {
    float    score = 0;
    uint16_t deepest = 0;
    s->n = s->n_heap = 0;
    s->room = room;
    s->most = most;
    s->scores[0] = 0;
    if (tree_place(x, s, (struct heap_item){.prob = 1, .state = state, .parent = DRAFT_ROOT}, e) != 0) return -1;
    while (s->n < most && s->n_heap > 0) {
        struct heap_item item = heap_pop(s);
        if (item.above > deepest) deepest = item.above;
        if (item.token < 0) {
            if (tree_branch(x, s, item, min_prob, e) != 0) return -1;
            continue;
        }
        if (s->n == 0) s->at = x->states[item.state].at;
        s->ids[s->n] = item.token;
        s->parent[s->n] = item.parent;
        score += item.prob;
        s->scores[++s->n] = score;
        s->deepest[s->n] = deepest;
        item.parent = (int32_t)s->n - 1;
        item.above++;
        if (tree_place(x, s, item, e) != 0) return -1;
    }
    if (s->n < most) s->deepest[s->n] = deepest; /* nothing was left */
    return 0;
}

/* Whether the tree begins with, or is, the one that other limits would give: no place was looked at where these or the
 * tree's own would have ended it. */
static bool tree_serves(const suffix_scratch *s, size_t room, size_t most) {
    if (most > s->most && s->n == s->most) return false;
    return room == s->room || s->deepest[least(most, s->n)] < least(room, s->room);
}

/* ---- the best one ----------------------------------------------------------------------------------- */

typedef struct {
    const suffix_index *x;
    const suffix_rules *r;
    size_t              limit;
    suffix_scratch     *s;
    suffix_best        *best;
    bool                won; /* the best one is from this index */
    uint32_t            state;
    size_t              shortest, longest; /* matches that are this state */
    float               first, all;        /* share of its places that its first child follows; that any child does */
} search;

static size_t allowed(const search *q, size_t length) {
    return least(q->r->allowed[length], q->limit);
}

/* Most tokens of a path. */
static size_t path_most(const search *q, size_t length) {
    return least(allowed(q, length), q->x->depth - length);
}

/* Takes the first n tokens of the scratch, for a match of `length`, if they are better. */
static void consider(search *q, size_t length, size_t n) {
    suffix_best *b = q->best;
    float        score = q->s->scores[n];
    bool         tie = q->won && score == b->score && (q->r->shortest ? length < b->length : length > b->length);
    if (n == 0 || (score <= b->score && !tie)) return;
    q->won = true;
    b->score = score;
    b->length = length;
    b->n = n;
    b->at = q->s->at;
    memcpy(b->ids, q->s->ids, n * sizeof *b->ids);
    memcpy(b->parent, q->s->parent, n * sizeof *b->parent);
}

static void search_path(search *q) {
    size_t most = 0;
    for (size_t l = q->shortest; l <= q->longest; l++)
        if (path_most(q, l) > most) most = path_most(q, l);
    if ((float)most * q->first * slack < q->best->score) return;
    path_grow(q->x, q->state, q->r->min_prob, most, q->s);
    size_t length = q->r->shortest ? q->shortest : q->longest, n;
    for (;; length += q->r->shortest ? 1 : (size_t)-1) { /* of those that give the most */
        n = least(path_most(q, length), q->s->n);
        if (q->s->scores[n] == q->s->scores[q->s->n]) break;
    }
    consider(q, length, n);
}

static int search_length(search *q, size_t length, err *e) {
    size_t room = q->x->depth - length, most = allowed(q, length);
    if (most == 0) return 0;
    if (!tree_serves(q->s, room, most)) {
        float wide = (float)room * q->all, many = (float)most * q->first;
        if ((wide < many ? wide : many) * slack < q->best->score) return 0;
        if (tree_grow(q->x, q->state, q->r->min_prob, room, most, q->s, e) != 0) return -1;
    }
    consider(q, length, least(most, q->s->n));
    return 0;
}

/* First the match whose tree can be the largest: the others then mostly show that they are worse. */
static int search_tree(search *q, err *e) {
    size_t large = q->shortest;
    for (size_t l = q->shortest; l <= q->longest; l++)
        if (path_most(q, l) >= path_most(q, large)) large = l;
    q->s->n = q->s->most = 0;
    q->s->room = SUFFIX_DEPTH_MAX + 1; /* no tree yet */
    if (search_length(q, large, e) != 0) return -1;
    for (size_t l = q->longest; l >= q->shortest; l--)
        if (l != large && search_length(q, l, e) != 0) return -1;
    return 0;
}

int suffix_draft_best(const suffix_index *x, const suffix_rules *r, suffix_match m, size_t limit, suffix_scratch *s,
                      suffix_best *best, err *e) {
    search q = {.x = x, .r = r, .limit = limit, .s = s, .best = best, .longest = m.length};
    for (q.state = m.state; q.state != SUFFIX_ROOT && q.longest >= r->min_length; q.longest = q.shortest - 1) {
        const suffix_state *state = &x->states[q.state];
        suffix_child        child;
        size_t              n = suffix_index_children(x, q.state, &child);
        q.shortest = x->states[state->link].len + 1u;
        if (q.shortest < r->min_length) q.shortest = r->min_length;
        if (n > 0) {
            q.first = (float)child.count / (float)state->count;
            q.all = n == 1 ? q.first : 1;
            if (!r->tree)
                search_path(&q);
            else if (search_tree(&q, e) != 0)
                return -1;
        }
        q.state = state->link;
    }
    return 0;
}

void suffix_draft_add(const suffix_best *best, draft *d) {
    for (size_t i = 0; i < best->n; i++) draft_add(d, best->parent[i], best->ids[i]);
    d->match_length = (uint16_t)best->length;
}
