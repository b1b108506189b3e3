/* vocab.h - handmade SentencePiece vocabularies for tests, written into a GGUF file and opened from there. */
#ifndef TESTS_UNIT_VOCAB_H
#define TESTS_UNIT_VOCAB_H

#include <stdint.h>

#include "engine/gguf/gguf_write.h"
#include "engine/tokenizer/tokenizer.h"

#define MARK "\xE2\x96\x81" /* a space, in spellings */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { MAX = 512 };

typedef struct {
    char     text[MAX][16]; /* spellings, NUL-terminated */
    gguf_str spelled[MAX];
    float    score[MAX];
    int32_t  type[MAX];
    size_t   n;
    int32_t  bos, eos, unk; /* -2 = no key */
    int      prefix;        /* -1 = no key */
} vocab;

void vocab_add(vocab *v, const char *text, float score, int type);

/* <unk> 0, <s> 1, </s> 2, and 256 bytes from 3 on if wanted. To be freed. */
vocab *vocab_begin(int with_bytes);

/* Writes the vocabulary, with `edit` able to spoil it, and opens the file. */
gguf *vocab_save(vocab *v, void (*edit)(gguf_writer *w, vocab *v));

/* The tokenizer of that file. */
tokenizer *vocab_open(vocab *v);

tokens vocab_encode(const tokenizer *t, const char *text, size_t n, bool special);

/* Encodes and compares with a list of spellings separated by spaces ("" for none). */
void vocab_check_pieces(const vocab *v, const tokenizer *t, const char *text, bool special, const char *want);

/* Decodes and compares. */
void vocab_check_text(const tokenizer *t, const int32_t *ids, size_t n, const char *want, size_t n_want);

#endif
