/* tokenizer_bpe.c - BPE encoding by ranked merges (Sennrich et al., ACL 2016; GPT-2's byte-level form).
 *
 * What is between special pieces is normalized if the pre-tokenizer says so, and split by it. In each of its pieces
 * neighbours are merged, the earliest rule first, beginning with bytes or, in RAW vocabularies, characters. What no
 * token spells in the end becomes byte tokens, or else the unknown token, or nothing.
 *
 * Words of a RAW vocabulary are lines, so they are cut at seams before they are merged.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/nfc.h"
#include "engine/tokenizer/tokenizer_impl.h"
#include "engine/tokenizer/tokenizer_merge.h"
#include "engine/tokenizer/tokenizer_words.h"

typedef struct {
    const tokenizer *t;
    bool             raw, whole; /* the pre-tokenizer's RAW, IGNORE_MERGES */
    splitter         split;
    nfc_buffer       nfc;
    char            *marked; /* a RAW span with U+2581 for spaces */
    size_t           cap_marked;
    char            *letters; /* [longest] a piece as the vocabulary spells it */
    merger           m;
    words            words;
    tokens          *out;
} encoder;

/* ---- merging --------------------------------------------------------------------------------------- */

static void consider(void *of, int32_t left) {
    encoder      *s = of;
    const merges *rules = &s->t->merges;
    const symbol *l = &s->m.symbols[left], *r = &s->m.symbols[l->next];
    if (l->id < 0 || r->id < 0) return;
    uint32_t rank = rules->slots[merges_slot(rules, l->id, r->id)];
    if (rank == MERGES_NONE || rules->rules[rank].id < 0) return;
    merger_push(&s->m, UINT32_MAX - rank, left, rules->rules[rank].id);
}

static size_t make_symbols(encoder *s, const char *at, size_t n) {
    size_t count = 0;
    for (size_t i = 0, step; i < n; i += step, count++) {
        step = s->raw ? utf8_length(at + i, n - i, NULL) : 1;
        if (step == 0) step = 1;
        int32_t id = s->raw ? tokenizer_find_mergeable(s->t, at + i, step) : s->t->byte_ids[(unsigned char)at[i]];
        merger_append(&s->m, count, (int32_t)i, (int32_t)step, id);
    }
    return count;
}

/* A byte without a token is unknown, or else left out, as in llama.cpp and the models' own tokenizers. */
static int emit_bytes(encoder *s, const char *at, int32_t n, err *e) {
    for (int32_t i = 0; i < n; i++) {
        int32_t id = s->t->byte_ids[(unsigned char)at[i]];
        if (id < 0) id = s->t->unk;
        if (id >= 0 && tokens_push(s->out, id, e) != 0) return -1;
    }
    return 0;
}

static int merge(encoder *s, const char *at, size_t n, err *e) {
    if (merger_reserve(&s->m, n, e) != 0) return -1;
    merger_run(&s->m, make_symbols(s, at, n), consider, s);
    for (int32_t i = 0; i >= 0; i = s->m.symbols[i].next) {
        const symbol *a = &s->m.symbols[i];
        if (a->id >= 0 ? tokens_push(s->out, a->id, e) != 0 : emit_bytes(s, at + a->at, a->n, e) != 0) return -1;
    }
    return 0;
}

/* The token that spells all of these bytes, or -1. */
static int32_t find_whole(encoder *s, const char *at, size_t n) {
    const tokenizer *t = s->t;
    if (s->raw) return tokenizer_find_mergeable(t, at, n);
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_ids[(unsigned char)at[i]];
        if (id < 0 || length + t->pieces[id].n_spelling > t->longest) return -1;
        memcpy(s->letters + length, t->pieces[id].spelling, t->pieces[id].n_spelling);
        length += t->pieces[id].n_spelling;
    }
    return tokenizer_find_mergeable(t, s->letters, length);
}

/* Whether a piece that is a token is left alone; of RAW vocabularies, runs of line ends. */
static bool may_be_whole(const encoder *s, const char *at, size_t n) {
    if (n > s->t->longest) return false;
    return s->whole || (s->raw && n > 0 && at[0] == '\n' && memcmp(at, at + 1, n - 1) == 0);
}

static int encode_word(encoder *s, const char *at, size_t n, err *e) {
    uint64_t key[WORD_BYTES / 8];
    word    *slot = words_slot(&s->words, at, n, key);
    size_t   first = s->out->n;
    if (slot != NULL && word_is(slot, key, n)) return tokens_append(s->out, slot->ids, slot->n_ids, e);
    int32_t id = may_be_whole(s, at, n) ? find_whole(s, at, n) : -1;
    if (id >= 0 ? tokens_push(s->out, id, e) != 0 : merge(s, at, n, e) != 0) return -1;
    if (slot != NULL) word_keep(slot, key, n, s->out, first);
    return 0;
}

/* A piece of the pre-tokenizer. */
static int encode_piece(void *of, const char *at, size_t n, err *e) {
    encoder *s = of;
    if (!s->raw || at[0] == '\n') return encode_word(s, at, n, e);
    for (size_t done = 0, step; done < n; done += step) {
        step = tokenizer_seam(s->t, at + done, n - done);
        if (encode_word(s, at + done, step, e) != 0) return -1;
    }
    return 0;
}

/* ---- a text ---------------------------------------------------------------------------------------- */

static int mark_spaces(encoder *s, const char **text, size_t *n, err *e) {
    if (mem_reserve(&s->marked, &s->cap_marked, SPACE_MARK_BYTES * *n, e) != 0) return -1;
    *n = (size_t)(tokenizer_mark_spaces(*text, *n, s->marked) - s->marked);
    *text = s->marked;
    return 0;
}

static int encode_span(encoder *s, const char *text, size_t n, err *e) {
    if (pretokenizer_is(s->t->pre, PRETOKENIZER_NFC) && nfc_normalize(&s->nfc, text, n, &text, &n, e) != 0) return -1;
    if (s->raw && mark_spaces(s, &text, &n, e) != 0) return -1;
    return splitter_run(&s->split, text, n, e);
}

int bpe_encode(const tokenizer *t, const cut *text, tokens *out, err *e) {
    encoder s = {.t = t,
                 .out = out,
                 .raw = pretokenizer_is(t->pre, PRETOKENIZER_RAW),
                 .whole = pretokenizer_is(t->pre, PRETOKENIZER_IGNORE_MERGES)};
    size_t  bytes = 0;
    int     status = -1;
    for (size_t i = 0; i < text->n; i++) bytes += text->at[i].n;
    s.letters = mem_new(t->longest, 1, e);
    if (s.letters == NULL || splitter_open(&s.split, t->pre, encode_piece, &s, e) != 0 ||
        words_open(&s.words, bytes, e) != 0)
        goto out;
    for (size_t i = 0; i < text->n; i++) {
        const fragment *f = &text->at[i];
        if (f->id < 0 ? encode_span(&s, f->text, f->n, e) != 0 : tokens_push(out, f->id, e) != 0) goto out;
    }
    status = 0;
out:
    splitter_close(&s.split);
    nfc_free(&s.nfc);
    merger_free(&s.m);
    free(s.marked);
    free(s.letters);
    free(s.words.slots);
    return status;
}
