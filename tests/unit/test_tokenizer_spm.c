/* SentencePiece's merges on small handmade vocabularies, against slow and simple references. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/unit/vocab.h"

Test(spm, merges_the_best_score_first_and_the_leftmost_of_equals) {
    vocab *v = vocab_begin(1);
    v->prefix = 0;
    const char *letters[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) vocab_add(v, letters[i], -100, NORMAL);
    vocab_add(v, "ab", -2, NORMAL);
    vocab_add(v, "bc", -1, NORMAL);
    vocab_add(v, "cd", -2, NORMAL);
    vocab_add(v, "aa", -3, NORMAL);
    vocab_add(v, "abab", -9, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "abcd", false, "a bc d");
    vocab_check_pieces(v, t, "abd", false, "ab d");
    vocab_check_pieces(v, t, "aaa", false, "aa a");
    vocab_check_pieces(v, t, "aaaa", false, "aa aa");
    vocab_check_pieces(v, t, "ababab", false, "abab ab");
    vocab_check_pieces(v, t, "cdab", false, "cd ab");
    tokenizer_close(t);
    free(v);
}

Test(spm, scores_of_every_sign_are_ordered) {
    vocab *v = vocab_begin(1);
    v->prefix = 0;
    vocab_add(v, "ab", -0.0f, NORMAL);
    vocab_add(v, "bc", 0.0f, NORMAL);
    vocab_add(v, "cd", 1.5f, NORMAL);
    vocab_add(v, "de", INFINITY, NORMAL);
    vocab_add(v, "ef", -INFINITY, NORMAL);
    vocab_add(v, "fg", -1e-30f, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "abc", false, "ab <0x63>"); /* the zeros are equal: leftmost */
    vocab_check_pieces(v, t, "bcd", false, "<0x62> cd");
    vocab_check_pieces(v, t, "cde", false, "<0x63> de");
    vocab_check_pieces(v, t, "efg", false, "<0x65> fg");
    vocab_check_pieces(v, t, "def", false, "de <0x66>");
    tokenizer_close(t);
    free(v);
}

Test(spm, dummy_prefix_marks_the_beginning) {
    vocab *v = vocab_begin(1);
    vocab_add(v, MARK, -1, NORMAL);
    vocab_add(v, MARK MARK, -2, NORMAL);
    vocab_add(v, MARK "a", -3, NORMAL);
    vocab_add(v, "a", -4, NORMAL);
    tokenizer *with = vocab_open(v);
    v->prefix = 0;
    tokenizer *without = vocab_open(v);
    vocab_check_pieces(v, with, "", false, "");
    vocab_check_pieces(v, with, " ", false, MARK MARK);
    vocab_check_pieces(v, with, "  ", false, MARK MARK " " MARK);
    vocab_check_pieces(v, with, "a", false, MARK "a");
    vocab_check_pieces(v, with, " a", false, MARK MARK " a");
    vocab_check_pieces(v, with, "a a", false, MARK "a " MARK "a");
    vocab_check_pieces(v, without, "", false, "");
    vocab_check_pieces(v, without, " ", false, MARK);
    vocab_check_pieces(v, without, "a", false, "a");
    vocab_check_pieces(v, without, " a", false, MARK "a");
    vocab_check_pieces(v, with, MARK, false, MARK MARK); /* the mark itself reads as a space */
    cr_assert_str_neq(tokenizer_digest(with), tokenizer_digest(without));
    tokenizer_close(with);
    tokenizer_close(without);
    free(v);
}

Test(spm, falls_back_to_bytes_or_else_to_one_unknown) {
    vocab *v = vocab_begin(1);
    v->prefix = 0;
    vocab_add(v, "a", -1, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "a\xC3\xA9", false, "a <0xC3> <0xA9>");
    vocab_check_pieces(v, t, "\xFF\xC3", false, "<0xFF> <0xC3>");
    tokens ids = vocab_encode(t, "a\0a", 3, false);
    cr_assert_eq(ids.n, 3);
    cr_assert_eq(ids.ids[1], 3);
    tokens_free(&ids);
    tokenizer_close(t);
    free(v);

    v = vocab_begin(0);
    v->prefix = 0;
    vocab_add(v, "a", -1, NORMAL);
    vocab_add(v, "<0xC3>", 0, BYTE);
    vocab_add(v, "<0xA9>", 0, BYTE);
    t = vocab_open(v);
    vocab_check_pieces(v, t, "ab", false, "a <unk>");
    vocab_check_pieces(v, t, "bcabc", false, "<unk> a <unk>");
    vocab_check_pieces(v, t, "\xC3\xA9\xC3\xA8", false, "<0xC3> <0xA9> <unk>");
    tokenizer_close(t);
    free(v);
}

Test(spm, finds_the_unknown_piece_by_its_type) {
    vocab *v = vocab_begin(0);
    v->unk = -2;
    vocab_add(v, "a", 0, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "z", false, "<unk>");
    tokenizer_close(t);
    free(v);
}
Test(spm, unused_pieces_are_split_again) {
    vocab *v = vocab_begin(1);
    v->prefix = 0;
    vocab_add(v, "a", -1, NORMAL);
    vocab_add(v, "b", -1, NORMAL);
    vocab_add(v, "ab", -2, UNUSED);
    vocab_add(v, "abab", -3, UNUSED);
    vocab_add(v, "aba", -4, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "ab", false, "a b");
    vocab_check_pieces(v, t, "aba", false, "aba");
    vocab_check_pieces(v, t, "abab", false, "a b a b");
    tokenizer_close(t);
    free(v);
}

Test(spm, empty_spellings_are_never_encoded_and_decode_to_nothing) {
    vocab *v = vocab_begin(1);
    v->prefix = 0;
    vocab_add(v, "", 0, NORMAL);
    vocab_add(v, "", 0, USER);
    vocab_add(v, "a", 0, NORMAL);
    tokenizer *t = vocab_open(v);
    vocab_check_pieces(v, t, "aa", false, "a a");
    vocab_check_text(t, (int32_t[]){259, 260, 261}, 3, "a", 1);
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

Test(spm, equals_the_quadratic_definition_on_random_vocabularies) {
    static const char *const letters[] = {"a", "b", "c", "\xC3\xA9", MARK};
    gsl_rng                 *r = rng_new(7, 0);
    for (int round = 0; round < 60; round++) {
        vocab *v = vocab_begin(1);
        v->prefix = 0;
        for (int i = 0; i < 60; i++) {
            char text[16] = "";
            for (unsigned long k = gsl_rng_uniform_int(r, 4) + 1; k > 0; k--)
                strcat(text, letters[gsl_rng_uniform_int(r, 5)]);
            bool twin = false;
            for (size_t k = 0; k < v->n; k++) twin |= strcmp(v->text[k], text) == 0;
            if (!twin) vocab_add(v, text, -(float)gsl_rng_uniform_int(r, 6), NORMAL);
        }
        tokenizer *t = vocab_open(v);
        for (int k = 0; k < 50; k++) {
            char text[128] = "", want[1024], got[1024] = "";
            for (unsigned long i = gsl_rng_uniform_int(r, 30); i > 0; i--)
                strcat(text, letters[gsl_rng_uniform_int(r, 5)]);
            reference_merge(v, text, want);
            tokens ids = vocab_encode(t, text, strlen(text), false);
            for (size_t i = 0; i < ids.n; i++) sprintf(got + strlen(got), "%s ", v->text[ids.ids[i]]);
            cr_assert_str_eq(got, want, "round %d: %s", round, text);
            tokens_free(&ids);
        }
        tokenizer_close(t);
        free(v);
    }
    gsl_rng_free(r);
}
