/* fuzz_gguf.c - a GGUF file of any bytes: opened, read whole, its tokenizer used, its weights bound, a token run. */
#include <stdlib.h>
#include <string.h>

#include "engine/model/model.h"
#include "engine/target/target.h"
#include "tests/fuzz/fuzz.h"

static void read_values(const gguf *g) {
    for (size_t i = 0; i < gguf_value_count(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        gguf_str         *strings;
        int32_t          *ints;
        size_t            n;
        err               e;
        fuzz_touch(v->data, v->bytes);
        char *key = strndup(v->key.at, v->key.n);
        if (key == NULL) abort();
        if (gguf_strings(g, key, &strings, &n, &e) == 0) {
            for (size_t j = 0; j < n; j++) fuzz_touch(strings[j].at, strings[j].n);
            free(strings);
        }
        if (gguf_array_i32(g, key, &ints, &n, &e) == 0) {
            fuzz_touch(ints, n * sizeof *ints);
            free(ints);
        }
        free(key);
    }
}

static void read_tensors(const gguf *g) {
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        fuzz_touch(t->data, t->bytes);
    }
}

static void use_tokenizer(const gguf *g) {
    static const char text[] = " the cat\n<s>\xe2\x96\x81\xff\x01";
    tokens            ids = {0};
    err               e;
    tokenizer        *t = tokenizer_from_gguf(g, &e);
    if (t == NULL) return;
    if (tokenizer_encode(t, text, sizeof text - 1, true, &ids, &e) == 0) {
        size_t n;
        free(tokenizer_decode(t, ids.ids, ids.n, &n, &e));
    }
    tokens_free(&ids);
    tokenizer_close(t);
}

/* Logits that are not finite are an error of the pass, not of the file. */
static void run_token(model *m) {
    enum { ROOM = 4 };
    const target_spec spec = {.weights = m,
                              .vocab = m->shape.vocab,
                              .context = m->shape.context < ROOM ? m->shape.context : ROOM,
                              .threads = 1};
    static draft      none;
    const int32_t     ids[] = {0, (int32_t)m->shape.vocab - 1};
    rows              out;
    err               e = {0};
    draft_clear(&none);
    if (target_prepare(&target_transformer, &spec, &e) != 0) return;
    target *t = target_open(&target_transformer, &spec, &e);
    if (t == NULL) return;
    size_t n = spec.context < 2 ? 1 : 2;
    if (target_begin(t, NULL, 0, &e) == 0 && target_verify(t, ids, n, &none, &out, &e) == 0)
        fuzz_touch(out.logits, out.vocab * sizeof *out.logits);
    target_close(t);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    err         e = {0};
    const char *path = fuzz_file(0, bytes, n);
    gguf       *g = gguf_open(path, &e);
    if (g == NULL) {
        fuzz_expect_error(&e);
        return 0;
    }
    read_values(g);
    read_tensors(g);
    use_tokenizer(g);
    gguf_close(g);
    model *m = model_open(path, &e);
    if (m != NULL)
        run_token(m);
    else
        fuzz_expect_error(&e);
    model_close(m);
    return 0;
}
