/* tokenizer_impl.h - what the tokenizer's own files share: tokenizer.c (accessors, decoding, the byte
 * tokenizer), tokenizer_gguf.c (reading and checking a vocabulary), stops.c (what ends a text), tokenizer_cut.c
 * (cutting a text at special pieces), tokenizer_spm.c (encoding what is between them).
 */
#ifndef ENGINE_TOKENIZER_IMPL_H
#define ENGINE_TOKENIZER_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"
#include "engine/base/tokens.h"
#include "engine/tokenizer/tokenizer.h"

/* Numbers as in tokenizer.ggml.token_type. */
typedef enum {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN, /* what an encoder falls back to */
    PIECE_CONTROL, /* BOS, EOS, chat markers: no text of their own */
    PIECE_USER,    /* user-defined: matched in the text before anything else */
    PIECE_UNUSED,  /* takes part in merges, but is split again where it remains */
    PIECE_BYTE
} piece_type;

typedef struct {
    const char *spelling; /* in the vocabulary; U+2581 is a space in normal and unused pieces */
    const char *text;     /* as it enters a text */
    uint32_t    n_spelling, n_text;
    float       score;
    piece_type  type;
    bool        strips_left, strips_right; /* of a special piece: blanks beside it are dropped */
} piece;

enum {
    PIECE_MAX = 65535,       /* bytes of a spelling */
    TEXT_MAX = INT32_MAX / 4 /* bytes of a text; with every space three bytes long, offsets fit into int32_t */
};

/* Special pieces by their spelling: a trie; node 0 is its root, and also stands for "no node". */
typedef struct {
    uint32_t      child, sibling;
    int32_t       id; /* of the piece spelled by the way here; -1 = none */
    unsigned char byte;
} trie_node;

typedef struct {
    trie_node *nodes;
    size_t     n_nodes;
    uint32_t   roots[256]; /* the root's children */
    uint32_t  *lengths;    /* [n_lengths] the distinct lengths of spellings, falling */
    size_t     n_lengths;
    bool       strips; /* whether any of them drops blanks */
} specials;

/* A stretch of a text: a special piece, or plain text between two of them, which is never empty. */
typedef struct {
    const char *text;
    size_t      n;
    int32_t     id; /* -1 = plain text */
} fragment;

/* A text cut into fragments. A zeroed struct is an empty one. */
typedef struct {
    fragment *at;
    size_t    n, cap;
    char     *joined; /* the text that they point into, unless the caller owns it */
} cut;

struct tokenizer {
    const char *kind;
    piece      *pieces; /* [vocab] */
    size_t      vocab;
    char       *arena;     /* bytes of all spellings and texts */
    int32_t    *slots;     /* [slot_mask + 1] ids by spelling, open addressing; -1 = free */
    size_t      slot_mask; /* a power of two less one */
    specials    specials;
    bool        has_unused;
    int32_t     byte_ids[256]; /* -1 = none */
    int32_t     bos, eos, unk; /* -1 = none */
    tokens      stops;         /* a set (stops.h); all are control pieces. It has eos, and is empty without one */
    bool        adds_bos, adds_prefix;
    char       *chat_template; /* NULL = none */
    size_t      n_chat_template;
    char        digest[DIGEST_HEX];

    /* Appends the ids of a text's fragments; may leave some of them on an error. */
    int (*encode)(const tokenizer *t, const cut *text, tokens *out, err *e);
};

#define SPACE_MARK "\xE2\x96\x81" /* U+2581, SentencePiece's visible space */
enum { SPACE_MARK_BYTES = 3 };

/* A special id: -1 when the key is absent or says "none" (all bits set, as llama.cpp writes it). */
int tokenizer_read_id(const gguf *g, const char *key, size_t vocab, int32_t *id, err *e);

/* Fills t->stops, and t->eos where it is none yet, from the file's keys and the pieces; makes those pieces control
 * pieces. Needs the index of spellings. */
int tokenizer_find_stops(tokenizer *t, const gguf *g, err *e);

/* Writes t->digest; the last step of opening. */
int tokenizer_seal(tokenizer *t, err *e);

/* Fills t->specials from the pieces. */
int  tokenizer_index_specials(tokenizer *t, err *e);
void specials_free(specials *s);

/* Joins the parts and cuts the text at special pieces. cut_free is needed after an error, too. */
int  tokenizer_cut(const tokenizer *t, const text_part *parts, size_t n_parts, cut *out, err *e);
void cut_free(cut *c);

int spm_encode(const tokenizer *t, const cut *text, tokens *out, err *e);

#endif
