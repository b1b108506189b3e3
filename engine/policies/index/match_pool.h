/* match_pool.h - patterns of 1 to n tokens, and the different matches of up to k tokens that followed each, in order.
 *
 * Patterns and matches are spans of one text, which only grows; a hash of the text's beginnings gives that of any span
 * at once. A pattern keeps its matches in the order in which they came. Those of fewer than k tokens, which are few and
 * may have to go, are linked once more:
 *
 *     text     5 6 7 8 5 6 9                n = 1, k = 2
 *     5 ->     6 7 | 6 9                    6 -> 7 8 | 9     7 -> 8 5     8 -> 5 6     the match 9 is short
 *
 *  M1  After each step, patterns near the text's end are entered again, with matches that have grown. A match that its
 *      pattern has already stays where it is. Otherwise the pattern's matches that are shorter are taken out, and it
 *      becomes the last one.
 *  M2  With `oldest` the first match of a pattern is wanted, or a pattern keeps one match, of the longest the first
 *      (`all` is false). Then a match of k tokens is a pattern's last word: no other one is kept, and patterns whose
 *      matches are still short are entered with the sample's end only. A question looks at the text's last tokens, too.
 *  M3  What is copied from text that was entered has its patterns already: it is followed there, not looked up.
 *
 * A look-up takes as long as its pattern, and entering a match as long as pattern and match.
 */
#ifndef ENGINE_POLICIES_INDEX_MATCH_POOL_H
#define ENGINE_POLICIES_INDEX_MATCH_POOL_H

#include <stdbool.h>

#include "engine/base/tokens.h"
#include "engine/policies/index/tag_table.h"

enum { POOL_PATTERN_MAX = 64 };

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    size_t n, k;   /* most tokens of a pattern and of a match */
    bool   all;    /* a pattern keeps all its matches, not only its longest, of equals the oldest */
    bool   oldest; /* its oldest match is wanted, not its newest */
    bool   compat; /* every match behind one that was taken out is passed over, and a pattern that should keep one match
                      keeps all that are not longer than its first */
    tokens               text;   /* of all samples, a -1 before each */
    size_t               begin;  /* of the last sample */
    size_t               pooled; /* the end of what has been pooled of it */
    size_t               n_samples, n_ends;
    size_t              *ends;      /* [k] of the sample's last steps: of step i at i % k */
    uint64_t            *beginning; /* [text.n + 1] hashes of its beginnings */
    uint64_t            *power;     /* [n + k + 1] of the hash's base */
    struct pool_pattern *patterns;
    struct pool_match   *matches;
    size_t               n_patterns, n_matches, cap_beginning, cap_patterns, cap_matches;
    size_t               copied[POOL_PATTERN_MAX]; /* M3, by size: where the last pattern was before; 0 = nowhere */
    uint32_t             unused;                   /* 1 + a match that was taken out; it names the next one; 0 = none */
    tag_table            find_pattern, find_match;
} match_pool;

/* n <= POOL_PATTERN_MAX. */
int  match_pool_init(match_pool *m, size_t n, size_t k, bool all, bool oldest, bool compat, err *e);
void match_pool_free(match_pool *m);

/* Begins the next sample, of which about `expected` tokens will come. */
int match_pool_begin(match_pool *m, size_t expected, err *e);

int match_pool_append(match_pool *m, const int32_t *ids, size_t n, err *e);

/* A step ends: enters what was appended. */
int match_pool_step(match_pool *m, err *e);

typedef struct {
    size_t from, length; /* in text */
} pool_span;

/* The longest pattern that ends the text, but is shorter than the sample: its size, and its match; 0: there is none. A
 * step has ended. */
size_t match_pool_longest(const match_pool *m, pool_span *out);

#endif
