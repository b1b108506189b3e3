/* The tokenizer on small handmade vocabularies, against slow and simple references. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/gguf/gguf_write.h"

/* ---- making vocabularies -------------------------------------------------------------------------- */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { MAX = 512 };

typedef struct {
    char     text[MAX][16]; /* spellings, NUL-terminated */
    gguf_str spelled[MAX];
    float    score[MAX];
    int32_t  type[MAX];
    size_t   n;
    int32_t  bos, eos, unk; /* -2 = no key */
    int      prefix;        /* -1 = no key */
} vocab;

static void add(vocab *v, const char *text, float score, int type) {
    cr_assert_lt(v->n, MAX);
    snprintf(v->text[v->n], sizeof v->text[0], "%s", text);
    v->score[v->n] = score;
    v->type[v->n++] = type;
}

static void add_bytes(vocab *v) {
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        add(v, text, 0, BYTE);
    }
}

/* <unk> 0, <s> 1, </s> 2, and 256 bytes from 3 on if wanted. */
static vocab *begin(int with_bytes) {
    vocab *v = calloc(1, sizeof *v);
    *v = (vocab){.bos = 1, .eos = 2, .unk = 0, .prefix = -1};
    add(v, "<unk>", 0, UNKNOWN);
    add(v, "<s>", 0, CONTROL);
    add(v, "</s>", 0, CONTROL);
    if (with_bytes) add_bytes(v);
    return v;
}

/* Writes the vocabulary, with `edit` able to spoil it, and opens the file. */
static gguf *save(vocab *v, void (*edit)(gguf_writer *w, vocab *v)) {
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

static tokenizer *open_vocab(vocab *v) {
    err        e = {0};
    gguf      *g = save(v, NULL);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(t, "%s", e.text);
    gguf_close(g);
    return t;
}

static tokens encode(const tokenizer *t, const char *text, size_t n, bool special) {
    err    e = {0};
    tokens ids = {0};
    cr_assert_eq(tokenizer_encode(t, text, n, special, &ids, &e), 0, "%s", e.text);
    return ids;
}

/* Encodes and compares with a list of spellings separated by spaces ("" for none). */
static void check_pieces(const vocab *v, const tokenizer *t, const char *text, bool special, const char *want) {
    char   got[1024] = "";
    tokens ids = encode(t, text, strlen(text), special);
    for (size_t i = 0; i < ids.n; i++) {
        if (i > 0) strcat(got, " ");
        strcat(got, v->text[ids.ids[i]]);
    }
    cr_assert_str_eq(got, want, "%s", text);
    tokens_free(&ids);
}

static void check_text(const tokenizer *t, const int32_t *ids, size_t n, const char *want, size_t n_want) {
    err    e = {0};
    size_t len;
    char  *text = tokenizer_decode(t, ids, n, &len, &e);
    cr_assert_not_null(text, "%s", e.text);
    cr_assert_eq(len, n_want, "%s", text);
    cr_assert_eq(memcmp(text, want, len + 1), 0, "%s", text);
    free(text);
}

/* ---- encoding ------------------------------------------------------------------------------------- */

#define MARK "\xE2\x96\x81"

Test(tokenizer, merges_the_best_score_first_and_the_leftmost_of_equals) {
    vocab *v = begin(1);
    v->prefix = 0;
    const char *letters[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) add(v, letters[i], -100, NORMAL);
    add(v, "ab", -2, NORMAL);
    add(v, "bc", -1, NORMAL);
    add(v, "cd", -2, NORMAL);
    add(v, "aa", -3, NORMAL);
    add(v, "abab", -9, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "abcd", false, "a bc d");
    check_pieces(v, t, "abd", false, "ab d");
    check_pieces(v, t, "aaa", false, "aa a");
    check_pieces(v, t, "aaaa", false, "aa aa");
    check_pieces(v, t, "ababab", false, "abab ab");
    check_pieces(v, t, "cdab", false, "cd ab");
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, scores_of_every_sign_are_ordered) {
    vocab *v = begin(1);
    v->prefix = 0;
    add(v, "ab", -0.0f, NORMAL);
    add(v, "bc", 0.0f, NORMAL);
    add(v, "cd", 1.5f, NORMAL);
    add(v, "de", INFINITY, NORMAL);
    add(v, "ef", -INFINITY, NORMAL);
    add(v, "fg", -1e-30f, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "abc", false, "ab <0x63>"); /* the zeros are equal: leftmost */
    check_pieces(v, t, "bcd", false, "<0x62> cd");
    check_pieces(v, t, "cde", false, "<0x63> de");
    check_pieces(v, t, "efg", false, "<0x65> fg");
    check_pieces(v, t, "def", false, "de <0x66>");
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, dummy_prefix_marks_the_beginning) {
    vocab *v = begin(1);
    add(v, MARK, -1, NORMAL);
    add(v, MARK MARK, -2, NORMAL);
    add(v, MARK "a", -3, NORMAL);
    add(v, "a", -4, NORMAL);
    tokenizer *with = open_vocab(v);
    v->prefix = 0;
    tokenizer *without = open_vocab(v);
    check_pieces(v, with, "", false, "");
    check_pieces(v, with, " ", false, MARK MARK);
    check_pieces(v, with, "  ", false, MARK MARK " " MARK);
    check_pieces(v, with, "a", false, MARK "a");
    check_pieces(v, with, " a", false, MARK MARK " a");
    check_pieces(v, with, "a a", false, MARK "a " MARK "a");
    check_pieces(v, without, "", false, "");
    check_pieces(v, without, " ", false, MARK);
    check_pieces(v, without, "a", false, "a");
    check_pieces(v, without, " a", false, MARK "a");
    check_pieces(v, with, MARK, false, MARK MARK); /* the mark itself reads as a space */
    cr_assert_str_neq(tokenizer_digest(with), tokenizer_digest(without));
    tokenizer_close(with);
    tokenizer_close(without);
    free(v);
}

Test(tokenizer, falls_back_to_bytes_or_else_to_one_unknown) {
    vocab *v = begin(1);
    v->prefix = 0;
    add(v, "a", -1, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "a\xC3\xA9", false, "a <0xC3> <0xA9>");
    check_pieces(v, t, "\xFF\xC3", false, "<0xFF> <0xC3>");
    tokens ids = encode(t, "a\0a", 3, false);
    cr_assert_eq(ids.n, 3);
    cr_assert_eq(ids.ids[1], 3);
    tokens_free(&ids);
    tokenizer_close(t);
    free(v);

    v = begin(0);
    v->prefix = 0;
    add(v, "a", -1, NORMAL);
    add(v, "<0xC3>", 0, BYTE);
    add(v, "<0xA9>", 0, BYTE);
    t = open_vocab(v);
    check_pieces(v, t, "ab", false, "a <unk>");
    check_pieces(v, t, "bcabc", false, "<unk> a <unk>");
    check_pieces(v, t, "\xC3\xA9\xC3\xA8", false, "<0xC3> <0xA9> <unk>");
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, finds_the_unknown_piece_by_its_type) {
    vocab *v = begin(0);
    v->unk = -2;
    add(v, "a", 0, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "z", false, "<unk>");
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, user_defined_pieces_always_match_and_control_ones_on_demand) {
    vocab *v = begin(1);
    add(v, MARK, -1, NORMAL);
    add(v, "<s", -1, NORMAL); /* tempts a merge into the control piece */
    add(v, "<u>", 0, USER);
    add(v, "<u><u>", 0, USER);
    add(v, "a", -1, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "a<u>a", false, MARK " a <u> " MARK " a");
    check_pieces(v, t, "<u><u><u>", false, "<u><u> <u>");
    check_pieces(v, t, "<u>", false, "<u>");
    check_pieces(v, t, "<s>", false, MARK " <s <0x3E>");
    check_pieces(v, t, "<s>a</s><u>", true, "<s> " MARK " a </s> <u>");
    check_pieces(v, t, "<s><unk>", true, "<s> <unk>");
    check_pieces(v, t, "<u", false, MARK " <0x3C> <0x75>");
    tokenizer_close(t);
    free(v);
}

/* Parts, each with whether it is special, NULL after the last, as in check_pieces. */
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

Test(tokenizer, control_pieces_match_in_special_parts_alone) {
    vocab *v = begin(1);
    v->prefix = 0;
    add(v, "<u>", 0, USER);
    add(v, "a", -1, NORMAL);
    add(v, "b", -1, NORMAL);
    add(v, "ab", -1, NORMAL);
    add(v, "<s", -1, NORMAL);
    tokenizer *t = open_vocab(v);
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

Test(tokenizer, special_pieces_are_found_longest_first_in_what_is_left) {
    gsl_rng *r = rng_new(11, 0);
    for (int round = 0; round < 100; round++) {
        vocab *v = begin(1);
        v->prefix = 0;
        for (int i = 0; i < 12; i++) {
            char text[16] = "";
            for (unsigned long k = gsl_rng_uniform_int(r, 6) + 1; k > 0; k--)
                strcat(text, gsl_rng_uniform_int(r, 2) ? "a" : "b");
            bool twin = false;
            for (size_t k = 0; k < v->n; k++) twin |= strcmp(v->text[k], text) == 0;
            if (!twin) add(v, text, 0, USER);
        }
        tokenizer *t = open_vocab(v);
        for (int k = 0; k < 50; k++) {
            char text[64] = "", want[512] = "", got[512] = "";
            for (unsigned long i = gsl_rng_uniform_int(r, 40); i > 0; i--)
                strcat(text, (const char *[]){"a", "b", "c"}[gsl_rng_uniform_int(r, 3)]);
            reference_cut(v, text, strlen(text), 6, want);
            tokens ids = encode(t, text, strlen(text), false);
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

Test(tokenizer, phi3_drops_blanks_after_special_pieces) {
    vocab *v = begin(1);
    add(v, "<|end|>", 0, CONTROL);
    add(v, MARK, -1, NORMAL);
    add(v, "a", -1, NORMAL);
    gguf      *g = save(v, put_phi3);
    tokenizer *t = tokenizer_from_gguf(g, NULL), *other = open_vocab(v);
    cr_assert_not_null(t);
    check_pieces(v, t, "<|end|> \n\t a", true, "<|end|> " MARK " a");
    check_pieces(v, t, "a \n<|end|>\n", true, MARK " a " MARK " <0x0A> <|end|>");
    check_pieces(v, t, "<s> a", true, "<s> " MARK " " MARK " a"); /* keeps it */
    check_pieces(v, other, "<|end|> a", true, "<|end|> " MARK " " MARK " a");
    cr_assert_str_neq(tokenizer_digest(t), tokenizer_digest(other));
    gguf_close(g);
    tokenizer_close(t);
    tokenizer_close(other);
    free(v);
}

Test(tokenizer, unused_pieces_are_split_again) {
    vocab *v = begin(1);
    v->prefix = 0;
    add(v, "a", -1, NORMAL);
    add(v, "b", -1, NORMAL);
    add(v, "ab", -2, UNUSED);
    add(v, "abab", -3, UNUSED);
    add(v, "aba", -4, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "ab", false, "a b");
    check_pieces(v, t, "aba", false, "aba");
    check_pieces(v, t, "abab", false, "a b a b");
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, empty_spellings_are_never_encoded_and_decode_to_nothing) {
    vocab *v = begin(1);
    v->prefix = 0;
    add(v, "", 0, NORMAL);
    add(v, "", 0, USER);
    add(v, "a", 0, NORMAL);
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "aa", false, "a a");
    check_text(t, (int32_t[]){259, 260, 261}, 3, "a", 1);
    tokenizer_close(t);
    free(v);
}

/* Quadratic merging over strings: the definition. */
static void reference_merge(const vocab *v, const char *text, char *out) {
    char   sym[128][16];
    size_t n = 0;
    for (const char *s = text; *s != '\0';) {
        size_t length = (unsigned char)*s < 0x80 ? 1 : (unsigned char)*s < 0xE0 ? 2 : 3;
        snprintf(sym[n++], sizeof sym[0], "%.*s", (int)length, s);
        s += length;
    }
    for (;;) {
        size_t best = SIZE_MAX, best_id = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            char both[2 * sizeof sym];
            snprintf(both, sizeof both, "%s%s", sym[i], sym[i + 1]);
            for (size_t k = 0; k < v->n; k++)
                if (v->type[k] == NORMAL && strcmp(v->text[k], both) == 0 &&
                    (best == SIZE_MAX || v->score[k] > v->score[best_id])) {
                    best = i;
                    best_id = k;
                }
        }
        if (best == SIZE_MAX) break;
        strcpy(sym[best], v->text[best_id]);
        memmove(sym[best + 1], sym[best + 2], (n - best - 2) * sizeof sym[0]);
        n--;
    }
    *out = '\0';
    for (size_t i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < v->n; k++) known |= v->type[k] == NORMAL && strcmp(v->text[k], sym[i]) == 0;
        if (known) {
            out += sprintf(out, "%s ", sym[i]);
        } else {
            for (char *s = sym[i]; *s != '\0'; s++) out += sprintf(out, "<0x%02X> ", (unsigned)(unsigned char)*s);
        }
    }
}

Test(tokenizer, equals_the_quadratic_definition_on_random_vocabularies) {
    static const char *const letters[] = {"a", "b", "c", "\xC3\xA9", MARK};
    gsl_rng                 *r = rng_new(7, 0);
    for (int round = 0; round < 60; round++) {
        vocab *v = begin(1);
        v->prefix = 0;
        for (int i = 0; i < 60; i++) {
            char text[16] = "";
            for (unsigned long k = gsl_rng_uniform_int(r, 4) + 1; k > 0; k--)
                strcat(text, letters[gsl_rng_uniform_int(r, 5)]);
            bool twin = false;
            for (size_t k = 0; k < v->n; k++) twin |= strcmp(v->text[k], text) == 0;
            if (!twin) add(v, text, -(float)gsl_rng_uniform_int(r, 6), NORMAL);
        }
        tokenizer *t = open_vocab(v);
        for (int k = 0; k < 50; k++) {
            char text[128] = "", want[1024], got[1024] = "";
            for (unsigned long i = gsl_rng_uniform_int(r, 30); i > 0; i--)
                strcat(text, letters[gsl_rng_uniform_int(r, 5)]);
            reference_merge(v, text, want);
            tokens ids = encode(t, text, strlen(text), false);
            for (size_t i = 0; i < ids.n; i++) sprintf(got + strlen(got), "%s ", v->text[ids.ids[i]]);
            cr_assert_str_eq(got, want, "round %d: %s", round, text);
            tokens_free(&ids);
        }
        tokenizer_close(t);
        free(v);
    }
    gsl_rng_free(r);
}

Test(tokenizer, appends_and_leaves_what_was_there) {
    err        e = {0};
    tokenizer *t = tokenizer_bytes(&e);
    tokens     ids = {0};
    tokens_push(&ids, 256, &e);
    cr_assert_eq(tokenizer_encode(t, "hi", 2, true, &ids, &e), 0);
    cr_assert_eq(ids.n, 3);
    cr_assert_eq(ids.ids[0], 256);
    cr_assert_eq(ids.ids[2], 'i');
    tokens_free(&ids);
    tokenizer_close(t);
}

Test(tokenizer, bytes_are_their_own_ids) {
    err        e = {0};
    tokenizer *t = tokenizer_bytes(&e);
    cr_assert_str_eq(tokenizer_kind(t), "bytes");
    cr_assert_eq(tokenizer_vocab(t), 258);
    cr_assert_eq(tokenizer_bos(t), 256);
    cr_assert_eq(tokenizer_eos(t), 257);
    cr_assert(tokenizer_adds_bos(t));
    tokens ids = encode(t, " \0\xFF", 3, true);
    cr_assert_eq(ids.n, 3);
    cr_assert_eq(ids.ids[2], 255);
    check_text(t, ids.ids, 3, " \0\xEF\xBF\xBD", 5);
    check_text(t, (int32_t[]){256, ' ', 'a', 257}, 4, " a", 2);
    tokens_free(&ids);
    tokenizer_close(t);
}

/* ---- decoding ------------------------------------------------------------------------------------- */

Test(tokenizer, decoding_drops_one_space_while_the_text_is_empty) {
    vocab *v = begin(1);
    add(v, MARK, 0, NORMAL);      /* 259 */
    add(v, MARK "a", 0, NORMAL);  /* 260 */
    add(v, MARK MARK, 0, NORMAL); /* 261 */
    add(v, " u" MARK, 0, USER);   /* 262 */
    tokenizer    *t = open_vocab(v);
    const int32_t space = 3 + ' ';
    check_text(t, NULL, 0, "", 0);
    check_text(t, (int32_t[]){260, 260}, 2, "a a", 3);
    check_text(t, (int32_t[]){1, 260, 2}, 3, "a", 1);
    check_text(t, (int32_t[]){259, 260}, 2, " a", 2);
    check_text(t, (int32_t[]){261}, 1, " ", 1);
    check_text(t, (int32_t[]){space, 260}, 2, "  a", 3);
    check_text(t, (int32_t[]){262}, 1, " u" MARK, 5);
    check_text(t, (int32_t[]){0, 260}, 2, " \xE2\x81\x87  a", 7);
    cr_assert_eq(tokenizer_piece(t, 260).n, 2);
    cr_assert_eq(tokenizer_piece(t, 1).n, 0);
    cr_assert_eq(tokenizer_piece(t, -1).n, 0);
    cr_assert_eq(tokenizer_piece(t, 263).n, 0);

    err    e = {0};
    size_t len;
    cr_assert_null(tokenizer_decode(t, (int32_t[]){263}, 1, &len, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_null(tokenizer_decode(t, (int32_t[]){-1}, 1, &len, &e));
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, streaming_holds_back_unfinished_characters) {
    err         e = {0};
    tokenizer  *t = tokenizer_bytes(&e);
    detokenizer d;
    char        buf[32];
    detokenizer_begin(&d, t, true);
    cr_assert_eq(detokenizer_push(&d, 0xF0, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 0x9F, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 0x98, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 0x80, buf), 4);
    cr_assert_str_eq(buf, "\xF0\x9F\x98\x80");
    cr_assert_eq(detokenizer_end(&d, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 0xE2, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 0x82, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 'a', buf), 7);
    cr_assert_str_eq(buf, "\xEF\xBF\xBD\xEF\xBF\xBD"
                          "a");
    cr_assert_eq(detokenizer_push(&d, 0xC3, buf), 0);
    cr_assert_eq(detokenizer_end(&d, buf), 3);
    cr_assert_str_eq(buf, "\xEF\xBF\xBD");
    tokenizer_close(t);
}

/* Reads one character by arithmetic; its length, or 0. */
static size_t reference_char(const unsigned char *s, size_t n) {
    size_t length = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > n) return 0;
    uint32_t code = length == 1 ? s[0] : s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (s[i] >> 6 != 2) return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code < least[length] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? 0 : length;
}

static size_t reference_run(const unsigned char *s, size_t n, char *out) {
    char *at = out;
    for (size_t i = 0; i < n;) {
        size_t length = reference_char(s + i, n - i);
        at = length > 0 ? mempcpy(at, s + i, length) : mempcpy(at, "\xEF\xBF\xBD", 3);
        i += length > 0 ? length : 1;
    }
    return (size_t)(at - out);
}

Test(tokenizer, streaming_equals_reading_each_run_of_bytes_at_once) {
    vocab *v = begin(1);
    add(v, MARK "a", 0, NORMAL);
    tokenizer *t = open_vocab(v);
    gsl_rng   *r = rng_new(11, 0);
    /* Bytes at the edges of UTF-8's ranges, so that random runs often come close to characters. */
    static const unsigned char edges[] = {0x00, 0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                          0xE0, 0xE1, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF, 0x81, 0x82, 0xA9};
    for (int round = 0; round < 3000; round++) {
        int32_t       ids[40];
        unsigned char run[40];
        char          want[400], got[400];
        size_t        n = gsl_rng_uniform_int(r, 40), n_run = 0, n_want = 0, n_got = 0;
        for (size_t i = 0; i < n; i++) {
            if (gsl_rng_uniform_int(r, 12) == 0) {
                n_want += reference_run(run, n_run, want + n_want);
                n_run = 0;
                ids[i] = gsl_rng_uniform_int(r, 2) ? 259 : 2;
                if (ids[i] == 259) n_want += (size_t)sprintf(want + n_want, "%s", n_want == 0 ? "a" : " a");
            } else {
                run[n_run] = edges[gsl_rng_uniform_int(r, sizeof edges)];
                ids[i] = 3 + run[n_run++];
            }
        }
        n_want += reference_run(run, n_run, want + n_want);
        want[n_want] = '\0';
        check_text(t, ids, n, want, n_want);

        detokenizer d;
        detokenizer_begin(&d, t, true);
        for (size_t i = 0; i < n; i++) {
            size_t k = detokenizer_push(&d, ids[i], got + n_got), used = 0;
            cr_assert_leq(k, 3 * tokenizer_piece(t, ids[i]).n + 15);
            while (used < k) { /* whole characters only */
                size_t length = reference_char((unsigned char *)got + n_got + used, k - used);
                cr_assert_gt(length, 0);
                used += length;
            }
            n_got += k;
        }
        n_got += detokenizer_end(&d, got + n_got);
        cr_assert_eq(n_got, n_want);
        cr_assert_eq(memcmp(got, want, n_want), 0);
    }
    gsl_rng_free(r);
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, round_trip_of_every_text_without_marks) {
    vocab *v = begin(1);
    add(v, MARK, 0, NORMAL);
    add(v, MARK MARK, -1, NORMAL);
    add(v, "a", -1, NORMAL);
    add(v, "\xC3\xA9", -1, NORMAL);
    add(v, MARK "a", -1, NORMAL);
    tokenizer               *t = open_vocab(v);
    gsl_rng                 *r = rng_new(3, 0);
    static const char *const letters[] = {"a", " ", "\xC3\xA9", "b", "\xF0\x9F\x98\x80", "\n"};
    for (int round = 0; round < 500; round++) {
        char text[200] = "";
        for (unsigned long i = gsl_rng_uniform_int(r, 30); i > 0; i--) strcat(text, letters[gsl_rng_uniform_int(r, 6)]);
        tokens ids = encode(t, text, strlen(text), false);
        check_text(t, ids.ids, ids.n, text, strlen(text));
        tokens_free(&ids);
    }
    gsl_rng_free(r);
    tokenizer_close(t);
    free(v);
}

/* ---- hostile files -------------------------------------------------------------------------------- */

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
    gguf *g = save(v, edit);
    cr_assert_null(tokenizer_from_gguf(g, &e), "%s was taken", word);
    cr_assert_eq(e.kind, ERR_INPUT, "%s", e.text);
    cr_assert(strstr(e.text, word) != NULL, "\"%s\" in: %s", word, e.text);
    cr_assert(strstr(e.text, gguf_path(g)) != NULL, "%s", e.text);
    gguf_close(g);
}

Test(tokenizer, refuses_what_it_cannot_read) {
    vocab *v = begin(1);
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
    add(v, "<s>", 0, NORMAL);
    check_refused(v, NULL, "tokens 1 and 259 are both spelled \"<s>\"");
    v->n = 258; /* 255 bytes */
    v->type[0] = NORMAL;
    v->unk = -2;
    check_refused(v, NULL, "255 of 256 byte tokens");
    free(v);
}

Test(tokenizer, none_is_a_special_id_too) {
    vocab *v = begin(1);
    strcpy(v->text[2], "</x>"); /* "</s>" would end a text by its name */
    v->bos = v->eos = -1;
    tokenizer *t = open_vocab(v);
    cr_assert_eq(tokenizer_bos(t), -1);
    cr_assert_eq(tokenizer_eos(t), -1);
    cr_assert_not(tokenizer_adds_bos(t));
    tokenizer_close(t);
    free(v);
}

Test(tokenizer, survives_every_failed_allocation) {
    vocab *v = begin(1);
    add(v, "<u>", 0, USER);
    add(v, "ab", -1, UNUSED);
    gguf      *g = save(v, NULL);
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
