/* Files that llama.cpp's tools wrote. Figures: what those tools report of them. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/model/model.h"
#include "tests/conformance/conformance.h"

static gguf *open_file(const char *relative) {
    err   e = {0};
    gguf *g = gguf_open(conformance_path(relative), &e);
    cr_assert_not_null(g, "%s", e.text);
    return g;
}

Test(conformance_gguf_files, stories260k_is_a_model) {
    err    e = {0};
    model *m = model_open(conformance_path("data/models/stories260K.gguf"), &e);
    cr_assert_not_null(m, "%s", e.text);
    const model_shape *s = &m->shape;
    cr_assert_eq(gguf_version(m->file), 3);
    cr_assert_eq(gguf_tensor_count(m->file), 48);
    cr_assert_eq(s->n_layers, 5);
    cr_assert_eq(s->dim, 64);
    cr_assert_eq(s->n_heads, 8);
    cr_assert_eq(s->n_kv_heads, 4);
    cr_assert_eq(s->ffn_dim, 172);
    cr_assert_eq(s->vocab, 512);
    cr_assert_eq(m->output.rows, 512);
    size_t bytes = 0;
    for (size_t i = 0; i < gguf_tensor_count(m->file); i++) bytes += gguf_tensor_at(m->file, i)->bytes;
    const gguf_tensor *last = gguf_tensor_at(m->file, 47);
    cr_assert_leq(last->offset + last->bytes, gguf_size(m->file));
    cr_assert_eq(bytes, 4 * 292800u);
    model_close(m);
}

Test(conformance_gguf_files, vocabularies_open_without_tensors) {
    static const struct {
        const char *path, *architecture;
        size_t      keys, vocab;
    } files[] = {
        {"data/tokenizers/ggml-vocab-llama-spm.gguf", "llama", 22, 32000},
        {"data/tokenizers/ggml-vocab-phi-3.gguf", "phi3", 26, 32064},
        {"data/tokenizers/ggml-vocab-gpt-2.gguf", "gpt2", 16, 50257},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        gguf *g = open_file(files[i].path);
        cr_assert_eq(gguf_tensor_count(g), 0);
        cr_assert_eq(gguf_value_count(g), files[i].keys);
        err      e = {0};
        gguf_str name, *pieces;
        size_t   n;
        cr_assert_eq(gguf_string(g, "general.architecture", &name, &e), 0);
        cr_assert(name.n == strlen(files[i].architecture) && memcmp(name.at, files[i].architecture, name.n) == 0);
        cr_assert_eq(gguf_strings(g, "tokenizer.ggml.tokens", &pieces, &n, &e), 0, "%s", e.text);
        cr_assert_eq(n, files[i].vocab);
        free(pieces);
        gguf_close(g);
        cr_assert_null(model_open(conformance_path(files[i].path), &e));
        cr_assert_eq(e.kind, ERR_INPUT);
    }
}
