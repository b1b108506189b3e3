#include "tests/unit/counted_trie.h"

#include <criterion/criterion.h>

static int position(const trie *t, int parent, int32_t token) {
    const node *p = &t->nodes[parent];
    int         j = 0;
    while (j < p->n && t->nodes[p->child[j]].token != token) j++;
    return j;
}

static void move(node *p, int from, int to) {
    int moved = p->child[from];
    for (; from > to; from--) p->child[from] = p->child[from - 1];
    for (; from < to; from++) p->child[from] = p->child[from + 1];
    p->child[to] = moved;
}

static void once_more(trie *t, int parent, int32_t token) {
    node *p = &t->nodes[parent];
    int   j = position(t, parent, token);
    if (j == p->n) {
        cr_assert_lt(t->n, TRIE_NODES);
        t->nodes[t->n] = (node){.token = token, .count = 1};
        p->child[p->n++] = t->n++;
        return;
    }
    unsigned c = t->nodes[p->child[j]].count++;
    int      group = 0; /* the first with as many as it had, but for itself */
    while (group < j && t->nodes[p->child[group]].count != c) group++;
    if (group == j) /* it was the first of these: before those with as many as it has now */
        for (group = 0; group < j && t->nodes[p->child[group]].count != c + 1;) group++;
    move(p, j, group);
}

static void once_less(trie *t, int parent, int32_t token) {
    node    *p = &t->nodes[parent];
    int      j = position(t, parent, token), last = p->n - 1;
    unsigned c = t->nodes[p->child[j]].count;
    while (t->nodes[p->child[last]].count < c) last--;
    move(p, j, last);
    if (--t->nodes[p->child[last]].count > 0) return;
    move(p, last, p->n - 1);
    p->n--;
}

int trie_find(const trie *t, const int32_t *ids, size_t n) {
    int at = 0;
    for (size_t i = 0; i < n; i++) {
        int j = position(t, at, ids[i]);
        if (j == t->nodes[at].n) return -1;
        at = t->nodes[at].child[j];
    }
    return at;
}

void trie_add_last(trie *t, const int32_t *ids, size_t n) {
    for (size_t l = n < t->depth ? n : t->depth; l > 0; l--) once_more(t, trie_find(t, ids + n - l, l - 1), ids[n - 1]);
}

void trie_take_away(trie *t, const int32_t *ids, size_t n) {
    for (size_t from = 0; from < n; from++) {
        int at = 0;
        for (size_t i = from; i < n && i < from + t->depth; i++) {
            int child = t->nodes[at].child[position(t, at, ids[i])], was = (int)t->nodes[child].count;
            once_less(t, at, ids[i]);
            if (was == 1) break; /* what is below it goes with it */
            at = child;
        }
    }
}

void trie_clear(trie *t, size_t depth) {
    t->nodes[0] = (node){0};
    t->n = 1;
    t->depth = depth;
}

static int copy_node(trie *to, const trie *from, int at) {
    int here = to->n++;
    to->nodes[here] = from->nodes[at];
    for (int j = 0; j < from->nodes[at].n; j++) {
        int child = copy_node(to, from, from->nodes[at].child[j]);
        to->nodes[here].child[j] = child;
    }
    return here;
}

void trie_tidy(trie *t) {
    static trie fresh;
    if (t->n < TRIE_NODES / 4) return;
    fresh.n = 0;
    fresh.depth = t->depth;
    copy_node(&fresh, t, 0);
    *t = fresh;
}
