/* Vocabularies that cannot be read, special ids that are none, and memory that runs out. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tests/unit/vocab.h"

static void put_bert(gguf_writer *w, vocab *v) {
    (void)v;
    gguf_put_string(w, "tokenizer.ggml.model", "bert", NULL);
}

static void put_short_scores(gguf_writer *w, vocab *v) {
    gguf_put_string(w, "tokenizer.ggml.model", "llama", NULL);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, NULL);
    gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, v->n - 1, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, NULL);
}

static void put_short_types(gguf_writer *w, vocab *v) {
    gguf_put_string(w, "tokenizer.ggml.model", "llama", NULL);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, NULL);
    gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, v->n, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, 0, NULL);
}

static void put_no_tokens(gguf_writer *w, vocab *v) {
    gguf_put_string(w, "tokenizer.ggml.model", "llama", NULL);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, 0, NULL);
    gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, 0, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, 0, NULL);
}

static void put_wrong_array(gguf_writer *w, vocab *v) {
    gguf_put_string(w, "tokenizer.ggml.model", "llama", NULL);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.scores", v->type, v->n, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, NULL);
}

static void put_wrong_model(gguf_writer *w, vocab *v) {
    (void)v;
    gguf_put_u32(w, "tokenizer.ggml.model", 1, NULL);
}

static void put_bos_without_id(gguf_writer *w, vocab *v) {
    gguf_put_string(w, "tokenizer.ggml.model", "llama", NULL);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, NULL);
    gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, v->n, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, NULL);
    gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true, NULL);
}

static void check_refused(vocab *v, void (*edit)(gguf_writer *w, vocab *v), const char *word) {
    err   e = {0};
    gguf *g = vocab_save(v, edit);
    cr_assert_null(tokenizer_from_gguf(g, &e), "%s was taken", word);
    cr_assert_eq(e.kind, ERR_INPUT, "%s", e.text);
    cr_assert(strstr(e.text, word) != NULL, "\"%s\" in: %s", word, e.text);
    cr_assert(strstr(e.text, gguf_path(g)) != NULL, "%s", e.text);
    gguf_close(g);
}

Test(tokenizer_hostile, refuses_what_it_cannot_read) {
    vocab *v = vocab_begin(1);
    check_refused(v, put_bert, "\"bert\" is not supported (\"llama\"");
    check_refused(v, put_short_scores, "258 scores");
    check_refused(v, put_short_types, "0 token_type");
    check_refused(v, put_no_tokens, "0 tokenizer.ggml.tokens");
    check_refused(v, put_wrong_array, "tokenizer.ggml.scores");
    check_refused(v, put_wrong_model, "tokenizer.ggml.model");
    v->type[1] = NORMAL; /* not where SentencePiece has BOS */
    check_refused(v, put_bos_without_id, "tokenizer.ggml.bos_token_id");
    v->type[1] = CONTROL;
    v->bos = (int32_t)v->n;
    check_refused(v, NULL, "bos_token_id is 259 (0 to 258)");
    v->bos = 1;
    v->eos = INT32_MAX;
    check_refused(v, NULL, "eos_token_id");
    v->eos = 2;
    v->type[2] = 7;
    check_refused(v, NULL, "token 2 has type 7");
    v->type[2] = 0;
    check_refused(v, NULL, "token 2 has type 0");
    v->type[2] = CONTROL;
    v->score[5] = NAN;
    check_refused(v, NULL, "token 5");
    v->score[5] = 0;
    const char *no_byte[] = {"", "<0x0>", "<0x0g>", "<0xff>", "<0x012>", "(0x00>", "<0x00)"};
    for (size_t i = 0; i < sizeof no_byte / sizeof *no_byte; i++) {
        strcpy(v->text[3], no_byte[i]);
        check_refused(v, NULL, "token 3 is a byte");
    }
    strcpy(v->text[3], "<0x00>");
    vocab_add(v, "<s>", 0, NORMAL);
    check_refused(v, NULL, "tokens 1 and 259 are both spelled \"<s>\"");
    v->n = 258; /* 255 bytes */
    v->type[0] = NORMAL;
    v->unk = -2;
    check_refused(v, NULL, "255 of 256 byte tokens");
    free(v);
}

Test(tokenizer_hostile, none_is_a_special_id_too) {
    vocab *v = vocab_begin(1);
    strcpy(v->text[2], "</x>"); /* "</s>" would end a text by its name */
    v->bos = v->eos = -1;
    tokenizer *t = vocab_open(v);
    cr_assert_eq(tokenizer_bos(t), -1);
    cr_assert_eq(tokenizer_eos(t), -1);
    cr_assert_not(tokenizer_adds_bos(t));
    tokenizer_close(t);
    free(v);
}

Test(tokenizer_hostile, survives_every_failed_allocation) {
    vocab *v = vocab_begin(1);
    vocab_add(v, "<u>", 0, USER);
    vocab_add(v, "ab", -1, UNUSED);
    gguf      *g = vocab_save(v, NULL);
    tokenizer *t = NULL;
    err        e = {0};
    for (size_t k = 1; t == NULL; k++) {
        mem_fail_at(k);
        t = tokenizer_from_gguf(g, &e);
        mem_fail_at(0);
        cr_assert_lt(k, 100);
        cr_assert(t != NULL || e.kind == ERR_RUN, "%s", e.text);
    }
    gguf_close(g);
    tokens ids = {0};
    tokens_push(&ids, 1, &e);
    int status = -1;
    for (size_t k = 1; status != 0; k++) {
        mem_fail_at(k);
        status = tokenizer_encode(t, "cab<u>ab x", 10, true, &ids, &e);
        mem_fail_at(0);
        cr_assert_lt(k, 100);
        cr_assert(status == 0 || ids.n == 1);
    }
    char *text = NULL;
    for (size_t k = 1; text == NULL; k++) {
        size_t len;
        mem_fail_at(k);
        text = tokenizer_decode(t, ids.ids, ids.n, &len, &e);
        mem_fail_at(0);
        cr_assert_lt(k, 100);
    }
    free(text);
    tokens_free(&ids);
    tokenizer_close(t);
    free(v);
}
