#include "engine/policies/index/follower_counts.h"

#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/mem.h"

enum { BLOCK = 4 }; /* tokens that are counted together */

static const uint32_t NONE = UINT32_MAX; /* 1 + it is 0 */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Room for so many in all. */
static int room(follower_counts *c, size_t nodes, size_t followers, err *e) {
    size_t more_nodes = nodes > c->find_node.used ? nodes - c->find_node.used : 0;
    size_t more_followers = followers > c->find_follower.used ? followers - c->find_follower.used : 0;
    if (nodes > INT32_MAX || followers > INT32_MAX)
        return err_run(e, "a table of counts holds at most %d", (int)INT32_MAX);
    if (mem_reserve(&c->nodes, &c->cap_nodes, nodes, e) != 0) return -1;
    if (mem_reserve(&c->followers, &c->cap_followers, followers, e) != 0) return -1;
    if (tag_table_expect(&c->find_node, more_nodes, e) != 0) return -1;
    return tag_table_expect(&c->find_follower, more_followers, e);
}

int follower_counts_expect(follower_counts *c, size_t tokens, err *e) {
    size_t more = tokens * FOLLOWER_NGRAM_MAX;
    return room(c, c->n_nodes + more, c->n_followers + more, e);
}

int follower_counts_reserve(follower_counts *c, const follower_counts *from, size_t most, err *e) {
    return room(c, least(c->n_nodes + from->n_nodes, most), least(c->n_followers + from->n_followers, most), e);
}

void follower_counts_free(follower_counts *c) {
    free(c->nodes);
    free(c->followers);
    tag_table_free(&c->find_node);
    tag_table_free(&c->find_follower);
    *c = (follower_counts){0};
}

/* ---- nodes and followers ----------------------------------------------------------------------------- */

follower_grams follower_grams_at(const int32_t *end, size_t n) {
    follower_grams g = {.n = least(n, FOLLOWER_NGRAM_MAX), .end = end};
    uint64_t       h = ids_hash_empty;
    for (size_t i = 0; i < g.n; i++) g.hash[i] = h = ids_hash_extend(h, end[-(ptrdiff_t)i - 1]);
    return g;
}

static tag_slot *node_slot(const follower_counts *c, uint64_t hash, uint32_t above, int32_t first) {
    tag_slot *s = tag_table_first(&c->find_node, (uint32_t)hash);
    while (s->id != 0 &&
           !(s->tag == (uint32_t)hash && c->nodes[s->id - 1].above == above && c->nodes[s->id - 1].first == first))
        s = tag_table_next(&c->find_node, s);
    return s;
}

static tag_slot *follower_slot(const follower_counts *c, uint64_t hash, uint32_t node, int32_t next) {
    tag_slot *s = tag_table_first(&c->find_follower, (uint32_t)hash);
    while (s->id != 0 &&
           !(s->tag == (uint32_t)hash && c->followers[s->id - 1].node == node && c->followers[s->id - 1].next == next))
        s = tag_table_next(&c->find_follower, s);
    return s;
}

/* A node below another one, new or old. There is room for it. */
static uint32_t enter_node(follower_counts *c, uint64_t hash, uint32_t above, int32_t first) {
    tag_slot *s = node_slot(c, hash, above, first);
    if (s->id != 0) return s->id - 1;
    c->nodes[c->n_nodes] = (follower_node){.above = above, .first = first};
    *s = (tag_slot){(uint32_t)hash, (uint32_t)++c->n_nodes};
    c->find_node.used++;
    return s->id - 1;
}

/* `next` followed a node so many times more. There is room for it. */
static void count(follower_counts *c, uint64_t hash, uint32_t node, int32_t next, uint32_t times) {
    hash = ids_hash_extend(hash, next);
    tag_slot      *s = follower_slot(c, hash, node, next);
    follower_node *x = &c->nodes[node];
    if (s->id == 0) {
        c->followers[c->n_followers] = (follower){.node = node, .next = next, .older = x->newest};
        *s = (tag_slot){(uint32_t)hash, (uint32_t)++c->n_followers};
        c->find_follower.used++;
        x->newest = s->id;
    }
    uint32_t at = s->id - 1, n = c->followers[at].count += times;
    x->total += times;
    if (n < x->best_count || (n == x->best_count && at <= x->best_at)) return;
    x->best_count = n;
    x->best = next;
    x->best_at = at;
}

/* ---- many at once ------------------------------------------------------------------------------------- */

static void fetch_nodes(const follower_counts *c, const follower_grams *g) {
    for (size_t i = 0; i < g->n; i++) {
        const tag_slot *s = tag_table_first(&c->find_node, (uint32_t)g->hash[i]);
        if (s->id != 0 && s->tag == (uint32_t)g->hash[i]) __builtin_prefetch(&c->nodes[s->id - 1]);
    }
}

static void fetch_followers(const follower_counts *c, const follower_grams *g, int32_t next) {
    for (size_t i = 0; i < g->n; i++) {
        uint32_t        tag = (uint32_t)ids_hash_extend(g->hash[i], next);
        const tag_slot *s = tag_table_first(&c->find_follower, tag);
        if (s->id != 0 && s->tag == tag) __builtin_prefetch(&c->followers[s->id - 1]);
    }
}

/* First the slots of all are fetched, then what they name. */
static int add_block(follower_counts *c, const int32_t *ids, size_t before, size_t n, err *e) {
    follower_grams g[BLOCK];
    if (follower_counts_expect(c, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        g[i] = follower_grams_at(ids + i, before + i);
        follower_counts_fetch(c, &g[i]);
        for (size_t k = 0; k < g[i].n; k++)
            tag_table_fetch(&c->find_follower, (uint32_t)ids_hash_extend(g[i].hash[k], ids[i]));
    }
    for (size_t i = 0; i < n; i++) {
        fetch_nodes(c, &g[i]);
        fetch_followers(c, &g[i], ids[i]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t node = NONE;
        for (size_t k = 0; k < g[i].n; k++) {
            node = enter_node(c, g[i].hash[k], node + 1, g[i].end[-(ptrdiff_t)k - 1]);
            count(c, g[i].hash[k], node, ids[i], 1);
        }
    }
    return 0;
}

int follower_counts_add(follower_counts *c, const int32_t *ids, size_t before, size_t n, err *e) {
    for (size_t i = 0; i < n; i += BLOCK)
        if (add_block(c, ids + i, before + i, least(n - i, BLOCK), e) != 0) return -1;
    return 0;
}

void follower_counts_fetch(const follower_counts *c, const follower_grams *g) {
    for (size_t i = 0; i < g->n && c->n_nodes > 0; i++) tag_table_fetch(&c->find_node, (uint32_t)g->hash[i]);
}

size_t follower_counts_find(const follower_counts *c, const follower_grams *g,
                            const follower_node *found[FOLLOWER_NGRAM_MAX]) {
    uint32_t above = 0;
    size_t   i = 0;
    if (c->n_nodes == 0) return 0;
    fetch_nodes(c, g);
    for (; i < g->n; i++) {
        above = node_slot(c, g->hash[i], above, g->end[-(ptrdiff_t)i - 1])->id;
        if (above == 0) break;
        found[i] = &c->nodes[above - 1];
    }
    return i;
}

/* ---- merging ------------------------------------------------------------------------------------------ */

/* The tokens of a node's n-gram, from its last to its first. Returns how many. */
static size_t spell(const follower_counts *c, uint32_t node, int32_t gram[FOLLOWER_NGRAM_MAX]) {
    size_t n = 1;
    for (uint32_t x = node; c->nodes[x].above > 0; x = c->nodes[x].above - 1) n++;
    for (size_t i = n; i-- > 0; node = c->nodes[node].above - 1) gram[i] = c->nodes[node].first;
    return n;
}

int follower_counts_merge(follower_counts *c, const follower_counts *from, size_t most, err *e) {
    if (follower_counts_reserve(c, from, most, e) != 0) return -1;
    for (size_t k = 0; k < from->n_followers; k++) {
        const follower *f = &from->followers[k];
        int32_t         gram[FOLLOWER_NGRAM_MAX];
        uint32_t        node = NONE;
        uint64_t        h = ids_hash_empty;
        size_t          n = spell(from, f->node, gram), i = 0;
        bool            full = c->n_followers >= most;
        for (; i < n; i++) {
            h = ids_hash_extend(h, gram[i]);
            node = full ? node_slot(c, h, node + 1, gram[i])->id - 1 : enter_node(c, h, node + 1, gram[i]);
            if (node == NONE) break;
        }
        if (i < n || (full && follower_slot(c, ids_hash_extend(h, f->next), node, f->next)->id == 0)) continue;
        count(c, h, node, f->next, f->count);
    }
    return 0;
}
