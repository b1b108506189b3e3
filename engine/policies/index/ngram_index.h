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
 * table has 1 + the index of an n-gram's first token in `text`.
 *
 * Memory: 8 bytes per token, and 8 bytes of slots for each distinct n-gram, by 4/3 to 8/3, as a table doubles when
 * three quarters of it are used. N-grams of 1 to 5 tokens take 30 to 40 bytes per token of a long text of which half is
 * copied from itself (tests/bench/matching.c), and 95 at most.
 *
 * Time is that of waiting for memory, one access for each n: a slot of a large table is in no cache. So the slots of
 * many n-grams are fetched before the first one is read, and then what is compared in the text: building waits for
 * several accesses at once, and a look-up waits twice for 8 lengths.
 *
 *  N1  An n-gram is within one sequence.
 *  N2  A sequence that holds an n-gram holds its suffixes too. So when a suffix of a history is not in the index,
 *      no longer suffix is: look-ups go from short to long and stop at the first miss.
 *  N3  Where first places count, a copy of text that was entered adds nothing: it is followed there, token by token,
 *      and no table is looked at.
 *  N4  A text of up to ngram_index_scanned tokens has no tables, and takes 8 bytes a token: each look-up scans it, in a
 *      few hundred nanoseconds, where entering its n-grams takes as long as a hundred look-ups. Of a longer text they
 *      are entered; of one that grows, some with each append until all are, so that no step takes long.
 */
#ifndef ENGINE_POLICIES_INDEX_NGRAM_INDEX_H
#define ENGINE_POLICIES_INDEX_NGRAM_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"
#include "engine/policies/index/tag_table.h"

enum { NGRAM_MAX = 64 }; /* longest n-gram */

/* N4. Tests lower it, to try the tables with short texts. */
extern size_t ngram_index_scanned;

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    size_t    min_n, max_n;
    bool      latest; /* the last place of an n-gram counts, not the first */
    size_t    lag;    /* n-grams that end in this many last tokens of the text are not found yet */
    bool      apart;  /* ... and those in a sequence's last tokens are never found: the next one does not change that */
    size_t    entered; /* tokens whose n-grams are in the tables; fewer than `lag` says: the text is scanned (N4) */
    size_t    before;  /* N3: where the max_n tokens before `entered` were before, the index behind them; 0 = unknown */
    tokens    text;    /* all sequences, one after the other */
    uint32_t *owner;   /* [text.n] the sequence of each token */
    size_t   *starts;  /* [n_sequences] where each sequence begins in text */
    size_t    cap_owner, n_sequences, cap_starts;
    tag_table tables[NGRAM_MAX]; /* tables[n - min_n], of 1 + the index of an n-gram's first token in text */
} ngram_index;

/* For n-grams of min_n to max_n tokens, 1 <= min_n <= max_n <= NGRAM_MAX; about `expected` tokens will come. `latest`,
 * `lag` and `apart` may be set then, before the first token. Free it afterwards, also after an error. */
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

/* Fetches what appending or looking up the n-grams that end in text[from..n) will read, for a caller that goes on token
 * by token. */
void ngram_index_fetch(const ngram_index *x, const int32_t *text, size_t n, size_t from);

/* The tokens of a sequence; valid until the next append. */
const int32_t *ngram_index_tokens(const ngram_index *x, size_t sequence, size_t *n);

/* The same, with those of all sequences after it. */
const int32_t *ngram_index_rest(const ngram_index *x, size_t sequence, size_t *n);

#endif
