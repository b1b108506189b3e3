/* datastore.h - a file of token sequences in which what follows any n-gram is found at once.
 *
 * A corpus becomes one file, which is mapped and shared by all processes. Its documents are one text: numbers from 1 on
 * (a token's id + 1), and a border, 0, after each document; a joined text has one border, at its end. A *place* is an
 * index of a token in the text. Places are sorted by what is read from there on, up to the next border and
 * DATASTORE_DEPTH tokens; those that read the same are sorted by index. A place's number in this order is its *rank*.
 * So all places of an n-gram have neighbouring ranks, and so have those of each of its continuations. Two documents:
 *
 *     text       7 3 9 | 7 3 8 |
 *
 *     rank       0      1      2        3        4      5
 *     places     5      1      4        0        6      2
 *     it reads   3 8 |  3 9 |  7 3 8 |  7 3 9 |  8 |    9 |
 *     common     0      1      0        2        0      0     tokens in common with the place before it
 *     differs    3      9      7        9        8      9     the token by which it first differs from that place
 *
 * Sizes for n tokens of which `width` bytes are one (2 when the vocabulary has fewer than 65536 ids, else 4): the text
 * is width, the places 4, common 1 and differs width: 9 or 13 bytes per token. To these comes a hash table for what
 * cannot be found by reading a cache line: each n-gram of up to DATASTORE_SPAN tokens whose first n - 1 tokens occur in
 * more than DATASTORE_SMALL places. It takes 12 bytes for each, about 1 to 5 per token.
 *
 * What a look-up costs is waiting for memory. A place in a large store is in no cache, so each step that depends on the
 * one before waits for a whole access: the slots of the table, the places found there, their text. These are three, and
 * several lengths are looked up side by side, so that they wait together.
 *
 *  S1  A place counts only where a token follows it (not a border) after the n-gram.
 *  S2  Equal hashes are never enough: what was found is compared with the text. The table has no two n-grams of one tag
 *      that a look-up could take for each other, so it reads the text once, at its end.
 */
#ifndef ENGINE_POLICIES_INDEX_DATASTORE_H
#define ENGINE_POLICIES_INDEX_DATASTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"

enum {
    DATASTORE_SPAN = 64,   /* longest n-gram that is looked up */
    DATASTORE_DEPTH = 125, /* tokens by which places are sorted: what is looked up, and what follows it */
    DATASTORE_SMALL = 64   /* places that are read one by one */
};

/* ---- a corpus and its file ------------------------------------------------------------------------------ */

/* Zeroed it holds nothing and may be freed. */
typedef struct {
    void    *text; /* [length] of `width` bytes, then room */
    size_t   length, cap, vocab, documents, places;
    unsigned width;
    bool     joined;
} datastore_corpus;

/* `joined`: documents follow each other without a border, so that matches and copies cross from one to the next. */
void datastore_corpus_begin(datastore_corpus *c, size_t vocab, bool joined);
/* Adds a document; an empty one is left out. ERR_INPUT for an id outside the vocabulary. */
int  datastore_corpus_add(datastore_corpus *c, const int32_t *ids, size_t n, err *e);
void datastore_corpus_free(datastore_corpus *c);

/* Sorts the corpus and writes its file, which is there whole or not at all. `vocabulary` is the digest of the tokenizer
 * that made the ids. The file does not depend on the number of threads. ERR_INPUT for a corpus without tokens. */
int datastore_write(datastore_corpus *c, const char *path, const char *vocabulary, int threads, err *e);

/* ---- the file ------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t from, to; /* ranks of the places that begin with the token and that another token follows */
} datastore_root;

/* Zeroed it may be closed. */
typedef struct {
    char  *path;
    void  *map;
    size_t size; /* of the file, bytes */

    size_t   n;      /* places: the corpus' tokens */
    size_t   length; /* of the text, borders included */
    size_t   vocab, documents;
    unsigned width;
    bool     joined;
    char     vocabulary[DIGEST_HEX];

    const void                  *text;    /* [length], then 0s that are read as borders */
    const uint32_t              *places;  /* [n] indexes in the text */
    const uint8_t               *common;  /* [n], then 0s */
    const void                  *differs; /* [n] tokens */
    const datastore_root        *roots;   /* [vocab + 1] by token; of 0: none */
    const struct datastore_slot *slots;
    size_t                       n_slots, used; /* n-grams in the table */
    uint64_t                     seed;          /* of its hashes */
} datastore;

/* Maps a file and checks all of it: its checksum, and every number that later access relies on. ERR_INPUT "PATH: ..."
 * for another kind of file, another version, one that was cut or damaged. The file must not be written to while it is
 * open; one that is put in its place does no harm. */
int  datastore_open(datastore *s, const char *path, err *e);
void datastore_close(datastore *s);

/* The token at an index of the text; -1: a border. */
int32_t datastore_token(const datastore *s, size_t index);

/* ---- look-ups ------------------------------------------------------------------------------------------- */

/* How many of these n ids, of the last `least` to `most`, occur in the store (S1): the largest such number, and in
 * *rank that of the first of their places. 0: none. 1 <= least <= most <= DATASTORE_SPAN. */
size_t datastore_longest(const datastore *s, const int32_t *ids, size_t n, size_t least, size_t most, size_t *rank);

/* How many places (S1) an n-gram has, whose first place has this rank; and how many of them this id follows, with the
 * lowest index in the text of those in *first. */
size_t datastore_places(const datastore *s, size_t rank, size_t n);
size_t datastore_followed(const datastore *s, size_t rank, size_t n, int32_t id, uint32_t *first);

/* A continuation: a node of the tree of what follows an n-gram. */
typedef struct {
    uint32_t rank;   /* of the first place that it is read from */
    uint32_t count;  /* of these places */
    int32_t  parent; /* an earlier node, or -1 */
    int32_t  id;     /* its last token */
} datastore_node;

enum { DATASTORE_NODES = 1024, DATASTORE_AHEAD = DATASTORE_DEPTH - DATASTORE_SPAN };

/* What to look at of what follows an n-gram. */
typedef struct {
    size_t places; /* the first of them are counted; 0 = all */
    size_t ahead;  /* tokens after the n-gram, 1 to DATASTORE_AHEAD */
    size_t most;   /* nodes wanted, 1 to DATASTORE_NODES */
    bool   chain;  /* of each node only the most frequent child, the one with the lowest id of these */
} datastore_want;

/* The most frequent continuations of the n-gram whose first place has this rank. Of equally frequent ones the shorter
 * ones come first, and of these the ones that are read first, with the lower ids. Returns how many there are: fewer
 * than wanted only if there are no more. Nodes are sorted by depth, then by ids: parents come before their children. */
size_t datastore_top(const datastore *s, size_t rank, size_t n, const datastore_want *want, datastore_node *nodes);

#endif
