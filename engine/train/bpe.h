/* bpe.h - trains a byte-pair tokenizer (Sennrich et al., arXiv 1508.07909) and writes it as GGUF readers expect
 * SentencePiece's: tokenizer.ggml.model = llama, pieces with scores, byte fallback.
 *
 * Merges stay within a word: letters and underscores, or one other sign, with the blank before it if there is one; or
 * digits, without the blank, so that a number is cut into the same pieces wherever it stands. Line ends, tabs and other
 * control characters are bytes. Ids: 0 <unk>, 1 <s>, 2 </s>, 3 to 258 the bytes, then merged pieces, then single
 * characters: the blank, all printable ASCII, and what else the texts hold.
 */
#ifndef ENGINE_TRAIN_BPE_H
#define ENGINE_TRAIN_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/gguf/gguf_write.h"

typedef struct bpe bpe;

bpe *bpe_new(err *e);
void bpe_free(bpe *b); /* NULL is fine */

/* Counts the words of a text, as if a blank stood before it. ERR_INPUT with the offset when it is not UTF-8. */
int bpe_add(bpe *b, const char *text, size_t n, err *e);

/* Merges the most frequent pair, of equals the one whose two pieces come first in bytes, until there are `vocab` ids.
 * Call once. ERR_INPUT when `vocab` is below what bytes and characters take, or above what the texts give. */
int bpe_train(bpe *b, size_t vocab, err *e);

/* Puts all tokenizer.ggml.* keys; after bpe_train. */
int bpe_put(const bpe *b, gguf_writer *w, err *e);

#endif
