/* tokenizer_cut.c - cuts a text at special pieces, before anything is merged.
 *
 * Special are user-defined pieces, wherever they are spelled, and control and unknown pieces where every byte of the
 * spelling lies in a part that allows it. As in llama.cpp (tokenizer_st_partition), longer pieces are looked for
 * first, from left to right, each in what the ones before left over; some pieces take the blanks beside them along.
 *
 * Few bytes of a text belong to special pieces. So a text is read once, with a trie, for clusters: stretches that
 * cover every spelling that begins in them. Only those are searched once for each length.
 *
 * Invariants:
 *  C1  No spelling, with the blanks that its piece takes along, crosses the border of a cluster.
 *  C2  Two fragments of plain text never touch: between them is a special piece.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/tokenizer/tokenizer_impl.h"

/* ---- the trie ------------------------------------------------------------------------------------- */

static bool is_special(const piece *p) {
    return (p->type == PIECE_USER || p->type == PIECE_CONTROL || p->type == PIECE_UNKNOWN) && p->n_spelling > 0;
}

/* The node that `byte` leads to from node `at`, or 0. */
static uint32_t trie_step(const specials *s, uint32_t at, unsigned char byte) {
    uint32_t child = at == 0 ? s->roots[byte] : s->nodes[at].child;
    while (child != 0 && s->nodes[child].byte != byte) child = s->nodes[child].sibling;
    return child;
}

static int trie_add(specials *s, size_t *cap, const char *spelling, size_t n, int32_t id, err *e) {
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)spelling[i];
        uint32_t      child = trie_step(s, at, byte);
        if (child == 0) {
            if (s->n_nodes == UINT32_MAX) return err_run(e, "the special tokens are too long to be indexed");
            if (mem_reserve(&s->nodes, cap, s->n_nodes + 1, e) != 0) return -1;
            child = (uint32_t)s->n_nodes++;
            uint32_t *first = at == 0 ? &s->roots[byte] : &s->nodes[at].child;
            s->nodes[child] = (trie_node){.sibling = *first, .id = -1, .byte = byte};
            *first = child;
        }
        at = child;
    }
    s->nodes[at].id = id;
    return 0;
}

/* Bytes of the longest special spelling that begins here, or 0. */
static size_t longest_at(const specials *s, const char *text, size_t n) {
    size_t   longest = 0;
    uint32_t at = 0;
    for (size_t i = 0; i < n && (at = trie_step(s, at, (unsigned char)text[i])) != 0; i++)
        if (s->nodes[at].id >= 0) longest = i + 1;
    return longest;
}

/* The special piece that these n bytes spell, or -1. */
static int32_t spelled(const specials *s, const char *text, size_t n) {
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++)
        if ((at = trie_step(s, at, (unsigned char)text[i])) == 0) return -1;
    return s->nodes[at].id;
}

static int falling(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

int tokenizer_index_specials(tokenizer *t, err *e) {
    specials *s = &t->specials;
    size_t    cap = 0, n = 0;
    s->lengths = mem_new(t->vocab, sizeof *s->lengths, e);
    if (s->lengths == NULL || mem_reserve(&s->nodes, &cap, 1, e) != 0) return -1;
    s->nodes[0] = (trie_node){.id = -1};
    s->n_nodes = 1;
    for (size_t i = 0; i < t->vocab; i++) {
        const piece *p = &t->pieces[i];
        if (!is_special(p)) continue;
        if (trie_add(s, &cap, p->spelling, p->n_spelling, (int32_t)i, e) != 0) return -1;
        s->lengths[n++] = p->n_spelling;
        s->strips |= p->strips_left || p->strips_right;
    }
    qsort(s->lengths, n, sizeof *s->lengths, falling);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || s->lengths[i] != s->lengths[i - 1]) s->lengths[s->n_lengths++] = s->lengths[i];
    return 0;
}

void specials_free(specials *s) {
    free(s->lengths);
    free(s->nodes);
}

/* ---- cutting -------------------------------------------------------------------------------------- */

typedef struct {
    size_t begin, end; /* bytes of the text */
} stretch;

typedef struct {
    const tokenizer *t;
    const char      *text;
    size_t           n;
    stretch         *allowed; /* [n_allowed] where control pieces may be; rising, none touches another */
    size_t           n_allowed;
    cut             *out;
} cutter;

/* As isspace in the C locale. */
static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_allowed(const cutter *c, size_t begin, size_t end) {
    size_t low = 0, high = c->n_allowed; /* the last stretch that does not begin after it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->allowed[middle].begin <= begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && end <= c->allowed[low - 1].end;
}

static int push(cutter *c, size_t begin, size_t end, int32_t id, err *e) {
    cut *out = c->out;
    if (id < 0 && begin == end) return 0;
    if (id < 0 && out->n > 0) {
        fragment *last = &out->at[out->n - 1];
        if (last->id < 0 && last->text + last->n == c->text + begin) { /* C2 */
            last->n += end - begin;
            return 0;
        }
    }
    if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0) return -1;
    out->at[out->n++] = (fragment){.text = c->text + begin, .n = end - begin, .id = id};
    return 0;
}

static int32_t find_special(const cutter *c, size_t at, size_t length) {
    int32_t id = spelled(&c->t->specials, c->text + at, length);
    if (id < 0) return -1;
    return c->t->pieces[id].type == PIECE_USER || is_allowed(c, at, at + length) ? id : -1;
}

/* Cuts a stretch in which no piece longer than lengths[level] is left. */
static int cut_stretch(cutter *c, size_t begin, size_t end, size_t level, err *e) {
    const specials *s = &c->t->specials;
    for (; level < s->n_lengths; level++) {
        size_t length = s->lengths[level], at = begin;
        while (end - begin >= length && at <= end - length) {
            int32_t id = find_special(c, at, length);
            if (id < 0) {
                at++;
                continue;
            }
            const piece *p = &c->t->pieces[id];
            size_t       left = at;
            if (p->strips_left)
                while (left > begin && is_blank(c->text[left - 1])) left--;
            if (left > begin && cut_stretch(c, begin, left, level + 1, e) != 0) return -1;
            if (push(c, at, at + length, id, e) != 0) return -1;
            begin = at + length;
            if (p->strips_right)
                while (begin < end && is_blank(c->text[begin])) begin++;
            at = begin;
        }
    }
    return push(c, begin, end, -1, e);
}

/* The first cluster that begins at `from` or later (C1); false when there is none. */
static bool find_cluster(const cutter *c, size_t from, stretch *found) {
    const specials *s = &c->t->specials;
    size_t          at = from, end = 0;
    *found = (stretch){from, from};
    for (; at < c->n && (end == 0 || at < end); at++) {
        size_t length = s->roots[(unsigned char)c->text[at]] != 0 ? longest_at(s, c->text + at, c->n - at) : 0;
        if (length == 0) continue;
        if (end == 0) {
            found->begin = at;
            while (s->strips && found->begin > from && is_blank(c->text[found->begin - 1])) found->begin--;
        }
        if (at + length > end) end = at + length;
        while (s->strips && end < c->n && is_blank(c->text[end])) end++;
    }
    found->end = end;
    return end > 0;
}

static int cut_text(cutter *c, err *e) {
    size_t  done = 0;
    stretch cluster;
    while (find_cluster(c, done, &cluster)) {
        if (push(c, done, cluster.begin, -1, e) != 0 || cut_stretch(c, cluster.begin, cluster.end, 0, e) != 0)
            return -1;
        done = cluster.end;
    }
    return push(c, done, c->n, -1, e);
}

/* Where `special` parts are, neighbours as one. */
static int find_allowed(cutter *c, const text_part *parts, size_t n_parts, err *e) {
    c->allowed = mem_new(n_parts, sizeof *c->allowed, e);
    if (c->allowed == NULL) return -1;
    size_t at = 0;
    for (size_t i = 0; i < n_parts; at += parts[i++].n) {
        if (!parts[i].special || parts[i].n == 0) continue;
        if (c->n_allowed > 0 && c->allowed[c->n_allowed - 1].end == at)
            c->allowed[c->n_allowed - 1].end += parts[i].n;
        else
            c->allowed[c->n_allowed++] = (stretch){at, at + parts[i].n};
    }
    return 0;
}

int tokenizer_cut(const tokenizer *t, const text_part *parts, size_t n_parts, cut *out, err *e) {
    cutter c = {.t = t, .out = out};
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].n > TEXT_MAX - c.n) return err_input(e, "the text is too long (at most %d bytes)", TEXT_MAX);
        c.n += parts[i].n;
    }
    if (n_parts == 1) {
        c.text = parts[0].at;
    } else {
        char *at = out->joined = mem_new(c.n, 1, e);
        if (at == NULL) return -1;
        for (size_t i = 0; i < n_parts; i++)
            if (parts[i].n > 0) at = mempcpy(at, parts[i].at, parts[i].n);
        c.text = out->joined;
    }
    int status = find_allowed(&c, parts, n_parts, e) != 0 ? -1 : cut_text(&c, e);
    free(c.allowed);
    return status;
}

void cut_free(cut *c) {
    free(c->joined);
    free(c->at);
}
