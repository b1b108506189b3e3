/* tokenizer_pieces.c - a vocabulary's pieces: their spellings, the text that they stand for, and both looked up.
 *
 * Refused: types out of range, scores that are not numbers, byte pieces that name no byte, and two pieces with one
 * spelling. An empty spelling is taken, as llama.cpp does: nothing encodes to it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/tokenizer_impl.h"

enum { QUOTED = 60, LETTERS = 324 }; /* bytes of a spelling in a message; code points up to the last byte letter */

static const char UNKNOWN_TEXT[] = " \xE2\x81\x87 "; /* U+2047, SentencePiece's default surface */

/* ---- spellings ------------------------------------------------------------------------------------ */

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "<0xHH>" names, or -1. */
static int byte_of(gguf_str s) {
    if (s.n != 6 || memcmp(s.at, "<0x", 3) != 0 || s.at[5] != '>') return -1;
    int high = hex_digit(s.at[3]), low = hex_digit(s.at[4]);
    return high >= 0 && low >= 0 ? 16 * high + low : -1;
}

/* GPT-2's letter for a byte: the character of that code if it can be seen, else the next one from U+0100 on. */
typedef struct {
    int32_t of_byte[256], byte_of[LETTERS]; /* byte_of: -1 = no letter */
} letters;

static letters make_letters(void) {
    letters l;
    int32_t next = 0x100;
    for (int i = 0; i < LETTERS; i++) l.byte_of[i] = -1;
    for (int i = 0; i < 256; i++) {
        bool seen = (i >= 0x21 && i <= 0x7E) || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
        l.of_byte[i] = seen ? i : next++;
        l.byte_of[l.of_byte[i]] = i;
    }
    return l;
}

/* Writes the bytes that letters stand for; NULL when one of them is no letter. */
static char *put_letters(const letters *l, gguf_str s, char *at) {
    unsigned long code;
    for (size_t k = 0, length; k < s.n; k += length) {
        length = utf8_length(s.at + k, s.n - k, &code);
        if (length == 0 || code >= LETTERS || l->byte_of[code] < 0) return NULL;
        *at++ = (char)l->byte_of[code];
    }
    return at;
}

static char *put_marked(gguf_str s, char *at) {
    for (size_t k = 0; k < s.n;) {
        bool mark = s.n - k >= SPACE_MARK_BYTES && memcmp(s.at + k, SPACE_MARK, SPACE_MARK_BYTES) == 0;
        *at++ = mark ? ' ' : s.at[k];
        k += mark ? SPACE_MARK_BYTES : 1;
    }
    return at;
}

char *tokenizer_mark_spaces(const char *text, size_t n, char *at) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ')
            at = mempcpy(at, SPACE_MARK, SPACE_MARK_BYTES);
        else
            *at++ = text[i];
    }
    return at;
}

static char *put_text(gguf_str s, char *at) {
    return s.n > 0 ? mempcpy(at, s.at, s.n) : at;
}

/* The text of an ordinary piece. What is not in letters in a vocabulary of letters was added later, as it is. */
static char *put_ordinary(const tokenizer *t, const letters *l, gguf_str s, char *at) {
    if (t->spelling == SPELLING_MARKED) return put_marked(s, at);
    char *end = put_letters(l, s, at);
    return end != NULL ? end : put_text(s, at);
}

/* Copies piece i's spelling and derives its text; returns the arena's next free byte, NULL on an error. */
static char *read_piece(tokenizer *t, const gguf *g, const letters *l, size_t i, gguf_str s, char *at, err *e) {
    piece *p = &t->pieces[i];
    if (s.n > PIECE_MAX) {
        err_input(e, "%s: token %zu has %zu bytes (at most %d)", gguf_path(g), i, s.n, PIECE_MAX);
        return NULL;
    }
    p->spelling = at;
    p->n_spelling = (uint32_t)s.n;
    if (s.n > t->longest) t->longest = s.n;
    at = put_text(s, at);
    p->text = at;
    char *begin = at;
    switch (p->type) {
    case PIECE_UNKNOWN: /* BPE has no text for it */
        if (t->pre != NULL) return at;
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
        at = put_text(s, at);
        break;
    case PIECE_NORMAL:
    case PIECE_UNUSED:
        at = put_ordinary(t, l, s, at);
        break;
    }
    p->n_text = (uint32_t)(at - begin);
    return at;
}

int tokenizer_read_pieces(tokenizer *t, const gguf *g, const gguf_str *s, const float *scores, const int32_t *types,
                          err *e) {
    const letters l = make_letters();
    size_t        bytes = 0; /* cannot overflow: the spellings lie in one file */
    for (size_t i = 0; i < t->vocab; i++) bytes += s[i].n;
    t->pieces = mem_new(t->vocab, sizeof *t->pieces, e);
    t->arena = mem_new(bytes, 2, e); /* a piece's text is never longer than its spelling */
    if (t->pieces == NULL || t->arena == NULL) return -1;
    for (size_t i = 0; i < 256; i++) t->byte_ids[i] = -1;
    char *at = t->arena;
    for (size_t i = 0; i < t->vocab; i++) {
        if (types[i] < PIECE_NORMAL || types[i] > PIECE_BYTE)
            return err_input(e, "%s: token %zu has type %d (1 to 6)", gguf_path(g), i, (int)types[i]);
        if (scores != NULL && isnan(scores[i]))
            return err_input(e, "%s: token %zu's score is not a number", gguf_path(g), i);
        t->pieces[i].type = (piece_type)types[i];
        t->pieces[i].score = scores != NULL ? scores[i] : 0;
        t->has_unused |= types[i] == PIECE_UNUSED;
        if ((at = read_piece(t, g, &l, i, s[i], at, e)) == NULL) return -1;
    }
    return 0;
}

/* ---- looking up ------------------------------------------------------------------------------------ */

int tokenizer_index_spellings(tokenizer *t, const gguf *g, err *e) {
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

/* In a vocabulary of letters, the pieces of one letter are those of bytes. */
void tokenizer_index_letters(tokenizer *t) {
    const letters l = make_letters();
    for (int i = 0; i < 256; i++) {
        int32_t    c = l.of_byte[i];
        const char letter[] = {(char)(c < 0x80 ? c : 0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))};
        t->byte_ids[i] = tokenizer_find_mergeable(t, letter, c < 0x80 ? 1 : 2);
    }
}

/* ---- what a name tells ---------------------------------------------------------------------------- */

static bool contains(gguf_str s, const char *word) {
    for (size_t n = strlen(word), i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.at + i, word, n) == 0) return true;
    return false;
}

/* Some tokenizers drop the blanks beside special pieces, which GGUF does not record. As llama.cpp does, they are told
 * by the model's name: Phi-3, whose chat markers drop those on their right, and ModernBERT. */
int tokenizer_read_strips(tokenizer *t, const gguf *g, err *e) {
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
