/* tokenizer_impl.h - what the tokenizer's own files share: tokenizer.c (accessors, decoding, the byte
 * tokenizer), tokenizer_gguf.c (reading and checking a vocabulary), tokenizer_spm.c (encoding).
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
    const char *spelling; /* in the vocabulary; U+2581 stands for a space in normal and unused pieces */
    const char *text;     /* as it enters a text */
    uint32_t    n_spelling, n_text;
    float       score;
    piece_type  type;
} piece;

enum { PIECE_MAX = 65535 }; /* bytes of a spelling */

struct tokenizer {
    const char *kind;
    piece      *pieces; /* [vocab] */
    size_t      vocab;
    char       *arena;               /* bytes of all spellings and texts */
    int32_t    *slots;               /* [slot_mask + 1] ids by spelling, open addressing; -1 = free */
    size_t      slot_mask;           /* a power of two less one */
    uint32_t   *special_lengths;     /* [n_special_lengths] of user-defined, control and unknown pieces; falling */
    size_t      n_special_lengths;   /* distinct ones */
    bool        special_begins[256]; /* whether such a piece begins with this byte */
    bool        has_unused;
    int32_t     byte_ids[256]; /* -1 = none */
    int32_t     bos, eos, unk; /* -1 = none */
    bool        adds_bos, adds_prefix;
    char        digest[DIGEST_HEX];
    int (*encode)(const tokenizer *t, const char *text, size_t n, bool special, tokens *out, err *e);
};

#define SPACE_MARK "\xE2\x96\x81" /* U+2581, SentencePiece's visible space */
enum { SPACE_MARK_BYTES = 3 };

/* Id of the piece with this spelling, or -1. */
int32_t tokenizer_find(const tokenizer *t, const char *spelling, size_t n);

/* Writes t->digest; the last step of opening. */
int tokenizer_seal(tokenizer *t, err *e);

int spm_encode(const tokenizer *t, const char *text, size_t n, bool special, tokens *out, err *e);

#endif
