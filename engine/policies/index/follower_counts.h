/* follower_counts.h - what follows each n-gram of 1 to 4 tokens, how often, and what follows it most often.
 *
 * An n-gram is a node below that of its last tokens: 3 5 7 is below 5 7, which is below 7.
 *
 *     text 5 7 9 5 7 8        node 7        followed by 9, 8    most often: 8, the younger of two equal ones
 *                              └─ node 5 7  followed by 9, 8
 *
 * Nodes are found by a hash of their tokens, not from the node above: so the slots of all n-grams that end somewhere
 * are fetched at once, then the nodes. A node names the one above and its first token, which tells it from others of
 * its hash.
 */
#ifndef ENGINE_POLICIES_INDEX_FOLLOWER_COUNTS_H
#define ENGINE_POLICIES_INDEX_FOLLOWER_COUNTS_H

#include "engine/policies/index/tag_table.h"

enum { FOLLOWER_NGRAM_MAX = 4 };

typedef struct {
    uint32_t above;      /* 1 + the node of the n-gram without its first token, or 0 */
    int32_t  first;      /* its first token */
    uint32_t total;      /* how often something followed */
    uint32_t best_count; /* of what followed most often; of equal ones that which came last as something new */
    int32_t  best;
    uint32_t best_at; /* its index in `followers` */
    uint32_t newest;  /* 1 + that of what followed it last as something new; 0: nothing did */
} follower_node;

typedef struct {
    uint32_t node;
    int32_t  next; /* followed it */
    uint32_t count;
    uint32_t older; /* 1 + the one that was new before, of the same node; 0: none */
} follower;

/* A zeroed struct is empty and may be freed. */
typedef struct {
    follower_node *nodes;
    follower      *followers;
    size_t         n_nodes, n_followers, cap_nodes, cap_followers;
    tag_table      find_node, find_follower; /* of 1 + an index */
} follower_counts;

/* The n-grams that end at one place. */
typedef struct {
    size_t         n;
    const int32_t *end; /* behind their last token */
    uint64_t       hash[FOLLOWER_NGRAM_MAX];
} follower_grams;

/* Those of the last 1 to 4 of n tokens before `end`. */
follower_grams follower_grams_at(const int32_t *end, size_t n);

/* Makes room for what so many tokens can add. */
int follower_counts_expect(follower_counts *c, size_t tokens, err *e);

/* Counts that each of n tokens followed the 1 to 4 before it, of which there are `before` in front of ids. */
int follower_counts_add(follower_counts *c, const int32_t *ids, size_t before, size_t n, err *e);

/* The nodes of these n-grams. Returns how many there are, from 1 token on. Fetching comes before, where several
 * look-ups should wait together. */
void   follower_counts_fetch(const follower_counts *c, const follower_grams *g);
size_t follower_counts_find(const follower_counts *c, const follower_grams *g,
                            const follower_node *found[FOLLOWER_NGRAM_MAX]);

/* Makes room for all counts of `from`, up to `most` counts in all: then follower_counts_merge allocates nothing. */
int follower_counts_reserve(follower_counts *c, const follower_counts *from, size_t most, err *e);

/* Adds the counts of `from`. When there are `most` counts, what is new is left out. */
int follower_counts_merge(follower_counts *c, const follower_counts *from, size_t most, err *e);

void follower_counts_free(follower_counts *c);

#endif
