/* ours.c - the peers' programs on this project's engine. */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/kernels/kernels.h"
#include "engine/model/transformer.h"
#include "tests/peers/peer.h"

struct peer {
    gguf        *file; /* vocab_only */
    tokenizer   *tok;  /* the model's, or our own when vocab_only */
    model       *m;
    transformer *t;
    float       *logits; /* [pass, vocab] */
    const char  *isa;
};

static int open_weights(peer *p, const char *path, const peer_options *o, err *e) {
    if ((p->m = model_open(path, e)) == NULL || model_pack(p->m, e) != 0) return -1;
    p->tok = p->m->tok;
    const model_shape *s = &p->m->shape;
    if (o->context > s->context)
        return err_input(e, "%s: no room for %zu tokens (its context has %zu)", path, o->context, s->context);
    if ((p->t = transformer_new(p->m, o->context, o->threads, NULL, e)) == NULL) return -1;
    return (p->logits = mem_new(o->pass, s->vocab * sizeof *p->logits, e)) != NULL ? 0 : -1;
}

static int open_vocab(peer *p, const char *path, err *e) {
    if ((p->file = gguf_open(path, e)) == NULL) return -1;
    return (p->tok = tokenizer_from_gguf(p->file, e)) != NULL ? 0 : -1;
}

peer *peer_open(const char *path, const peer_options *o, err *e) {
    peer *p = mem_new(1, sizeof *p, e);
    if (p == NULL) return NULL;
    const kernel_table *kernels = kernels_get(e);
    p->isa = kernels != NULL ? kernels->isa : NULL;
    if (kernels != NULL && (o->vocab_only ? open_vocab(p, path, e) : open_weights(p, path, o, e)) == 0) return p;
    peer_close(p);
    return NULL;
}

void peer_close(peer *p) {
    if (p == NULL) return;
    transformer_free(p->t);
    if (p->m == NULL) tokenizer_close(p->tok);
    model_close(p->m);
    gguf_close(p->file);
    free(p->logits);
    free(p);
}

const char *peer_kernels(const peer *p) {
    return p->isa;
}

size_t peer_vocab(const peer *p) {
    return tokenizer_vocab(p->tok);
}

int peer_tokenize(const peer *p, const char *text, size_t n, bool bos, tokens *out, err *e) {
    if (bos && tokenizer_adds_bos(p->tok) && tokens_push(out, tokenizer_bos(p->tok), e) != 0) return -1;
    return tokenizer_encode(p->tok, text, n, false, out, e);
}

void peer_clear(peer *p) {
    transformer_rewind(p->t, 0);
}

void peer_rewind(peer *p, size_t length) {
    transformer_rewind(p->t, length);
}

bool peer_ends(const peer *p, int32_t id) {
    return stops_have(tokenizer_stops(p->tok), id);
}

const float *peer_pass(peer *p, const int32_t *ids, size_t n, size_t rows, err *e) {
    return transformer_forward(p->t, ids, n, rows, p->logits, e) == 0 ? p->logits : NULL;
}
