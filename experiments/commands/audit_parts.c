#include "experiments/commands/audit_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/base/utf8.h"

enum { SAID = 18, SAID_TOKENS = 8 }; /* bytes of what is said; tokens that it is made of */

/* Characters in n bytes of UTF-8. */
static size_t count_characters(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

size_t audit_output_length(const audit_output *o) {
    return o->ids != NULL ? o->ids->n : count_characters(o->text->text, o->text->n_text);
}

/* How many bytes two texts have in common, up to a character's end. */
static size_t common_bytes(const passage *p, const passage *q) {
    size_t n = p->n_text < q->n_text ? p->n_text : q->n_text, i = 0;
    while (i < n && p->text[i] == q->text[i]) i++;
    while (i > 0 && ((i < p->n_text && ((unsigned char)p->text[i] & 0xc0) == 0x80) ||
                     (i < q->n_text && ((unsigned char)q->text[i] & 0xc0) == 0x80)))
        i--;
    return i;
}

/* In quotes, in new memory. */
static char *quoted(const char *s, size_t n, err *e) {
    char   buf[4 * SAID + 16];
    size_t shown = utf8_cut(s, n, SAID);
    quote(buf, sizeof buf, s, shown);
    return shown < n ? mem_printf(e, "%s...", buf) : mem_strdup(buf, e);
}

/* ---- ids ------------------------------------------------------------------------------------------------- */

/* Some tokens from `at` on: their text, or without a tokenizer their ids. */
static char *say_ids(const tokenizer *tok, const tokens *t, size_t at, err *e) {
    text_buffer b = {0};
    char       *said = NULL;
    size_t      end = t->n - at < SAID_TOKENS ? t->n : at + SAID_TOKENS;
    if (tok == NULL) return mem_printf(e, "%d", (int)t->ids[at]);
    for (size_t i = at; i < end; i++) {
        gguf_str piece = tokenizer_piece(tok, t->ids[i]);
        if (piece.n == 0) piece = tokenizer_spelling(tok, t->ids[i]); /* a control token */
        text_put(&b, piece.at, piece.n);
    }
    if (text_check(&b, e) == 0) said = quoted(b.at != NULL ? b.at : "", b.n, e);
    text_free(&b);
    return said;
}

static int part_ids(const tokenizer *tok, const audit_output *plain, const audit_output *other, audit_record *r,
                    err *e) {
    const tokens *side[AUDIT_SIDES] = {plain->ids, other->ids};
    const tokens *p = plain->ids, *q = other->ids;
    while (r->at < p->n && r->at < q->n && p->ids[r->at] == q->ids[r->at]) r->at++;
    r->parts = r->at < p->n || r->at < q->n;
    for (int i = 0; r->parts && i < AUDIT_SIDES; i++) {
        audit_word *w = &r->word[i];
        w->ended = r->at == side[i]->n;
        w->stops = tok != NULL && r->at + 1 == side[i]->n && stops_have(tokenizer_stops(tok), side[i]->ids[r->at]);
        if (!w->ended && (w->said = say_ids(tok, side[i], r->at, e)) == NULL) return -1;
    }
    if (!r->parts || tok == NULL || plain->text->text != NULL) return 0;
    char *common = tokenizer_decode(tok, p->ids, r->at, &r->byte, e);
    r->has_byte = common != NULL;
    free(common);
    return r->has_byte ? 0 : -1;
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

static int part_texts(const audit_output *plain, const audit_output *other, audit_record *r, err *e) {
    const passage *side[AUDIT_SIDES] = {plain->text, other->text};
    r->byte = common_bytes(side[0], side[1]);
    r->parts = r->byte < side[0]->n_text || r->byte < side[1]->n_text;
    r->has_byte = r->parts;
    r->at = count_characters(side[0]->text, r->byte);
    for (int i = 0; r->parts && i < AUDIT_SIDES; i++) {
        audit_word *w = &r->word[i];
        w->ended = r->byte == side[i]->n_text;
        if (!w->ended && (w->said = quoted(side[i]->text + r->byte, side[i]->n_text - r->byte, e)) == NULL) return -1;
    }
    return 0;
}

int audit_part(const tokenizer *tok, const audit_output *plain, const audit_output *other, audit_record *r, err *e) {
    if (plain->ids == NULL) return part_texts(plain, other, r, e);
    if (part_ids(tok, plain, other, r, e) != 0) return -1;
    if (r->parts && plain->text->text != NULL) { /* the bytes are those of the texts as they were given */
        r->byte = common_bytes(plain->text, other->text);
        r->has_byte = true;
    }
    return 0;
}
