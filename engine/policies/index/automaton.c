#include "engine/policies/index/automaton.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct automaton_edge {
    uint32_t state; /* where it starts */
    int32_t  token;
    uint32_t target;
    uint32_t next; /* 1 + index of this state's next edge; 0 = none */
};

typedef struct automaton_edge edge;

enum { SLOTS_MIN = 16, TEXT_MAX = 1 << 30 }; /* 2 states and 3 edges a token fit into 32 bits */

static const uint32_t none = UINT32_MAX;

/* ---- edges ------------------------------------------------------------------------------------------- */

static size_t edge_hash(uint32_t state, int32_t token) {
    uint64_t h = ((uint64_t)state << 32 | (uint32_t)token) * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio */
    return (size_t)(h ^ h >> 32);
}

/* The slot of an edge, or the free one where it would go. */
static uint32_t *edge_slot(const automaton *a, uint32_t state, int32_t token) {
    size_t i = edge_hash(state, token) & a->mask;
    for (; a->slots[i] != 0; i = (i + 1) & a->mask) {
        const edge *x = &a->edges[a->slots[i] - 1];
        if (x->state == state && x->token == token) break;
    }
    return &a->slots[i];
}

/* Makes room for edges up to index n, and keeps half of the table free. */
static int edges_reserve(automaton *a, size_t n, err *e) {
    if (mem_reserve(&a->edges, &a->cap_edges, n, e) != 0) return -1;
    if (a->slots != NULL && n * 2 <= a->mask) return 0;
    size_t slots = SLOTS_MIN;
    while (n * 2 >= slots) slots *= 2;
    uint32_t *bigger = mem_new(slots, sizeof *bigger, e);
    if (bigger == NULL) return -1;
    free(a->slots);
    a->slots = bigger;
    a->mask = slots - 1;
    for (size_t i = 0; i < a->n_edges; i++) *edge_slot(a, a->edges[i].state, a->edges[i].token) = (uint32_t)i + 1;
    return 0;
}

/* Adds an edge that is not there. */
static int edge_add(automaton *a, uint32_t state, int32_t token, uint32_t target, err *e) {
    automaton_state *s = &a->states[state];
    if (s->target == 0) {
        s->token = token;
        s->target = target;
        return 0;
    }
    if (edges_reserve(a, a->n_edges + 1, e) != 0) return -1;
    a->edges[a->n_edges++] = (edge){state, token, target, s->more};
    s->more = (uint32_t)a->n_edges;
    *edge_slot(a, state, token) = (uint32_t)a->n_edges;
    return 0;
}

static void edge_redirect(automaton *a, uint32_t state, int32_t token, uint32_t target) {
    automaton_state *s = &a->states[state];
    if (s->token == token)
        s->target = target;
    else
        a->edges[*edge_slot(a, state, token) - 1].target = target;
}

uint32_t automaton_next(const automaton *a, uint32_t state, int32_t token) {
    const automaton_state *s = &a->states[state];
    if (s->target != 0 && s->token == token) return s->target;
    if (s->more == 0) return 0;
    uint32_t at = *edge_slot(a, state, token);
    return at != 0 ? a->edges[at - 1].target : 0;
}

/* ---- building ---------------------------------------------------------------------------------------- */

int automaton_init(automaton *a, size_t expected, err *e) {
    *a = (automaton){0};
    if (tokens_reserve(&a->text, expected + 1, e) != 0) return -1;
    if (mem_reserve(&a->states, &a->cap_states, 2 * expected + 1, e) != 0) return -1;
    if (edges_reserve(a, expected - expected / 4 + 1, e) != 0) return -1;
    /* Touched now, in one go, pages do not cost the first tokens that come to them microseconds. */
    memset(a->text.ids, 0, a->text.cap * sizeof *a->text.ids);
    memset(a->states, 0, a->cap_states * sizeof *a->states);
    memset(a->edges, 0, a->cap_edges * sizeof *a->edges);
    memset(a->slots, 0, (a->mask + 1) * sizeof *a->slots);
    a->states[a->n_states++] = (automaton_state){.link = none};
    return 0;
}

void automaton_free(automaton *a) {
    tokens_free(&a->text);
    free(a->starts);
    free(a->states);
    free(a->edges);
    free(a->slots);
    *a = (automaton){0};
}

/* A state for those strings of q, which `length` is the longest of, that now end in one place more than q's others. */
static int state_split(automaton *a, uint32_t q, uint32_t length, err *e) {
    uint32_t clone = (uint32_t)a->n_states++;
    a->states[clone] = a->states[q];
    a->states[clone].length = length;
    a->states[clone].more = 0;
    for (uint32_t at = a->states[q].more; at != 0; at = a->edges[at - 1].next)
        if (edge_add(a, clone, a->edges[at - 1].token, a->edges[at - 1].target, e) != 0) return -1;
    a->states[q].link = clone;
    return 0;
}

/* One more token at the text's end. */
static int extend(automaton *a, int32_t token, err *e) {
    if (a->text.n == TEXT_MAX) return err_run(e, "a suffix automaton holds at most %d tokens", TEXT_MAX);
    if (mem_reserve(&a->states, &a->cap_states, a->n_states + 2, e) != 0) return -1;
    if (tokens_push(&a->text, token, e) != 0) return -1;
    uint32_t whole = (uint32_t)a->n_states++, n = (uint32_t)a->text.n, p = a->last, q = 0;
    a->states[whole] = (automaton_state){.length = n, .end = n};
    a->last = whole;
    for (; p != none && (q = automaton_next(a, p, token)) == 0; p = a->states[p].link)
        if (edge_add(a, p, token, whole, e) != 0) return -1;
    if (p == none) return 0; /* a new token: only the empty string is known */

    uint32_t known = a->states[p].length + 1, clone = (uint32_t)a->n_states;
    a->states[whole].link = q;
    if (a->states[q].length == known) return 0;
    a->states[whole].link = clone;
    if (state_split(a, q, known, e) != 0) return -1;
    for (; p != none && automaton_next(a, p, token) == q; p = a->states[p].link) edge_redirect(a, p, token, clone);
    return 0;
}

int automaton_sequence(automaton *a, err *e) {
    if (mem_reserve(&a->starts, &a->cap_starts, a->n_sequences + 1, e) != 0) return -1;
    if (a->n_sequences > 0 && extend(a, AUTOMATON_BREAK, e) != 0) return -1;
    a->starts[a->n_sequences++] = a->text.n;
    return 0;
}

int automaton_append(automaton *a, const int32_t *ids, size_t n, err *e) {
    assert(a->n_sequences > 0);
    for (size_t i = 0; i < n; i++)
        if (extend(a, ids[i], e) != 0) return -1;
    return 0;
}

/* ---- looking up -------------------------------------------------------------------------------------- */

void automaton_follow(const automaton *a, automaton_match *m, int32_t token) {
    for (;;) {
        uint32_t next = automaton_next(a, m->state, token);
        if (next != 0) {
            *m = (automaton_match){next, m->length + 1};
            return;
        }
        if (m->state == AUTOMATON_ROOT) {
            m->length = 0;
            return;
        }
        m->state = a->states[m->state].link;
        m->length = a->states[m->state].length;
    }
}

automaton_match automaton_repeat(const automaton *a) {
    uint32_t link = a->text.n > 0 ? a->states[a->last].link : AUTOMATON_ROOT;
    return (automaton_match){link, a->states[link].length};
}

size_t automaton_sequence_at(const automaton *a, size_t index) {
    size_t low = 0, high = a->n_sequences; /* starts[low] <= index, and starts[high] > index where there is one */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (a->starts[middle] <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const int32_t *automaton_tokens(const automaton *a, size_t sequence, size_t *n) {
    size_t end = sequence + 1 < a->n_sequences ? a->starts[sequence + 1] - 1 : a->text.n;
    *n = end - a->starts[sequence];
    return a->text.ids != NULL ? a->text.ids + a->starts[sequence] : NULL;
}

/* ---- counting ---------------------------------------------------------------------------------------- */

/* What is in a state ends wherever the states that link to it end, and, if it was made for the whole text, once more
 * there. So counts are passed on along the links, the longest first. */
int automaton_count(automaton *a, err *e) {
    size_t    n = a->text.n;
    uint32_t *before = mem_new(n + 2, sizeof *before, e); /* states of smaller lengths */
    uint32_t *order = mem_new(a->n_states, sizeof *order, e);
    int       ret = before != NULL && order != NULL ? 0 : -1;
    if (ret == 0) {
        for (size_t i = 0; i < a->n_states; i++) before[a->states[i].length + 1]++;
        for (size_t i = 1; i <= n; i++) before[i + 1] += before[i];
        for (size_t i = 0; i < a->n_states; i++) {
            automaton_state *s = &a->states[i];
            s->count = s->length == s->end; /* it is the text up to there; a split state is shorter */
            s->last = s->end;
            order[before[s->length]++] = (uint32_t)i;
        }
        for (size_t i = a->n_states; i-- > 1;) {
            const automaton_state *s = &a->states[order[i]];
            automaton_state       *link = &a->states[s->link];
            link->count += s->count;
            if (s->last > link->last) link->last = s->last;
        }
    }
    free(before);
    free(order);
    return ret;
}

static bool comes_before(const automaton *a, automaton_order by, uint32_t x, uint32_t y) {
    const automaton_state *s = &a->states[x], *t = &a->states[y];
    if (by == AUTOMATON_RECENT) return s->last > t->last;
    if (s->count != t->count) return s->count > t->count;
    if (by == AUTOMATON_FREQUENT) return s->end < t->end;
    return automaton_ends_with(a, x) < automaton_ends_with(a, y);
}

/* Puts a child in its place among the n first so far, at most `most`, and returns how many there are then. */
static size_t rank(const automaton *a, automaton_order by, uint32_t child, uint32_t *children, size_t n, size_t most) {
    size_t i = n;
    while (i > 0 && comes_before(a, by, child, children[i - 1])) i--;
    if (i == most) return n;
    if (n < most) n++;
    for (size_t j = n - 1; j > i; j--) children[j] = children[j - 1];
    children[i] = child;
    return n;
}

size_t automaton_children(const automaton *a, uint32_t state, automaton_order by, uint32_t *children, size_t most) {
    const automaton_state *s = &a->states[state];
    size_t                 n = 0;
    if (s->target != 0 && s->token != AUTOMATON_BREAK) n = rank(a, by, s->target, children, n, most);
    for (uint32_t at = s->more; at != 0; at = a->edges[at - 1].next)
        if (a->edges[at - 1].token != AUTOMATON_BREAK) n = rank(a, by, a->edges[at - 1].target, children, n, most);
    return n;
}
