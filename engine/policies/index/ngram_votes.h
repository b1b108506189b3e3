/* ngram_votes.h - which token follows an n-gram most often, in the text of an n-gram index.
 *
 *  V1  A place of an n-gram votes for the token that follows it there, in the same sequence; with `across`, also for
 *      the first token of the next sequence. A place that nothing follows has no vote.
 *  V2  Of tokens that follow equally often, the one that did so first wins.
 *
 * A look-up costs the same however much is indexed; so does a token, for each n.
 */
#ifndef ENGINE_POLICIES_INDEX_NGRAM_VOTES_H
#define ENGINE_POLICIES_INDEX_NGRAM_VOTES_H

#include "engine/policies/index/ngram_index.h"

/* Of the n-grams of one length, or of these with the token that follows. */
typedef struct {
    tag_table    table; /* of 1 + an index in `at` */
    struct vote *at;
    size_t       n, cap;
} vote_table;

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    const ngram_index *x; /* whose n-grams they are */
    bool               across;
    size_t             entered; /* tokens of x's text that have been followers */
    vote_table        *grams;   /* [max_n - min_n + 1] an n-gram with its best follower */
    vote_table        *pairs;   /* [max_n - min_n + 1] an n-gram with a follower */
} ngram_votes;

/* For the n-grams of x, which must stay where it is. Free it afterwards, also after an error. */
int  ngram_votes_init(ngram_votes *v, const ngram_index *x, bool across, err *e);
void ngram_votes_free(ngram_votes *v);

/* Counts what was appended to x since. */
int ngram_votes_update(ngram_votes *v, err *e);

/* The first place at which the last n tokens of a history, min_n <= n <= max_n, have their most frequent follower.
 * False when nothing ever followed them. */
bool ngram_votes_best(const ngram_votes *v, const int32_t *history, size_t n_history, size_t n, ngram_place *place);

#endif
