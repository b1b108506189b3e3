/* tokenizer_impl.h - what the tokenizer's own files share: tokenizer.c (accessors, decoding, the byte
 * tokenizer), tokenizer_gguf.c (reading and checking a vocabulary), with tokenizer_pieces.c and tokenizer_merges.c;
 * stops.c (what ends a text); tokenizer_cut.c (cutting a text at special pieces), tokenizer_spm.c and tokenizer_bpe.c
 * (encoding what is between them), with tokenizer_seams.c, tokenizer_merge.h and tokenizer_words.h.
 */
#ifndef ENGINE_TOKENIZER_IMPL_H
#define ENGINE_TOKENIZER_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"
#include "engine/base/tokens.h"
#include "engine/tokenizer/pretokenizer.h"
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

/* How the vocabulary spells text. */
typedef enum {
    SPELLING_MARKED,  /* U+2581 for a space, <0xHH> for a byte */
    SPELLING_LETTERS, /* GPT-2's: one of 256 printable letters for each byte */
    SPELLING_BYTES    /* of the byte tokenizer: each piece is a byte */
} spelling_kind;

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

/* Which neighbours BPE merges into which piece; those listed first are merged first. */
typedef struct {
    int32_t left, right; /* ids */
    int32_t id;          /* of what they make; -1 = they are never merged */
} merge_rule;

typedef struct {
    merge_rule *rules; /* [n] */
    size_t      n;
    uint32_t   *slots; /* [mask + 1] numbers of rules by both sides, open addressing */
    uint32_t    mask;  /* a power of two less one */
} merges;

#define MERGES_NONE UINT32_MAX

/* Where the rule for these sides is, or would be. At least half of the slots are free. */
static inline uint32_t merges_slot(const merges *m, int32_t left, int32_t right) {
    uint64_t both = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t at = (uint32_t)(both * 0x9E3779B97F4A7C15u >> 32);
    for (;; at++) {
        uint32_t rule = m->slots[at &= m->mask];
        if (rule == MERGES_NONE || (m->rules[rule].left == left && m->rules[rule].right == right)) return at;
    }
}

struct tokenizer {
    const char    *kind;
    spelling_kind  spelling;
    piece         *pieces; /* [vocab] */
    size_t         vocab;
    char          *arena;     /* bytes of all spellings and texts */
    int32_t       *slots;     /* [slot_mask + 1] ids by spelling, open addressing; -1 = free */
    size_t         slot_mask; /* a power of two less one */
    size_t         longest;   /* bytes of the longest spelling */
    specials       specials;
    unsigned char *joined; /* bits of characters that are neighbours in a piece (tokenizer_seams.c) */
    bool           has_unused;
    int32_t        byte_ids[256]; /* -1 = none */
    int32_t        bos, eos, unk; /* -1 = none */
    tokens         stops;         /* a set (stops.h); all are control pieces. It has eos, and is empty without one */
    bool           adds_bos, adds_eos, adds_prefix;
    merges         merges;        /* of BPE */
    pretokenizer  *pre;           /* of BPE; else NULL */
    char          *about_pre;     /* its name and Unicode's versions */
    bool           pre_missing;   /* the file does not name one */
    char          *chat_template; /* NULL = none */
    size_t         n_chat_template;
    char           digest[DIGEST_HEX];

    /* Appends the ids of a text's fragments; may leave some of them on an error. */
    int (*encode)(const tokenizer *t, const cut *text, tokens *out, err *e);
};

#define SPACE_MARK "\xE2\x96\x81" /* U+2581, SentencePiece's visible space */
enum { SPACE_MARK_BYTES = 3 };

/* Writes n bytes of a text with its spaces marked, at most SPACE_MARK_BYTES for each, and returns where they end. */
char *tokenizer_mark_spaces(const char *text, size_t n, char *at);

/* A special id: -1 when the key is absent or says "none" (all bits set, as llama.cpp writes it). */
int tokenizer_read_id(const gguf *g, const char *key, size_t vocab, int32_t *id, err *e);

/* Fills t->stops, and t->eos where it is none yet, from the file's keys and the pieces; makes those pieces control
 * pieces. Needs the index of spellings. */
int tokenizer_find_stops(tokenizer *t, const gguf *g, err *e);

/* Whether merges may form it. */
static inline bool piece_is_mergeable(const piece *p) {
    return p->type == PIECE_NORMAL || p->type == PIECE_USER || p->type == PIECE_UNUSED;
}

/* The piece of this spelling that merges may form, or -1. */
static inline int32_t tokenizer_find_mergeable(const tokenizer *t, const char *spelling, size_t n) {
    int32_t id = tokenizer_find(t, spelling, n);
    return id >= 0 && piece_is_mergeable(&t->pieces[id]) ? id : -1;
}

/* Writes t->digest; the last step of opening. */
int tokenizer_seal(tokenizer *t, err *e);

/* Fills t->pieces, n = t->vocab of them, from the file's arrays; `scores` may be NULL. */
int tokenizer_read_pieces(tokenizer *t, const gguf *g, const gguf_str *spellings, const float *scores,
                          const int32_t *types, err *e);

/* Fills the slots that tokenizer_find looks at. */
int tokenizer_index_spellings(tokenizer *t, const gguf *g, err *e);

/* Fills t->byte_ids of a vocabulary of letters. */
void tokenizer_index_letters(tokenizer *t);

/* Sets which special pieces drop blanks, which the model's name tells. */
int tokenizer_read_strips(tokenizer *t, const gguf *g, err *e);

/* Fills t->specials from the pieces. */
int  tokenizer_index_specials(tokenizer *t, err *e);
void specials_free(specials *s);

/* Joins the parts and cuts the text at special pieces. cut_free is needed after an error, too. */
int  tokenizer_cut(const tokenizer *t, const text_part *parts, size_t n_parts, cut *out, err *e);
void cut_free(cut *c);

/* Fills t->joined from the pieces. */
int tokenizer_index_seams(tokenizer *t, err *e);

/* How many of n >= 1 bytes, at least a character, may be encoded without the rest; spaces are marks already. */
size_t tokenizer_seam(const tokenizer *t, const char *text, size_t n);

/* The merges of a BPE vocabulary, after its pieces. */
int  tokenizer_read_merges(tokenizer *t, const gguf *g, err *e);
void merges_free(merges *m);

int bpe_encode(const tokenizer *t, const cut *text, tokens *out, err *e);
int spm_encode(const tokenizer *t, const cut *text, tokens *out, err *e);

#endif
