/* datastore_table.c - the hash table of a datastore, for n-grams that are not found by reading a few neighbours.
 *
 * Level by level: of each n-gram with more than DATASTORE_SMALL places, each continuation by one token is an entry.
 * Most n-grams of a text have few places, so there are few entries; those of single tokens are the roots, an array.
 *
 * A slot tells n-grams apart by 31 bits of hash beside its position. A look-up takes the first slot of its tag from its
 * home on, so no entry may be stored behind another one of its tag: then other hashes are tried, from another seed.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/index/datastore_impl.h"

enum { AHEAD = 16, SEEDS = 64 };

/* An n-gram: the ranks of its places. */
typedef struct {
    uint32_t from, to;
} span;

typedef struct {
    span  *at;
    size_t n, cap;
} spans;

/* Entries are one after the other, level by level. */
typedef struct {
    store_arrays *a;
    spans         all;
    size_t        levels[DATASTORE_SPAN + 2]; /* where the entries of n tokens begin */
} table;

static uint32_t token_after(const store_arrays *a, size_t rank, size_t n) {
    return store_token(a->text, a->width, a->places[rank] + n);
}

/* S1. Without its places that a border follows, which come first. */
static span without_ends(const store_arrays *a, size_t from, size_t to, size_t n) {
    while (from < to && token_after(a, from, n) == 0) from++;
    return (span){(uint32_t)from, (uint32_t)to};
}

static bool is_small(span x) {
    return x.to - x.from <= DATASTORE_SMALL;
}

/* Enters the n + 1-grams that begin with an n-gram. */
static int add_children(table *t, span parent, size_t n, err *e) {
    const store_arrays *a = t->a;
    for (size_t from = parent.from, to; from < parent.to; from = to) {
        for (to = from + 1; to < parent.to && a->common[to] > n; to++) continue;
        span child = without_ends(a, from, to, n + 1);
        if (child.from == child.to) continue;
        if (mem_reserve(&t->all.at, &t->all.cap, t->all.n + 1, e) != 0) return -1;
        t->all.at[t->all.n++] = child;
    }
    return 0;
}

static int collect(table *t, err *e) {
    store_arrays *a = t->a;
    for (size_t token = 1; token <= a->vocab; token++) {
        span x = without_ends(a, a->roots[token].from, a->roots[token].to, 1);
        a->roots[token] = (datastore_root){x.from, x.to};
        if (!is_small(x) && add_children(t, x, 1, e) != 0) return -1;
    }
    t->levels[2] = 0;
    for (size_t n = 2; n < DATASTORE_SPAN; n++) {
        t->levels[n + 1] = t->all.n;
        for (size_t i = t->levels[n]; i < t->levels[n + 1]; i++)
            if (!is_small(t->all.at[i]) && add_children(t, t->all.at[i], n, e) != 0) return -1;
    }
    t->levels[DATASTORE_SPAN + 1] = t->all.n;
    return t->all.n < UINT32_MAX / 2 ? 0 : err_run(e, "a datastore's table holds at most %d n-grams", INT32_MAX);
}

static uint64_t hash_of(const store_arrays *a, size_t rank, size_t n, uint64_t seed) {
    uint64_t h = seed;
    for (size_t i = 0; i < n; i++) h = ids_hash_extend(h, (int32_t)token_after(a, rank, i));
    return h;
}

/* False when an entry would lie behind one of its tag. */
static bool put(struct datastore_slot *slots, size_t n_slots, uint64_t h, span x) {
    size_t   i = store_home(h, n_slots);
    uint32_t tag = store_tag(h);
    for (; slots[i].at != 0; i = i + 1 < n_slots ? i + 1 : 0)
        if ((slots[i].tag & ~(uint32_t)1) == tag) return false;
    slots[i] = (struct datastore_slot){x.from + 1, tag | !is_small(x)};
    return true;
}

/* Enters what was collected; hashes are computed and slots fetched a few entries ahead. */
static bool fill(const table *t, struct datastore_slot *slots, size_t n_slots, uint64_t seed) {
    const store_arrays *a = t->a;
    for (size_t n = 2; n <= DATASTORE_SPAN; n++) {
        size_t   count = t->levels[n + 1] - t->levels[n];
        uint64_t hashes[AHEAD];
        if (count == 0) continue; /* there may be no array */
        const span *x = t->all.at + t->levels[n];
        for (size_t i = 0; i < count + AHEAD; i++) {
            if (i >= AHEAD && !put(slots, n_slots, hashes[i % AHEAD], x[i - AHEAD])) return false;
            if (i >= count) continue;
            if (i + AHEAD < count)
                __builtin_prefetch((const char *)a->text + (size_t)a->width * a->places[x[i + AHEAD].from]);
            hashes[i % AHEAD] = hash_of(a, x[i].from, n, seed);
            __builtin_prefetch(&slots[store_home(hashes[i % AHEAD], n_slots)], 1);
        }
    }
    return true;
}

int datastore_table(store_arrays *a, struct datastore_slot **slots, size_t *n_slots, size_t *used, uint64_t *seed,
                    err *e) {
    table t = {.a = a};
    int   ret = collect(&t, e);
    *used = t.all.n;
    *n_slots = t.all.n + t.all.n / 2 + 1; /* one is free, so that every look-up ends */
    if (ret == 0 && (*slots = mem_new(*n_slots, sizeof **slots, e)) == NULL) ret = -1;
    for (int i = 0; ret == 0; i++) {
        *seed = ids_hash_extend(ids_hash_empty, (int32_t)i);
        if (fill(&t, *slots, *n_slots, *seed)) break;
        memset(*slots, 0, *n_slots * sizeof **slots);
        if (i == SEEDS) ret = err_run(e, "no hash tells the n-grams of this corpus apart");
    }
    free(t.all.at);
    return ret;
}
