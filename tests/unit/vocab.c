#include "tests/unit/vocab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void vocab_add(vocab *v, const char *text, float score, int type) {
    cr_assert_lt(v->n, MAX);
    snprintf(v->text[v->n], sizeof v->text[0], "%s", text);
    v->score[v->n] = score;
    v->type[v->n++] = type;
}

static void add_bytes(vocab *v) {
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        vocab_add(v, text, 0, BYTE);
    }
}

vocab *vocab_begin(int with_bytes) {
    vocab *v = calloc(1, sizeof *v);
    *v = (vocab){.bos = 1, .eos = 2, .unk = 0, .prefix = -1};
    vocab_add(v, "<unk>", 0, UNKNOWN);
    vocab_add(v, "<s>", 0, CONTROL);
    vocab_add(v, "</s>", 0, CONTROL);
    if (with_bytes) add_bytes(v);
    return v;
}

gguf *vocab_save(vocab *v, void (*edit)(gguf_writer *w, vocab *v)) {
    err          e = {0};
    char         path[] = "/tmp/tokenizerXXXXXX";
    int          fd = mkstemp(path);
    gguf_writer *w = gguf_writer_new(&e);
    for (size_t i = 0; i < v->n; i++) v->spelled[i] = (gguf_str){v->text[i], strlen(v->text[i])};
    if (edit != NULL) {
        edit(w, v);
    } else {
        gguf_put_string(w, "tokenizer.ggml.model", "llama", &e);
        gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, &e);
        gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, v->n, &e);
        gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, &e);
        if (v->bos > -2) gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos, &e);
        if (v->eos > -2) gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)v->eos, &e);
        if (v->unk > -2) gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)v->unk, &e);
        if (v->prefix >= 0) gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", v->prefix != 0, &e);
    }
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), 0, "%s", e.text);
    gguf_writer_free(w);
    gguf *g = gguf_open(path, &e);
    cr_assert_not_null(g, "%s", e.text);
    close(fd);
    unlink(path);
    return g;
}

tokenizer *vocab_open(vocab *v) {
    err        e = {0};
    gguf      *g = vocab_save(v, NULL);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(t, "%s", e.text);
    gguf_close(g);
    return t;
}

tokens vocab_encode(const tokenizer *t, const char *text, size_t n, bool special) {
    err    e = {0};
    tokens ids = {0};
    cr_assert_eq(tokenizer_encode(t, text, n, special, &ids, &e), 0, "%s", e.text);
    return ids;
}

void vocab_check_pieces(const vocab *v, const tokenizer *t, const char *text, bool special, const char *want) {
    char   got[1024] = "";
    tokens ids = vocab_encode(t, text, strlen(text), special);
    for (size_t i = 0; i < ids.n; i++) {
        if (i > 0) strcat(got, " ");
        strcat(got, v->text[ids.ids[i]]);
    }
    cr_assert_str_eq(got, want, "%s", text);
    tokens_free(&ids);
}

void vocab_check_text(const tokenizer *t, const int32_t *ids, size_t n, const char *want, size_t n_want) {
    err    e = {0};
    size_t len;
    char  *text = tokenizer_decode(t, ids, n, &len, &e);
    cr_assert_not_null(text, "%s", e.text);
    cr_assert_eq(len, n_want, "%s", text);
    cr_assert_eq(memcmp(text, want, len + 1), 0, "%s", text);
    free(text);
}
