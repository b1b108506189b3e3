/* sample.c - from passages to token ids, once for each tokenizer.
 *
 * Text is only text: a control token spelled out in it is not recognised, so a document that quotes "</s>" ends
 * nothing. Control tokens come from a chat format, which writes the turns of records that have them, or from ids; those
 * are taken as they stand, after these checks: every id is in the vocabulary, and an output has no BOS in front and no
 * stop token before its end.
 */
#include "datasets/sample.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* Where an error is. */
typedef struct {
    const char *path;
    size_t      line;
} place;

static int bad(place at, err *e, const char *fmt, ...) ERR_PRINTF(3, 4);
static int bad(place at, err *e, const char *fmt, ...) {
    char    text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_input(e, "%s:%zu: %s", at.path, at.line, text);
}

static int check_ids(place at, const tokens *ids, const char *what, size_t vocab, err *e) {
    for (size_t i = 0; i < ids->n; i++)
        if (ids->ids[i] < 0 || (size_t)ids->ids[i] >= vocab)
            return bad(at, e, "%s[%zu] is %d (the tokenizer has the ids 0 to %zu)", what, i, ids->ids[i], vocab - 1);
    return 0;
}

/* Appends a passage's ids; `what` names them where the record gave ids. */
static int add_passage(place at, const passage *p, const char *what, const tokenizer *tok, tokens *out, err *e) {
    if (p->text != NULL) return tokenizer_encode(tok, p->text, p->n_text, false, out, e);
    if (check_ids(at, &p->ids, what, tokenizer_vocab(tok), e) != 0) return -1;
    return tokens_append(out, p->ids.ids, p->ids.n, e);
}

int sample_prompt(const tokenizer *tok, const char *text, size_t n, tokens *out, err *e) {
    int32_t bos = tokenizer_bos(tok);
    if (bos >= 0 && (tokenizer_adds_bos(tok) || n == 0) && tokens_push(out, bos, e) != 0) return -1;
    return tokenizer_encode(tok, text, n, false, out, e);
}

int sample_check_prompt(size_t n, const sample_options *o, err *e) {
    if (o->need_prompt && n == 0) return err_input(e, "the prompt has no tokens (a transformer needs at least one)");
    if (o->context > 0 && n >= o->context)
        return err_input(e, "the prompt has %zu tokens (at most %zu leave room for one more in a context of %zu)", n,
                         o->context - 1, o->context);
    return 0;
}

static bool is_rendered(const record *r, const sample_options *o) {
    return o->chat != NULL && o->chat->format != NULL && r->n_turns > 0;
}

/* The record's turns as chat.h has them, in new memory. */
static chat_turn *chat_turns(const record *r, err *e) {
    chat_turn *turns = mem_new(r->n_turns, sizeof *turns, e);
    for (size_t i = 0; turns != NULL && i < r->n_turns; i++)
        turns[i] = (chat_turn){r->turns[i].role, r->turns[i].text, r->turns[i].n_text};
    return turns;
}

char *record_chat_text(const record *r, const chat *c, const tokenizer *tok, size_t *len, err *e) {
    chat_turn *turns = chat_turns(r, e);
    char      *text = turns != NULL ? chat_text(c, tok, turns, r->n_turns, len, e) : NULL;
    free(turns);
    return text;
}

static int render_prompt(place at, sample *s, const tokenizer *tok, const chat *c, err *e) {
    chat_turn *turns = chat_turns(s->rec, e);
    int        ret = turns != NULL ? chat_prompt(c, tok, turns, s->rec->n_turns, &s->prompt, e) : -1;
    free(turns);
    return ret == 0 ? 0 : err_prefix(e, "%s:%zu", at.path, at.line);
}

static int render_output(sample *s, const tokenizer *tok, const chat *c, err *e) {
    const passage *p = &s->rec->output;
    chat_turn     *turns = chat_turns(s->rec, e);
    int            ret = -1;
    if (turns != NULL) ret = chat_answer(c, tok, turns, s->rec->n_turns, p->text, p->n_text, &s->output, e);
    free(turns);
    return ret;
}

static int prepare_prompt(place at, sample *s, const tokenizer *tok, const sample_options *o, err *e) {
    const passage *p = &s->rec->prompt;
    int            ret = is_rendered(s->rec, o) ? render_prompt(at, s, tok, o->chat, e)
                         : p->text != NULL      ? sample_prompt(tok, p->text, p->n_text, &s->prompt, e)
                                                : add_passage(at, p, "prompt_ids", tok, &s->prompt, e);
    if (ret != 0) return -1;
    return sample_check_prompt(s->prompt.n, o, e) == 0 ? 0 : err_prefix(e, "%s:%zu", at.path, at.line);
}

static int prepare_references(place at, sample *s, const tokenizer *tok, err *e) {
    size_t n = s->rec->n_references;
    if ((s->docs = mem_new(n, sizeof *s->docs, e)) == NULL) return -1;
    s->n_references = n; /* from here on sample_free sees the docs */
    if ((s->references = mem_new(n, sizeof *s->references, e)) == NULL) return -1;
    for (size_t i = 0; i < n; i++) {
        char what[48];
        snprintf(what, sizeof what, "references_ids[%zu]", i);
        if (add_passage(at, &s->rec->references[i], what, tok, &s->docs[i], e) != 0) return -1;
        s->references[i] = (reference){s->docs[i].ids, s->docs[i].n};
        s->reference_tokens += s->docs[i].n;
    }
    return 0;
}

static int check_begin(place at, const tokens *ids, int32_t bos, stops own, err *e) {
    if (bos >= 0 && !stops_have(own, bos) && ids->n > 0 && ids->ids[0] == bos)
        return bad(at, e, "output_ids[0] is %d, which begins a text (an output follows the prompt, without it)", bos);
    return 0;
}

/* Forced decoding ends at the first stop token, so one in the middle would silently shorten an output. */
static int check_end(place at, const tokens *ids, const char *what, stops ends, err *e) {
    for (size_t i = 0; i + 1 < ids->n; i++)
        if (stops_have(ends, ids->ids[i]))
            return bad(at, e, "%s[%zu] is %d, which ends a text (only the last id may)", what, i, ids->ids[i]);
    return 0;
}

/* A text that went on from the prompt's text, which is that of `before`: the ids after the prompt's when both are
 * encoded as one. Where something merges across the border, which a model that has read the prompt cannot write, it is
 * encoded by itself. */
static int add_continuation(place at, sample *s, const sample *before, const tokenizer *tok, err *e) {
    const passage  *prompt = &before->rec->prompt, *p = &s->rec->output;
    const text_part parts[] = {{prompt->text, prompt->n_text, false}, {p->text, p->n_text, false}};
    tokens          both = {0};
    int32_t         bos = tokenizer_bos(tok);
    size_t          n = before->prompt.n;
    bool            begun = n > 0 && before->prompt.ids[0] == bos && tokenizer_adds_bos(tok);
    int             ret = begun ? tokens_push(&both, bos, e) : 0;
    if (ret == 0) ret = tokenizer_encode_parts(tok, parts, 2, &both, e);
    if (ret == 0 && both.n >= n && memcmp(both.ids, before->prompt.ids, n * sizeof *both.ids) == 0)
        ret = tokens_append(&s->output, both.ids + n, both.n - n, e);
    else if (ret == 0)
        ret = add_passage(at, p, "output_ids", tok, &s->output, e);
    tokens_free(&both);
    return ret;
}

/* As it stands (sample_options.as_is), after the prompt of `before`. */
static int prepare_as_is(place at, sample *s, const sample *before, const tokenizer *tok, const sample_options *o,
                         err *e) {
    const passage *p = &s->rec->output, *prompt = &before->rec->prompt;
    return p->text != NULL && prompt->text != NULL && prompt->n_text > 0 && !is_rendered(before->rec, o)
               ? add_continuation(at, s, before, tok, e)
               : add_passage(at, p, "output_ids", tok, &s->output, e);
}

int sample_follow(sample *s, const sample *before, const chat *c, const dataset *d, const tokenizer *tok, err *e) {
    const sample_options o = {.chat = c};
    s->output.n = 0;
    return prepare_as_is((place){d->path, s->rec->line}, s, before, tok, &o, e);
}

static int prepare_output(place at, sample *s, const tokenizer *tok, const sample_options *o, err *e) {
    int32_t eos = tokenizer_eos(tok);
    stops   own = tokenizer_stops(tok), ends = o->stops.n > 0 ? o->stops : own;
    tokens *ids = &s->output;
    bool    is_text = s->rec->output.text != NULL;
    s->has_output = s->rec->has_output;
    if (!s->has_output)
        return o->need_output
                   ? bad(at, e, "no output (decoding is forced: each record needs \"output\" or \"output_ids\")")
                   : 0;
    if (o->as_is) return prepare_as_is(at, s, s, tok, o, e);
    int ret = is_text && is_rendered(s->rec, o) ? render_output(s, tok, o->chat, e)
                                                : add_passage(at, &s->rec->output, "output_ids", tok, ids, e);
    if (ret != 0) return -1;
    if (!is_text && (check_begin(at, ids, tokenizer_bos(tok), own, e) != 0 ||
                     check_end(at, ids, "output_ids", o->need_output ? ends : own, e) != 0))
        return -1;
    if (is_text && o->need_output && check_end(at, ids, "the output's id", ends, e) != 0) return -1;
    if (eos >= 0 && (ids->n == 0 || !stops_have(ends, ids->ids[ids->n - 1]))) return tokens_push(ids, eos, e);
    if (o->need_output && ids->n == 0)
        return bad(at, e, "the output has no tokens (decoding is forced: at least one, as this tokenizer has no EOS)");
    return 0;
}

static void sample_free(sample *s) {
    tokens_free(&s->prompt);
    for (size_t i = 0; i < s->n_references; i++) tokens_free(&s->docs[i]);
    free(s->docs);
    free(s->references);
    tokens_free(&s->output);
    *s = (sample){0};
}

/* ---- digests ---- */

/* A list of numbers to be hashed; lengths are in it, so that no two contents give the same list. */
typedef struct {
    uint64_t *at;
    size_t    n, cap;
} hashed;

static int add_number(hashed *h, uint64_t x, err *e) {
    if (mem_reserve(&h->at, &h->cap, h->n + 1, e) != 0) return -1;
    h->at[h->n++] = x;
    return 0;
}

static int add_bytes(hashed *h, const void *bytes, size_t n, err *e) {
    return add_number(h, n, e) != 0 ? -1 : add_number(h, digest64(bytes, n), e);
}

static int add_tokens(hashed *h, const tokens *t, err *e) {
    return add_bytes(h, t->ids, t->n * sizeof *t->ids, e);
}

static int set_digests(sample *s, const sample_options *o, err *e) {
    hashed h = {0};
    int    ret = 0;
    for (size_t i = 0; ret == 0 && i < s->n_references; i++) ret = add_tokens(&h, &s->docs[i], e);
    s->documents = h.n > 0 ? digest64(h.at, h.n * sizeof *h.at) : 0;
    if (ret == 0) ret = add_tokens(&h, &s->prompt, e);
    if (ret == 0 && o->need_output) ret = add_tokens(&h, &s->output, e);
    if (ret == 0) s->content = digest64(h.at, h.n * sizeof *h.at);
    free(h.at);
    return ret;
}

static int add_skipped(hashed *h, const skipped_records *skipped, err *e) {
    int ret = add_number(h, skipped->n, e);
    for (size_t i = 0; ret == 0 && i < skipped->n; i++) {
        const skipped_record *r = &skipped->at[i];
        ret = add_number(h, r->line, e);
        if (ret == 0) ret = add_bytes(h, r->id, strlen(r->id), e);
        if (ret == 0) ret = add_bytes(h, r->reason, strlen(r->reason), e);
    }
    return ret;
}

int samples_digest(const samples *s, const skipped_records *of_dataset, char hex[DIGEST_HEX], err *e) {
    hashed h = {0};
    int    ret = 0;
    for (size_t i = 0; ret == 0 && i < s->n; i++) {
        const sample *x = &s->at[i];
        ret = add_bytes(&h, x->rec->id, strlen(x->rec->id), e);
        if (ret == 0) ret = add_bytes(&h, x->rec->scenario, strlen(x->rec->scenario), e);
        if (ret == 0 && x->rec->conversation != NULL)
            ret = add_bytes(&h, x->rec->conversation, strlen(x->rec->conversation), e);
        if (ret == 0) ret = add_tokens(&h, &x->prompt, e);
        if (ret == 0) ret = add_number(&h, x->n_references, e);
        for (size_t r = 0; ret == 0 && r < x->n_references; r++) ret = add_tokens(&h, &x->docs[r], e);
        if (ret == 0) ret = add_tokens(&h, &x->output, e);
        if (ret == 0) ret = add_number(&h, x->content, e);
    }
    if (ret == 0) ret = add_skipped(&h, of_dataset, e);
    if (ret == 0) ret = add_skipped(&h, &s->skipped, e);
    if (ret == 0) ret = digest_sha256(h.at, h.n * sizeof *h.at, hex, e);
    free(h.at);
    return ret;
}

/* ---- all records ---- */

static int prepare(const dataset *d, const record *r, const tokenizer *tok, const sample_options *o, sample *s,
                   err *e) {
    place at = {d->path, r->line};
    s->rec = r;
    if (prepare_prompt(at, s, tok, o, e) == 0 && prepare_references(at, s, tok, e) == 0 &&
        prepare_output(at, s, tok, o, e) == 0 && set_digests(s, o, e) == 0)
        return 0;
    sample_free(s);
    return -1;
}

static size_t omitted_bytes(const record *r, const tokenizer *tok) {
    size_t n = tokenizer_omitted(tok, r->prompt.text, r->prompt.n_text) +
               tokenizer_omitted(tok, r->output.text, r->output.n_text);
    for (size_t i = 0; i < r->n_references; i++)
        n += tokenizer_omitted(tok, r->references[i].text, r->references[i].n_text);
    return n;
}

int samples_prepare(const dataset *d, const tokenizer *tok, const sample_options *o, dataset_report *report, void *ctx,
                    samples *out, err *e) {
    *out = (samples){0};
    if ((out->at = mem_new(d->n, sizeof *out->at, e)) == NULL) return -1;
    for (size_t i = 0; i < d->n; i++) {
        err why = {0};
        if (prepare(d, &d->records[i], tok, o, &out->at[out->n], &why) == 0) {
            size_t omitted = omitted_bytes(&d->records[i], tok);
            if (omitted > 0 && out->omitted == 0) out->omitted_line = d->records[i].line;
            out->omitted += omitted;
            out->n++;
        } else if (o->skip_bad && why.kind == ERR_INPUT) {
            const record *r = &d->records[i];
            if (skipped_add(&out->skipped, d->path, r->line, r->id, &why, e) != 0) goto fail;
            out->bad++;
            if (report != NULL) report(ctx, &why);
        } else {
            if (e != NULL) *e = why;
            goto fail;
        }
    }
    if (out->n > 0) return 0;
    err_input(e, "%s: no usable records (%zu of %zu are bad)", d->path, out->bad, d->n);
fail:
    samples_free(out);
    return -1;
}

void samples_free(samples *s) {
    for (size_t i = 0; i < s->n; i++) sample_free(&s->at[i]);
    skipped_free(&s->skipped);
    free(s->at);
    *s = (samples){0};
}
