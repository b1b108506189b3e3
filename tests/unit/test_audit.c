/* The kinds of difference between two outputs, and what an audit says of all of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/audit.h"
#include "analysis/formats/table_format.h"

typedef struct {
    double     below[AUDIT_SIDES]; /* how far the two tokens are below the largest logit, 20 */
    bool       ended[AUDIT_SIDES], stops[AUDIT_SIDES], at_limit[AUDIT_SIDES];
    audit_kind kind;
    audit_side whose;
} part;

static audit_record *add(audit *a, const part *x) {
    err           e = {0};
    audit_record *r = audit_add(a, "r", &e);
    cr_assert_not_null(r);
    r->parts = true;
    for (int side = 0; side < AUDIT_SIDES; side++) {
        audit_word *w = &r->word[side];
        w->below = x->below[side];
        w->logit = 20 - x->below[side];
        w->ended = x->ended[side];
        w->stops = x->stops[side];
        w->at_limit = x->at_limit[side];
    }
    return r;
}

static void judge(audit *a) {
    err e = {0};
    cr_assert_eq(audit_judge(a, &e), 0, "%s", e.text);
}

Test(audit, kinds) {
    const part parts[] = {
        {.below = {0, 0.4}, .kind = AUDIT_ROUNDING},
        {.below = {0.5, 0.4}, .kind = AUDIT_ROUNDING},
        {.below = {0, 0}, .kind = AUDIT_TIE},
        {.below = {0.3, 0.3}, .kind = AUDIT_TIE},
        {.below = {0, 0.6}, .kind = AUDIT_BUG, .whose = AUDIT_OTHER},
        {.below = {9, 0.2}, .kind = AUDIT_BUG, .whose = AUDIT_PLAIN},
        {.below = {9, 0.6}, .kind = AUDIT_UNRELATED},
        {.below = {0, 9}, .ended = {0, 1}, .kind = AUDIT_EARLY, .whose = AUDIT_OTHER},
        {.below = {9, 0}, .ended = {1, 0}, .kind = AUDIT_EARLY, .whose = AUDIT_PLAIN},
        {.below = {0.2, 0}, .ended = {1, 0}, .kind = AUDIT_ROUNDING},
        {.below = {9, 0}, .ended = {1, 0}, .at_limit = {1, 0}, .kind = AUDIT_LENGTH},
        {.below = {9, 0}, .ended = {1, 0}, .at_limit = {0, 1}, .kind = AUDIT_EARLY, .whose = AUDIT_PLAIN},
        {.below = {9, 0}, .ended = {1, 0}, .stops = {0, 1}, .kind = AUDIT_LENGTH},
        {.below = {NAN, 0}, .ended = {1, 0}, .kind = AUDIT_LENGTH}, /* no token ends a text */
    };
    enum { N = sizeof parts / sizeof *parts };
    audit a = {.scored = true, .tolerance = 0.5};
    for (size_t i = 0; i < N; i++) add(&a, &parts[i]);
    judge(&a);
    for (size_t i = 0; i < N; i++) {
        cr_assert_eq(a.records[i].kind, parts[i].kind, "%zu: %s", i, audit_kind_names[a.records[i].kind]);
        if (parts[i].kind == AUDIT_BUG || parts[i].kind == AUDIT_EARLY)
            cr_assert_eq(a.records[i].whose, parts[i].whose, "%zu", i);
    }
    cr_assert_eq(a.counts[AUDIT_ROUNDING], 3);
    cr_assert_not(audit_explained(&a));
    audit_free(&a);
}

Test(audit, rounding_ties_and_limits_are_explained) {
    const part parts[] = {
        {.below = {0, 0.4}}, {.below = {0, 0}}, {.below = {9, 0}, .ended = {1, 0}, .at_limit = {1, 0}}};
    audit a = {.scored = true, .tolerance = 0.5};
    for (size_t i = 0; i < 3; i++) add(&a, &parts[i]);
    judge(&a);
    cr_assert(audit_explained(&a));
    audit_free(&a);
}

/* A2: without logits a difference is not explained, but for one that only ends later. */
Test(audit, without_a_model) {
    const part parts[] = {{.below = {NAN, NAN}, .ended = {1, 0}, .at_limit = {1, 0}},
                          {.below = {NAN, NAN}, .ended = {1, 0}}};
    err        e = {0};
    audit      a = {.tolerance = NAN};
    add(&a, &parts[0]);
    judge(&a);
    cr_assert_eq(a.records[0].kind, AUDIT_LENGTH);
    cr_assert(audit_explained(&a));
    add(&a, &parts[1]);
    judge(&a);
    cr_assert_eq(a.records[1].kind, AUDIT_PARTED);
    cr_assert_not(audit_explained(&a));
    cr_assert_eq(audit_fault(&a, &e), -1);
    cr_assert_not_null(strstr(e.text, "1 of 2 outputs differ, and without a model"), "%s", e.text);
    audit_free(&a);
}

/* A2, too: one token says nothing about rounding. */
Test(audit, with_too_few_tokens) {
    err   e = {0};
    audit a = {.scored = true, .tolerance = NAN};
    add(&a, &(part){.below = {0, 0.1}});
    cr_assert_eq(audit_track_add(&a, AUDIT_PLAIN, 3, 0, &e), 0);
    judge(&a);
    cr_assert_eq(a.records[0].kind, AUDIT_PARTED);
    cr_assert_not(audit_explained(&a));
    cr_assert_eq(audit_fault(&a, &e), -1);
    cr_assert_not_null(strstr(e.text, "too few tokens to tell why"), "%s", e.text);
    audit_free(&a);
}

/* Plain's tokens, then the other side's after parting; every `every`-th one of those is far from the likeliest. */
static void add_tracks(audit *a, size_t plain, size_t other, size_t every) {
    err e = {0};
    cr_assert_not_null(audit_add(a, "r", &e));
    for (size_t i = 0; i < plain; i++)
        cr_assert_eq(audit_track_add(a, AUDIT_PLAIN, 1 + (double)(i % 5), i % 20 == 3 ? 0.1 : 0, &e), 0);
    for (size_t i = 0; i < other; i++)
        cr_assert_eq(audit_track_add(a, AUDIT_OTHER, 2, every > 0 && i % every == 0 ? 8 : 0, &e), 0);
}

Test(audit, what_comes_after_counts_as_well) {
    err   e = {0};
    audit good = {.scored = true, .tolerance = NAN}, bad = {.scored = true, .tolerance = NAN};
    add_tracks(&good, 400, 100, 0);
    add_tracks(&bad, 400, 100, 20);
    judge(&good);
    judge(&bad);
    cr_assert(good.tolerance > 0.1 && good.tolerance < 4, "%g", good.tolerance);
    cr_assert_eq(good.records[0].track[AUDIT_PLAIN].departures, 20);
    cr_assert_eq(good.records[0].track[AUDIT_PLAIN].departs_at, 3);
    cr_assert_float_eq(good.records[0].track[AUDIT_PLAIN].farthest, 0.1, 1e-12);
    cr_assert(audit_explained(&good));
    cr_assert_eq(bad.beyond[AUDIT_OTHER], 5);
    cr_assert_lt(bad.worse, 0.001);
    cr_assert_not(audit_explained(&bad));
    cr_assert_eq(audit_fault(&bad, &e), -1);
    cr_assert_not_null(strstr(e.text, "5 of the speculative outputs' tokens are beyond the tolerance"), "%s", e.text);
    audit_free(&good);
    audit_free(&bad);
}

/* If plain is as bad, it is not the speculation. */
Test(audit, what_plain_does_too_is_no_fault_of_the_other) {
    err   e = {0};
    audit a = {.scored = true, .tolerance = 0.5};
    add_tracks(&a, 400, 100, 20);
    cr_assert_not_null(audit_add(&a, "s", &e));
    for (int i = 0; i < 100; i++) cr_assert_eq(audit_track_add(&a, AUDIT_PLAIN, 2, i % 10 == 0 ? 8 : 0, &e), 0);
    judge(&a);
    cr_assert_eq(a.beyond[AUDIT_PLAIN], 10);
    cr_assert(audit_explained(&a), "%g", a.worse);
    audit_free(&a);
}

Test(audit, a_record_that_is_dropped_leaves_nothing) {
    err   e = {0};
    audit a = {.scored = true, .tolerance = 0.5};
    add_tracks(&a, 40, 10, 0);
    add_tracks(&a, 30, 10, 1);
    audit_drop(&a);
    judge(&a);
    cr_assert_eq(a.n, 1);
    cr_assert_eq(a.points[AUDIT_PLAIN].n, 40);
    cr_assert_eq(a.beyond[AUDIT_OTHER], 0);
    cr_assert_not_null(audit_add(&a, "t", &e));
    cr_assert_eq(a.records[1].track[AUDIT_OTHER].start, 10);
    audit_free(&a);
}

static char *printed(const audit *a, const char *format, bool all) {
    char            *s = NULL;
    size_t           n;
    err              e = {0};
    const audit_view v = {"plain.jsonl", "other.jsonl", "token", all};
    FILE            *out = open_memstream(&s, &n);
    table           *t = audit_table(a, &v, &e);
    cr_assert_eq(table_write(t, registry_find(&table_format_registry, format), out, &e), 0, "%s", e.text);
    table_free(t);
    fclose(out);
    return s;
}

Test(audit, no_titles_without_rows) {
    err   e = {0};
    audit a = {.scored = true, .tolerance = 0.5};
    cr_assert_not_null(audit_add(&a, "first", &e));
    char *text = printed(&a, "text", false), *all = printed(&a, "text", true), *csv = printed(&a, "csv", false);
    char *md = printed(&a, "md", false);
    cr_assert_not_null(strstr(text, "\n\nno output differs, so no record is listed (--all lists"), "%s", text);
    cr_assert_null(strstr(text, "-----"), "%s", text);
    cr_assert(strstr(md, "no output differs") != NULL && strstr(md, "|") == NULL, "%s", md);
    cr_assert(strstr(all, "no output differs") == NULL && strstr(all, "\nfirst ") != NULL, "%s", all);
    cr_assert(strncmp(csv, "record,kind,", 12) == 0 && strchr(csv, '\n')[1] == '\0', "programs get the names: %s", csv);
    free(text);
    free(all);
    free(csv);
    free(md);
    audit_free(&a);
}

Test(audit, the_table_lists_what_differs_and_on_request_all) {
    err   e = {0};
    audit a = {.scored = true, .tolerance = 0.5};
    cr_assert_not_null(audit_add(&a, "first", &e));
    audit_record *r = add(&a, &(part){.below = {0, 0.4}});
    r->at = 7;
    r->word[AUDIT_PLAIN].said = strdup("\" the\"");
    r->word[AUDIT_OTHER].said = strdup("\" a\"");
    r->word[AUDIT_PLAIN].rank = 1;
    r->word[AUDIT_OTHER].rank = 2;
    judge(&a);
    char *text = printed(&a, "text", false), *csv = printed(&a, "csv", true);
    cr_assert_not_null(strstr(text, "2 records: same 1, rounding 1\n"), "%s", text);
    cr_assert_null(strstr(text, "first"), "%s", text);
    cr_assert_not_null(strstr(text, "rounding      7  \" the\"  \" a\"         0.400   1, 2"), "%s", text);
    cr_assert_not_null(strstr(csv, "\nfirst,same,,"), "%s", csv);
    cr_assert_not_null(strstr(csv, "\nr,rounding,,7,,\"\"\" the\"\"\",\"\"\" a\"\"\",0.3999999999999986,1,2,20,19.6,"),
                       "%s", csv);
    free(text);
    free(csv);
    audit_free(&a);
}
