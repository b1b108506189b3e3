/* tokenizer_spm.c - SentencePiece BPE encoding (Kudo and Richardson, EMNLP 2018), in O(n log n).
 *
 * In each span between special pieces, neighbours that spell a piece are merged, the best score first, beginning with
 * characters: word by word, since what is on either side of a seam does not merge. What no piece spells in the end
 * becomes byte pieces, or else the unknown piece, one for a run of them.
 *
 * Where SentencePiece and llama.cpp differ: as in llama.cpp, the dummy prefix is added to each text after
 * a special piece. As in SentencePiece, merges never yield a control or byte piece, and an unused
 * piece is split again into what it was merged from.
 *
 * Invariant: a symbol is at least one byte of the text, except the prefix.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/bits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/tokenizer_impl.h"
#include "engine/tokenizer/tokenizer_merge.h"
#include "engine/tokenizer/tokenizer_words.h"

typedef struct {
    const tokenizer *t;
    bool             after_special;              /* at the text's start, too */
    bool             after_unknown, has_unknown; /* what came last; the word being merged */
    char            *marked;                     /* the span with U+2581 for spaces */
    const char      *word;                       /* of the span, what is being merged */
    merger           m;
    words            words;
    int32_t         *split; /* [vocab] bytes of an unused piece's left part; 0 = never merged; empty without them */
    tokens          *out;
} encoder;

/* ---- merging -------------------------------------------------------------------------------------- */

/* A float's bits rearranged to compare as integers; both zeros are one. */
static uint32_t score_order(float score) {
    uint32_t bits = float_bits(score + 0.0f);
    return bits >> 31 ? ~bits : bits | 1u << 31;
}

static void consider(void *of, int32_t left) {
    encoder      *s = of;
    const symbol *l = &s->m.symbols[left], *r = &s->m.symbols[l->next];
    int32_t       id = tokenizer_find_mergeable(s->t, s->word + l->at, (size_t)l->n + (size_t)r->n);
    if (id < 0) return;
    merger_push(&s->m, score_order(s->t->pieces[id].score), left, id);
    if (s->t->pieces[id].type == PIECE_UNUSED) s->split[id] = l->n;
}

/* Copies the span with its spaces marked; returns its length. */
static size_t mark_spaces(encoder *s, const char *text, size_t n) {
    char *at = s->marked;
    if (s->after_special && s->t->adds_prefix) at = mempcpy(at, SPACE_MARK, SPACE_MARK_BYTES);
    return (size_t)(tokenizer_mark_spaces(text, n, at) - s->marked);
}

/* One symbol for each character; a byte that is not UTF-8 is a symbol of its own. */
static size_t make_symbols(encoder *s, size_t n) {
    size_t count = 0;
    for (size_t at = 0, step; at < n; at += step, count++) {
        step = utf8_length(s->word + at, n - at, NULL);
        if (step == 0) step = 1;
        merger_append(&s->m, count, (int32_t)at, (int32_t)step, tokenizer_find_mergeable(s->t, s->word + at, step));
    }
    return count;
}

/* For characters that no piece spells. */
static int emit_fallback(encoder *s, const char *at, int32_t n, err *e) {
    const int32_t *byte_ids = s->t->byte_ids;
    bool           unknown = false, repeated = s->after_unknown;
    for (int32_t i = 0; i < n; i++) unknown |= byte_ids[(unsigned char)at[i]] < 0;
    s->after_unknown = unknown;
    s->has_unknown |= unknown;
    if (unknown) return repeated ? 0 : tokens_push(s->out, s->t->unk, e);
    for (int32_t i = 0; i < n; i++)
        if (tokens_push(s->out, byte_ids[(unsigned char)at[i]], e) != 0) return -1;
    return 0;
}

static int emit(encoder *s, const char *at, int32_t n, int32_t id, err *e) {
    if (id < 0) return emit_fallback(s, at, n, e);
    if (s->t->pieces[id].type == PIECE_UNUSED && s->split[id] > 0) {
        const int32_t left = s->split[id], right = n - left;
        return emit(s, at, left, tokenizer_find_mergeable(s->t, at, (size_t)left), e) != 0
                   ? -1
                   : emit(s, at + left, right, tokenizer_find_mergeable(s->t, at + left, (size_t)right), e);
    }
    s->after_unknown = false;
    return tokens_push(s->out, id, e);
}

static int merge_word(encoder *s, const char *at, size_t n, err *e) {
    if (merger_reserve(&s->m, n, e) != 0) return -1;
    s->word = at;
    merger_run(&s->m, make_symbols(s, n), consider, s);
    for (int32_t i = 0; i >= 0; i = s->m.symbols[i].next) {
        const symbol *a = &s->m.symbols[i];
        if (emit(s, at + a->at, a->n, a->id, e) != 0) return -1;
    }
    return 0;
}

static int encode_word(encoder *s, const char *at, size_t n, err *e) {
    uint64_t key[WORD_BYTES / 8];
    word    *slot = words_slot(&s->words, at, n, key);
    size_t   first = s->out->n;
    if (slot != NULL && word_is(slot, key, n)) {
        s->after_unknown = false;
        return tokens_append(s->out, slot->ids, slot->n_ids, e);
    }
    s->has_unknown = false;
    if (merge_word(s, at, n, e) != 0) return -1;
    if (slot != NULL && !s->has_unknown) word_keep(slot, key, n, s->out, first);
    return 0;
}

static int encode_span(encoder *s, const char *text, size_t n, err *e) {
    size_t n_marked = mark_spaces(s, text, n);
    s->after_unknown = false;
    for (size_t at = 0, step; at < n_marked; at += step) {
        step = tokenizer_seam(s->t, s->marked + at, n_marked - at);
        if (encode_word(s, s->marked + at, step, e) != 0) return -1;
    }
    return 0;
}

/* ---- a text ----------------------------------------------------------------------------------------- */

int spm_encode(const tokenizer *t, const cut *text, tokens *out, err *e) {
    encoder s = {.t = t, .after_special = true, .out = out};
    size_t  n = 0, bytes = 0; /* of the longest span; of all */
    int     status = -1;
    for (size_t i = 0; i < text->n; i++) {
        bytes += text->at[i].n;
        if (text->at[i].id < 0 && text->at[i].n > n) n = text->at[i].n;
    }
    s.marked = mem_new(n + 1, SPACE_MARK_BYTES, e);
    s.split = mem_new(t->has_unused ? t->vocab : 0, sizeof *s.split, e);
    if (s.marked == NULL || s.split == NULL || words_open(&s.words, bytes, e) != 0) goto out;
    for (size_t i = 0; i < text->n; i++) {
        const fragment *f = &text->at[i];
        if (f->id < 0 ? encode_span(&s, f->text, f->n, e) != 0 : tokens_push(out, f->id, e) != 0) goto out;
        s.after_special = f->id >= 0;
    }
    status = 0;
out:
    free(s.marked);
    merger_free(&s.m);
    free(s.words.slots);
    free(s.split);
    return status;
}
