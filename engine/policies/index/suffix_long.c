#include "engine/policies/index/suffix_long.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum { SLOTS_MIN = 4 };

static const uint32_t NONE = UINT32_MAX;

typedef struct {
    suffix_child child;
    uint32_t     before, after; /* in order */
    uint32_t     group;
} member;

typedef struct {
    uint32_t first, last; /* of the members with one count; `first` links those that are free */
} group;

struct suffix_long {
    member   *members; /* [n_members], the free ones linked by `after` */
    group    *groups;
    uint32_t *slots; /* [mask + 1] 1 + a member, by its token; 0 = free */
    size_t    n_members, cap_members, n_groups, cap_groups, used, mask;
    uint32_t  first, last, free_members, free_groups;
};

/* ---- tokens ----------------------------------------------------------------------------------------- */

static size_t slot_of(const suffix_long *l, int32_t token) {
    uint32_t h = (uint32_t)token * 0x9e3779b9u; /* 2^32 / golden ratio */
    size_t   i = (h ^ h >> 15) & l->mask;
    while (l->slots[i] != 0 && l->members[l->slots[i] - 1].child.token != token) i = (i + 1) & l->mask;
    return i;
}

uint32_t suffix_long_find(const suffix_long *l, int32_t token) {
    return l->slots[slot_of(l, token)] - 1;
}

static int slots_grow(suffix_long *l, size_t slots, err *e) {
    uint32_t *bigger = mem_new(slots, sizeof *bigger, e);
    if (bigger == NULL) return -1;
    free(l->slots);
    l->slots = bigger;
    l->mask = slots - 1;
    for (uint32_t i = l->first; i != NONE; i = l->members[i].after)
        l->slots[slot_of(l, l->members[i].child.token)] = i + 1;
    return 0;
}

/* Those behind it that came there because their slot was taken move up. */
static void slot_remove(suffix_long *l, size_t i) {
    l->slots[i] = 0;
    for (size_t j = (i + 1) & l->mask; l->slots[j] != 0; j = (j + 1) & l->mask) {
        uint32_t moved = l->slots[j];
        l->slots[j] = 0;
        l->slots[slot_of(l, l->members[moved - 1].child.token)] = moved;
    }
}

/* ---- order ------------------------------------------------------------------------------------------ */

/* There is room for it: there are never more groups than members. */
static uint32_t group_new(suffix_long *l, uint32_t only) {
    uint32_t g = l->free_groups;
    if (g != NONE)
        l->free_groups = l->groups[g].first;
    else
        g = (uint32_t)l->n_groups++;
    l->groups[g] = (group){only, only};
    return g;
}

static void unlink_member(suffix_long *l, uint32_t at) {
    member *m = &l->members[at];
    group  *g = &l->groups[m->group];
    if (g->first == g->last) {
        g->first = l->free_groups;
        l->free_groups = m->group;
    } else if (g->first == at) {
        g->first = m->after;
    } else if (g->last == at) {
        g->last = m->before;
    }
    *(m->before != NONE ? &l->members[m->before].after : &l->first) = m->after;
    *(m->after != NONE ? &l->members[m->after].before : &l->last) = m->before;
}

/* Between two neighbours, into the group of the one with the same count, or one of its own. */
static void link_member(suffix_long *l, uint32_t at, uint32_t before, uint32_t after) {
    member *m = &l->members[at];
    m->before = before;
    m->after = after;
    *(before != NONE ? &l->members[before].after : &l->first) = at;
    *(after != NONE ? &l->members[after].before : &l->last) = at;
    if (before != NONE && l->members[before].child.count == m->child.count) {
        m->group = l->members[before].group;
        if (l->groups[m->group].last == before) l->groups[m->group].last = at;
    } else if (after != NONE && l->members[after].child.count == m->child.count) {
        m->group = l->members[after].group;
        l->groups[m->group].first = at;
    } else {
        m->group = group_new(l, at);
    }
}

void suffix_long_raise(suffix_long *l, uint32_t at) {
    member  *m = &l->members[at];
    uint32_t before = m->before, after = l->groups[m->group].first;
    if (after == at) { /* the first of its group */
        after = m->after;
        if (before != NONE && l->members[before].child.count == m->child.count + 1)
            after = l->groups[l->members[before].group].first;
    }
    unlink_member(l, at);
    m->child.count++;
    link_member(l, at, after != NONE ? l->members[after].before : l->last, after);
}

void suffix_long_lower(suffix_long *l, uint32_t at) {
    member  *m = &l->members[at];
    uint32_t before = l->groups[m->group].last;
    if (before == at) before = m->before;
    unlink_member(l, at);
    if (--m->child.count > 0) {
        link_member(l, at, before, before != NONE ? l->members[before].after : l->first);
        return;
    }
    slot_remove(l, slot_of(l, m->child.token));
    l->used--;
    m->after = l->free_members;
    l->free_members = at;
}

/* ---- the list --------------------------------------------------------------------------------------- */

static int add_last(suffix_long *l, suffix_child child, err *e) {
    uint32_t at = l->free_members;
    if (at == NONE) {
        if (mem_reserve(&l->members, &l->cap_members, l->n_members + 1, e) != 0) return -1;
        if (mem_reserve(&l->groups, &l->cap_groups, l->n_members + 1, e) != 0) return -1;
        at = (uint32_t)l->n_members++;
    } else {
        l->free_members = l->members[at].after;
    }
    l->members[at].child = child;
    link_member(l, at, l->last, NONE);
    if (++l->used * 2 > l->mask) return slots_grow(l, (l->mask + 1) * 2, e);
    l->slots[slot_of(l, child.token)] = at + 1;
    return 0;
}

int suffix_long_add(suffix_long *l, int32_t token, uint32_t state, err *e) {
    return add_last(l, (suffix_child){token, state, 1}, e);
}

/* Empty; about n will come. */
static suffix_long *long_empty(size_t n, err *e) {
    suffix_long *l = mem_new(1, sizeof *l, e);
    if (l == NULL) return NULL;
    l->first = l->last = l->free_members = l->free_groups = NONE;
    size_t slots = SLOTS_MIN;
    while (slots / 2 <= n) slots *= 2;
    if (slots_grow(l, slots, e) == 0) return l;
    suffix_long_free(l);
    return NULL;
}

suffix_long *suffix_long_new(const suffix_child *children, size_t n, err *e) {
    suffix_long *l = long_empty(n, e);
    int          ret = 0;
    if (l == NULL) return NULL;
    for (size_t i = 0; i < n && ret == 0; i++) ret = add_last(l, children[i], e);
    if (ret == 0) return l;
    suffix_long_free(l);
    return NULL;
}

suffix_long *suffix_long_copy(const suffix_long *l, err *e) {
    suffix_long *copy = long_empty(l->used, e);
    int          ret = 0;
    if (copy == NULL) return NULL;
    for (uint32_t i = l->first; i != NONE && ret == 0; i = l->members[i].after)
        ret = add_last(copy, l->members[i].child, e);
    if (ret == 0) return copy;
    suffix_long_free(copy);
    return NULL;
}

void suffix_long_free(suffix_long *l) {
    if (l == NULL) return;
    free(l->members);
    free(l->groups);
    free(l->slots);
    free(l);
}

uint32_t suffix_long_first(const suffix_long *l) {
    return l->first;
}

uint32_t suffix_long_next(const suffix_long *l, uint32_t at) {
    return l->members[at].after;
}

suffix_child *suffix_long_at(suffix_long *l, uint32_t at) {
    return &l->members[at].child;
}
