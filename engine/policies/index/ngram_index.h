/* ngram_index.h - where each n-gram of some token sequences occurs first, or last.
 *
 * First means: in the lowest sequence, and there at the lowest position. Keys are compared token by token; an equal
 * hash is never enough. A look-up costs the same however much is indexed. With two sequences and n = 2:
 *
 *     text    7  3  9  3 | 5  7  3  9           starts = 0, 4
 *     owner   0  0  0  0 | 1  1  1  1
 *             ^  ^  ^      ^
 *     tables[2 - min_n]   7 3 -> 0   3 9 -> 1   9 3 -> 2   5 7 -> 4
 *
 * 7 3 and 3 9 occur again in the second sequence but keep their first place. 3 5 crosses a border, so it is left out. A
 * slot holds the low half of an n-gram's hash and 1 + the index of its first token in `text`; the hash also says where
 * in the table the slot is.
 *
 *  N1  An n-gram is within one sequence.
 *  N2  A sequence that holds an n-gram holds its suffixes too. So when a suffix of a history is not in the index,
 *      no longer suffix is: look-ups go from short to long and stop at the first miss.
 */
#ifndef ENGINE_POLICIES_INDEX_NGRAM_INDEX_H
#define ENGINE_POLICIES_INDEX_NGRAM_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"

enum { NGRAM_MAX = 64 }; /* longest n-gram */

/* An open-addressing table of one n-gram length; all zero when empty. */
typedef struct {
    struct ngram_slot *slots; /* [mask + 1], at most half of them used */
    size_t             mask, used;
} ngram_table;

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    size_t      min_n, max_n;
    bool        latest;  /* the last place of an n-gram counts, not the first */
    size_t      lag;     /* n-grams that end in this many last tokens are not found yet; with one sequence only */
    size_t      entered; /* tokens whose n-grams are found */
    tokens      text;    /* all sequences, one after the other */
    uint32_t   *owner;   /* [text.n] the sequence of each token */
    size_t     *starts;  /* [n_sequences] where each sequence begins in text */
    size_t      cap_owner, n_sequences, cap_starts;
    ngram_table tables[NGRAM_MAX]; /* tables[n - min_n] */
} ngram_index;

/* For n-grams of min_n to max_n tokens, 1 <= min_n <= max_n <= NGRAM_MAX; about `expected` tokens will come. `latest`
 * and `lag` may be set then, before the first token. Free it afterwards, also after an error. */
int  ngram_index_init(ngram_index *x, size_t min_n, size_t max_n, size_t expected, err *e);
void ngram_index_free(ngram_index *x);

/* Begins the next sequence; sequences are numbered from 0. */
int ngram_index_sequence(ngram_index *x, err *e);

/* Appends tokens to the last sequence. */
int ngram_index_append(ngram_index *x, const int32_t *ids, size_t n, err *e);

typedef struct {
    size_t sequence, position; /* of the n-gram's first token, within its sequence */
} ngram_place;

/* Looks up the last min_n, min_n + 1, ..., max_n tokens of a history of n tokens. Returns how many of these, from
 * the shortest on, the index holds, and where each occurs first (or last): places[i] is that of the last min_n + i
 * tokens. */
size_t ngram_index_suffixes(const ngram_index *x, const int32_t *history, size_t n, ngram_place places[NGRAM_MAX]);

/* The tokens of a sequence; valid until the next append. */
const int32_t *ngram_index_tokens(const ngram_index *x, size_t sequence, size_t *n);

#endif
