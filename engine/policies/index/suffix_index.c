#include "engine/policies/index/suffix_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct suffix_slot {
    int32_t  token;
    uint32_t state; /* 0 = free: the root is nobody's child */
};

enum { SLOTS_MIN = 16 };

/* ---- the root's children ---------------------------------------------------------------------------- */

static size_t slot_of(const suffix_index *x, int32_t id) {
    uint32_t h = (uint32_t)id * 0x9e3779b9u; /* 2^32 / golden ratio */
    size_t   i = (h ^ h >> 15) & x->mask;
    while (x->first[i].state != 0 && x->first[i].token != id) i = (i + 1) & x->mask;
    return i;
}

static int slots_grow(suffix_index *x, size_t slots, err *e) {
    struct suffix_slot *old = x->first;
    size_t              n = old != NULL ? x->mask + 1 : 0;
    struct suffix_slot *bigger = mem_new(slots, sizeof *bigger, e);
    if (bigger == NULL) return -1;
    x->first = bigger;
    x->mask = slots - 1;
    for (size_t i = 0; i < n; i++)
        if (old[i].state != 0) bigger[slot_of(x, old[i].token)] = old[i];
    free(old);
    return 0;
}

/* Those behind it that came there because their slot was taken move up. */
static void slot_remove(suffix_index *x, size_t i) {
    x->first[i].state = 0;
    x->used--;
    for (size_t j = (i + 1) & x->mask; x->first[j].state != 0; j = (j + 1) & x->mask) {
        struct suffix_slot moved = x->first[j];
        x->first[j].state = 0;
        x->first[slot_of(x, moved.token)] = moved;
    }
}

/* ---- lists of children ------------------------------------------------------------------------------ */

/* 2, 3, 4, 6, 8, 12, ... 48. */
static size_t size_of(size_t size) {
    return (size_t)(size % 2 == 0 ? 2 : 3) << size / 2;
}

static int list_new(suffix_index *x, size_t size, uint32_t *at, err *e) {
    assert(size < SUFFIX_SIZES);
    if (x->free_lists[size] != 0) {
        *at = x->free_lists[size] - 1;
        x->free_lists[size] = x->lists[*at].state;
        return 0;
    }
    if (x->n_lists + size_of(size) > UINT32_MAX) return err_run(e, "a suffix index is full");
    if (mem_reserve(&x->lists, &x->cap_lists, x->n_lists + size_of(size), e) != 0) return -1;
    *at = (uint32_t)x->n_lists;
    x->n_lists += size_of(size);
    return 0;
}

static void list_free(suffix_index *x, size_t size, uint32_t at) {
    x->lists[at].state = x->free_lists[size];
    x->free_lists[size] = at + 1;
}

/* Moves a child to another place in its list; those between make room. */
static void list_move(suffix_child *list, size_t from, size_t to) {
    suffix_child moved = list[from];
    if (to < from)
        memmove(list + to + 1, list + to, (from - to) * sizeof *list);
    else
        memmove(list + from, list + from + 1, (to - from) * sizeof *list);
    list[to] = moved;
}

/* How many of n children have a count larger than c: the first ones. */
static size_t list_above(const suffix_child *list, size_t n, uint32_t c) {
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (list[middle].count > c)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* ---- children --------------------------------------------------------------------------------------- */

typedef struct {
    suffix_long *list;
} long_block; /* what the block of a longer list holds */

static suffix_long *long_of(const suffix_index *x, const suffix_state *s) {
    long_block block;
    memcpy(&block, x->lists + s->child, sizeof block);
    return block.list;
}

static int long_put(suffix_index *x, suffix_state *s, suffix_long *l, err *e) {
    long_block block = {l};
    if (l == NULL) return -1;
    if (list_new(x, 0, &s->child, e) != 0) {
        suffix_long_free(l);
        return -1;
    }
    memcpy(x->lists + s->child, &block, sizeof block);
    s->size = SUFFIX_LONG;
    return 0;
}

size_t suffix_index_children(const suffix_index *x, uint32_t state, suffix_child *first) {
    const suffix_state *s = &x->states[state];
    if (s->token == -1) return 0;
    if (s->token >= 0) {
        *first = (suffix_child){s->token, s->child, x->states[s->child].count};
        return 1;
    }
    suffix_long *l = s->size == SUFFIX_LONG ? long_of(x, s) : NULL;
    *first = l == NULL ? x->lists[s->child] : *suffix_long_at(l, suffix_long_first(l));
    return (size_t)-s->token;
}

bool suffix_index_child(const suffix_index *x, uint32_t state, uint32_t *cursor, suffix_child *child) {
    const suffix_state *s = &x->states[state];
    if (*cursor == 0 && s->token >= -1) {
        *cursor = 1;
        return suffix_index_children(x, state, child) > 0;
    }
    if (s->token >= -1 || (s->size != SUFFIX_LONG && *cursor == (uint32_t)-s->token)) return false;
    if (s->size != SUFFIX_LONG) {
        *child = x->lists[s->child + (*cursor)++];
        return true;
    }
    suffix_long *l = long_of(x, s);
    uint32_t     at = *cursor == 0 ? suffix_long_first(l) : suffix_long_next(l, *cursor - 1);
    *cursor = at + 1;
    if (at == UINT32_MAX) return false;
    *child = *suffix_long_at(l, at);
    return true;
}

static void children_free(suffix_index *x, const suffix_state *s) {
    if (s->token >= -1) return;
    if (s->size == SUFFIX_LONG) suffix_long_free(long_of(x, s));
    list_free(x, s->size == SUFFIX_LONG ? 0 : s->size, s->child);
}

/* The state of p's child `id`, and where it is in the list or in `first`; 0: there is none. */
static uint32_t child_find(const suffix_index *x, uint32_t p, int32_t id, size_t *at) {
    if (p == SUFFIX_ROOT) {
        *at = slot_of(x, id);
        return x->first[*at].state;
    }
    const suffix_state *s = &x->states[p];
    *at = 0;
    if (s->token >= -1) return s->token == id ? s->child : 0;
    if (s->size == SUFFIX_LONG) {
        suffix_long *l = long_of(x, s);
        *at = suffix_long_find(l, id);
        return *at == UINT32_MAX ? 0 : suffix_long_at(l, (uint32_t)*at)->state;
    }
    const suffix_child *list = x->lists + s->child;
    for (size_t n = (size_t)-s->token; *at < n; ++*at)
        if (list[*at].token == id) return list[*at].state;
    return 0;
}

/* Of a state with n children, 1 or more, that is not SUFFIX_LONG: makes room for another one. */
static int child_room(suffix_index *x, uint32_t p, size_t n, err *e) {
    suffix_state *s = &x->states[p];
    suffix_child  one;
    uint32_t      at = 0, size = n == 1 ? 0 : s->size + 1u;
    if (n > 1 && n < size_of(s->size)) return 0;
    if (size < SUFFIX_SIZES) {
        if (list_new(x, size, &at, e) != 0) return -1;
        if (n == 1) suffix_index_children(x, p, &one);
        memcpy(x->lists + at, n == 1 ? &one : x->lists + s->child, n * sizeof one);
        if (n > 1) list_free(x, s->size, s->child);
        s->child = at;
        s->size = (uint8_t)size;
        return 0;
    }
    suffix_long *l = suffix_long_new(x->lists + s->child, n, e);
    list_free(x, s->size, s->child);
    return long_put(x, s, l, e);
}

/* S2: a new child, which has occurred once. */
static int child_add(suffix_index *x, uint32_t p, int32_t id, uint32_t state, err *e) {
    suffix_state *s = &x->states[p];
    if (p == SUFFIX_ROOT) {
        if (++x->used * 2 > x->mask && slots_grow(x, (x->mask + 1) * 2, e) != 0) return -1;
        x->first[slot_of(x, id)] = (struct suffix_slot){id, state};
        return 0;
    }
    if (s->token == -1) {
        s->token = id;
        s->child = state;
        return 0;
    }
    size_t n = s->token >= 0 ? 1 : (size_t)-s->token;
    bool   many = s->token < 0 && s->size == SUFFIX_LONG;
    if (!many && child_room(x, p, n, e) != 0) return -1;
    s->token = -(int32_t)(n + 1);
    if (s->size == SUFFIX_LONG) return suffix_long_add(long_of(x, s), id, state, e);
    x->lists[s->child + n] = (suffix_child){id, state, 1};
    return 0;
}

/* S2: p's child at `at` has occurred once more, and is in `state` now. */
static void child_raise(suffix_index *x, uint32_t p, size_t at, uint32_t state) {
    suffix_state *s = &x->states[p];
    if (p == SUFFIX_ROOT) {
        x->first[at].state = state;
    } else if (s->token >= 0) {
        s->child = state;
    } else if (s->size == SUFFIX_LONG) {
        suffix_long_at(long_of(x, s), (uint32_t)at)->state = state;
        suffix_long_raise(long_of(x, s), (uint32_t)at);
    } else {
        suffix_child *list = x->lists + s->child;
        uint32_t      c = list[at].count;
        list[at].state = state;
        list[at].count = c + 1;
        if (at > 0 && list[at - 1].count <= c + 1) list_move(list, at, list_above(list, at, list[at - 1].count));
    }
}

/* S2: the child has occurred once less. */
static void child_lower(suffix_index *x, uint32_t p, size_t at) {
    suffix_state *s = &x->states[p];
    if (p == SUFFIX_ROOT) {
        if (x->states[x->first[at].state].count == 0) slot_remove(x, at);
        return;
    }
    if (s->token >= 0) {
        if (x->states[s->child].count == 0) s->token = -1;
        return;
    }
    suffix_long *l = s->size == SUFFIX_LONG ? long_of(x, s) : NULL;
    size_t       n = (size_t)-s->token;
    bool         gone;
    if (l != NULL) {
        gone = suffix_long_at(l, (uint32_t)at)->count == 1;
        suffix_long_lower(l, (uint32_t)at);
    } else {
        suffix_child *list = x->lists + s->child;
        size_t        behind = list_above(list, n, list[at].count - 1) - 1;
        list_move(list, at, behind);
        gone = --list[behind].count == 0; /* counts of 1 are the last ones */
    }
    if (gone && n > 2) s->token++;
    if (!gone || n > 2) return;
    suffix_child only = {0};
    suffix_index_children(x, p, &only);
    children_free(x, s);
    s->token = only.token;
    s->child = only.state;
}

/* ---- states ----------------------------------------------------------------------------------------- */

/* There is room for it. */
static uint32_t state_new(suffix_index *x, suffix_state s) {
    uint32_t i = x->free_states;
    if (i != 0)
        x->free_states = x->states[i].link;
    else
        i = (uint32_t)x->n_states++;
    x->states[i] = s;
    return i;
}

static void state_free(suffix_index *x, uint32_t i) {
    children_free(x, &x->states[i]);
    x->states[i].token = -1;
    x->states[i].link = x->free_states;
    x->free_states = i;
}

/* Splits a state: its strings of up to `len` tokens move to a new one. */
static int state_split(suffix_index *x, uint32_t i, size_t len, uint32_t *shorter, err *e) {
    suffix_state s = x->states[i];
    s.len = (uint8_t)len;
    if (s.token < -1 && s.size == SUFFIX_LONG) {
        if (long_put(x, &s, suffix_long_copy(long_of(x, &s), e), e) != 0) return -1;
    } else if (s.token < -1) {
        if (list_new(x, s.size, &s.child, e) != 0) return -1;
        memcpy(x->lists + s.child, x->lists + x->states[i].child, (size_t)-s.token * sizeof *x->lists);
    }
    *shorter = state_new(x, s);
    x->states[i].link = *shorter;
    return 0;
}

/* S3. Of a text's end: the state that holds its last depth - 1 tokens, or all when it is shorter. */
static uint32_t state_open(const suffix_index *x, uint32_t end) {
    const suffix_state *s = &x->states[end];
    return s->len == x->depth && x->states[s->link].len == x->depth - 1 ? s->link : end;
}

/* The longest string of a state that has children. */
static size_t state_reach(const suffix_index *x, uint32_t i) {
    return x->states[i].len < x->depth ? x->states[i].len : x->depth - 1;
}

/* ---- the index -------------------------------------------------------------------------------------- */

int suffix_index_init(suffix_index *x, size_t depth, size_t expected, err *e) {
    assert(2 <= depth && depth <= SUFFIX_DEPTH_MAX);
    *x = (suffix_index){.depth = depth};
    if (mem_reserve(&x->states, &x->cap_states, 1 + expected + expected / 2, e) != 0) return -1;
    x->states[x->n_states++] = (suffix_state){.token = -1};
    return slots_grow(x, SLOTS_MIN, e);
}

void suffix_index_free(suffix_index *x) {
    for (size_t i = 0; i < x->n_states; i++)
        if (x->states[i].token < -1 && x->states[i].size == SUFFIX_LONG) suffix_long_free(long_of(x, &x->states[i]));
    free(x->states);
    free(x->lists);
    free(x->first);
    *x = (suffix_index){0};
}

void suffix_index_sequence(suffix_index *x) {
    x->last = SUFFIX_ROOT;
}

/* One walk from the longest suffix to the root. States where `id` is new come first: it leads to one new state. The
 * first state that knows `id` may hold longer strings that the text does not end with: these keep their state, the
 * others get one of their own. From there on, every suffix has occurred before. */
static int append(suffix_index *x, int32_t id, err *e) {
    if (x->n_states > UINT32_MAX - 2 || x->appended == UINT32_MAX) return err_run(e, "a suffix index is full");
    if (mem_reserve(&x->states, &x->cap_states, x->n_states + 2, e) != 0) return -1;
    uint32_t p = state_open(x, x->last), new_state = 0, known = 0, seen = 0, whole = 0;
    for (;; p = x->states[p].link) {
        size_t   at, len = state_reach(x, p) + 1;
        uint32_t v = child_find(x, p, id, &at);
        if (v == 0) {
            if (new_state == 0)
                new_state =
                    state_new(x, (suffix_state){.count = 1, .at = x->appended, .token = -1, .len = (uint8_t)len});
            if (child_add(x, p, id, new_state, e) != 0) return -1;
        } else {
            if (v == whole) {
                v = seen;
            } else if (v != seen) {
                if (x->states[v].len > len) {
                    whole = v;
                    if (state_split(x, whole, len, &v, e) != 0) return -1;
                }
                x->states[v].count++;
                seen = v;
                if (known == 0) known = v;
            }
            child_raise(x, p, at, v);
        }
        if (p == SUFFIX_ROOT) break;
    }
    if (new_state != 0) x->states[new_state].link = known;
    x->last = new_state != 0 ? new_state : known;
    x->appended++;
    return 0;
}

int suffix_index_append(suffix_index *x, int32_t id, err *e) {
    assert(id >= 0 && !x->broken);
    if (append(x, id, e) == 0) return 0;
    x->broken = true;
    return -1;
}

/* Each place of a string is taken away with the token that it ends with. A state without places is freed one token
 * later: until then its children have theirs. */
void suffix_index_remove(suffix_index *x, const int32_t *ids, size_t n) {
    uint32_t top = SUFFIX_ROOT;
    for (size_t i = 0; i <= n; i++) {
        uint32_t alive = top, seen = 0, longest = 0;
        while (alive != SUFFIX_ROOT && x->states[alive].count == 0) alive = x->states[alive].link;
        bool lower = false;
        for (uint32_t p = top; i < n; p = x->states[p].link) {
            size_t   at;
            uint32_t v = child_find(x, p, ids[i], &at);
            if (longest == 0) longest = v;
            if (v != seen) x->states[v].count--;
            seen = v;
            lower = lower || p == alive;
            if (lower) child_lower(x, p, at);
            if (p == SUFFIX_ROOT) break;
        }
        for (uint32_t next; top != alive; top = next) {
            next = x->states[top].link;
            state_free(x, top);
        }
        top = state_open(x, longest);
        if (top != longest && x->states[longest].count == 0) state_free(x, longest);
    }
}

/* ---- matches ---------------------------------------------------------------------------------------- */

suffix_match suffix_index_end(const suffix_index *x) {
    return (suffix_match){x->last, x->states[x->last].len};
}

void suffix_match_shorten(const suffix_index *x, suffix_match *m, size_t length) {
    if (m->length > length) m->length = length;
    while (m->state != SUFFIX_ROOT && x->states[x->states[m->state].link].len >= m->length)
        m->state = x->states[m->state].link;
}

void suffix_match_step(const suffix_index *x, suffix_match *m, int32_t id) {
    size_t   at;
    uint32_t v;
    suffix_match_shorten(x, m, x->depth - 2); /* it may also have been split */
    while ((v = child_find(x, m->state, id, &at)) == 0 && m->state != SUFFIX_ROOT) {
        m->state = x->states[m->state].link;
        m->length = x->states[m->state].len;
    }
    m->state = v;
    m->length = v != 0 ? m->length + 1 : 0;
}
