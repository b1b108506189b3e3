/* counted_trie.h - all substrings of some texts with their counts, a node for each: what the suffix policies' index
 * must agree with. Written from the description in suffix_index.h, for few and short texts. */
#ifndef TESTS_UNIT_COUNTED_TRIE_H
#define TESTS_UNIT_COUNTED_TRIE_H

#include <stddef.h>
#include <stdint.h>

enum { TRIE_ALPHABET = 4, TRIE_NODES = 1 << 13 };

typedef struct {
    int32_t  token;
    unsigned count;
    int      n, child[TRIE_ALPHABET]; /* in order */
} node;

/* Of substrings of up to `depth` tokens. */
typedef struct {
    node   nodes[TRIE_NODES]; /* the first is the root */
    int    n;
    size_t depth;
} trie;

void trie_clear(trie *t, size_t depth);

/* Drops nodes that were taken away. */
void trie_tidy(trie *t);

/* The node of a string; -1: it does not occur. */
int trie_find(const trie *t, const int32_t *ids, size_t n);

/* Adds the last of a text's n tokens; takes away all of them, from each start. */
void trie_add_last(trie *t, const int32_t *ids, size_t n);
void trie_take_away(trie *t, const int32_t *ids, size_t n);

#endif
