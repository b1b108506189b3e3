/* Patterns over ids: what they match, and those that would take too long. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/id_pattern.h"

static void check_part(const char *pattern, const char *id, const char *want) {
    err         e = {0};
    size_t      from = 0, to = 0;
    id_pattern *p = id_pattern_open(pattern, &e);
    cr_assert_not_null(p, "%s", e.text);
    cr_assert_eq(id_pattern_find(p, id, &from, &to, &e), want != NULL, "%s in %s: %s", pattern, id, e.text);
    if (want != NULL)
        cr_expect(to - from == strlen(want) && strncmp(id + from, want, to - from) == 0, "%s in %s: %zu to %zu",
                  pattern, id, from, to);
    id_pattern_close(p);
}

Test(id_pattern, gives_the_first_part_or_all) {
    check_part("^(.*)_[0-9]+$", "doc_a_12", "doc_a");
    check_part("^(.*)_[0-9]+$", "doc", NULL);
    check_part("[0-9]+", "doc_12_3", "12");
    check_part("a(b)|c", "xc", "c");
    check_part("(a)|(b)", "b", "b");
    check_part("^[[:alpha:]]+", "doc12", "doc");
    check_part("d\\d", "d\xC3\xA9 d4", "d4");
    check_part("\xC3\xA9.", "x\xC3\xA9\xE6\xB8\xAC", "\xC3\xA9\xE6\xB8\xAC");
    check_part("b", "\xFF b", "b"); /* beside bytes that are not UTF-8 */
}

static void check_refused(const char *pattern, const char *why) {
    err e = {0};
    cr_assert_null(id_pattern_open(pattern, &e), "%s", pattern);
    cr_expect_eq(e.kind, ERR_INPUT);
    cr_expect_not_null(strstr(e.text, why), "%s", e.text);
}

Test(id_pattern, what_is_no_pattern_is_refused, .timeout = 20) {
    char *nested = calloc(1, 1000);
    memset(nested, '(', 999);
    check_refused("(", "is not a regular expression: missing closing parenthesis");
    check_refused("a{3,2}", "is not a regular expression");
    check_refused("((a{1,250}){1,250}){1,250}", "is not a regular expression");
    check_refused(nested, "is not a regular expression");
    char *longer = calloc(1, 1002);
    memset(longer, 'a', 1001);
    check_refused(longer, "1001 bytes is too long (at most 1000)");
    free(longer);
    free(nested);
}

/* Each of these would take longer than anyone waits. */
Test(id_pattern, what_takes_too_long_is_an_error, .timeout = 20) {
    static const char *const patterns[] = {"^(a+)+$", "^(a|aa)+$", "^(.*)(.*)(.*)(.*)(.*)(.*)\\1!!",
                                           "^((?:a|b|ab)+)*!!"};
    static const char        id[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        err         e = {0};
        size_t      from, to;
        id_pattern *p = id_pattern_open(patterns[i], &e);
        cr_assert_not_null(p, "%s", e.text);
        cr_expect_eq(id_pattern_find(p, id, &from, &to, &e), -1, "%s", patterns[i]);
        cr_expect_eq(e.kind, ERR_INPUT);
        cr_expect_not_null(strstr(e.text, "limit exceeded"), "%s", e.text);
        id_pattern_close(p);
    }
}
