/* peer.h - an engine as the peers' programs see it: main.c is linked with ours.c, and again with llama_cpp.c. */
#ifndef TESTS_PEERS_PEER_H
#define TESTS_PEERS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"

typedef struct peer peer;

typedef struct {
    size_t context; /* tokens of a sequence */
    size_t pass;    /* tokens of a pass at most */
    int    threads;
    bool   exact;      /* llama.cpp: its cache in f32 and no flash attention, not its defaults */
    bool   vocab_only; /* for peer_tokenize alone; the file need not hold weights */
} peer_options;

peer *peer_open(const char *model, const peer_options *o, err *e);
void  peer_close(peer *p); /* NULL is fine */

const char *peer_kernels(const peer *p); /* what computes, for people */
size_t      peer_vocab(const peer *p);

/* Appends the ids of a text, in which control tokens are ordinary text; with `bos`, BOS first where the model asks for
 * it. */
int peer_tokenize(const peer *p, const char *text, size_t n, bool bos, tokens *out, err *e);

void peer_clear(peer *p); /* the next pass begins a sequence */

/* The sequence goes on after its first `length` tokens. */
void peer_rewind(peer *p, size_t length);

/* Whether a token ends a text. */
bool peer_ends(const peer *p, int32_t id);

/* n more tokens of the sequence (ids in the vocabulary): logits [rows, vocab] of the last `rows`, valid until the next
 * pass. NULL on failure. */
const float *peer_pass(peer *p, const int32_t *ids, size_t n, size_t rows, err *e);

#endif
