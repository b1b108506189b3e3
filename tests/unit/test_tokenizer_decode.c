/* Ids back to text, at once and one by one, and the tokenizer of bytes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/unit/vocab.h"

Test(decoding, appends_and_leaves_what_was_there) {
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

Test(decoding, bytes_are_their_own_ids) {
    err        e = {0};
    tokenizer *t = tokenizer_bytes(&e);
    cr_assert_str_eq(tokenizer_kind(t), "bytes");
    cr_assert_eq(tokenizer_vocab(t), 258);
    cr_assert_eq(tokenizer_bos(t), 256);
    cr_assert_eq(tokenizer_eos(t), 257);
    cr_assert(tokenizer_adds_bos(t));
    tokens ids = vocab_encode(t, " \0\xFF", 3, true);
    cr_assert_eq(ids.n, 3);
    cr_assert_eq(ids.ids[2], 255);
    vocab_check_text(t, ids.ids, 3, " \0\xEF\xBF\xBD", 5);
    vocab_check_text(t, (int32_t[]){256, ' ', 'a', 257}, 4, " a", 2);
    tokens_free(&ids);
    tokenizer_close(t);
}

/* ---- decoding ------------------------------------------------------------------------------------- */

Test(decoding, decoding_drops_one_space_while_the_text_is_empty) {
    vocab *v = vocab_begin(1);
    vocab_add(v, MARK, 0, NORMAL);      /* 259 */
    vocab_add(v, MARK "a", 0, NORMAL);  /* 260 */
    vocab_add(v, MARK MARK, 0, NORMAL); /* 261 */
    vocab_add(v, " u" MARK, 0, USER);   /* 262 */
    tokenizer    *t = vocab_open(v);
    const int32_t space = 3 + ' ';
    vocab_check_text(t, NULL, 0, "", 0);
    vocab_check_text(t, (int32_t[]){260, 260}, 2, "a a", 3);
    vocab_check_text(t, (int32_t[]){1, 260, 2}, 3, "a", 1);
    vocab_check_text(t, (int32_t[]){259, 260}, 2, " a", 2);
    vocab_check_text(t, (int32_t[]){261}, 1, " ", 1);
    vocab_check_text(t, (int32_t[]){space, 260}, 2, "  a", 3);
    vocab_check_text(t, (int32_t[]){262}, 1, " u" MARK, 5);
    vocab_check_text(t, (int32_t[]){0, 260}, 2, " \xE2\x81\x87  a", 7);
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

Test(decoding, streaming_holds_back_unfinished_characters) {
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

Test(decoding, streaming_equals_reading_each_run_of_bytes_at_once) {
    vocab *v = vocab_begin(1);
    vocab_add(v, MARK "a", 0, NORMAL);
    tokenizer *t = vocab_open(v);
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
        vocab_check_text(t, ids, n, want, n_want);

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

Test(decoding, round_trip_of_every_text_without_marks) {
    vocab *v = vocab_begin(1);
    vocab_add(v, MARK, 0, NORMAL);
    vocab_add(v, MARK MARK, -1, NORMAL);
    vocab_add(v, "a", -1, NORMAL);
    vocab_add(v, "\xC3\xA9", -1, NORMAL);
    vocab_add(v, MARK "a", -1, NORMAL);
    tokenizer               *t = vocab_open(v);
    gsl_rng                 *r = rng_new(3, 0);
    static const char *const letters[] = {"a", " ", "\xC3\xA9", "b", "\xF0\x9F\x98\x80", "\n"};
    for (int round = 0; round < 500; round++) {
        char text[200] = "";
        for (unsigned long i = gsl_rng_uniform_int(r, 30); i > 0; i--) strcat(text, letters[gsl_rng_uniform_int(r, 6)]);
        tokens ids = vocab_encode(t, text, strlen(text), false);
        vocab_check_text(t, ids.ids, ids.n, text, strlen(text));
        tokens_free(&ids);
    }
    gsl_rng_free(r);
    tokenizer_close(t);
    free(v);
}
