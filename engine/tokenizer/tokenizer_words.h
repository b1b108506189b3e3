/* tokenizer_words.h - the ids of words that a text has had already: most words of a text are repeated ones.
 *
 * A table with one place for each hash; a new word takes the place of another. It belongs to one text, so that a
 * tokenizer stays as it is, and only long texts have one. Only words and ids that fit into an entry are kept.
 */
#ifndef ENGINE_TOKENIZER_WORDS_H
#define ENGINE_TOKENIZER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/tokens.h"

enum { WORD_BYTES = 16, WORD_IDS = 6, WORD_BITS = 13, WORD_TEXT = 4096 };

typedef struct {
    uint64_t key[WORD_BYTES / 8]; /* the word's bytes, then zeros */
    uint8_t  n, n_ids;            /* n = 0: free */
    int32_t  ids[WORD_IDS];
} word;

typedef struct {
    word *slots; /* [1 << WORD_BITS]; NULL: nothing is kept */
} words;

/* For a text of n bytes. */
static inline int words_open(words *w, size_t n, err *e) {
    if (n < WORD_TEXT) return 0;
    w->slots = mem_new((size_t)1 << WORD_BITS, sizeof *w->slots, e);
    return w->slots == NULL ? -1 : 0;
}

/* The place of a word, which may hold another; NULL when it is not one to be kept. */
static inline word *words_slot(const words *w, const char *at, size_t n, uint64_t key[static WORD_BYTES / 8]) {
    if (w->slots == NULL || n > WORD_BYTES) return NULL;
    key[0] = key[1] = 0;
    memcpy(key, at, n);
    uint64_t hash = (key[0] * 0x9E3779B97F4A7C15u ^ (key[1] + n)) * 0xD6E8FEB86659FD93u;
    return &w->slots[(hash ^ hash >> 32) * 0x9E3779B97F4A7C15u >> (64 - WORD_BITS)];
}

static inline bool word_is(const word *slot, const uint64_t key[static WORD_BYTES / 8], size_t n) {
    return slot->n == n && slot->key[0] == key[0] && slot->key[1] == key[1];
}

/* Keeps what was appended to `out` for the word, from its id number `first` on. */
static inline void word_keep(word *slot, const uint64_t key[static WORD_BYTES / 8], size_t n, const tokens *out,
                             size_t first) {
    if (out->n - first > WORD_IDS) return;
    *slot = (word){.key = {key[0], key[1]}, .n = (uint8_t)n, .n_ids = (uint8_t)(out->n - first)};
    memcpy(slot->ids, out->ids + first, (out->n - first) * sizeof *slot->ids);
}

#endif
