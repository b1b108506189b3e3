/* tokenizer_spm.c - SentencePiece BPE encoding (Kudo and Richardson, EMNLP 2018), in O(n log n).
 *
 * The characters of each span between special pieces form a linked list, and a heap holds every pair of neighbours that
 * spells a piece. The pair with the best score is merged first, the leftmost of equals. What no piece spells in the end
 * becomes byte pieces, or else the unknown piece, one for a run of them.
 *
 * Where SentencePiece and llama.cpp differ: as in llama.cpp, the dummy prefix is added to each text after
 * a special piece. As in SentencePiece, merges never yield a control or byte piece, and an unused
 * piece is split again into what it was merged from.
 *
 * Invariants:
 *  E1  A heap entry is stale when a side was merged since: the sides' lengths no longer add up to its length.
 *  E2  The heap never holds two entries for each symbol: it begins with less than one, and each merge takes
 *      one and adds at most two.
 *  E3  A symbol is at least one byte of the text, except the prefix.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/bits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/tokenizer_impl.h"

typedef struct {
    int32_t prev, next; /* -1 = none */
    int32_t at, n;      /* bytes in the marked text; n = 0 when merged into the left neighbour */
} symbol;

typedef struct {
    uint64_t order; /* larger is merged earlier: the score's order above, the left symbol counted down below */
    int32_t  right; /* symbol */
    int32_t  n;     /* bytes of both */
} pair;

typedef struct {
    const tokenizer *t;
    bool             after_special; /* at the text's start, too */
    bool             after_unknown;
    char            *marked; /* the span with U+2581 for spaces */
    symbol          *symbols;
    pair            *heap;
    size_t           n_heap;
    int32_t         *split; /* [vocab] bytes of an unused piece's left part; 0 = never merged; empty without them */
    tokens          *out;
} encoder;

/* ---- the heap: the best pair on top --------------------------------------------------------------- */

/* A float's bits rearranged to compare as integers; both zeros are one. */
static uint32_t score_order(float score) {
    uint32_t bits = float_bits(score + 0.0f);
    return bits >> 31 ? ~bits : bits | 1u << 31;
}

static uint64_t pair_order(float score, int32_t left) {
    return (uint64_t)score_order(score) << 32 | (uint32_t)(INT32_MAX - left);
}

static int32_t pair_left(pair p) {
    return INT32_MAX - (int32_t)(uint32_t)p.order;
}

static void heap_push(encoder *s, pair p) {
    size_t i = s->n_heap++;
    for (; i > 0 && p.order > s->heap[(i - 1) / 2].order; i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = p;
}

static pair heap_pop(encoder *s) {
    pair   top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < s->n_heap) {
        child += child + 1 < s->n_heap && s->heap[child + 1].order > s->heap[child].order;
        if (s->heap[child].order < last.order) break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

/* ---- merging -------------------------------------------------------------------------------------- */

/* The piece that merges may form, or -1. */
static int32_t find_mergeable(const tokenizer *t, const char *spelling, int32_t n) {
    int32_t id = tokenizer_find(t, spelling, (size_t)n);
    if (id < 0) return -1;
    piece_type type = t->pieces[id].type;
    return type == PIECE_NORMAL || type == PIECE_USER || type == PIECE_UNUSED ? id : -1;
}

static void consider(encoder *s, int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const symbol *l = &s->symbols[left], *r = &s->symbols[right];
    int32_t       id = find_mergeable(s->t, s->marked + l->at, l->n + r->n);
    if (id < 0) return;
    heap_push(s, (pair){pair_order(s->t->pieces[id].score, left), right, l->n + r->n});
    if (s->t->pieces[id].type == PIECE_UNUSED) s->split[id] = l->n;
}

/* Copies the span with its spaces marked; returns its length. */
static int32_t mark_spaces(encoder *s, const char *text, size_t n) {
    char *at = s->marked;
    if (s->after_special && s->t->adds_prefix) at = mempcpy(at, SPACE_MARK, SPACE_MARK_BYTES);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ')
            at = mempcpy(at, SPACE_MARK, SPACE_MARK_BYTES);
        else
            *at++ = text[i];
    }
    return (int32_t)(at - s->marked);
}

/* One symbol for each character; a byte that is not UTF-8 is a symbol of its own. */
static int32_t make_symbols(encoder *s, int32_t n) {
    int32_t count = 0;
    for (int32_t at = 0; at < n; count++) {
        size_t  length = utf8_length(s->marked + at, (size_t)(n - at), NULL);
        int32_t step = length > 0 ? (int32_t)length : 1;
        s->symbols[count] = (symbol){.prev = count - 1, .next = count + 1, .at = at, .n = step};
        at += step;
    }
    s->symbols[count - 1].next = -1;
    return count;
}

/* For characters that no piece spells. */
static int emit_fallback(encoder *s, const char *at, int32_t n, err *e) {
    const int32_t *byte_ids = s->t->byte_ids;
    bool           unknown = false, repeated = s->after_unknown;
    for (int32_t i = 0; i < n; i++) unknown |= byte_ids[(unsigned char)at[i]] < 0;
    s->after_unknown = unknown;
    if (unknown) return repeated ? 0 : tokens_push(s->out, s->t->unk, e);
    for (int32_t i = 0; i < n; i++)
        if (tokens_push(s->out, byte_ids[(unsigned char)at[i]], e) != 0) return -1;
    return 0;
}

static int emit(encoder *s, int32_t at, int32_t n, err *e) {
    const tokenizer *t = s->t;
    int32_t          id = find_mergeable(t, s->marked + at, n);
    if (id >= 0 && t->pieces[id].type == PIECE_UNUSED && s->split[id] > 0) {
        int32_t left = s->split[id];
        return emit(s, at, left, e) == 0 ? emit(s, at + left, n - left, e) : -1;
    }
    if (id < 0) return emit_fallback(s, s->marked + at, n, e);
    s->after_unknown = false;
    return tokens_push(s->out, id, e);
}

static int merge_span(encoder *s, const char *text, size_t n, err *e) {
    int32_t count = make_symbols(s, mark_spaces(s, text, n));
    s->after_unknown = false;
    s->n_heap = 0;
    for (int32_t i = 1; i < count; i++) consider(s, i - 1, i);
    while (s->n_heap > 0) {
        pair    p = heap_pop(s);
        int32_t at = pair_left(p);
        symbol *left = &s->symbols[at], *right = &s->symbols[p.right];
        if (left->n == 0 || right->n == 0 || left->n + right->n != p.n) continue; /* E1 */
        left->n = p.n;
        left->next = right->next;
        right->n = 0;
        if (left->next >= 0) s->symbols[left->next].prev = at;
        consider(s, left->prev, at);
        consider(s, at, left->next);
    }
    for (int32_t i = 0; i >= 0; i = s->symbols[i].next)
        if (emit(s, s->symbols[i].at, s->symbols[i].n, e) != 0) return -1;
    return 0;
}

/* ---- a text ----------------------------------------------------------------------------------------- */

int spm_encode(const tokenizer *t, const cut *text, tokens *out, err *e) {
    encoder s = {.t = t, .after_special = true, .out = out};
    size_t  n = 0; /* bytes of the longest span */
    int     status = -1;
    for (size_t i = 0; i < text->n; i++)
        if (text->at[i].id < 0 && text->at[i].n > n) n = text->at[i].n;
    s.marked = mem_new(n + 1, SPACE_MARK_BYTES, e);
    s.symbols = mem_new(n + 1, sizeof *s.symbols, e); /* E3 */
    s.heap = mem_new(n + 1, 2 * sizeof *s.heap, e);   /* E2 */
    s.split = mem_new(t->has_unused ? t->vocab : 0, sizeof *s.split, e);
    if (s.marked == NULL || s.symbols == NULL || s.heap == NULL || s.split == NULL) goto out;
    for (size_t i = 0; i < text->n; i++) {
        const fragment *f = &text->at[i];
        if (f->id < 0 ? merge_span(&s, f->text, f->n, e) != 0 : tokens_push(out, f->id, e) != 0) goto out;
        s.after_special = f->id >= 0;
    }
    status = 0;
out:
    free(s.marked);
    free(s.symbols);
    free(s.heap);
    free(s.split);
    return status;
}
