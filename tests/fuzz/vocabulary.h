/* vocabulary.h - a GGUF file of a tokenizer alone, made in memory from a few lines. */
#ifndef TESTS_FUZZ_VOCABULARY_H
#define TESTS_FUZZ_VOCABULARY_H

#include "tests/fuzz/fuzz.h"

typedef struct {
    bool        bytes;    /* the first 256 tokens are bytes */
    bool        bpe;      /* byte-level BPE, else SentencePiece */
    bool        adds_bos; /* a prompt begins with BOS */
    const char *pre;      /* of bpe */
    fuzz_input  tokens;   /* a line each: a digit, which is its type, then its spelling */
    fuzz_input  merges;   /* a line each; of bpe */
    fuzz_input template;  /* of conversations; empty: none */
} vocabulary;

/* The file's path, as fuzz_file(0, ...). The first token is <s>, the next </s>. */
const char *vocabulary_file(const vocabulary *v);

#endif
