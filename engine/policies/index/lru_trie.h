/* lru_trie.h - a trie of token sequences that counts how often each was entered, and when it is full forgets what was
 * entered longest ago.
 *
 * A node is a sequence: the tokens on its path from the root. Its children are linked by recency. Nodes are held while
 * some path that was entered is held, and are linked by recency when none is: of a path that is let go, those near the
 * root become the most recent. So the least recent node is always a leaf, and can be taken out.
 *
 *     after 1 2 3, 1 2 4 and 1 5        root ── 1 (3) ┬─ 5 (1)
 *                                                     └─ 2 (2) ┬─ 4 (1)
 *                                                              └─ 3 (1)
 *
 * Finding a child, entering a token and taking out a node take the same time however large the trie is. Only taking out
 * one of a node's most frequent children, when it has more than `best`, goes through all of them.
 */
#ifndef ENGINE_POLICIES_INDEX_LRU_TRIE_H
#define ENGINE_POLICIES_INDEX_LRU_TRIE_H

#include <stdbool.h>

#include "engine/policies/index/tag_table.h"

enum { TRIE_DEPTH_MAX = 64, TRIE_ROOT = 0, TRIE_NONE = 0 /* no node's child is the root */ };

typedef struct {
    int32_t  token;
    uint32_t parent;
    uint32_t count; /* how often its sequence was entered, as the beginning of one; with `best` only */
    uint32_t held;  /* paths that hold it */
    uint32_t tag;   /* of its slot */
    uint32_t n_children;
    uint32_t child;        /* the most recent one */
    uint32_t next, last;   /* siblings: less and more recent */
    uint32_t older, newer; /* nodes that no path holds */
    uint32_t best;         /* 1 + a list of its most frequent children, for more than `best`; 0 = none */
} trie_node;

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    size_t     depth, capacity, best;
    trie_node *nodes; /* [n_nodes], the root first */
    size_t     n_nodes, n_used, cap_nodes;
    uint32_t   newest, oldest;
    uint32_t   unused; /* a node that was taken out; its `next` is another one */
    uint32_t  *lists;  /* [n_lists, best] children by count, then by id */
    size_t     n_lists, cap_lists;
    uint32_t   unused_list; /* 1 + a list; its first element is another one */
    tag_table  find;
} lru_trie;

/* Sequences have 1 to `depth` tokens, at most TRIE_DEPTH_MAX. There are at most `capacity` nodes, the root included: at
 * least depth + 1. `best` children of a node can be ranked by count; 0 if none will be. About `expected` nodes will
 * come. */
int  lru_trie_init(lru_trie *t, size_t depth, size_t capacity, size_t best, size_t expected, err *e);
void lru_trie_free(lru_trie *t);

/* The nodes of a sequence that was entered, which stay while it holds them. Zeroed it holds none. */
typedef struct {
    size_t   n;
    uint32_t nodes[TRIE_DEPTH_MAX];
} trie_path;

/* Enters a sequence of n tokens, or the first `depth` of them. `path` may hold the beginning of it, and then holds it
 * all. Before it enters anything, it takes out as many of the least recent nodes as the whole sequence could need; as
 * many must be held by no path. */
int lru_trie_enter(lru_trie *t, const int32_t *ids, size_t n, trie_path *path, err *e);

/* Sequences that will be entered, in the words of lru_trie_enter. */
typedef struct {
    const int32_t   *ids;
    size_t           n; /* at most `depth` */
    const trie_path *path;
} trie_walk;

/* Fetches what entering up to TRIE_DEPTH_MAX sequences will touch. A large trie is in no cache: so their walks wait for
 * memory together, not one after the other. */
void lru_trie_fetch(const lru_trie *t, const trie_walk *walks, size_t n);

/* Lets the nodes of a path go. */
void lru_trie_let_go(lru_trie *t, trie_path *path);

/* The child of a node, or TRIE_NONE. */
uint32_t lru_trie_child(const lru_trie *t, uint32_t node, int32_t token);

/* Fills out[best] with the most frequent children of a node, of equals the lowest id first. Returns how many. */
size_t lru_trie_best(const lru_trie *t, uint32_t node, uint32_t *out);

#endif
