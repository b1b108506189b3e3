/* Nothing from a file reaches a terminal raw. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/base/quote.h"
#include "engine/base/utf8.h"

Test(quote, escapes_what_a_terminal_would_act_on) {
    static const struct {
        const char *in;
        size_t      n;
        const char *out;
    } cases[] = {
        {"plain", 5, "\"plain\""},
        {"", 0, "\"\""},
        {"a\0b", 3, "\"a\\x00b\""},
        {"\x1b[31m\x07", 6, "\"\\x1b[31m\\x07\""},
        {"\n\t\r\"\\", 5, "\"\\n\\t\\r\\\"\\\\\""},
        {"\xe2\x96\x81ta\xc3\xa9", 7, "\"\xe2\x96\x81ta\xc3\xa9\""},
        {"\xc2\x9b"
         "5m",
         4, "\"\\xc2\\x9b5m\""}, /* a C1 control: CSI */
        {"\xe2\x80\xae"
         "abc",
         6,
         "\"\\xe2\\x80\\xae"
         "abc\""}, /* right-to-left override */
        {"\xff\xc3", 2, "\"\\xff\\xc3\""},
        {"\xc0\x80", 2, "\"\\xc0\\x80\""},          /* overlong */
        {"\xed\xa0\x80", 3, "\"\\xed\\xa0\\x80\""}, /* a surrogate */
        {"\x7f", 1, "\"\\x7f\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buf[64];
        cr_assert_str_eq(quote(buf, sizeof buf, cases[i].in, cases[i].n), cases[i].out);
    }
}

Test(quote, cuts_between_characters_at_every_size) {
    const char text[] = "ab\xe2\x96\x81\x1b\xc3\xa9"
                        "cdefghij";
    for (size_t size = 8; size < 40; size++) {
        char buf[64];
        memset(buf, '#', sizeof buf);
        quote(buf, size, text, sizeof text - 1);
        size_t n = strlen(buf);
        cr_assert_lt(n, size);
        cr_assert_eq(buf[size], '#');
        for (size_t i = 0, step; i < n; i += step) {
            step = utf8_length(buf + i, n - i, NULL);
            cr_assert_neq(step, 0, "half a character at size %zu", size);
        }
        cr_assert_eq(strcmp(buf + n - 4, "\"...") == 0, size < sizeof text - 1 + 2 + 3 + 4, "size %zu: %s", size, buf);
    }
}
