/* tokenizer.c - accessors, decoding and the byte tokenizer.
 *
 * Decoding follows SentencePiece: a run of byte pieces is read as UTF-8, and each byte in it that belongs to
 * no character becomes U+FFFD; any other piece ends the run; the first space mark is dropped while the
 * text is empty. In byte-level BPE every piece with a text is a run of bytes. There is one decoder, the streaming one;
 * tokenizer_decode runs it over all ids.
 */
#include "engine/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/tokenizer_impl.h"

/* ---- accessors ---------------------------------------------------------------------------------- */

const char *tokenizer_kind(const tokenizer *t) {
    return t->kind;
}

size_t tokenizer_vocab(const tokenizer *t) {
    return t->vocab;
}

int32_t tokenizer_bos(const tokenizer *t) {
    return t->bos;
}

int32_t tokenizer_eos(const tokenizer *t) {
    return t->eos;
}

stops tokenizer_stops(const tokenizer *t) {
    return stops_of(&t->stops);
}

bool tokenizer_adds_bos(const tokenizer *t) {
    return t->adds_bos;
}

gguf_str tokenizer_chat_template(const tokenizer *t) {
    return (gguf_str){t->chat_template, t->n_chat_template};
}

bool tokenizer_adds_eos(const tokenizer *t) {
    return t->adds_eos;
}

const char *tokenizer_pre(const tokenizer *t) {
    return t->about_pre;
}

int32_t tokenizer_unk(const tokenizer *t) {
    return t->unk;
}

bool tokenizer_omits(const tokenizer *t, char byte) {
    return t->unk < 0 && t->byte_ids[(unsigned char)byte] < 0;
}

size_t tokenizer_missing_bytes(const tokenizer *t) {
    size_t n = 0;
    for (int i = 0; i < 256; i++) n += tokenizer_omits(t, (char)i);
    return n;
}

size_t tokenizer_omitted(const tokenizer *t, const char *text, size_t n) {
    size_t omitted = 0;
    if (tokenizer_missing_bytes(t) == 0) return 0;
    for (size_t i = 0; i < n; i++) omitted += tokenizer_omits(t, text[i]);
    return omitted;
}

const char *tokenizer_warning(const tokenizer *t) {
    return t->pre_missing
               ? "the file does not say how its tokenizer splits text (tokenizer.ggml.pre), so \"default\" is "
                 "used; with an old file, the ids may not be those that the model learned"
               : NULL;
}

const char *tokenizer_digest(const tokenizer *t) {
    return t->digest;
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, tokens *out, err *e) {
    const text_part part = {text, n, special};
    return tokenizer_encode_parts(t, &part, 1, out, e);
}

int tokenizer_encode_parts(const tokenizer *t, const text_part *parts, size_t n_parts, tokens *out, err *e) {
    cut    text = {0};
    size_t before = out->n;
    int    status = tokenizer_cut(t, parts, n_parts, &text, e) != 0 ? -1 : t->encode(t, &text, out, e);
    if (status != 0) out->n = before;
    cut_free(&text);
    return status;
}

gguf_str tokenizer_piece(const tokenizer *t, int32_t id) {
    if (id < 0 || (size_t)id >= t->vocab) return (gguf_str){"", 0};
    return (gguf_str){t->pieces[id].text, t->pieces[id].n_text};
}

gguf_str tokenizer_spelling(const tokenizer *t, int32_t id) {
    if (id < 0 || (size_t)id >= t->vocab) return (gguf_str){"", 0};
    return (gguf_str){t->pieces[id].spelling, t->pieces[id].n_spelling};
}

int32_t tokenizer_find(const tokenizer *t, const char *spelling, size_t n) {
    if (t->slots == NULL) return n == 1 ? t->byte_ids[(unsigned char)*spelling] : -1; /* bytes */
    for (size_t i = (size_t)digest64(spelling, n);; i++) {
        int32_t id = t->slots[i & t->slot_mask];
        if (id < 0) return -1;
        const piece *p = &t->pieces[id];
        if (p->n_spelling == n && memcmp(p->spelling, spelling, n) == 0) return id;
    }
}

void tokenizer_close(tokenizer *t) {
    if (t == NULL) return;
    free(t->pieces);
    free(t->arena);
    free(t->slots);
    free(t->chat_template);
    specials_free(&t->specials);
    free(t->joined);
    merges_free(&t->merges);
    pretokenizer_close(t->pre);
    free(t->about_pre);
    tokens_free(&t->stops);
    free(t);
}

int tokenizer_seal(tokenizer *t, err *e) {
    size_t size = 64 + t->stops.n * sizeof *t->stops.ids + t->merges.n * sizeof *t->merges.rules;
    if (t->about_pre != NULL) size += strlen(t->about_pre) + 1;
    for (size_t i = 0; i < t->vocab; i++) size += t->pieces[i].n_spelling + 3 * sizeof(uint32_t);
    char *bytes = mem_new(size, 1, e);
    if (bytes == NULL) return -1;
    const int32_t head[] = {(int32_t)t->vocab,  t->bos, t->eos, t->unk, t->adds_bos, t->adds_prefix,
                            (int32_t)t->stops.n};
    char         *at = stpcpy(bytes, t->kind) + 1;
    at = mempcpy(at, head, sizeof head);
    if (t->stops.n > 0) at = mempcpy(at, t->stops.ids, t->stops.n * sizeof *t->stops.ids);
    for (size_t i = 0; i < t->vocab; i++) {
        const piece *p = &t->pieces[i];
        uint32_t     type = (uint32_t)p->type | (uint32_t)p->strips_left << 8 | (uint32_t)p->strips_right << 9;
        at = mempcpy(at, &p->n_spelling, sizeof p->n_spelling);
        at = mempcpy(at, p->spelling, p->n_spelling);
        at = mempcpy(at, &p->score, sizeof p->score);
        at = mempcpy(at, &type, sizeof type);
    }
    if (t->about_pre != NULL) at = stpcpy(at, t->about_pre) + 1;
    if (t->merges.n > 0) at = mempcpy(at, t->merges.rules, t->merges.n * sizeof *t->merges.rules);
    int status = digest_sha256(bytes, (size_t)(at - bytes), t->digest, e);
    free(bytes);
    return status;
}

/* ---- decoding ----------------------------------------------------------------------------------- */

static char *put_invalid(char *at) {
    return mempcpy(at, "\xEF\xBF\xBD", 3);
}

/* Whether more bytes may make a character of these. */
static bool is_unfinished(const char *s, size_t n) {
    unsigned char lead = (unsigned char)s[0];
    size_t        length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 1;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80) return false;
    return n < length;
}

/* Takes one byte in; writes the character that it completes, or what turns out to be none. */
static char *take_byte(detokenizer *d, char byte, char *at) {
    d->held[d->n_held++] = byte;
    while (d->n_held > 0 && !is_unfinished(d->held, d->n_held)) {
        size_t length = utf8_length(d->held, d->n_held, NULL), used = length > 0 ? length : 1;
        at = length > 0 ? mempcpy(at, d->held, length) : put_invalid(at);
        d->n_held -= used;
        memmove(d->held, d->held + used, d->n_held);
    }
    return at;
}

/* The bytes held back will not be completed: a lead and its followers, none of them a character. */
static char *end_run(detokenizer *d, char *at) {
    for (; d->n_held > 0; d->n_held--) at = put_invalid(at);
    return at;
}

void detokenizer_begin(detokenizer *d, const tokenizer *t, bool drop_prefix) {
    *d = (detokenizer){.t = t, .begun = !(drop_prefix && t->adds_prefix)};
}

/* Whether a piece's first byte is a space that its spelling shows as a mark. */
static bool has_mark(const piece *p) {
    bool marks = p->type == PIECE_NORMAL || p->type == PIECE_UNUSED;
    return marks && p->text[0] == ' ' && p->spelling[0] != ' ';
}

size_t detokenizer_push(detokenizer *d, int32_t id, char *buf) {
    char    *at = buf;
    gguf_str text = tokenizer_piece(d->t, id);
    bool     is_byte = text.n > 0 && (d->t->spelling == SPELLING_LETTERS || d->t->pieces[id].type == PIECE_BYTE);
    if (!is_byte) at = end_run(d, at);
    if (text.n > 0 && !d->begun) {
        d->begun = true;
        if (has_mark(&d->t->pieces[id])) {
            text.at++;
            text.n--;
        }
    }
    for (size_t i = 0; i < text.n; i++) at = take_byte(d, text.at[i], at);
    if (!is_byte) at = end_run(d, at);
    *at = '\0';
    return (size_t)(at - buf);
}

size_t detokenizer_end(detokenizer *d, char *buf) {
    char *at = end_run(d, buf);
    *at = '\0';
    return (size_t)(at - buf);
}

char *tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, size_t *len, err *e) {
    char       *text = NULL;
    size_t      cap = 0, at = 0;
    detokenizer d;
    detokenizer_begin(&d, t, true);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= t->vocab) {
            err_input(e, "token id %d is not in the vocabulary (0 to %zu)", (int)ids[i], t->vocab - 1);
            goto failed;
        }
        if (mem_reserve(&text, &cap, at + 3 * tokenizer_piece(t, ids[i]).n + 16, e) != 0) goto failed;
        at += detokenizer_push(&d, ids[i], text + at);
    }
    if (mem_reserve(&text, &cap, at + 16, e) != 0) goto failed;
    *len = at + detokenizer_end(&d, text + at);
    return text;
failed:
    free(text);
    return NULL;
}

/* ---- the byte tokenizer ------------------------------------------------------------------------- */

static int bytes_encode(const tokenizer *t, const cut *text, tokens *out, err *e) {
    (void)t; /* its control tokens have no spelling: there is at most one fragment */
    for (size_t k = 0; k < text->n; k++) {
        const fragment *f = &text->at[k];
        if (tokens_reserve(out, out->n + f->n, e) != 0) return -1;
        for (size_t i = 0; i < f->n; i++) out->ids[out->n++] = (unsigned char)f->text[i];
    }
    return 0;
}

tokenizer *tokenizer_bytes(err *e) {
    enum { BOS = 256, EOS = 257, VOCAB = 258 };
    tokenizer *t = mem_new(1, sizeof *t, e);
    if (t == NULL) return NULL;
    t->kind = "bytes";
    t->spelling = SPELLING_BYTES;
    t->vocab = VOCAB;
    t->bos = BOS;
    t->eos = EOS;
    t->unk = -1;
    t->adds_bos = true;
    t->encode = bytes_encode;
    t->pieces = mem_new(VOCAB, sizeof *t->pieces, e);
    t->arena = mem_new(BOS, 1, e);
    if (t->pieces == NULL || t->arena == NULL) goto failed;
    for (int i = 0; i < BOS; i++) {
        t->arena[i] = (char)i;
        t->byte_ids[i] = i;
        t->pieces[i] = (piece){.spelling = t->arena + i, .text = t->arena + i, .n_spelling = 1, .n_text = 1};
        t->pieces[i].type = PIECE_BYTE;
    }
    t->pieces[BOS] = t->pieces[EOS] = (piece){.spelling = "", .text = "", .type = PIECE_CONTROL};
    if (stops_add(&t->stops, EOS, e) == 0 && tokenizer_index_specials(t, e) == 0 && tokenizer_seal(t, e) == 0) return t;
failed:
    tokenizer_close(t);
    return NULL;
}

tokenizer *tokenizer_open(const char *name, err *e) {
    if (strcmp(name, "bytes") == 0) return tokenizer_bytes(e);
    gguf *g = gguf_open(name, e);
    if (g == NULL) return NULL;
    tokenizer *t = tokenizer_from_gguf(g, e);
    gguf_close(g);
    return t;
}
