/* automaton.h - a suffix automaton: all that occurs in some token sequences, built token by token.
 *
 * A state stands for the substrings that end at the same places of the text, so every substring is in one state, and
 * from the root each state is reached by its substrings alone. With the sequences 7 3 9 and 7 3 5:
 *
 *     text    7  3  9  |  7  3  5           7 3 occurs first before index 2
 *     root -7-> {7} -3-> {7 3, 3} -9-> ...  3 and 7 3 end at the same places, so they share a state
 *                                 -5-> ...
 *
 * Each state knows its longest substring's length, where its substrings end first, and its link: the state of the
 * longest suffix that occurs in more places. (Blumer et al. 1985; the construction is linear in the text.)
 *
 *  A1  Sequences are separated by AUTOMATON_BREAK, which is no token: what a search of tokens finds is within one.
 *  A2  Ends are indexes in the text after a substring's last token. The first end belongs to the earliest place.
 *  A3  A state's children, one for each token that may follow, are counted as its strings are: each child of s occurs
 *      where s does and is followed by the child's token.
 *
 * Memory: at most 2 states of 32 bytes a token and 3 edges; a state holds its first edge itself, and each further one
 * takes 16 bytes and 8 to 16 of a hash table. English text takes 1.6 states and 0.5 further edges a token, 71 bytes in
 * all. A token costs amortized O(1), whatever the alphabet.
 */
#ifndef ENGINE_POLICIES_INDEX_AUTOMATON_H
#define ENGINE_POLICIES_INDEX_AUTOMATON_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"

enum { AUTOMATON_BREAK = -1, AUTOMATON_ROOT = 0 };

typedef struct {
    uint32_t link;   /* UINT32_MAX of the root */
    uint32_t length; /* of the longest substring */
    uint32_t end;    /* index in the text after the first place */
    uint32_t count;  /* places, when automaton_count was called last */
    uint32_t last;   /* index in the text after the last place, as of then */
    int32_t  token;  /* of the first edge */
    uint32_t target; /* its state; 0 = no edge: none leads to the root */
    uint32_t more;   /* 1 + index of the next edge in `edges`; 0 = none */
} automaton_state;

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    tokens                 text;   /* the sequences, AUTOMATON_BREAK between them */
    size_t                *starts; /* [n_sequences] where each begins in text */
    automaton_state       *states; /* the root first */
    struct automaton_edge *edges;  /* those that are not a state's first */
    uint32_t              *slots;  /* [mask + 1] open addressing: 1 + index of an edge; 0 = free */
    size_t                 n_sequences, n_states, n_edges, mask;
    size_t                 cap_starts, cap_states, cap_edges;
    uint32_t               last; /* the state of the whole text */
} automaton;

/* About `expected` tokens will come; there is room for as many without another allocation, mostly. Free it afterwards,
 * also after an error; after one, it may only be freed. */
int  automaton_init(automaton *a, size_t expected, err *e);
void automaton_free(automaton *a);

/* Begins the next sequence; sequences are numbered from 0. */
int automaton_sequence(automaton *a, err *e);

/* Appends tokens to the last sequence. */
int automaton_append(automaton *a, const int32_t *ids, size_t n, err *e);

/* The state that a token leads to; 0: none. */
uint32_t automaton_next(const automaton *a, uint32_t state, int32_t token);

/* A string that occurs in the text: its state and its length. All zero, it is the empty one. */
typedef struct {
    uint32_t state, length;
} automaton_match;

/* From the longest suffix of a text that occurs here to the longest suffix of that text and one more token. Amortized
 * O(1). The automaton does not grow meanwhile. */
void automaton_follow(const automaton *a, automaton_match *m, int32_t token);

/* The longest suffix of the text that also occurs earlier in it. */
automaton_match automaton_repeat(const automaton *a);

/* The sequence that an index in the text belongs to. The index after a sequence's last token is its own. */
size_t automaton_sequence_at(const automaton *a, size_t index);

/* The tokens of a sequence; valid until the next append. */
const int32_t *automaton_tokens(const automaton *a, size_t sequence, size_t *n);

/* Counts each state's places, and finds its last one. O(states). */
int automaton_count(automaton *a, err *e);

typedef enum {
    AUTOMATON_FREQUENT,    /* by falling counts, equal counts by first places */
    AUTOMATON_FREQUENT_ID, /* by falling counts, equal counts by ids */
    AUTOMATON_RECENT,      /* by last places, the latest first */
} automaton_order;

/* The first `most` children in an order, AUTOMATON_BREAK not among them. Returns how many there are. */
size_t automaton_children(const automaton *a, uint32_t state, automaton_order by, uint32_t *children, size_t most);

/* The token that a state's strings end with; the root has none. */
static inline int32_t automaton_ends_with(const automaton *a, uint32_t state) {
    return a->text.ids[a->states[state].end - 1];
}

#endif
