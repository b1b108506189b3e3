/* UTF-8: characters, their width, and how they are shown. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"

Test(utf8, is_valid_up_to_the_first_other_byte) {
    cr_assert_eq(utf8_valid("", 0), 0);
    cr_assert_eq(utf8_valid("abc", 3), 3);
    cr_assert_eq(utf8_valid("a\0c", 3), 3);
    cr_assert_eq(utf8_valid("\xC3\xA9\xE2\x82\xAC", 5), 5);
    cr_assert_eq(utf8_valid("\xC3\xA9\xE2\x82\xAC", 4), 2); /* cut within a character */
    cr_assert_eq(utf8_valid("caf\xE9!", 5), 3);
    cr_assert_eq(utf8_valid("\xED\xA0\x80", 3), 0); /* a surrogate */
}

Test(utf8, width_counts_what_a_terminal_shows) {
    cr_assert_eq(utf8_width("", strlen("")), 0);
    cr_assert_eq(utf8_width("abc", strlen("abc")), 3);
    cr_assert_eq(utf8_width("Größe", strlen("Größe")), 5);
    cr_assert_eq(utf8_width("e\xcc\x81", strlen("e\xcc\x81")), 1);
    cr_assert_eq(utf8_width("漢字", strlen("漢字")), 4);
    cr_assert_eq(utf8_width("\xf0\x9f\x98\x80", strlen("\xf0\x9f\x98\x80")), 2);
    cr_assert_eq(utf8_width("\xff\xfe", strlen("\xff\xfe")), 2);
    cr_assert_eq(utf8_width("\xe6\xbc", strlen("\xe6\xbc")), 2); /* cut at the end: must not read past the NUL */
}

static const char odd[] = "a\nb\tc\033[1md\x7f"
                          "e\xC2\x9B"
                          "f\xE2\x80\xAEg\xFF\xC3(\xE2\x82\xAC";

/* By both functions, which must agree. */
static void expect(const char *s, size_t n, const utf8_rules *rules, const char *want) {
    err    e = {0};
    char  *clean = utf8_clean(s, n, rules, &e), *out = NULL;
    size_t written;
    FILE  *f = open_memstream(&out, &written);
    utf8_write(s, n, rules, f);
    fclose(f);
    cr_assert_str_eq(clean, want);
    cr_assert_str_eq(out, want);
    free(clean);
    free(out);
}

Test(utf8, each_rule_replaces_its_own) {
    const size_t n = sizeof odd - 1;
    expect(odd, n, &(utf8_rules){0}, odd);
    expect(odd, n, &(utf8_rules){.newline = "\\n", .tab = "    "},
           "a\\nb    c\033[1md\x7f"
           "e\xC2\x9B"
           "f\xE2\x80\xAEg\xFF\xC3(\xE2\x82\xAC");
    expect(odd, n, &(utf8_rules){.control = ""}, "a\nb\tc[1mdef\xE2\x80\xAEg\xFF\xC3(\xE2\x82\xAC");
    expect(odd, n, &(utf8_rules){.invalid = "\xEF\xBF\xBD"},
           "a\nb\tc\033[1md\x7f"
           "e\xC2\x9B"
           "f\xE2\x80\xAEg\xEF\xBF\xBD\xEF\xBF\xBD(\xE2\x82\xAC");
    expect(odd, n, &(utf8_rules){.hidden = "."},
           "a\nb\tc\033[1md\x7f"
           "e\xC2\x9B"
           "f.g\xFF\xC3(\xE2\x82\xAC");
    expect(odd, n, &utf8_one_line,
           "a?b?c?[1md?e?f?g?"
           "?(\xE2\x82\xAC");
}

Test(utf8, text_ends_at_n_and_a_nul_is_a_control_character) {
    expect("", 0, &utf8_one_line, "");
    expect("a\0b", 3, &utf8_one_line, "a?b");
    expect("\xE2\x82\xAC", 2, &utf8_one_line, "??"); /* cut within a character */
}

Test(utf8, a_failed_allocation_is_an_error) {
    err e = {0};
    mem_fail_at(1);
    cr_assert_null(utf8_clean("a", 1, &utf8_one_line, &e));
    mem_fail_at(0);
    cr_assert_eq(e.kind, ERR_RUN);
}
