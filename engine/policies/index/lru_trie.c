#include "engine/policies/index/lru_trie.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

int lru_trie_init(lru_trie *t, size_t depth, size_t capacity, size_t best, size_t expected, err *e) {
    assert(1 <= depth && depth <= TRIE_DEPTH_MAX && depth < capacity && capacity <= UINT32_MAX);
    *t = (lru_trie){.depth = depth, .capacity = capacity, .best = best, .n_nodes = 1, .n_used = 1};
    if (expected > capacity) expected = capacity;
    if (mem_reserve(&t->nodes, &t->cap_nodes, 1 + expected, e) != 0) return -1;
    t->nodes[TRIE_ROOT] = (trie_node){.tag = (uint32_t)ids_hash_empty};
    if (tag_table_grow(&t->find, TAG_SLOTS_MIN, e) != 0) return -1;
    return tag_table_expect(&t->find, expected, e);
}

void lru_trie_free(lru_trie *t) {
    free(t->nodes);
    free(t->lists);
    tag_table_free(&t->find);
    *t = (lru_trie){0};
}

/* By the tokens of a sequence, not by the nodes on its path: so those of a path can be fetched together. */
static uint32_t child_tag(uint32_t parent_tag, int32_t token) {
    return (uint32_t)ids_hash_extend(parent_tag, token);
}

static tag_slot *child_slot(const lru_trie *t, uint32_t parent, int32_t token, uint32_t tag) {
    tag_slot *s = tag_table_first(&t->find, tag);
    while (s->id != 0 && !(s->tag == tag && t->nodes[s->id].parent == parent && t->nodes[s->id].token == token))
        s = tag_table_next(&t->find, s);
    return s;
}

uint32_t lru_trie_child(const lru_trie *t, uint32_t node, int32_t token) {
    return child_slot(t, node, token, child_tag(t->nodes[node].tag, token))->id;
}

/* ---- the most frequent children ---------------------------------------------------------------------- */

static bool better(const lru_trie *t, uint32_t a, uint32_t b) {
    const trie_node *x = &t->nodes[a], *y = &t->nodes[b];
    return x->count > y->count || (x->count == y->count && x->token < y->token);
}

/* Puts a child that counts more than before where it belongs among list[n], of which it may be one; a full list loses
 * its last. Returns how many there are now. */
static size_t list_put(const lru_trie *t, uint32_t *list, size_t n, uint32_t child) {
    size_t i = 0;
    while (i < n && list[i] != child) i++;
    if (i == n && n < t->best) n++;
    if (i == t->best) {
        if (!better(t, child, list[i - 1])) return n;
        i--;
    }
    for (; i > 0 && better(t, child, list[i - 1]); i--) list[i] = list[i - 1];
    list[i] = child;
    return n;
}

static size_t list_fill(const lru_trie *t, uint32_t node, uint32_t *list) {
    size_t n = 0;
    for (uint32_t c = t->nodes[node].child; c != TRIE_NONE; c = t->nodes[c].next) n = list_put(t, list, n, c);
    return n;
}

size_t lru_trie_best(const lru_trie *t, uint32_t node, uint32_t *out) {
    const trie_node *x = &t->nodes[node];
    if (x->best == 0) return list_fill(t, node, out);
    memcpy(out, t->lists + (x->best - 1) * t->best, t->best * sizeof *out);
    return t->best;
}

/* A child counts once more. There is room for a list, and best > 0. */
static void count(lru_trie *t, uint32_t child) {
    uint32_t   parent = t->nodes[child].parent;
    trie_node *x = &t->nodes[parent];
    t->nodes[child].count++;
    if (x->n_children <= t->best) return;
    if (x->best != 0) {
        list_put(t, t->lists + (x->best - 1) * t->best, t->best, child);
        return;
    }
    x->best = t->unused_list;
    if (x->best != 0)
        t->unused_list = t->lists[(x->best - 1) * t->best];
    else
        x->best = (uint32_t)++t->n_lists;
    list_fill(t, parent, t->lists + (x->best - 1) * t->best);
}

/* A child has been taken out of its parent's children. */
static void best_drop(lru_trie *t, uint32_t parent, uint32_t child) {
    trie_node *x = &t->nodes[parent];
    if (x->best == 0) return;
    uint32_t *list = t->lists + (x->best - 1) * t->best;
    if (x->n_children <= t->best) {
        list[0] = t->unused_list;
        t->unused_list = x->best;
        x->best = 0;
        return;
    }
    for (size_t i = 0; i < t->best; i++)
        if (list[i] == child) {
            list_fill(t, parent, list);
            return;
        }
}

/* ---- recency ------------------------------------------------------------------------------------------ */

static void link_newest(lru_trie *t, uint32_t id) {
    t->nodes[id].newer = TRIE_NONE;
    t->nodes[id].older = t->newest;
    *(t->newest != TRIE_NONE ? &t->nodes[t->newest].newer : &t->oldest) = id;
    t->newest = id;
}

static void unlink_node(lru_trie *t, uint32_t id) {
    const trie_node *x = &t->nodes[id];
    *(x->newer != TRIE_NONE ? &t->nodes[x->newer].older : &t->newest) = x->older;
    *(x->older != TRIE_NONE ? &t->nodes[x->older].newer : &t->oldest) = x->newer;
}

static void link_first_child(lru_trie *t, uint32_t id) {
    trie_node *x = &t->nodes[id], *parent = &t->nodes[x->parent];
    x->last = TRIE_NONE;
    x->next = parent->child;
    if (x->next != TRIE_NONE) t->nodes[x->next].last = id;
    parent->child = id;
}

static void unlink_child(lru_trie *t, uint32_t id) {
    const trie_node *x = &t->nodes[id];
    *(x->last != TRIE_NONE ? &t->nodes[x->last].next : &t->nodes[x->parent].child) = x->next;
    if (x->next != TRIE_NONE) t->nodes[x->next].last = x->last;
}

/* ---- nodes -------------------------------------------------------------------------------------------- */

static void take_out_oldest(lru_trie *t) {
    uint32_t   id = t->oldest;
    trie_node *x = &t->nodes[id];
    assert(id != TRIE_NONE && x->n_children == 0);
    unlink_node(t, id);
    unlink_child(t, id);
    t->nodes[x->parent].n_children--;
    best_drop(t, x->parent, id);
    tag_table_remove(&t->find, child_slot(t, x->parent, x->token, x->tag));
    x->next = t->unused;
    t->unused = id;
    t->n_used--;
}

/* A new child, held by no path, but not linked by recency. There is room for it. */
static uint32_t new_child(lru_trie *t, uint32_t parent, int32_t token, tag_slot *slot, uint32_t tag, err *e) {
    uint32_t id = t->unused;
    if (id != TRIE_NONE)
        t->unused = t->nodes[id].next;
    else
        id = (uint32_t)t->n_nodes++;
    t->n_used++;
    t->nodes[id] = (trie_node){.token = token, .parent = parent, .tag = tag};
    t->nodes[parent].n_children++;
    link_first_child(t, id);
    *slot = (tag_slot){tag, id};
    int full = tag_table_filled(&t->find, e);
    assert(full == 0);
    (void)full;
    return id;
}

/* Room for n more nodes, and a list for each. */
static int make_room(lru_trie *t, size_t n, err *e) {
    if (n > t->capacity - t->n_used)
        for (size_t left = n - (t->capacity - t->n_used); left > 0; left--) take_out_oldest(t);
    if (mem_reserve(&t->nodes, &t->cap_nodes, t->n_nodes + n, e) != 0) return -1;
    if (mem_reserve(&t->lists, &t->cap_lists, (t->n_lists + n) * t->best, e) != 0) return -1;
    return tag_table_expect(&t->find, n, e);
}

/* The nodes whose links change when this one is used again. */
static void fetch_neighbours(const lru_trie *t, uint32_t id) {
    const trie_node *x = &t->nodes[id];
    if (x->last != TRIE_NONE) { /* else it is the first child already */
        __builtin_prefetch(&t->nodes[x->last]);
        __builtin_prefetch(&t->nodes[x->next]);
        __builtin_prefetch(&t->nodes[t->nodes[x->parent].child]);
    }
    if (x->held > 0) return;
    __builtin_prefetch(&t->nodes[x->older]);
    __builtin_prefetch(&t->nodes[x->newer]);
}

/* Those that will be taken out next. */
static void fetch_oldest(const lru_trie *t, size_t n) {
    uint32_t id = t->oldest;
    for (; n > 0 && id != TRIE_NONE; n--, id = t->nodes[id].newer) {
        const trie_node *x = &t->nodes[id];
        tag_table_fetch(&t->find, x->tag);
        __builtin_prefetch(&t->nodes[x->parent]);
        __builtin_prefetch(&t->nodes[x->next]);
        __builtin_prefetch(&t->nodes[x->last]);
    }
}

/* First all slots, then the nodes that they name, then the neighbours of these. */
void lru_trie_fetch(const lru_trie *t, const trie_walk *walks, size_t n) {
    uint32_t tags[TRIE_DEPTH_MAX * TRIE_DEPTH_MAX];
    size_t   all = 0;
    for (size_t i = 0; i < n; i++) {
        const trie_path *p = walks[i].path;
        uint32_t         tag = t->nodes[p->n > 0 ? p->nodes[p->n - 1] : TRIE_ROOT].tag;
        for (size_t k = p->n; k < walks[i].n; k++) {
            tags[all++] = tag = child_tag(tag, walks[i].ids[k]);
            tag_table_fetch(&t->find, tag);
        }
    }
    if (t->n_used + all > t->capacity) fetch_oldest(t, all);
    for (size_t i = 0; i < all; i++) {
        const tag_slot *s = tag_table_first(&t->find, tags[i]);
        if (s->id != 0 && s->tag == tags[i]) __builtin_prefetch(&t->nodes[s->id]);
    }
    for (size_t i = 0; i < all; i++) {
        const tag_slot *s = tag_table_first(&t->find, tags[i]);
        if (s->id != 0 && s->tag == tags[i]) fetch_neighbours(t, s->id);
    }
}

int lru_trie_enter(lru_trie *t, const int32_t *ids, size_t n, trie_path *path, err *e) {
    if (n > t->depth) n = t->depth;
    if (make_room(t, n, e) != 0) return -1;
    for (size_t i = 0; i < path->n && t->best > 0; i++) count(t, path->nodes[i]);
    uint32_t node = path->n > 0 ? path->nodes[path->n - 1] : TRIE_ROOT;
    for (; path->n < n; path->n++) {
        int32_t   id = ids[path->n];
        uint32_t  tag = child_tag(t->nodes[node].tag, id);
        tag_slot *slot = child_slot(t, node, id, tag);
        uint32_t  child = slot->id;
        if (child == TRIE_NONE) {
            child = new_child(t, node, id, slot, tag, e);
        } else {
            if (t->nodes[child].held == 0) unlink_node(t, child);
            unlink_child(t, child);
            link_first_child(t, child);
        }
        t->nodes[child].held++;
        if (t->best > 0) count(t, child);
        path->nodes[path->n] = node = child;
    }
    return 0;
}

void lru_trie_let_go(lru_trie *t, trie_path *path) {
    while (path->n > 0) {
        uint32_t id = path->nodes[--path->n];
        if (--t->nodes[id].held == 0) link_newest(t, id);
    }
}
