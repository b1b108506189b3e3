/* Tables that are wider than a terminal's lines. */
#include <criterion/criterion.h>
#include <gsl/gsl_rng.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/formats/fit.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/base/utf8.h"

enum { LINE = 80 };

static int write_as_text(const table *t, char **out, err *e) {
    size_t n;
    FILE  *f = open_memstream(out, &n);
    int    status = table_write(t, registry_find(&table_format_registry, "text"), f, e);
    fclose(f);
    return status;
}

static char *written(const table *t) {
    char *s = NULL;
    err   e = {0};
    cr_assert_eq(write_as_text(t, &s, &e), 0, "%s", e.text);
    for (const char *at = s, *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        cr_assert_leq(utf8_width(at, (size_t)(end - at)), (size_t)LINE, "%s", s);
    return s;
}

static void expect(char *got, const char *want) {
    cr_assert_str_eq(got, want, "got:\n%s\nwant:\n%s", got, want);
    free(got);
}

static char *wrapped(const char *s, size_t width) {
    err   e = {0};
    char *out = wrap_cell(s, width, &e);
    cr_assert_not_null(out, "%s", e.text);
    return out;
}

Test(table_fit, texts_are_broken_where_it_hurts_least) {
    expect(wrapped("tokens/step", 7), "tokens/\nstep");
    expect(wrapped("llma:n=2,k=4,key=history", 16), "llma:n=2,k=4,\nkey=history");
    expect(wrapped("one two three", 7), "one two\nthree");
    expect(wrapped("sources=references_prompt_output", 20), "sources=references_\nprompt_output");
    expect(wrapped("abcdefgh", 3), "abc\ndef\ngh");
    expect(wrapped("\xe4\xb8\x80\xe4\xb8\x81\xe4\xb8\x83", 4), "\xe4\xb8\x80\xe4\xb8\x81\n\xe4\xb8\x83"); /* wide */
    expect(wrapped("", 3), "");
    expect(wrapped("a", 0), "a");
}

/* L1: all that breaking takes away is a blank. */
Test(table_fit, no_text_is_cut) {
    static const char letters[] = "ab_=, /c";
    gsl_rng          *rng = rng_new(7, 0);
    for (size_t x = 0; x < 3000; x++) {
        char   s[40];
        size_t n = gsl_rng_uniform_int(rng, sizeof s), width = 1 + gsl_rng_uniform_int(rng, 12);
        for (size_t i = 0; i < n; i++) s[i] = letters[gsl_rng_uniform_int(rng, sizeof letters - 1)];
        s[n == sizeof s ? n - 1 : n] = '\0';
        char *lines = wrapped(s, width), *at = lines;
        for (const char *want = s; *want != '\0' || *at != '\0';) {
            if (*want == ' ' && (*at == '\n' || *at == '\0')) {
                at += *at == '\n';
                want++;
            } else if (*at == '\n')
                at++;
            else
                cr_assert_eq(*at++, *want++, "\"%s\" in %zu: \"%s\"", s, width, lines);
        }
        for (const char *line = lines; *line != '\0'; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
            cr_assert_leq(strcspn(line, "\n"), width, "\"%s\" in %zu: \"%s\"", s, width, lines);
        free(lines);
    }
    gsl_rng_free(rng);
}

/* Keys, then a label, then values with long titles. */
static table *results(size_t values, const char *policy) {
    err    e = {0};
    table *t = table_new(&e);
    table_role(t, COLUMN_CELL);
    table_column(t, COLUMN_LEFT, "dataset", "dataset");
    table_column(t, COLUMN_LEFT, "policy", "policy");
    table_column(t, COLUMN_RIGHT, "k", "k");
    table_role(t, COLUMN_LABEL);
    table_column(t, COLUMN_LEFT, "copied from", "copied_from");
    table_role(t, COLUMN_VALUE);
    for (size_t i = 0; i < values; i++) table_column(t, COLUMN_RIGHT, "first divergence", "x");
    for (size_t row = 0; row < 2; row++) {
        table_put_text(t, row == 0 ? "one" : "another");
        table_put_text(t, row == 0 ? "none" : policy);
        if (row == 0)
            table_put_missing(t);
        else
            table_put_count(t, 16);
        table_put_text(t, row == 0 ? "prompt" : "references");
        for (size_t i = 0; i < values; i++) table_put_count(t, 100 * row + i);
    }
    return t;
}

Test(table_fit, titles_are_broken_first) {
    table *t = results(3, "suffix_tree");
    expect(written(t), "                          copied           first       first       first\n"
                       "dataset  policy        k  from        divergence  divergence  divergence\n"
                       "-------  -----------  --  ----------  ----------  ----------  ----------\n"
                       "one      none          -  prompt               0           1           2\n"
                       "another  suffix_tree  16  references         100         101         102\n");
    table_free(t);
}

Test(table_fit, then_texts) {
    table *t = results(3, "a_policy_with_a_long_name");
    expect(written(t), "                               copied           first       first       first\n"
                       "dataset  policy             k  from        divergence  divergence  divergence\n"
                       "-------  ----------------  --  ----------  ----------  ----------  ----------\n"
                       "one      none               -  prompt               0           1           2\n"
                       "another  a_policy_with_a_  16  references         100         101         102\n"
                       "         long_name\n");
    table_free(t);
}

Test(table_fit, then_keys_become_one_column) {
    table *t = results(4, "a_policy_with_a_long_name");
    expect(written(t), "                  copied           first       first       first       first\n"
                       "cell              from        divergence  divergence  divergence  divergence\n"
                       "----------------  ----------  ----------  ----------  ----------  ----------\n"
                       "dataset=one none  prompt               0           1           2           3\n"
                       "dataset=another   references         100         101         102         103\n"
                       "a_policy_with_a_\n"
                       "long_name k=16\n");
    table_free(t);
}

Test(table_fit, then_columns_go_on_below) {
    table *t = results(6, "suffix_tree");
    expect(written(t), "                             copied           first       first       first\n"
                       "cell                         from        divergence  divergence  divergence\n"
                       "---------------------------  ----------  ----------  ----------  ----------\n"
                       "dataset=one none             prompt               0           1           2\n"
                       "dataset=another suffix_tree  references         100         101         102\n"
                       "k=16\n"
                       "\n"
                       "                             copied           first       first       first\n"
                       "cell                         from        divergence  divergence  divergence\n"
                       "---------------------------  ----------  ----------  ----------  ----------\n"
                       "dataset=one none             prompt               3           4           5\n"
                       "dataset=another suffix_tree  references         103         104         105\n"
                       "k=16\n");
    table_free(t);
}

Test(table_fit, programs_and_markdown_get_one_line_for_a_row) {
    table *t = results(12, "a_policy_with_a_long_name");
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const table_format *f = table_format_registry.at[i];
        char               *s = NULL;
        size_t              n, lines = 0;
        err                 e = {0};
        if (f->widest > 0) continue;
        FILE *out = open_memstream(&s, &n);
        cr_assert_eq(table_write(t, f, out, &e), 0);
        fclose(out);
        for (size_t at = 0; at < n; at++) lines += s[at] == '\n';
        cr_assert_leq(lines, 9, "%s:\n%s", f->name, s);
        free(s);
    }
    table_free(t);
}

Test(table_fit, every_allocation_may_fail) {
    table *t = results(7, "a_policy_with_a_long_name_and_more");
    for (size_t k = 1;; k++) {
        char *s = NULL;
        err   e = {0};
        mem_fail_at(k);
        int status = write_as_text(t, &s, &e);
        mem_fail_at(0);
        free(s);
        if (status == 0) {
            cr_assert_gt(k, 40);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu", k);
    }
    table_free(t);
}
