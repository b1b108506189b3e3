/* tokenizer_gguf.c - reads a SentencePiece BPE vocabulary from GGUF metadata and checks all of it.
 *
 * Refused: other tokenizer models by name, arrays of different lengths, types and ids out of range, scores
 * that are not numbers, byte pieces that name no byte, two pieces with one spelling, and a vocabulary
 * that cannot spell every text. An empty spelling is taken, as llama.cpp does: nothing encodes to it.
 *
 * After it: every slot's id is valid and at least half of the slots are free; each byte has a piece, or
 * there is an unknown piece.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/tokenizer/tokenizer_impl.h"

enum { QUOTED = 60 }; /* bytes of a spelling in a message */

static const char UNKNOWN_TEXT[] = " \xE2\x81\x87 "; /* U+2047, SentencePiece's default surface */

static bool contains(gguf_str s, const char *word) {
    for (size_t n = strlen(word), i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.at + i, word, n) == 0) return true;
    return false;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "<0xHH>" names, or -1. */
static int byte_of(gguf_str s) {
    if (s.n != 6 || memcmp(s.at, "<0x", 3) != 0 || s.at[5] != '>') return -1;
    int high = hex_digit(s.at[3]), low = hex_digit(s.at[4]);
    return high >= 0 && low >= 0 ? 16 * high + low : -1;
}

int tokenizer_read_id(const gguf *g, const char *key, size_t vocab, int32_t *id, err *e) {
    uint32_t v;
    if (gguf_u32_or(g, key, UINT32_MAX, &v, e) != 0) return -1;
    if (v != UINT32_MAX && v >= vocab)
        return err_input(e, "%s: %s is %u (0 to %zu)", gguf_path(g), key, (unsigned)v, vocab - 1);
    *id = v == UINT32_MAX ? -1 : (int32_t)v;
    return 0;
}

/* A special id, or SentencePiece's own where there is no key, unless the piece there is ordinary text. */
static int read_special_id(const tokenizer *t, const gguf *g, const char *key, int32_t preset, int32_t *id, err *e) {
    if (gguf_find(g, key) != NULL || (size_t)preset >= t->vocab) return tokenizer_read_id(g, key, t->vocab, id, e);
    piece_type type = t->pieces[preset].type;
    *id = type == PIECE_CONTROL || type == PIECE_USER || type == PIECE_UNKNOWN ? preset : -1;
    return 0;
}

static int read_special_ids(tokenizer *t, const gguf *g, err *e) {
    if (read_special_id(t, g, "tokenizer.ggml.bos_token_id", 1, &t->bos, e) != 0) return -1;
    if (read_special_id(t, g, "tokenizer.ggml.eos_token_id", 2, &t->eos, e) != 0) return -1;
    if (read_special_id(t, g, "tokenizer.ggml.unknown_token_id", 0, &t->unk, e) != 0) return -1;
    for (size_t i = 0; i < t->vocab && t->unk < 0; i++)
        if (t->pieces[i].type == PIECE_UNKNOWN) t->unk = (int32_t)i;

    const char *add_bos = "tokenizer.ggml.add_bos_token";
    if (gguf_bool_or(g, add_bos, t->bos >= 0, &t->adds_bos, e) != 0) return -1;
    if (t->adds_bos && t->bos < 0)
        return err_input(e, "%s: %s is true, but there is no tokenizer.ggml.bos_token_id", gguf_path(g), add_bos);
    return gguf_bool_or(g, "tokenizer.ggml.add_space_prefix", true, &t->adds_prefix, e);
}

/* Copies piece i's spelling and derives its text; returns the arena's next free byte, NULL on an error. */
static char *read_piece(tokenizer *t, const gguf *g, size_t i, gguf_str s, char *at, err *e) {
    piece *p = &t->pieces[i];
    if (s.n > PIECE_MAX) {
        err_input(e, "%s: token %zu has %zu bytes (at most %d)", gguf_path(g), i, s.n, PIECE_MAX);
        return NULL;
    }
    p->spelling = at;
    p->n_spelling = (uint32_t)s.n;
    if (s.n > 0) at = mempcpy(at, s.at, s.n);
    p->text = at;
    char *begin = at;
    switch (p->type) {
    case PIECE_UNKNOWN:
        p->text = UNKNOWN_TEXT;
        p->n_text = sizeof UNKNOWN_TEXT - 1;
        return at;
    case PIECE_CONTROL:
        return at;
    case PIECE_BYTE: {
        int byte = byte_of(s);
        if (byte < 0) {
            char name[QUOTED];
            err_input(e, "%s: token %zu is a byte, but %s names none (<0x00> to <0xFF>)", gguf_path(g), i,
                      quote(name, sizeof name, s.at, s.n));
            return NULL;
        }
        t->byte_ids[byte] = (int32_t)i;
        *at++ = (char)byte;
        break;
    }
    case PIECE_USER:
        at = s.n > 0 ? mempcpy(at, s.at, s.n) : at;
        break;
    case PIECE_NORMAL:
    case PIECE_UNUSED:
        for (size_t k = 0; k < s.n;) {
            bool mark = s.n - k >= SPACE_MARK_BYTES && memcmp(s.at + k, SPACE_MARK, SPACE_MARK_BYTES) == 0;
            *at++ = mark ? ' ' : s.at[k];
            k += mark ? SPACE_MARK_BYTES : 1;
        }
        break;
    }
    p->n_text = (uint32_t)(at - begin);
    return at;
}

static int read_pieces(tokenizer *t, const gguf *g, const gguf_str *s, const float *scores, const int32_t *types,
                       err *e) {
    size_t bytes = 0; /* cannot overflow: the spellings lie in one file */
    for (size_t i = 0; i < t->vocab; i++) bytes += s[i].n;
    t->pieces = mem_new(t->vocab, sizeof *t->pieces, e);
    t->arena = mem_new(bytes, 2, e); /* a piece's text is never longer than its spelling */
    if (t->pieces == NULL || t->arena == NULL) return -1;
    for (size_t i = 0; i < 256; i++) t->byte_ids[i] = -1;
    char *at = t->arena;
    for (size_t i = 0; i < t->vocab; i++) {
        if (types[i] < PIECE_NORMAL || types[i] > PIECE_BYTE)
            return err_input(e, "%s: token %zu has type %d (1 to 6)", gguf_path(g), i, (int)types[i]);
        if (isnan(scores[i])) return err_input(e, "%s: token %zu's score is not a number", gguf_path(g), i);
        t->pieces[i].type = (piece_type)types[i];
        t->pieces[i].score = scores[i];
        t->has_unused |= types[i] == PIECE_UNUSED;
        if ((at = read_piece(t, g, i, s[i], at, e)) == NULL) return -1;
    }
    return 0;
}

static int index_spellings(tokenizer *t, const gguf *g, err *e) {
    size_t n = 2;
    while (n < 2 * t->vocab) n *= 2;
    t->slots = mem_new(n, sizeof *t->slots, e);
    if (t->slots == NULL) return -1;
    t->slot_mask = n - 1;
    for (size_t i = 0; i < n; i++) t->slots[i] = -1;
    for (size_t i = 0; i < t->vocab; i++) {
        const piece *p = &t->pieces[i];
        if (p->n_spelling == 0) continue;
        int32_t duplicate = tokenizer_find(t, p->spelling, p->n_spelling);
        if (duplicate >= 0) {
            char name[QUOTED];
            return err_input(e, "%s: tokens %d and %zu are both spelled %s (each spelling once)", gguf_path(g),
                             (int)duplicate, i, quote(name, sizeof name, p->spelling, p->n_spelling));
        }
        size_t at = (size_t)digest64(p->spelling, p->n_spelling);
        while (t->slots[at & t->slot_mask] >= 0) at++;
        t->slots[at & t->slot_mask] = (int32_t)i;
    }
    return 0;
}

/* Some tokenizers drop the blanks beside special pieces, which GGUF does not record. As llama.cpp does, they are told
 * by the model's name: Phi-3, whose chat markers drop those on their right, and ModernBERT. */
static int read_strips(tokenizer *t, const gguf *g, err *e) {
    gguf_str name = {"", 0};
    if (gguf_find(g, "general.name") != NULL && gguf_string(g, "general.name", &name, e) != 0) return -1;
    bool is_phi3 = contains(name, "phi-3") || contains(name, "phi3"), is_bert = contains(name, "modern-bert");
    for (size_t i = 0; i < t->vocab; i++) {
        piece   *p = &t->pieces[i];
        gguf_str s = {p->spelling, p->n_spelling};
        bool     keeps = gguf_str_is(s, "<unk>") || gguf_str_is(s, "<s>") || gguf_str_is(s, "<|endoftext|>");
        p->strips_right = is_phi3 && !keeps;
        p->strips_left = is_bert && gguf_str_is(s, "[MASK]");
    }
    return 0;
}

static int check_fallback(const tokenizer *t, const gguf *g, err *e) {
    size_t n = 0;
    for (size_t i = 0; i < 256; i++) n += t->byte_ids[i] >= 0;
    if (n == 256 || t->unk >= 0) return 0;
    return err_input(e, "%s: the vocabulary cannot spell every text: %zu of 256 byte tokens, and no unknown token",
                     gguf_path(g), n);
}

static int check_model(const gguf *g, err *e) {
    gguf_str model;
    if (gguf_string(g, "tokenizer.ggml.model", &model, e) != 0) return -1;
    if (gguf_str_is(model, "llama")) return 0;
    char name[QUOTED];
    return err_input(e, "%s: tokenizer.ggml.model %s is not supported (\"llama\", which is SentencePiece BPE)",
                     gguf_path(g), quote(name, sizeof name, model.at, model.n));
}

static int read_chat_template(tokenizer *t, const gguf *g, err *e) {
    static const char key[] = "tokenizer.chat_template";
    gguf_str          s;
    if (gguf_find(g, key) == NULL) return 0;
    if (gguf_string(g, key, &s, e) != 0 || (t->chat_template = mem_strndup(s.at, s.n, e)) == NULL) return -1;
    t->n_chat_template = s.n;
    return 0;
}

tokenizer *tokenizer_from_gguf(const gguf *g, err *e) {
    gguf_str  *spellings = NULL;
    float     *scores = NULL;
    int32_t   *types = NULL;
    size_t     n, n_scores, n_types;
    tokenizer *t = NULL;
    bool       ok = false;
    if (check_model(g, e) != 0) return NULL;
    if (gguf_strings(g, "tokenizer.ggml.tokens", &spellings, &n, e) != 0 ||
        gguf_array_f32(g, "tokenizer.ggml.scores", &scores, &n_scores, e) != 0 ||
        gguf_array_i32(g, "tokenizer.ggml.token_type", &types, &n_types, e) != 0)
        goto out;
    if (n == 0 || n > INT32_MAX || n_scores != n || n_types != n) {
        err_input(e,
                  "%s: %zu tokenizer.ggml.tokens, %zu scores and %zu token_type (as many of each, "
                  "at least one)",
                  gguf_path(g), n, n_scores, n_types);
        goto out;
    }
    t = mem_new(1, sizeof *t, e);
    if (t == NULL) goto out;
    t->kind = "spm";
    t->vocab = n;
    t->encode = spm_encode;
    ok = read_pieces(t, g, spellings, scores, types, e) == 0 && read_special_ids(t, g, e) == 0 &&
         index_spellings(t, g, e) == 0 && tokenizer_find_stops(t, g, e) == 0 && check_fallback(t, g, e) == 0 &&
         read_strips(t, g, e) == 0 && tokenizer_index_specials(t, e) == 0 && read_chat_template(t, g, e) == 0 &&
         tokenizer_seal(t, e) == 0;
out:
    free(spellings);
    free(scores);
    free(types);
    if (ok) return t;
    tokenizer_close(t);
    return NULL;
}
