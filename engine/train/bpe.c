/* bpe.c - words, pairs, merges.
 *
 * Each distinct word is kept once, as symbols, with its count. A merge goes through all words and corrects the counts
 * of the pairs beside it; the pairs are few enough to look for the best one by looking at all. Symbols are numbered as
 * they come up and know their text; the order of hashing never shows.
 */
#include "engine/train/bpe.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

static const char blank[] = "\xe2\x96\x81"; /* U+2581, how a blank is written in pieces */

enum { N_SPECIAL = 3, N_BYTES = 256, WORD_MOST = 256 };

typedef struct {
    size_t  at, n; /* symbols[at .. at + n) */
    int64_t count;
} word;

typedef struct {
    int32_t left, right;
    int64_t count;
} pair;

struct bpe {
    gguf_str *pieces; /* [n_pieces] the symbols' texts: characters first, then merges in order */
    size_t    n_pieces, cap_pieces;
    size_t    n_chars;
    int32_t  *symbols;
    size_t    n_symbols, cap_symbols;
    word     *words;
    size_t    n_words, cap_words;
    pair     *pairs;
    size_t    n_pairs, cap_pairs;
    uint32_t *word_slots, *pair_slots; /* open addressing: index + 1, or 0 */
    size_t    n_word_slots, n_pair_slots;
};

/* ---- hash tables ------------------------------------------------------------------------------------- */

static uint64_t word_hash(const bpe *b, const word *w) {
    return digest64(b->symbols + w->at, w->n * sizeof *b->symbols);
}

static uint64_t pair_hash(const pair *p) {
    uint64_t x = ((uint64_t)(uint32_t)p->left << 32 | (uint32_t)p->right) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

/* Room for one more of `n` entries in a table of twice as many slots; true when the entries must be put in again. */
static int grow_slots(uint32_t **slots, size_t *n_slots, size_t n, bool *rehash, err *e) {
    *rehash = false;
    if (2 * (n + 1) <= *n_slots) return 0;
    size_t more = *n_slots < 1024 ? 1024 : 2 * *n_slots;
    uint32_t *new = mem_new(more, sizeof *new, e);
    if (new == NULL) return -1;
    free(*slots);
    *slots = new;
    *n_slots = more;
    *rehash = true;
    return 0;
}

static void put_slot(uint32_t *slots, size_t n_slots, uint64_t hash, size_t index) {
    size_t at = hash & (n_slots - 1);
    while (slots[at] != 0) at = (at + 1) & (n_slots - 1);
    slots[at] = (uint32_t)index + 1;
}

/* Adds to the count of a pair, which is entered when it is new. */
static int count_pair(bpe *b, int32_t left, int32_t right, int64_t count, err *e) {
    pair p = {left, right, count};
    bool rehash;
    if (grow_slots(&b->pair_slots, &b->n_pair_slots, b->n_pairs, &rehash, e) != 0) return -1;
    for (size_t i = 0; rehash && i < b->n_pairs; i++)
        put_slot(b->pair_slots, b->n_pair_slots, pair_hash(&b->pairs[i]), i);
    for (size_t at = pair_hash(&p) & (b->n_pair_slots - 1); b->pair_slots[at] != 0;
         at = (at + 1) & (b->n_pair_slots - 1)) {
        pair *known = &b->pairs[b->pair_slots[at] - 1];
        if (known->left == left && known->right == right) {
            known->count += count;
            return 0;
        }
    }
    if (mem_reserve(&b->pairs, &b->cap_pairs, b->n_pairs + 1, e) != 0) return -1;
    b->pairs[b->n_pairs] = p;
    put_slot(b->pair_slots, b->n_pair_slots, pair_hash(&p), b->n_pairs++);
    return 0;
}

/* ---- characters and words ---------------------------------------------------------------------------- */

/* A new symbol whose text is a and then c. */
static int add_piece(bpe *b, gguf_str a, gguf_str c, err *e) {
    char *s = mem_new(a.n + c.n + 1, 1, e);
    if (s == NULL || mem_reserve(&b->pieces, &b->cap_pieces, b->n_pieces + 1, e) != 0) {
        free(s);
        return -1;
    }
    memcpy(s, a.at, a.n);
    memcpy(s + a.n, c.at, c.n);
    b->pieces[b->n_pieces++] = (gguf_str){s, a.n + c.n};
    return 0;
}

/* The symbol of a character; -1 when memory is out. Characters are few, so they are looked for one by one. */
static int32_t char_symbol(bpe *b, gguf_str c, err *e) {
    for (size_t i = 0; i < b->n_chars; i++)
        if (b->pieces[i].n == c.n && memcmp(b->pieces[i].at, c.at, c.n) == 0) return (int32_t)i;
    if (add_piece(b, c, (gguf_str){"", 0}, e) != 0) return -1;
    return (int32_t)b->n_chars++;
}

/* Counts the word of the symbols from `at` to the end, which it takes back when it is known. */
static int count_word(bpe *b, size_t at, err *e) {
    word w = {at, b->n_symbols - at, 1};
    bool rehash;
    if (w.n < 2) { /* nothing to merge */
        b->n_symbols = at;
        return 0;
    }
    if (grow_slots(&b->word_slots, &b->n_word_slots, b->n_words, &rehash, e) != 0) return -1;
    for (size_t i = 0; rehash && i < b->n_words; i++)
        put_slot(b->word_slots, b->n_word_slots, word_hash(b, &b->words[i]), i);
    for (size_t slot = word_hash(b, &w) & (b->n_word_slots - 1); b->word_slots[slot] != 0;
         slot = (slot + 1) & (b->n_word_slots - 1)) {
        word *known = &b->words[b->word_slots[slot] - 1];
        if (known->n == w.n && memcmp(b->symbols + known->at, b->symbols + at, w.n * sizeof *b->symbols) == 0) {
            known->count++;
            b->n_symbols = at;
            return 0;
        }
    }
    if (mem_reserve(&b->words, &b->cap_words, b->n_words + 1, e) != 0) return -1;
    b->words[b->n_words] = w;
    put_slot(b->word_slots, b->n_word_slots, word_hash(b, &w), b->n_words++);
    return 0;
}

typedef enum { BLANK, LETTER, DIGIT, SIGN, CONTROL } char_class;

static char_class class_of(char c) {
    unsigned char u = (unsigned char)c;
    if (u == ' ') return BLANK;
    if (u < ' ' || u == 0x7f) return CONTROL;
    if (u >= '0' && u <= '9') return DIGIT;
    if (u >= 0x80 || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u == '_') return LETTER;
    return SIGN;
}

/* One character at *at of the text becomes a symbol. */
static int add_char(bpe *b, const char *text, size_t n, size_t *at, err *e) {
    bool          is_blank = text[*at] == ' ';
    unsigned long code;
    size_t        bytes = utf8_length(text + *at, n - *at, &code);
    if (bytes == 0) return err_input(e, "byte %zu is not UTF-8", *at);
    gguf_str c = is_blank ? (gguf_str){blank, sizeof blank - 1} : (gguf_str){text + *at, bytes};
    int32_t  symbol = char_symbol(b, c, e);
    if (symbol < 0 || mem_reserve(&b->symbols, &b->cap_symbols, b->n_symbols + 1, e) != 0) return -1;
    b->symbols[b->n_symbols++] = symbol;
    *at += bytes;
    return 0;
}

int bpe_add(bpe *b, const char *text, size_t n, err *e) {
    size_t at = 0;
    bool   marked = true; /* the blank before the text */
    while (at < n) {
        size_t start = b->n_symbols, none = 0;
        if (marked && add_char(b, " ", 1, &none, e) != 0) return -1;
        char_class c = class_of(text[at]);
        marked = c == BLANK;
        if (c == DIGIT) b->n_symbols = start; /* without its blank */
        if (c == LETTER || c == DIGIT) {
            for (size_t i = 0; at < n && i < WORD_MOST && class_of(text[at]) == c; i++)
                if (add_char(b, text, n, &at, e) != 0) return -1;
        } else if (c == SIGN) {
            if (add_char(b, text, n, &at, e) != 0) return -1;
        } else {
            at++; /* a control character merges with nothing; the blank is that of the next word */
            b->n_symbols = start;
        }
        if (count_word(b, start, e) != 0) return -1;
    }
    return 0;
}

/* ---- merging ----------------------------------------------------------------------------------------- */

static int compare_text(gguf_str a, gguf_str b) {
    int order = memcmp(a.at, b.at, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static bool better(const bpe *b, const pair *x, const pair *y) {
    if (x->count != y->count) return x->count > y->count;
    int order = compare_text(b->pieces[x->left], b->pieces[y->left]);
    return (order != 0 ? order : compare_text(b->pieces[x->right], b->pieces[y->right])) < 0;
}

static const pair *best_pair(const bpe *b) {
    const pair *best = NULL;
    for (size_t i = 0; i < b->n_pairs; i++)
        if (b->pairs[i].count > 0 && (best == NULL || better(b, &b->pairs[i], best))) best = &b->pairs[i];
    return best;
}

/* Counts the pairs of a word, `times` times. */
static int count_pairs(bpe *b, const word *w, int64_t times, err *e) {
    for (size_t i = 0; i + 1 < w->n; i++)
        if (count_pair(b, b->symbols[w->at + i], b->symbols[w->at + i + 1], times, e) != 0) return -1;
    return 0;
}

static bool has_pair(const bpe *b, const word *w, int32_t left, int32_t right) {
    for (size_t i = 0; i + 1 < w->n; i++)
        if (b->symbols[w->at + i] == left && b->symbols[w->at + i + 1] == right) return true;
    return false;
}

static int merge(bpe *b, int32_t left, int32_t right, err *e) {
    int32_t merged = (int32_t)b->n_pieces;
    if (add_piece(b, b->pieces[left], b->pieces[right], e) != 0) return -1;
    for (size_t i = 0; i < b->n_words; i++) {
        word *w = &b->words[i];
        if (!has_pair(b, w, left, right)) continue;
        if (count_pairs(b, w, -w->count, e) != 0) return -1;
        int32_t *s = b->symbols + w->at;
        size_t   to = 0;
        for (size_t from = 0; from < w->n; to++) {
            bool here = from + 1 < w->n && s[from] == left && s[from + 1] == right;
            s[to] = here ? merged : s[from];
            from += here ? 2 : 1;
        }
        w->n = to;
        if (count_pairs(b, w, w->count, e) != 0) return -1;
    }
    return 0;
}

int bpe_train(bpe *b, size_t vocab, err *e) {
    size_t fixed = N_SPECIAL + N_BYTES + b->n_chars;
    if (vocab < fixed)
        return err_input(e, "a vocabulary of %zu is too small (at least %zu: 3 special ids, 256 bytes, %zu characters)",
                         vocab, fixed, b->n_chars);
    for (size_t i = 0; i < b->n_words; i++)
        if (count_pairs(b, &b->words[i], b->words[i].count, e) != 0) return -1;
    while (N_SPECIAL + N_BYTES + b->n_pieces < vocab) {
        const pair *p = best_pair(b);
        if (p == NULL)
            return err_input(e, "a vocabulary of %zu is too large for these texts (at most %zu)", vocab,
                             N_SPECIAL + N_BYTES + b->n_pieces);
        if (merge(b, p->left, p->right, e) != 0) return -1;
    }
    return 0;
}

/* ---- GGUF -------------------------------------------------------------------------------------------- */

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };

static int put_keys(gguf_writer *w, const gguf_str *pieces, const float *scores, const int32_t *types, size_t n,
                    err *e) {
    if (gguf_put_string(w, "tokenizer.ggml.model", "llama", e) != 0 ||
        gguf_put_strings(w, "tokenizer.ggml.tokens", pieces, n, e) != 0 ||
        gguf_put_f32s(w, "tokenizer.ggml.scores", scores, n, e) != 0 ||
        gguf_put_i32s(w, "tokenizer.ggml.token_type", types, n, e) != 0 ||
        gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0, e) != 0 ||
        gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1, e) != 0 ||
        gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2, e) != 0 ||
        gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true, e) != 0 ||
        gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false, e) != 0 ||
        gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", true, e) != 0)
        return -1;
    return 0;
}

int bpe_put(const bpe *b, gguf_writer *w, err *e) {
    static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
    size_t                   n = N_SPECIAL + N_BYTES + b->n_pieces, at = 0;
    char                     bytes[N_BYTES][8];
    gguf_str                *pieces = mem_new(n, sizeof *pieces, e);
    float                   *scores = mem_new(n, sizeof *scores, e);
    int32_t                 *types = mem_new(n, sizeof *types, e);
    int                      ret = -1;

    if (pieces == NULL || scores == NULL || types == NULL) goto out;
    for (; at < N_SPECIAL; at++) {
        pieces[at] = (gguf_str){special[at], strlen(special[at])};
        types[at] = at == 0 ? TYPE_UNKNOWN : TYPE_CONTROL;
    }
    for (size_t i = 0; i < N_BYTES; i++, at++) {
        snprintf(bytes[i], sizeof bytes[i], "<0x%02X>", (unsigned)i);
        pieces[at] = (gguf_str){bytes[i], strlen(bytes[i])};
        types[at] = TYPE_BYTE;
    }
    /* An earlier merge has the better score; single characters have the worst. */
    for (size_t i = 0; i < b->n_pieces; i++, at++) {
        pieces[at] = b->pieces[(i + b->n_chars) % b->n_pieces];
        scores[at] = -(float)i;
        types[at] = TYPE_NORMAL;
    }
    ret = put_keys(w, pieces, scores, types, n, e);
out:
    free(pieces);
    free(scores);
    free(types);
    return ret;
}

/* ---- life -------------------------------------------------------------------------------------------- */

bpe *bpe_new(err *e) {
    bpe *b = mem_new(1, sizeof *b, e);
    bool ok = b != NULL && char_symbol(b, (gguf_str){blank, sizeof blank - 1}, e) >= 0;
    for (char c = '!'; ok && c <= '~'; c++) ok = char_symbol(b, (gguf_str){&c, 1}, e) >= 0;
    if (ok) return b;
    bpe_free(b);
    return NULL;
}

void bpe_free(bpe *b) {
    if (b == NULL) return;
    for (size_t i = 0; i < b->n_pieces; i++) free((char *)b->pieces[i].at);
    free(b->pieces);
    free(b->symbols);
    free(b->words);
    free(b->pairs);
    free(b->word_slots);
    free(b->pair_slots);
    free(b);
}
