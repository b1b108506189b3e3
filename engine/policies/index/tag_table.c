#include "engine/policies/index/tag_table.h"

#include <stdlib.h>

#include "engine/base/mem.h"

enum { LARGE = 1 << 21 }; /* bytes of a table that gets pages of its own */

static size_t bytes_of(size_t slots) {
    return slots * sizeof(tag_slot);
}

/* Tags say where entries go: the entries are not read. In a table twice the size they go to two places in their order,
 * which is fast. */
int tag_table_grow(tag_table *t, size_t slots, err *e) {
    tag_table bigger = {.mask = slots - 1, .used = t->used};
    bigger.slots = bytes_of(slots) >= LARGE ? mem_map(bytes_of(slots), e) : mem_new(slots, sizeof *bigger.slots, e);
    if (bigger.slots == NULL) return -1;
    for (size_t i = 0; t->slots != NULL && i <= t->mask; i++) {
        if (t->slots[i].id == 0) continue;
        tag_slot *to = tag_table_first(&bigger, t->slots[i].tag);
        while (to->id != 0) to = tag_table_next(&bigger, to);
        *to = t->slots[i];
    }
    tag_table_free(t);
    *t = bigger;
    return 0;
}

void tag_table_free(tag_table *t) {
    if (t->slots != NULL && bytes_of(t->mask + 1) >= LARGE)
        mem_unmap(t->slots, bytes_of(t->mask + 1));
    else
        free(t->slots);
    *t = (tag_table){0};
}

int tag_table_expect(tag_table *t, size_t more, err *e) {
    size_t slots = t->mask + 1;
    while ((t->used + more) * 4 > slots * 3) slots *= 2;
    return slots > t->mask + 1 ? tag_table_grow(t, slots, e) : 0;
}

/* Entries behind the hole move up, unless that would take them in front of where their search begins. */
void tag_table_remove(tag_table *t, tag_slot *slot) {
    size_t hole = (size_t)(slot - t->slots);
    for (size_t i = (hole + 1) & t->mask; t->slots[i].id != 0; i = (i + 1) & t->mask) {
        size_t from_home = (i - t->slots[i].tag) & t->mask, from_hole = (i - hole) & t->mask;
        if (from_home < from_hole) continue;
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole].id = 0;
    t->used--;
}
