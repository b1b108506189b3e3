#include "engine/policies/index/pair_table.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct pair_slot {
    pair     key;
    uint32_t at; /* 1 + the pair's number; 0 = free */
};

enum { SLOTS_MIN = 16 };

static size_t pair_hash(uint32_t a, int32_t b) {
    uint64_t h = ((uint64_t)a << 32 | (uint32_t)b) * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio */
    return (size_t)(h ^ h >> 32);
}

/* The slot of the pair, or the free one where it would go. */
static struct pair_slot *table_slot(const pair_table *t, uint32_t a, int32_t b) {
    size_t i = pair_hash(a, b) & t->mask;
    while (t->slots[i].at != 0 && (t->slots[i].key.a != a || t->slots[i].key.b != b)) i = (i + 1) & t->mask;
    return &t->slots[i];
}

uint32_t pair_table_find(const pair_table *t, uint32_t a, int32_t b) {
    return t->slots != NULL ? table_slot(t, a, b)->at - 1 : PAIR_NONE; /* 0 - 1 is PAIR_NONE, too */
}

int pair_table_reserve(pair_table *t, size_t n, err *e) {
    if (n > PAIR_MAX) {
        err_run(e, "a table of pairs holds at most %d", PAIR_MAX);
        return -1;
    }
    if (mem_reserve(&t->pairs, &t->cap, n, e) != 0) return -1;
    size_t slots = SLOTS_MIN;
    while (slots / 2 < n) slots *= 2;
    if (t->slots != NULL && slots <= t->mask + 1) return 0;
    struct pair_slot *bigger = mem_new(slots, sizeof *bigger, e);
    if (bigger == NULL) return -1;
    free(t->slots);
    t->slots = bigger;
    t->mask = slots - 1;
    for (size_t i = 0; i < t->n; i++)
        *table_slot(t, t->pairs[i].a, t->pairs[i].b) = (struct pair_slot){t->pairs[i], (uint32_t)i + 1};
    return 0;
}

int pair_table_add(pair_table *t, uint32_t a, int32_t b, uint32_t *at, err *e) {
    struct pair_slot *slot = t->slots != NULL ? table_slot(t, a, b) : NULL;
    if (slot != NULL && slot->at != 0) {
        *at = slot->at - 1;
        return 0;
    }
    if (slot == NULL || t->n == t->cap || (t->n + 1) * 2 > t->mask + 1) {
        if (pair_table_reserve(t, t->n + 1, e) != 0) return -1;
        slot = table_slot(t, a, b);
    }
    *at = (uint32_t)t->n;
    t->pairs[t->n++] = (pair){a, b};
    *slot = (struct pair_slot){{a, b}, *at + 1};
    return 0;
}

void pair_table_clear(pair_table *t) {
    t->n = 0;
    if (t->slots != NULL) memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
}

void pair_table_free(pair_table *t) {
    free(t->pairs);
    free(t->slots);
    *t = (pair_table){0};
}
