/* Every format that a table can be written in. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/formats/table_format.h"
#include "engine/base/mem.h"

static const table_format *format_named(const char *name) {
    const table_format *f = registry_find(&table_format_registry, name);
    cr_assert_not_null(f, "%s", name);
    return f;
}

/* The table as text; the caller frees it. */
static char *written(const table *t, const char *format) {
    char  *s = NULL;
    size_t n;
    err    e = {0};
    FILE  *out = open_memstream(&s, &n);
    cr_assert_eq(table_write(t, format_named(format), out, &e), 0, "%s", e.text);
    fclose(out);
    return s;
}

static void expect(char *got, const char *want) {
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
    free(got);
}

/* The one row of a table that holds the text. */
static char *single(const char *s, const char *format) {
    err    e = {0};
    table *t = table_new(&e);
    table_column(t, COLUMN_LEFT, "x", "x");
    table_put_text(t, s);
    char *all = written(t, format), *row = all;
    table_free(t);
    size_t skip = strcmp(format, "csv") == 0     ? 1
                  : strcmp(format, "latex") == 0 ? 4
                                                 : 2; /* lines before the first row */
    while (skip-- > 0) row = strchr(row, '\n') + 1;
    row = strdup(row);
    free(all);
    if (strcmp(format, "latex") == 0)
        row[strcspn(row, "\n")] = '\0';
    else if (row[strlen(row) - 1] == '\n')
        row[strlen(row) - 1] = '\0';
    return row;
}

Test(table_formats, escapes_what_each_format_would_read) {
    expect(single("a,b", "csv"), "\"a,b\"");
    expect(single("say \"x\"\nand", "csv"), "\"say \"\"x\"\"\nand\"");
    expect(single(" plain ", "csv"), " plain ");
    expect(single("a|b_c*d`e\\f<g&h", "md"), "| a\\|b\\_c\\*d\\`e\\\\f&lt;g&amp;h |");
    expect(single("50% of_#1 & {x}~^\\$ <|>\"", "latex"),
           "50\\% of\\_\\#1 \\& \\{x\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}\\$ "
           "\\textless{}\\textbar{}\\textgreater{}'' \\\\");
}

Test(table_formats, keeps_controls_and_broken_utf8_from_people) {
    expect(single("a\033[31mb\nc\td\x7f", "text"), "a?[31mb?c?d?");
    expect(single("\xff\xc3(\xe2\x82", "text"), "?"
                                                "?(?"
                                                "?");
    expect(single("\xc2\x9b", "md"), "| ? |"); /* C1: a one-character escape sequence */
    expect(single("line\nend", "latex"), "line?end \\\\");
}

Test(table_formats, a_share_is_cut_and_never_rounded_up) {
    err    e = {0};
    table *t = table_new(&e);
    table_column(t, COLUMN_RIGHT, "share", "share");
    table_put_share(t, 99999, 100000);
    table_put_share(t, 100000, 100000);
    table_put_share(t, 0, 7);
    table_put_share(t, 2, 3);
    table_put_share(t, 0, 0);
    expect(written(t, "text"), " share\n------\n 99.9%\n100.0%\n  0.0%\n 66.6%\n     -\n");
    expect(written(t, "csv"), "share\n0.99999\n1\n0\n0.6666666666666666\n\n");
    table_free(t);
}

Test(table_formats, csv_numbers_read_back_equal_and_missing_is_empty) {
    err    e = {0};
    table *t = table_new(&e);
    table_column(t, COLUMN_RIGHT, "a", "a");
    table_column(t, COLUMN_RIGHT, "people", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "b");
    table_put_real(t, 0.1 + 0.2, 2);
    table_put_range(t, 1.5, 1, NAN, 1);
    table_put_real(t, NAN, 2);
    table_put_real(t, INFINITY, 2);
    table_put_range(t, 1.5, 1, 2, 1);
    table_put_count(t, 7);
    expect(written(t, "csv"), "a,b\n0.30000000000000004,\ninf,7\n");
    expect(written(t, "text"),
           "   a          people\n----  --------------\n0.30             1.5\n inf  1.5 [1.0, 2.0]\n");
    table_free(t);
}

Test(table_formats, captions_are_wrapped_between_their_parts_only) {
    err    e = {0};
    table *t = table_new(&e);
    char   word[121];
    memset(word, 'w', 120);
    word[120] = '\0';
    table_column(t, COLUMN_LEFT, "x", "x");
    table_caption(t, "a, %.68s = b c d, e", word);
    table_caption(t, "%s", word);
    table_caption(t, "a, stages = %.60s n=2 > b k=3 >2", word);
    table_caption(t, "%s", "");
    char want[512];
    snprintf(want, sizeof want, "a, %.68s = b c d,\n  e\n%s\na, stages = %.60s n=2 >\n  b k=3 >2\n\n\nx\n-\n", word,
             word, word);
    expect(written(t, "text"), want);
    table_free(t);
}

/* ---- promises of all formats -------------------------------------------------------------------------- */

static const char controls[] = "a\033[31m\tb\x7f\xc2\x9b\xff\xc3( \xe2\x82";
static const char special[] = "a,b|c_d*e`f\\g<h>i&j%k$l#m{n}o~~p^q\"r s[t](u)";

/* Every kind of cell, in rows of a text, a number and one that nothing is in; the last row begins a group. */
static table *every_kind_of_cell(void) {
    err    e = {0};
    table *t = table_new(&e);
    table_caption(t, "caption %s", special);
    table_column(t, COLUMN_LEFT, special, special);
    table_column(t, COLUMN_RIGHT, "number", "number");
    table_column(t, COLUMN_RIGHT, "empty", "empty");
    for (size_t i = 0; i < 7; i++) {
        if (i == 6) table_group(t);
        table_put_text(t, i == 0 ? NULL : special);
        if (i == 0) table_put_count(t, 7);
        if (i == 1) table_put_real(t, 0.5, 2);
        if (i == 2) table_put_range(t, 1.5, 1, 2, 1);
        if (i == 3) table_put_share(t, 1, 2);
        if (i == 4) table_put_of(t, 5, 7);
        if (i == 5) table_put_part(t, 5, 7);
        if (i == 6) table_put_missing(t);
        table_put_missing(t);
    }
    return t;
}

/* Where the format's own word for `s` is in the text; NULL when it is not. */
static const char *find_escaped(const char *text, const table_format *f, const char *s) {
    err   e = {0};
    char *escaped = f->escape(s, &e);
    cr_assert_not_null(escaped, "%s", e.text);
    const char *at = strstr(text, escaped);
    free(escaped);
    return at;
}

Test(table_formats, each_writes_every_kind_of_cell) {
    static const char *const        for_people[] = {"7", "0.50", "1.5 [1.0, 2.0]", "50.0%", "5/7", "5 of 7"},
                             *const for_programs[] = {"7", "0.5", "1.5", "0.5", "5/7", NULL};
    table                          *t = every_kind_of_cell();
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const table_format *f = table_format_registry.at[i];
        char               *all = written(t, f->name);
        const char         *at = all;
        cr_assert(*f->name != '\0' && *f->help != '\0');
        cr_assert_eq(find_escaped(all, f, "caption") == NULL, f->for_programs, "%s", all);
        cr_assert_eq(find_escaped(all, f, "no values: empty") == NULL, f->for_programs, "%s", all);
        cr_assert_not_null(at = find_escaped(at, f, "number"), "%s:\n%s", f->name, all);
        for (size_t c = 0; c < sizeof for_people / sizeof *for_people; c++) { /* in this order */
            const char *want = f->for_programs ? for_programs[c] : for_people[c];
            at = want != NULL ? find_escaped(at, f, want) : strstr(at, f->missing);
            cr_assert_not_null(at, "%s: no %s in\n%s", f->name, want, all);
        }
        cr_assert_not_null(strstr(all, f->missing));
        cr_assert_not_null(find_escaped(at, f, special), "%s:\n%s", f->name, all);
        cr_assert_not_null(strstr(at, f->above_group));
        cr_assert_str_eq(all + strlen(all) - strlen(f->end), f->end);
        free(all);
    }
    table_free(t);
}

/* No control character from a file reaches a terminal. */
Test(table_formats, those_for_people_show_no_controls) {
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const table_format *f = table_format_registry.at[i];
        err                 e = {0};
        if (f->for_programs) continue;
        char *shown = f->escape(controls, &e);
        cr_assert_not_null(shown, "%s", e.text);
        for (const char *at = shown; *at != '\0'; at++)
            cr_assert(*at >= ' ' && *at < 0x7F, "%s: byte %02x", f->name, (unsigned char)*at);
        cr_assert_not_null(strstr(shown, "?"));
        free(shown);
    }
}

Test(table_formats, csv_keeps_every_byte) {
    expect(single(controls, "csv"), controls);
}

Test(table_formats, each_writes_a_table_without_columns_or_rows) {
    err    e = {0};
    table *none = table_new(&e), *no_rows = table_new(&e);
    table_column(no_rows, COLUMN_LEFT, "title", "title");
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const char *name = registry_name(&table_format_registry, i);
        free(written(none, name));
        char *s = written(no_rows, name);
        cr_assert_not_null(strstr(s, "title"), "%s: %s", name, s);
        free(s);
    }
    table_free(none);
    table_free(no_rows);
}

Test(table_formats, each_tells_of_the_first_failed_allocation) {
    for (size_t i = 0; i < table_format_registry.n; i++)
        for (size_t k = 1;; k++) {
            err    e = {0};
            FILE  *out = fopen("/dev/null", "w");
            table *t = every_kind_of_cell();
            mem_fail_at(k);
            int status = table_write(t, table_format_registry.at[i], out, &e);
            mem_fail_at(0);
            table_free(t);
            fclose(out);
            if (status == 0) {
                cr_assert_gt(k, 20);
                break;
            }
            cr_assert_eq(e.kind, ERR_RUN, "allocation %zu", k);
        }
}

Test(table_formats, an_unknown_name_lists_the_known) {
    static const char begin[] = "unknown table format \"latx\"; did you mean \"latex\"? (allowed: \"text\", \"md\", ";
    err               e = {0};
    cr_assert_null(registry_named(&table_format_registry, NULL, "latx", &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, begin, sizeof begin - 1), 0, "%s", e.text);
}
