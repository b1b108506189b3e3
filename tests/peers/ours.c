/* ours.c - the peers' programs on this project's engine. */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/kernels/kernels.h"
#include "engine/model/transformer.h"
#include "tests/peers/peer.h"

struct peer {
    model       *m;
    transformer *t;
    float       *logits; /* [pass, vocab] */
    const char  *isa;
};

peer *peer_open(const char *path, const peer_options *o, err *e) {
    peer *p = mem_new(1, sizeof *p, e);
    if (p == NULL) return NULL;
    const kernel_table *kernels = kernels_get(e);
    if (kernels == NULL || (p->m = model_open(path, e)) == NULL || model_pack(p->m, e) != 0) goto fail;
    p->isa = kernels->isa;
    if (o->context > p->m->shape.context) {
        err_input(e, "%s: no room for %zu tokens (its context has %zu)", path, o->context, p->m->shape.context);
        goto fail;
    }
    if ((p->t = transformer_new(p->m, o->context, o->threads, NULL, e)) == NULL) goto fail;
    if ((p->logits = mem_new(o->pass, p->m->shape.vocab * sizeof *p->logits, e)) != NULL) return p;
fail:
    peer_close(p);
    return NULL;
}

void peer_close(peer *p) {
    if (p == NULL) return;
    transformer_free(p->t);
    model_close(p->m);
    free(p->logits);
    free(p);
}

const char *peer_kernels(const peer *p) {
    return p->isa;
}

size_t peer_vocab(const peer *p) {
    return p->m->shape.vocab;
}

int peer_tokenize(const peer *p, const char *text, size_t n, bool bos, tokens *out, err *e) {
    const tokenizer *tok = p->m->tok;
    if (bos && tokenizer_adds_bos(tok) && tokens_push(out, tokenizer_bos(tok), e) != 0) return -1;
    return tokenizer_encode(tok, text, n, false, out, e);
}

void peer_clear(peer *p) {
    transformer_rewind(p->t, 0);
}

const float *peer_pass(peer *p, const int32_t *ids, size_t n, size_t rows, err *e) {
    return transformer_forward(p->t, ids, n, rows, p->logits, e) == 0 ? p->logits : NULL;
}
