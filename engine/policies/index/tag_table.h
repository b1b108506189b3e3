/* tag_table.h - what was entered under a hash: an open-addressing table, one word of 8 bytes for each entry.
 *
 * A slot holds the low half of an entry's hash, its tag, and a number by which the owner finds the entry. Most probes
 * end at the tag, without a look at the entry; where tags are equal, the owner compares the keys. To look a key up:
 *
 *     tag_slot *s = tag_table_first(&t, tag);
 *     while (s->id != 0 && !(s->tag == tag && ...the key of entry s->id is this one...)) s = tag_table_next(&t, s);
 *
 * If then s->id is 0, the key is not there and may be entered: write tag and id into *s, and call tag_table_filled.
 */
#ifndef ENGINE_POLICIES_INDEX_TAG_TABLE_H
#define ENGINE_POLICIES_INDEX_TAG_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct {
    uint32_t tag, id; /* id 0: free */
} tag_slot;

/* A zeroed struct holds nothing and may be freed, but must be begun before it is searched. */
typedef struct {
    tag_slot *slots; /* [mask + 1], at most three quarters of them used */
    size_t    mask, used;
} tag_table;

enum { TAG_SLOTS_MIN = 16 };

/* Makes room for so many slots, a power of two and at least 4/3 of the entries. */
int  tag_table_grow(tag_table *t, size_t slots, err *e);
void tag_table_free(tag_table *t);

/* Makes room for so many more entries: until they are there, tag_table_filled does not fail. */
int tag_table_expect(tag_table *t, size_t more, err *e);

/* Fetches the slot that is looked at first. A large table is in no cache: who looks up several keys fetches all their
 * slots first, so that it waits for memory once. */
static inline void tag_table_fetch(const tag_table *t, uint32_t tag) {
    __builtin_prefetch(&t->slots[tag & t->mask]);
}

/* Takes out the entry in a slot. */
void tag_table_remove(tag_table *t, tag_slot *slot);

/* A free slot has been written: moves the entries to a larger table when it is time. After a failure the entry is
 * there. Slots found before are no longer valid. */
static inline int tag_table_filled(tag_table *t, err *e) {
    return ++t->used * 4 > (t->mask + 1) * 3 ? tag_table_grow(t, (t->mask + 1) * 2, e) : 0;
}

static inline tag_slot *tag_table_first(const tag_table *t, uint32_t tag) {
    return &t->slots[tag & t->mask];
}

static inline tag_slot *tag_table_next(const tag_table *t, tag_slot *slot) {
    return &t->slots[(size_t)(slot + 1 - t->slots) & t->mask];
}

/* ---- hashes of token sequences, built token by token ---- */

static const uint64_t ids_hash_empty = 0x243f6a8885a308d3u; /* so that token 0 does not hash to 0 */

static inline uint64_t ids_hash_extend(uint64_t h, int32_t id) {
    h = (h ^ (uint32_t)id) * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: odd, and its bits look random */
    return h ^ h >> 32;
}

#endif
