/* datastore_top.c - the most frequent continuations of an n-gram, by the borders between its places.
 *
 * All places of an n-gram have neighbouring ranks, sorted by what follows. A continuation ends where `common` drops to
 * its length or below, so counting is finding such ranks; places and text are not read. A node's last token is in
 * `differs`, except when its first place is its parent's: that one's text is read, for few nodes.
 *
 *     after 7 3     rank      0    1    2    3    4    5
 *                   it reads  5 1  5 1  5 2  8 4  8 4  9 9
 *                   common         4    3    2    4    2      2: another child of the root; 3: of a child of the root
 *
 * Level by level: the children of the nodes of one depth are those of the next. At each depth at most as many are kept
 * as are wanted, the most frequent ones. Once enough are known, only children of higher counts than the rarest of these
 * are looked at, for a longer continuation comes after a shorter one of the same count. So of many places few are
 * visited: ranks are tested 64 at a time.
 *
 * A node with one place may be a border, which is no continuation. A border's places differ, so a node with more than
 * one place is none.
 */
#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/policies/index/datastore_impl.h"

enum { WORD = 64, ROOM = 4 * DATASTORE_NODES };

/* A node while the tree grows: parents are found at its end. */
typedef struct {
    uint32_t rank, count;
    uint16_t depth;
    bool     first;
} node;

typedef struct {
    const datastore      *s;
    const datastore_want *want;
    size_t                n;       /* tokens of the n-gram */
    size_t                rank;    /* of its first place */
    uint32_t              atleast; /* counts that are looked at */
    size_t                single;  /* nodes of one place that may still be wanted at this depth */
    size_t                n_nodes, n_level;
    node                 *nodes; /* [ROOM] the tree so far, then n_level children: at most 4 times what is wanted */
} search;

/* ---- which ranks begin something new ---------------------------------------------------------------------- */

/* Bit i: of n bytes from here on, n <= WORD, byte i is at most `most` (< 128). */
static inline uint64_t at_most(const uint8_t *bytes, size_t n, size_t most) {
    uint64_t mask = 0;
#ifdef __SSE2__ /* which every x86-64 has */
    const __m128i limit = _mm_set1_epi8((char)(most + 1));
    for (size_t i = 0; i < n; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(limit, x)) << i;
    }
#else
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x;
        memcpy(&x, bytes + i, sizeof x);
        uint64_t low = ~((x | high) - (most + 1) * ones) & high;
        mask |= (low >> 7) * 0x0102040810204080u >> 56 << i;
    }
#endif
    return n < WORD ? mask & (((uint64_t)1 << n) - 1) : mask;
}

/* How many places the n-gram has, as far as they count. */
static size_t count_places(const search *x) {
    size_t most = x->want->places;
    if (most == 0 || most > x->s->n - x->rank) most = x->s->n - x->rank;
    for (size_t i = 1; i < most; i += WORD) {
        uint64_t ends = at_most(x->s->common + x->rank + i, WORD, x->n - 1);
        if (ends == 0) continue;
        size_t end = i + (size_t)__builtin_ctzll(ends);
        return end < most ? end : most;
    }
    return most;
}

/* ---- the most frequent of some nodes ---------------------------------------------------------------------- */

/* The k-th largest of n counts: the largest that k nodes have, or more. */
static uint32_t kth_largest(const node *nodes, size_t n, size_t k) {
    enum { FEW = 256 };
    uint16_t numbers[FEW] = {0}; /* of nodes with each count; the last one: with so many or more */
    uint64_t least = 0, step = 1;
    size_t   more = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t count = nodes[i].count < FEW ? nodes[i].count : FEW - 1;
        numbers[count]++;
        least = count > least ? count : least;
    }
    while (more + numbers[least] < k) more += numbers[least--];
    if (least < FEW - 1) return (uint32_t)least;
    for (size_t i = 0; i < n; i++)
        while (step <= nodes[i].count) step *= 2;
    for (; step > 0; step /= 2) {
        for (size_t i = more = 0; i < n; i++) more += nodes[i].count >= least + step;
        if (more >= k) least += step;
    }
    return (uint32_t)least;
}

/* Keeps the k most frequent of n nodes, the earlier ones of those that are equal, in their order. Returns the lowest
 * count of these. */
static uint32_t keep(node *nodes, size_t n, size_t k) {
    uint32_t least = kth_largest(nodes, n, k);
    size_t   more = 0, kept = 0;
    for (size_t i = 0; i < n; i++) more += nodes[i].count > least;
    size_t equal = k - more;
    for (size_t i = 0; i < n; i++) {
        bool stays = nodes[i].count > least || (nodes[i].count == least && equal > 0);
        equal -= stays && nodes[i].count == least;
        nodes[kept] = nodes[i];
        kept += stays;
    }
    return least;
}

/* ---- levels ------------------------------------------------------------------------------------------------ */

static size_t most_of_level(const search *x) {
    return x->want->chain ? 1 : x->want->most;
}

/* A child of `parent`, which has `depth` tokens after the n-gram. */
static inline __attribute__((always_inline)) void add_child(search *x, const node *parent, size_t depth, size_t rank,
                                                            size_t count) {
    const datastore *s = x->s;
    bool             first = rank == parent->rank;
    if (count < x->atleast) return;
    if (count == 1) { /* after all that is known, and those of this depth before it */
        uint32_t token = first ? store_token(s->text, s->width, s->places[rank] + x->n + depth)
                               : store_token(s->differs, s->width, rank);
        if (token == 0) return;
        if (--x->single == 0) x->atleast = 2;
    }
    node *level = x->nodes + x->n_nodes;
    level[x->n_level++] = (node){(uint32_t)rank, (uint32_t)count, (uint16_t)depth, first};
    if (x->n_level < 2 * most_of_level(x)) return;
    x->n_level = most_of_level(x);
    uint32_t least = keep(level, 2 * x->n_level, x->n_level);
    if (least >= x->atleast) x->atleast = least + 1; /* later ones of this depth come after equal ones */
}

/* The children of a node: each begins where no more than what leads to it is in common. */
static void add_children(search *x, const node *parent, size_t depth) {
    const uint8_t *common = x->s->common;
    size_t         from = parent->rank, end = from + parent->count;
    if (parent->count == 1) {
        add_child(x, parent, depth, from, 1);
        return;
    }
    for (size_t i = from + 1; i < end; i += WORD) {
        uint64_t begins = at_most(common + i, end - i < WORD ? end - i : WORD, x->n + depth);
        if (begins == 0) continue;
        add_child(x, parent, depth, from, i + (size_t)__builtin_ctzll(begins) - from);
        /* Where another one follows too soon, there are not enough places. */
        uint64_t wanted = begins;
        if (x->atleast > 1) wanted &= ~(begins >> 1);
        if (x->atleast > 2) wanted &= ~(begins >> 2);
        if (x->atleast > 3) wanted &= ~(begins >> 3);
        size_t last = WORD - 1 - (size_t)__builtin_clzll(begins);
        for (wanted &= ((uint64_t)1 << last) - 1; wanted != 0; wanted &= wanted - 1) {
            size_t   at = (size_t)__builtin_ctzll(wanted);
            uint64_t after = begins >> at >> 1;
            add_child(x, parent, depth, i + at, (size_t)__builtin_ctzll(after) + 1);
        }
        from = i + last;
    }
    add_child(x, parent, depth, from, end - from);
}

/* Fetches what is read to tell the first child of these from a border, and its token. */
static void fetch_text(const search *x, const node *nodes, size_t n) {
    const datastore *s = x->s;
    for (size_t i = 0; i < n; i++) __builtin_prefetch(&s->places[nodes[i].rank]);
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch((const char *)s->text + (s->places[nodes[i].rank] + x->n) * s->width);
}

static uint32_t keep_wanted(search *x) {
    uint32_t least = keep(x->nodes, x->n_nodes, x->want->most);
    x->n_nodes = x->want->most;
    return least;
}

/* Adds the children of these nodes, those of the depth before. They are in their order, that of their ranks. */
static void add_level(search *x, const node *parents, size_t n, size_t depth) {
    size_t most = most_of_level(x);
    x->n_level = 0;
    if (x->want->chain) x->atleast = 1; /* of each node's children one is wanted, however rare */
    x->single = x->want->chain ? n : x->want->most > x->n_nodes ? x->want->most - x->n_nodes : 0;
    if (x->single == 0 && x->atleast == 1) x->atleast = 2;
    if (x->atleast == 1) fetch_text(x, parents, x->single < n ? x->single : n);
    for (size_t i = 0; i < n; i++)
        if (parents[i].count >= x->atleast) add_children(x, &parents[i], depth);
    if (x->n_level > most) {
        keep(x->nodes + x->n_nodes, x->n_level, most);
        x->n_level = most;
    }
    x->n_nodes += x->n_level;
    if (x->n_nodes >= 2 * x->want->most) x->atleast = keep_wanted(x) + 1;
}

/* Writes the tree out: a node's parent is the last one above it that does not begin after it. */
static void put_tree(const search *x, datastore_node *nodes) {
    const datastore *s = x->s;
    size_t           parent = 0;
    for (size_t i = 0; i < x->n_nodes; i++) {
        node     y = x->nodes[i];
        uint32_t token = y.first ? store_token(s->text, s->width, s->places[y.rank] + x->n + y.depth)
                                 : store_token(s->differs, s->width, y.rank);
        while (parent + 1 < i && (x->nodes[parent].depth + 1 < y.depth ||
                                  (x->nodes[parent + 1].depth < y.depth && x->nodes[parent + 1].rank <= y.rank)))
            parent++;
        nodes[i] = (datastore_node){y.rank, y.count, y.depth == 0 ? -1 : (int32_t)parent, (int32_t)token - 1};
    }
}

/* The tree of nodes with counts of at least x->atleast, as far as they are wanted. */
static void grow_tree(search *x, size_t count) {
    node        root = {.rank = (uint32_t)x->rank, .count = (uint32_t)count};
    const node *parents = &root;
    size_t      n_parents = 1;
    x->n_nodes = 0;
    for (size_t depth = 0; depth < x->want->ahead && n_parents > 0; depth++) {
        add_level(x, parents, n_parents, depth);
        for (n_parents = 0; n_parents < x->n_nodes; n_parents++)
            if (x->nodes[x->n_nodes - 1 - n_parents].depth != depth) break;
        parents = x->nodes + x->n_nodes - n_parents;
    }
}

/* A lower count that about as many nodes as are wanted have, or more: their number goes about as its inverse. */
static uint32_t fewer(uint32_t count, size_t found, size_t wanted) {
    uint64_t next = (uint64_t)count * (found + 1) / (wanted + wanted / 4);
    return next < 1 ? 1 : next < count ? (uint32_t)next : count - 1;
}

/* Frequent nodes alone are tried first: they are found without a look at all the others. */
size_t datastore_top(const datastore *s, size_t rank, size_t n, const datastore_want *want, datastore_node *nodes) {
    assert(1 <= want->ahead && want->ahead <= DATASTORE_AHEAD && 1 <= want->most && want->most <= DATASTORE_NODES);
    static _Thread_local node room[ROOM]; /* not on the stack, where it would have to be cleared each time */
    search                    x = {.s = s, .want = want, .n = n, .rank = rank, .nodes = room};
    size_t                    count = count_places(&x);
    uint32_t                  tried = want->chain ? 1 : (uint32_t)(count / want->most + 1);
    for (;; tried = fewer(tried, x.n_nodes, want->most)) {
        x.atleast = tried;
        grow_tree(&x, count);
        if (tried == 1 || x.n_nodes >= want->most) break;
    }
    if (x.n_nodes > want->most) keep_wanted(&x);
    if (tried > 1) fetch_text(&x, x.nodes, x.n_nodes);
    put_tree(&x, nodes);
    return x.n_nodes;
}
