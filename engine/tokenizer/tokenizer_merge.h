/* tokenizer_merge.h - merging neighbours, the best pair first and the leftmost of equals, in O(n log n).
 *
 * The symbols of a span form a linked list, and a heap holds every pair of neighbours that may be merged. SPM and BPE
 * differ in which pairs those are and which is best.
 *
 * Invariants:
 *  M1  A heap entry is stale when a side was merged since: the sides' lengths no longer add up to its length.
 *  M2  The heap never holds two entries for each symbol: it begins with less than one, and each merge takes
 *      one and adds at most two.
 */
#ifndef ENGINE_TOKENIZER_MERGE_H
#define ENGINE_TOKENIZER_MERGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/base/err.h"
#include "engine/base/mem.h"

typedef struct {
    int32_t prev, next; /* -1 = none */
    int32_t at, n;      /* bytes of the span; n = 0 when merged into the left neighbour */
    int32_t id;         /* of the piece, or -1 */
} symbol;

typedef struct {
    uint64_t order; /* larger is merged earlier: the priority above, the left symbol counted down below */
    int32_t  right; /* symbol */
    int32_t  n;     /* bytes of both */
    int32_t  id;    /* of the piece that both form */
} pair;

typedef struct {
    symbol *symbols; /* [cap_symbols] */
    pair   *heap;    /* [cap_heap] */
    size_t  n_heap, cap_symbols, cap_heap;
} merger;

/* Room for a span of n symbols. */
static inline int merger_reserve(merger *m, size_t n, err *e) {
    return mem_reserve(&m->symbols, &m->cap_symbols, n, e) != 0 || mem_reserve(&m->heap, &m->cap_heap, 2 * n, e) != 0
               ? -1
               : 0;
}

static inline void merger_free(merger *m) {
    free(m->symbols);
    free(m->heap);
}

static inline int32_t pair_left(pair p) {
    return INT32_MAX - (int32_t)(uint32_t)p.order;
}

/* Adds the pair of symbol `left` and its right neighbour. */
static inline void merger_push(merger *m, uint32_t priority, int32_t left, int32_t id) {
    const symbol *l = &m->symbols[left];
    const pair    p = {.order = (uint64_t)priority << 32 | (uint32_t)(INT32_MAX - left),
                       .right = l->next,
                       .n = l->n + m->symbols[l->next].n,
                       .id = id};
    size_t        i = m->n_heap++;
    for (; i > 0 && p.order > m->heap[(i - 1) / 2].order; i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = p;
}

static inline pair merger_pop(merger *m) {
    pair   top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < m->n_heap) {
        child += child + 1 < m->n_heap && m->heap[child + 1].order > m->heap[child].order;
        if (m->heap[child].order < last.order) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* Adds a symbol of n bytes after the other `count` ones, which it is linked to. */
static inline void merger_append(merger *m, size_t count, int32_t at, int32_t n, int32_t id) {
    m->symbols[count] = (symbol){.prev = (int32_t)count - 1, .next = -1, .at = at, .n = n, .id = id};
    if (count > 0) m->symbols[count - 1].next = (int32_t)count;
}

/* Merges `count` symbols. `consider` pushes the pair of `left` and its right neighbour if it may be merged; it is a
 * constant where this is called, so that it is compiled into the loop. */
static inline void merger_run(merger *m, size_t count, void (*consider)(void *of, int32_t left), void *of) {
    m->n_heap = 0;
    for (size_t i = 0; i + 1 < count; i++) consider(of, (int32_t)i);
    while (m->n_heap > 0) {
        pair    p = merger_pop(m);
        int32_t at = pair_left(p);
        symbol *left = &m->symbols[at], *right = &m->symbols[p.right];
        if (left->n == 0 || right->n == 0 || left->n + right->n != p.n) continue; /* M1 */
        left->n = p.n;
        left->id = p.id;
        left->next = right->next;
        right->n = 0;
        if (left->next >= 0) m->symbols[left->next].prev = at;
        if (left->prev >= 0) consider(of, left->prev);
        if (left->next >= 0) consider(of, at);
    }
}

#endif
