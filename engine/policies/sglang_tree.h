/* sglang_tree.h - SGLang's draft trees: what followed a sequence, in a trie of decoded text or in a corpus.
 *
 * A place is a sequence in one of the two, and its continuations are the tokens that followed it there. A tree grows
 * from one place after another; what a later one shares with it is there already:
 *
 *     1 2 was followed by 3 4          root ┬─ 3 ─ 4
 *     2   was followed by 3 and 5           └─ 5
 *
 * The numbered rules are those of sglang_ngram.c.
 */
#ifndef ENGINE_POLICIES_SGLANG_TREE_H
#define ENGINE_POLICIES_SGLANG_TREE_H

#include "engine/draft.h"
#include "engine/policies/index/automaton.h"
#include "engine/policies/index/lru_trie.h"

enum { SGLANG_BREADTH_MAX = 64 };

typedef struct {
    bool   by_count; /* G2, else G1 */
    size_t depth, min_breadth, max_breadth;
} sglang_shape;

/* A node of the trie, or a state of the corpus, whose places are counted. The other one is NULL. */
typedef struct {
    const lru_trie  *trie;
    const automaton *corpus;
    uint32_t         node;
} sglang_place;

typedef struct sglang_candidate sglang_candidate;

typedef struct {
    sglang_shape      shape;
    sglang_candidate *found; /* a queue or a heap */
    /* The draft's nodes: their first children and next siblings, as 1 + index; 0 = none. The root comes first. */
    int32_t child[DRAFT_CAP + 1], sibling[DRAFT_CAP + 1];
} sglang_tree;

/* Trees of at most `most` nodes. Free it afterwards, also after an error. */
int  sglang_tree_init(sglang_tree *t, const sglang_shape *shape, size_t most, err *e);
void sglang_tree_free(sglang_tree *t);

/* Begins a new tree, for an empty draft. */
void sglang_tree_clear(sglang_tree *t);

bool sglang_place_continues(const sglang_place *at);

/* Adds continuations of a place, a sequence of `length` tokens, until the draft has `budget` nodes. */
void sglang_tree_grow(sglang_tree *t, const sglang_place *at, size_t length, size_t budget, draft *d);

/* Adds the nodes of another draft, as far as they are not there. */
void sglang_tree_merge(sglang_tree *t, const draft *other, draft *d);

/* G7. Appends the first continuation, its first one, and so on, up to `budget` tokens. */
void sglang_chain_grow(const sglang_shape *shape, const sglang_place *at, size_t budget, draft *d);

#endif
