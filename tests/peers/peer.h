/* peer.h - llama.cpp as the peers' programs see it: none of its headers, since gguf.h has functions of our names. */
#ifndef TESTS_PEERS_PEER_H
#define TESTS_PEERS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct peer peer;

/* A context of so many tokens, all of which fit into one pass. Its cache is in f32, or as llama.cpp has it by default.
 */
peer *peer_open(const char *path, size_t context, int threads, bool f32_cache, err *e);
void  peer_close(peer *p); /* NULL is fine */

/* The number of ids of a text without BOS, of which ids[room] gets those that fit; negative when they do not. */
int32_t peer_tokenize(const peer *p, const char *text, size_t n, int32_t *ids, size_t room);

/* A new sequence of n tokens, with logits of its last `rows`. */
void peer_begin(peer *p, const int32_t *ids, size_t n, size_t rows);

/* One pass over it: logits [rows, vocab], valid until the next. NULL and an ERR_RUN when it fails. */
const float *peer_pass(peer *p, err *e);

#endif
