/* places.h - all places of each n-gram of one length in some token sequences, in order.
 *
 * An ngram_index says where an n-gram occurs first. Places are grouped by that:
 *
 *     text    7  3  9  3  7  3      n = 2     7 3 -> 0 4     3 9 -> 1     9 3 -> 2     3 7 -> 3
 */
#ifndef ENGINE_POLICIES_INDEX_PLACES_H
#define ENGINE_POLICIES_INDEX_PLACES_H

#include "engine/policies/index/ngram_index.h"

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    ngram_index index;  /* the sequences; first places */
    uint32_t   *groups; /* [text + 1] by first place: where the group begins in `at`; it ends where the next begins */
    uint32_t   *at;     /* places, as indexes in index.text */
} places;

/* For n-grams of n tokens, 1 to NGRAM_MAX. The caller fills `index`, then calls places_group. Free it afterwards, also
 * after an error. */
int  places_init(places *x, size_t n, size_t expected, err *e);
int  places_group(places *x, err *e);
void places_free(places *x);

/* The places of an n-gram, ascending; returns how many there are. O(n). */
size_t places_find(const places *x, const int32_t *key, const uint32_t **at);

#endif
