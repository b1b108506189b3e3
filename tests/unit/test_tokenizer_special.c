/* Control and user-defined pieces in texts: which match where, and what is dropped after them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/unit/vocab.h"

Test(special_tokens, user_defined_pieces_always_match_and_control_ones_on_demand) {
    vocab *v = vocab_begin(1);
    vocab_add(v, MARK, -1, NORMAL);
    vocab_add(v, "<s", -1, NORMAL); /* tempts a merge into the control piece */
    vocab_add(v, "<u>", 0, USER);
    vocab_add(v, "<u><u>", 0, USER);
    vocab_add(v, "a", -1, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "a<u>a", false, MARK " a <u> " MARK " a");
    vocab_check_pieces(v, t, "<u><u><u>", false, "<u><u> <u>");
    vocab_check_pieces(v, t, "<u>", false, "<u>");
    vocab_check_pieces(v, t, "<s>", false, MARK " <s <0x3E>");
    vocab_check_pieces(v, t, "<s>a</s><u>", true, "<s> " MARK " a </s> <u>");
    vocab_check_pieces(v, t, "<s><unk>", true, "<s> <unk>");
    vocab_check_pieces(v, t, "<u", false, MARK " <0x3C> <0x75>");
    tokenizer_close(t);
    free(v);
}

/* Parts, each with whether it is special, NULL after the last, as in vocab_check_pieces. */
static void check_parts(const vocab *v, const tokenizer *t, const text_part *parts, size_t n, const char *want) {
    char   got[1024] = "";
    err    e = {0};
    tokens ids = {0};
    cr_assert_eq(tokenizer_encode_parts(t, parts, n, &ids, &e), 0, "%s", e.text);
    for (size_t i = 0; i < ids.n; i++) {
        if (i > 0) strcat(got, " ");
        strcat(got, v->text[ids.ids[i]]);
    }
    cr_assert_str_eq(got, want);
    tokens_free(&ids);
}

#define PLAIN(s)                                                                                                       \
    { (s), sizeof(s) - 1, false }
#define SPECIAL(s)                                                                                                     \
    { (s), sizeof(s) - 1, true }
#define CHECK_PARTS(want, ...)                                                                                         \
    check_parts(v, t, (text_part[]){__VA_ARGS__}, sizeof((text_part[]){__VA_ARGS__}) / sizeof(text_part), (want))

Test(special_tokens, control_pieces_match_in_special_parts_alone) {
    vocab *v = vocab_begin(1);
    v->prefix = 0;
    vocab_add(v, "<u>", 0, USER);
    vocab_add(v, "a", -1, NORMAL);
    vocab_add(v, "b", -1, NORMAL);
    vocab_add(v, "ab", -1, NORMAL);
    vocab_add(v, "<s", -1, NORMAL);
    tokenizer *t = vocab_open(v);
    CHECK_PARTS("", PLAIN(""), SPECIAL(""));
    CHECK_PARTS("<s> ab </s>", SPECIAL("<s>"), PLAIN("ab"), SPECIAL("</s>"));
    CHECK_PARTS("<s> <s <0x3E> </s>", SPECIAL("<s>"), PLAIN("<s>"), SPECIAL("</s>"));
    CHECK_PARTS("<s> a", SPECIAL("<"), SPECIAL("s"), PLAIN(""), SPECIAL(">"), PLAIN("a")); /* across special parts */
    CHECK_PARTS("<s <0x3E>", SPECIAL("<s"), PLAIN(">"));                                   /* not into others */
    CHECK_PARTS("<s <0x3E>", PLAIN("<"), SPECIAL("s>"));
    CHECK_PARTS("<u> <u>", PLAIN("<u"), SPECIAL(">"), SPECIAL("<"), PLAIN("u>")); /* user-defined ones anywhere */
    CHECK_PARTS("ab ab", PLAIN("a"), SPECIAL("b"), SPECIAL("a"), PLAIN("b"));     /* merges do not see borders */
    CHECK_PARTS("<s> ab </s> <s>", SPECIAL("<s>a"), PLAIN("b"), SPECIAL("</s><s>"));
    cr_assert_eq(tokenizer_encode_parts(t, NULL, 0, &(tokens){0}, NULL), 0);
    tokenizer_close(t);
    free(v);
}

/* The definition: each piece, longest first, splits every stretch that is still plain. */
static void reference_cut(const vocab *v, const char *text, size_t n, size_t length, char *out) {
    for (; length > 0; length--)
        for (size_t at = 0; at + length <= n; at++)
            for (size_t k = 0; k < v->n; k++)
                if (v->type[k] == USER && strlen(v->text[k]) == length && memcmp(text + at, v->text[k], length) == 0) {
                    reference_cut(v, text, at, length - 1, out);
                    sprintf(out + strlen(out), "(%s)", v->text[k]);
                    reference_cut(v, text + at + length, n - at - length, length, out);
                    return;
                }
    sprintf(out + strlen(out), "%.*s", (int)n, text);
}

Test(special_tokens, special_pieces_are_found_longest_first_in_what_is_left) {
    gsl_rng *r = rng_new(11, 0);
    for (int round = 0; round < 100; round++) {
        vocab *v = vocab_begin(1);
        v->prefix = 0;
        for (int i = 0; i < 12; i++) {
            char text[16] = "";
            for (unsigned long k = gsl_rng_uniform_int(r, 6) + 1; k > 0; k--)
                strcat(text, gsl_rng_uniform_int(r, 2) ? "a" : "b");
            bool twin = false;
            for (size_t k = 0; k < v->n; k++) twin |= strcmp(v->text[k], text) == 0;
            if (!twin) vocab_add(v, text, 0, USER);
        }
        tokenizer *t = vocab_open(v);
        for (int k = 0; k < 50; k++) {
            char text[64] = "", want[512] = "", got[512] = "";
            for (unsigned long i = gsl_rng_uniform_int(r, 40); i > 0; i--)
                strcat(text, (const char *[]){"a", "b", "c"}[gsl_rng_uniform_int(r, 3)]);
            reference_cut(v, text, strlen(text), 6, want);
            tokens ids = vocab_encode(t, text, strlen(text), false);
            for (size_t i = 0; i < ids.n; i++) {
                int32_t id = ids.ids[i];
                if (v->type[id] == USER)
                    sprintf(got + strlen(got), "(%s)", v->text[id]);
                else
                    sprintf(got + strlen(got), "%c", (char)(id - 3));
            }
            cr_assert_str_eq(got, want, "%s", text);
            tokens_free(&ids);
        }
        tokenizer_close(t);
        free(v);
    }
    gsl_rng_free(r);
}

static void put_phi3(gguf_writer *w, vocab *v) {
    gguf_put_string(w, "general.name", "my Phi-3 mini", NULL);
    gguf_put_string(w, "tokenizer.ggml.model", "llama", NULL);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, NULL);
    gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, v->n, NULL);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, NULL);
}

Test(special_tokens, phi3_drops_blanks_after_special_pieces) {
    vocab *v = vocab_begin(1);
    vocab_add(v, "<|end|>", 0, CONTROL);
    vocab_add(v, MARK, -1, NORMAL);
    vocab_add(v, "a", -1, NORMAL);
    gguf      *g = vocab_save(v, put_phi3);
    tokenizer *t = tokenizer_from_gguf(g, NULL), *other = vocab_open(v);
    cr_assert_not_null(t);
    vocab_check_pieces(v, t, "<|end|> \n\t a", true, "<|end|> " MARK " a");
    vocab_check_pieces(v, t, "a \n<|end|>\n", true, MARK " a " MARK " <0x0A> <|end|>");
    vocab_check_pieces(v, t, "<s> a", true, "<s> " MARK " " MARK " a"); /* keeps it */
    vocab_check_pieces(v, other, "<|end|> a", true, "<|end|> " MARK " " MARK " a");
    cr_assert_str_neq(tokenizer_digest(t), tokenizer_digest(other));
    gguf_close(g);
    tokenizer_close(t);
    tokenizer_close(other);
    free(v);
}
