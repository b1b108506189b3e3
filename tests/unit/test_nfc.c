/* Normalization to NFC against what Unicode says of single characters and utf8proc of whole texts. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/tokenizer/nfc.h"

static void check(const char *text, size_t n, const char *want, size_t n_want) {
    nfc_buffer  b = {0};
    err         e = {0};
    const char *out;
    size_t      n_out;
    cr_assert_eq(nfc_normalize(&b, text, n, &out, &n_out, &e), 0, "%s", e.text);
    cr_assert_eq(n_out, n_want, "%.*s gives %.*s", (int)n, text, (int)n_out, out);
    cr_assert_eq(memcmp(out, want, n_out), 0, "%.*s gives %.*s", (int)n, text, (int)n_out, out);
    nfc_free(&b);
}

static void check_text(const char *text, const char *want) {
    check(text, strlen(text), want, strlen(want));
}

Test(nfc, characters_are_composed_and_marks_ordered) {
    check_text("", "");
    check_text("plain", "plain");
    check_text("cafe\u0301!", "caf\u00E9!");
    check_text("e\u0301", "\u00E9");
    check_text("\u0301e", "\u0301e");
    check_text("a\u0316\u0301", "\u00E1\u0316");
    check_text("a\u0301\u0316", "\u00E1\u0316");
    check_text("\u212B\u2126", "\u00C5\u03A9");       /* Angstrom, Ohm */
    check_text("\u1100\u1161\u11A8", "\uAC01");       /* jamo */
    check_text("\uAC00\u11A8", "\uAC01");             /* a firm character that more is joined to */
    check_text("\u0915\u093C", "\u0915\u093C");       /* stays apart */
    check_text("\u0958", "\u0915\u093C");             /* a composition exclusion */
    check_text("\u304B\u3099", "\u304C");             /* voiced kana */
    check_text("x\uFA0By", "x\u5ED3y");               /* a compatibility ideograph */
    check_text("\U0001D15E", "\U0001D157\U0001D165"); /* grows */
    check_text("e\u0301 e\u0301 e\u0301", "\u00E9 \u00E9 \u00E9");
}

Test(nfc, bytes_that_are_not_utf8_stay_and_join_nothing) {
    check_text("e\xCC", "e\xCC");
    check_text("\xFF\u0301", "\xFF\u0301");
    check_text("e\u0301\xFF"
               "e\u0301",
               "\u00E9\xFF\u00E9");
    check("e\0e\xCC\x81", 5, "e\0\xC3\xA9", 4);
}

/* Text of random characters, many of which join. */
Test(nfc, equals_utf8proc_on_random_texts) {
    static const uint32_t starts[] = {0x20,   0x41,   0xC0,   0x300,  0x320,   0x388,   0x400,  0x900,  0x9BE,
                                      0xB3E,  0x1100, 0x1161, 0x11A8, 0xAC00,  0x1E00,  0x1F00, 0x2000, 0x2120,
                                      0x3040, 0x3099, 0xF900, 0xFB1D, 0x11127, 0x1D157, 0x2F800};
    gsl_rng              *r = rng_new(3, 0);
    for (int round = 0; round < 20000; round++) {
        utf8proc_uint8_t text[256];
        size_t           n = 0;
        for (unsigned long i = gsl_rng_uniform_int(r, 12); i > 0; i--) {
            uint32_t start = starts[gsl_rng_uniform_int(r, sizeof starts / sizeof *starts)];
            n += (size_t)utf8proc_encode_char((int32_t)(start + gsl_rng_uniform_int(r, 24)), text + n);
        }
        text[n] = 0;
        utf8proc_uint8_t *want = utf8proc_NFC(text);
        check((const char *)text, n, (const char *)want, strlen((const char *)want));
        free(want);
    }
    gsl_rng_free(r);
}

/* What the ranges in nfc.c promise: each character stays, and joins none of those that may begin something. */
Test(nfc, every_character_alone_and_after_others_is_what_utf8proc_says) {
    static const char *const before[] = {"", "a", "\u09C7", "\u1100", "\uAC00", "\u304B", "\u0B47", "\u0301"};
    for (int32_t code = 1; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000) continue;
        for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
            utf8proc_uint8_t text[16];
            size_t           n = strlen(before[i]);
            memcpy(text, before[i], n);
            n += (size_t)utf8proc_encode_char(code, text + n);
            text[n] = 0;
            utf8proc_uint8_t *want = utf8proc_NFC(text);
            check((const char *)text, n, (const char *)want, strlen((const char *)want));
            free(want);
        }
    }
}

Test(nfc, a_text_of_marks_takes_no_quadratic_time) {
    enum { N = 300000 };
    char *text = malloc(4 * N), *want = malloc(4 * N), *at = text, *ordered = want;
    for (int i = 0; i < N; i++) at = mempcpy(at, "\u0301\u0316", 4);
    for (int i = 0; i < N; i++) ordered = mempcpy(ordered, "\u0316", 2);
    for (int i = 0; i < N; i++) ordered = mempcpy(ordered, "\u0301", 2);
    check(text, 4 * N, want, 4 * N);
    free(text);
    free(want);
}
