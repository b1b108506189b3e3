#include "engine/policies/index/ngram_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* Slots of 8 bytes: most probes end at the tag, without reading the text. */
struct ngram_slot {
    uint32_t tag; /* low half of the n-gram's hash */
    uint32_t at;  /* 1 + index in text of its first token; 0 = free */
};

enum { SLOTS_MIN = 16, SLOTS_EXPECTED_MAX = 1 << 16, TEXT_MAX = INT32_MAX };

/* The hash of an n-gram, built from its last token to its first: all suffixes of a history, and all n-grams that
 * end at one token, are hashed in one walk backwards. */
static uint64_t hash_extend(uint64_t h, int32_t id) {
    h = (h ^ (uint32_t)id) * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: odd, and its bits look random */
    return h ^ h >> 32;
}

static const uint64_t hash_empty = 0x243f6a8885a308d3u; /* so that token 0 does not hash to 0 */

/* ---- one table -------------------------------------------------------------------------------------- */

/* Moves the entries to a table of `slots`, a power of two. Tags say where they go: the text is not read. */
static int table_grow(ngram_table *t, size_t slots, err *e) {
    struct ngram_slot *bigger = mem_new(slots, sizeof *bigger, e);
    if (bigger == NULL) return -1;
    for (size_t i = 0; t->slots != NULL && i <= t->mask; i++) {
        if (t->slots[i].at == 0) continue;
        size_t j = t->slots[i].tag & (slots - 1);
        while (bigger[j].at != 0) j = (j + 1) & (slots - 1);
        bigger[j] = t->slots[i];
    }
    free(t->slots);
    t->slots = bigger;
    t->mask = slots - 1;
    return 0;
}

/* The slot of the n-gram `key`, or the free one where it would go. */
static struct ngram_slot *table_find(const ngram_table *t, const int32_t *text, const int32_t *key, size_t n,
                                     uint32_t tag) {
    size_t i = tag & t->mask;
    for (; t->slots[i].at != 0; i = (i + 1) & t->mask)
        if (t->slots[i].tag == tag && memcmp(text + t->slots[i].at - 1, key, n * sizeof *key) == 0) break;
    return &t->slots[i];
}

/* ---- the index -------------------------------------------------------------------------------------- */

int ngram_index_init(ngram_index *x, size_t min_n, size_t max_n, size_t expected, err *e) {
    assert(1 <= min_n && min_n <= max_n && max_n <= NGRAM_MAX);
    *x = (ngram_index){.min_n = min_n, .max_n = max_n};
    /* Long texts repeat themselves: a table for their distinct n-grams is smaller than one for all n-grams, and
     * stays in the cache longer. */
    size_t slots = SLOTS_MIN;
    while (slots < SLOTS_EXPECTED_MAX && slots / 2 < expected) slots *= 2;
    for (size_t n = min_n; n <= max_n; n++)
        if (table_grow(&x->tables[n - min_n], slots, e) != 0) return -1;
    if (tokens_reserve(&x->text, expected, e) != 0) return -1;
    return mem_reserve(&x->owner, &x->cap_owner, expected, e);
}

void ngram_index_free(ngram_index *x) {
    for (size_t i = 0; i < NGRAM_MAX; i++) free(x->tables[i].slots);
    tokens_free(&x->text);
    free(x->owner);
    free(x->starts);
    *x = (ngram_index){0};
}

int ngram_index_sequence(ngram_index *x, err *e) {
    if (mem_reserve(&x->starts, &x->cap_starts, x->n_sequences + 1, e) != 0) return -1;
    x->starts[x->n_sequences++] = x->text.n;
    return 0;
}

/* Enters all n-grams that end at text[end]. */
static int index_enter(ngram_index *x, size_t end, err *e) {
    const int32_t *text = x->text.ids;
    size_t         room = end + 1 - x->starts[x->n_sequences - 1];
    size_t         longest = room < x->max_n ? room : x->max_n;
    uint64_t       h = hash_empty;
    for (size_t n = 1; n <= longest; n++) {
        const int32_t *key = text + end + 1 - n;
        h = hash_extend(h, *key);
        if (n < x->min_n) continue;
        ngram_table       *t = &x->tables[n - x->min_n];
        struct ngram_slot *slot = table_find(t, text, key, n, (uint32_t)h);
        bool               known = slot->at != 0;
        if (known && !x->latest) continue; /* an earlier place stays */
        *slot = (struct ngram_slot){(uint32_t)h, (uint32_t)(key - text) + 1};
        if (known) continue;
        if (++t->used * 2 > t->mask && table_grow(t, (t->mask + 1) * 2, e) != 0) return -1;
    }
    return 0;
}

int ngram_index_append(ngram_index *x, const int32_t *ids, size_t n, err *e) {
    assert(x->n_sequences > 0);
    if (n > TEXT_MAX - x->text.n || x->n_sequences > UINT32_MAX)
        return err_run(e, "an n-gram index holds at most %d tokens", TEXT_MAX);
    size_t from = x->text.n;
    if (mem_reserve(&x->owner, &x->cap_owner, from + n, e) != 0) return -1;
    if (tokens_append(&x->text, ids, n, e) != 0) return -1;
    for (size_t i = from; i < from + n; i++) x->owner[i] = (uint32_t)(x->n_sequences - 1);
    for (; x->entered + x->lag < x->text.n; x->entered++)
        if (index_enter(x, x->entered, e) != 0) return -1;
    return 0;
}

size_t ngram_index_suffixes(const ngram_index *x, const int32_t *history, size_t n, ngram_place places[NGRAM_MAX]) {
    size_t   longest = n < x->max_n ? n : x->max_n, found = 0;
    uint64_t h = hash_empty;
    for (size_t m = 1; m <= longest; m++) {
        const int32_t *key = history + n - m;
        h = hash_extend(h, *key);
        if (m < x->min_n) continue;
        const struct ngram_slot *slot = table_find(&x->tables[m - x->min_n], x->text.ids, key, m, (uint32_t)h);
        if (slot->at == 0) break; /* N2 */
        size_t at = slot->at - 1, sequence = x->owner[at];
        places[found++] = (ngram_place){sequence, at - x->starts[sequence]};
    }
    return found;
}

const int32_t *ngram_index_tokens(const ngram_index *x, size_t sequence, size_t *n) {
    size_t end = sequence + 1 < x->n_sequences ? x->starts[sequence + 1] : x->text.n;
    *n = end - x->starts[sequence];
    return x->text.ids != NULL ? x->text.ids + x->starts[sequence] : NULL;
}
