/* tokenizer.h - text to token ids and back.
 *
 * Three kinds:
 *  spm    SentencePiece BPE (tokenizer.ggml.model = llama): pieces with scores, merged best score first, leftmost on
 *         ties, with byte fallback and the dummy prefix space.
 *  bpe    BPE by ranked merges over bytes (model = gpt2), or over characters with byte fallback (gemma4). A text is
 *         split first, by the regexes that tokenizer.ggml.pre names (pretokenizers.def), and before that normalized
 *         where the model's own tokenizer does so (NFC). Letters, digits and blanks are those of the Unicode version
 *         that PCRE2 and utf8proc know: it is part of the digest.
 *  bytes  ids 0 to 255 are bytes, 256 begins, 257 ends a text; for data without a model.
 *
 * In a text, control and user-defined tokens are found before anything else, the longest first. Control tokens never
 * arise otherwise: not from merges, not from text that is not meant to have them (tokenizer_encode_parts).
 *
 *     text -> cut at special tokens -> [normalize] -> [split by regexes] -> merge -> ids
 *
 * The ids are those of llama.cpp, which are the models' own, except:
 *  - text is normalized for Qwen, as its own tokenizer does;
 *  - tekken, gpt-4o and the other names of their regexes split by those of Hugging Face's tokenizer.json: upper and
 *    lower case differ in every script, and marks (\p{M}) are part of words. llama.cpp knows the case of ASCII only,
 *    and a mark ends a word;
 *  - bytes that are not UTF-8 keep their byte tokens;
 *  - merges do not yield control tokens, and SentencePiece's unused pieces are split again.
 *
 * A tokenizer is immutable after opening and safe to share.
 */
#ifndef ENGINE_TOKENIZER_H
#define ENGINE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"
#include "engine/gguf/gguf.h"
#include "engine/tokenizer/stops.h"

typedef struct tokenizer tokenizer;

tokenizer *tokenizer_from_gguf(const gguf *g, err *e); /* copies what it needs; g may be closed */
tokenizer *tokenizer_bytes(err *e);
tokenizer *tokenizer_open(const char *name, err *e); /* that of a GGUF file by its path, or "bytes" */
void       tokenizer_close(tokenizer *t);            /* NULL is fine */

const char *tokenizer_kind(const tokenizer *t);     /* "spm", "bpe" or "bytes" */
size_t      tokenizer_vocab(const tokenizer *t);    /* number of ids */
int32_t     tokenizer_bos(const tokenizer *t);      /* -1 when there is none */
int32_t     tokenizer_eos(const tokenizer *t);      /* ends a recorded output; -1 when nothing ends a text */
stops       tokenizer_stops(const tokenizer *t);    /* all that end a text (stops.h), EOS among them */
bool        tokenizer_adds_bos(const tokenizer *t); /* whether a prompt begins with BOS */
bool        tokenizer_adds_eos(const tokenizer *t); /* whether the model's own tokenizer ends a text with EOS */

/* The pre-tokenizer and the versions of Unicode that it depends on, for people; NULL for kinds without one. */
const char *tokenizer_pre(const tokenizer *t);

/* The token that stands for what no other one spells; -1 when there is none. */
int32_t tokenizer_unk(const tokenizer *t);

/* Whether a byte is left out of a text: no token spells it, and none stands for it. How many of the 256 are, and how
 * many bytes of a text. */
bool   tokenizer_omits(const tokenizer *t, char byte);
size_t tokenizer_missing_bytes(const tokenizer *t);
size_t tokenizer_omitted(const tokenizer *t, const char *text, size_t n);

/* What a user should know about the file, or NULL. */
const char *tokenizer_warning(const tokenizer *t);

/* Hex SHA-256 of kind, pieces, scores, types, special ids, what ends a text, merges and
 * pre-tokenizer: equal tokenizers, equal digests.
 */
const char *tokenizer_digest(const tokenizer *t);

/* The Jinja program that the model's conversations are written by (chat.h); empty when there is none. Points into the
 * tokenizer, and is no part of its digest. */
gguf_str tokenizer_chat_template(const tokenizer *t);

/* A stretch of a text, such as a chat template's markers or what a user wrote between them. */
typedef struct {
    const char *at;
    size_t      n;
    bool        special; /* control tokens spelled out here become their ids (llama.cpp's parse_special) */
} text_part;

/* Appends the ids of one text, the parts joined (valid UTF-8; other bytes fall back to byte tokens), to `out`.
 * Neither BOS nor EOS is added. A control token matches where every byte of it lies in parts with `special`, so
 * that one spelled out by a user stays text; user-defined tokens match everywhere. Otherwise borders between
 * parts do not matter: the ids are those of the joined text. On an error, `out` is as before. */
int tokenizer_encode_parts(const tokenizer *t, const text_part *parts, size_t n_parts, tokens *out, err *e);

/* The same for a text of one part. */
int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, tokens *out, err *e);

/* Text of ids, as sentencepiece's decode gives it: the dummy prefix space is dropped, control tokens
 * are silent, bytes that are not UTF-8 become U+FFFD each. New NUL-terminated memory; *len without it. */
char *tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, size_t *len, err *e);

/* The bytes one id stands for, as they enter a text (a leading space included); empty for control
 * tokens. Points into the tokenizer. */
gguf_str tokenizer_piece(const tokenizer *t, int32_t id);

/* The id of the token with this spelling, which is the vocabulary's own (a leading space may be U+2581), or -1. */
int32_t tokenizer_find(const tokenizer *t, const char *spelling, size_t n);

/* A token's spelling; empty where it has none. Points into the tokenizer. */
gguf_str tokenizer_spelling(const tokenizer *t, int32_t id);

/* Decoding one id at a time: gives only whole UTF-8 characters, holding back split ones. */
typedef struct {
    const tokenizer *t;
    char             held[4]; /* bytes of an unfinished character */
    size_t           n_held;
    bool             begun; /* the dummy prefix has been dealt with */
} detokenizer;

void detokenizer_begin(detokenizer *d, const tokenizer *t, bool drop_prefix);
/* Writes the text that became complete into buf (NUL-terminated) and returns its length. buf must hold
 * tokenizer_piece(id).n * 3 + 16 bytes. */
size_t detokenizer_push(detokenizer *d, int32_t id, char *buf);
size_t detokenizer_end(detokenizer *d, char *buf); /* what is still held back, as U+FFFD; needs 16 bytes */

#endif
