/* suffix_draft.h - what to draft after a context, by how often it followed there before: for policies that count.
 *
 * Each suffix of the context that occurs in an index is a match, of `length` tokens. Below it a token has the
 * probability of the token before it, 1 at first, times the share of that token's places that it follows. A match's
 * draft is scored by the sum of its tokens' probabilities, and the best draft is taken.
 *
 *  D1  A path takes the first child (suffix_index.h, S2) at each place, and ends before a probability below min_prob.
 *  D2  A tree takes the most probable token next, of the children of all it has that are min_prob or more. Equal ones
 *      come as they leave a binary heap, where each place waits to be followed, too: see heap_push and heap_pop, which
 *      order equal items as the GNU C++ library does.
 *  D3  Probabilities are float, multiplied and summed in the order in which Arctic Inference does, so that equal scores
 *      are equal there, too.
 *  D4  A match and its draft together have at most `depth` tokens.
 *
 * Matches that are one state of the index have one path, cut at different lengths: it is walked once. Those of which a
 * bound says that they cannot be best are not walked.
 */
#ifndef ENGINE_POLICIES_SUFFIX_DRAFT_H
#define ENGINE_POLICIES_SUFFIX_DRAFT_H

#include "engine/draft.h"
#include "engine/policies/index/suffix_index.h"

typedef struct {
    size_t   min_length;                    /* of a match */
    uint16_t allowed[SUFFIX_DEPTH_MAX + 1]; /* tokens drafted for a match of each length */
    float    min_prob;
    bool     tree;
    bool     shortest; /* of matches that score the same, the shortest one; else the longest */
} suffix_rules;

typedef struct {
    float    score;
    size_t   length, n; /* of the match, of the draft; 0: none */
    uint32_t at;        /* suffix_state.at of the first token */
    int32_t  ids[DRAFT_CAP], parent[DRAFT_CAP];
} suffix_best;

/* What a walk needs. A zeroed struct holds nothing and may be freed. */
typedef struct {
    int32_t  ids[DRAFT_CAP], parent[DRAFT_CAP]; /* [n] */
    size_t   n;
    uint32_t at;
    float    scores[DRAFT_CAP + 1]; /* [n + 1] of the first tokens */
    /* Of a tree. */
    uint16_t          deepest[DRAFT_CAP + 1]; /* [n + 1] place whose children were looked at, for the first tokens */
    size_t            room, most;             /* what it was grown with: tokens in depth, tokens in all */
    struct heap_item *heap;
    size_t            n_heap, cap_heap;
} suffix_scratch;

void suffix_scratch_free(suffix_scratch *s);

/* Puts the best draft of at most `limit` tokens, after the suffixes of m's string, into `best` if it scores more than
 * what is there. */
int suffix_draft_best(const suffix_index *x, const suffix_rules *r, suffix_match m, size_t limit, suffix_scratch *s,
                      suffix_best *best, err *e);

/* Adds it to a draft. */
void suffix_draft_add(const suffix_best *best, draft *d);

#endif
