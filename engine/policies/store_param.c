#include "engine/policies/store_param.h"

#include <string.h>

#include "engine/tokenizer/tokenizer.h"

int store_param_open(const policy *p, size_t param, datastore *s, err *e) {
    const param_file *file = p->spec.params.at[param].file;
    if (file == NULL) return 0;
    if (datastore_open(s, file->path, e) != 0) return -1;
    /* What the ids mean is the tokenizer's; without one, their number must do. */
    if (p->spec.tok != NULL && strcmp(s->vocabulary, tokenizer_digest(p->spec.tok)) != 0)
        return err_input(e,
                         "%s: was made by another tokenizer, with %zu ids (this one has %zu; "
                         "harness datastore build -m MODEL.gguf with this model makes one)",
                         s->path, s->vocab, tokenizer_vocab(p->spec.tok));
    if (s->vocab > p->spec.vocab)
        return err_input(e, "%s: is made of %zu ids (the model has %zu)", s->path, s->vocab, p->spec.vocab);
    return 0;
}

static int read_documents(const datastore *s, automaton *a, err *e) {
    bool border = true; /* the next token begins a document */
    if (automaton_init(a, s->length, e) != 0) return -1;
    for (size_t i = 0; i < s->length; i++) {
        int32_t id = datastore_token(s, i);
        if (id >= 0 && ((border && automaton_sequence(a, e) != 0) || automaton_append(a, &id, 1, e) != 0)) return -1;
        border = id < 0;
    }
    return 0;
}

int store_param_automaton(const policy *p, size_t param, automaton *a, err *e) {
    datastore s = {0};
    if (p->spec.params.at[param].file == NULL) return automaton_init(a, 0, e);
    int ret = store_param_open(p, param, &s, e);
    if (ret == 0) ret = read_documents(&s, a, e);
    datastore_close(&s);
    return ret;
}
