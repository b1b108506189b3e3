/* suffix_index.h - how often each string of at most `depth` tokens occurs in some sequences, and what follows it.
 *
 * It answers what a counted trie of all substrings answers: the occurrences of a string, its children (the tokens that
 * follow it, each with the occurrences of the longer string), and their order. But strings that end at the same places
 * are one state, as in a suffix automaton: they occur equally often, and the same follows. Of 1 2 3 1 2 4 with depth 4:
 *
 *     state        strings                     count  children
 *     root         (none)                             1, 2, 3, 4
 *     a            1                               2  2 -> b
 *     b            2, 1 2                          2  3 -> c, 4 -> e
 *     c            3, 2 3, 1 2 3                   1  1 -> d
 *     d            3 1, 2 3 1, 1 2 3 1             1  2 -> ...
 *     e            4, 2 4, 1 2 4, 3 1 2 4          1
 *
 * A state's strings are suffixes of its longest one, which has `len` tokens; the next shorter suffix is the longest of
 * the state `link`. So all suffixes of a text lie on one walk over links, and a token more costs a look at each state
 * of that walk: as many as there are different counts among the suffixes, a handful where a trie visits `depth` nodes.
 * The construction is Blumer et al. 1985, "The smallest automaton recognizing the subwords of a text", online and for
 * several sequences, with counts; what the bound on the length changes is said where it does.
 *
 *  S1  All strings of a state occur at the same places. A sequence that is removed takes away from all of them alike,
 *      so this stays true; states that could be one again stay apart, since their children may be in different orders.
 *  S2  Children are in the order of decreasing counts, as in Arctic Inference's suffix tree. A new child is the last.
 *      One whose count grows to c + 1 comes before all those that have c. If it was the first of these and others have
 *      c + 1 already, it comes before them, too; if it was not, behind them. One whose count shrinks comes behind all
 *      those of its old count, before those of its new one.
 *  S3  A string of `depth` tokens has no children.
 *  S4  The root's children have no order.
 *
 * Memory: a state is 24 bytes, and of English text a token takes 1.4 of them; with lists of children and room to grow
 * that makes some 60 bytes a token, where the C++ of Arctic Inference takes 300. A token more costs a look at each
 * state of one walk over links, 64 at most, two on average there; lists of more than 48 children are searched by a
 * hash.
 */
#ifndef ENGINE_POLICIES_INDEX_SUFFIX_INDEX_H
#define ENGINE_POLICIES_INDEX_SUFFIX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/policies/index/suffix_long.h"

enum { SUFFIX_DEPTH_MAX = 255, SUFFIX_ROOT = 0 };

typedef struct {
    uint32_t link;
    uint32_t count;
    uint32_t at;    /* index of the last token of their first place, among all that were ever appended */
    int32_t  token; /* of the only child; -1: there is none; -n: there are n children, 2 or more */
    uint32_t child; /* the state of the only child, or where their list begins in `lists` */
    uint8_t  len;
    uint8_t  size; /* of that list's block; SUFFIX_LONG: the block holds a pointer to a longer one */
} suffix_state;

enum { SUFFIX_SIZES = 10, SUFFIX_LONG = SUFFIX_SIZES };

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    size_t              depth;
    suffix_state       *states; /* [n_states]; the first is the root, whose children are in `first` */
    size_t              n_states, cap_states;
    suffix_child       *lists; /* blocks of up to 48 children, of SUFFIX_SIZES sizes */
    size_t              n_lists, cap_lists;
    struct suffix_slot *first; /* [mask + 1] by token */
    size_t              mask, used;
    uint32_t            last; /* holds the end of the last sequence */
    uint32_t            appended;
    uint32_t            free_states;              /* linked by `link`; 0 ends it */
    uint32_t            free_lists[SUFFIX_SIZES]; /* 1 + index in `lists`, linked by `state` of their first child */
    bool                broken;                   /* an append ran out of memory: of no use but to be freed */
} suffix_index;

/* For strings of up to `depth` tokens, 2 to SUFFIX_DEPTH_MAX; about `expected` tokens will come. Free it afterwards,
 * also after an error. */
int  suffix_index_init(suffix_index *x, size_t depth, size_t expected, err *e);
void suffix_index_free(suffix_index *x);

/* Begins the next sequence. */
void suffix_index_sequence(suffix_index *x);

/* Appends a token, 0 or more, to the last sequence. */
int suffix_index_append(suffix_index *x, int32_t id, err *e);

/* Removes a whole sequence that was appended; it must not be the last one. */
void suffix_index_remove(suffix_index *x, const int32_t *ids, size_t n);

/* How many children a state other than the root has; the first one in *first. */
size_t suffix_index_children(const suffix_index *x, uint32_t state, suffix_child *first);

/* All of them in order, one with each call, as long as it is true. *cursor is 0 at first. */
bool suffix_index_child(const suffix_index *x, uint32_t state, uint32_t *cursor, suffix_child *child);

/* ---- the longest suffix of a text that occurs in the index ---- */

typedef struct {
    uint32_t state;
    size_t   length; /* of the suffix, in tokens; it is in `state` */
} suffix_match;

/* The end of the last sequence, of at most depth tokens. */
suffix_match suffix_index_end(const suffix_index *x);

/* Takes off tokens at the front until at most `length` are left. */
void suffix_match_shorten(const suffix_index *x, suffix_match *m, size_t length);

/* The text goes on with `id`; afterwards its longest suffix of at most depth - 1 tokens is in m. At first m is zeroed.
 * When the same token is appended to the index, that comes before this. */
void suffix_match_step(const suffix_index *x, suffix_match *m, int32_t id);

#endif
