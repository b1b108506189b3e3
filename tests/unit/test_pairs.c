/* Outputs of two files: which records belong together, and what does not fit. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "datasets/pairs.h"
#include "tests/fixtures/scratch.h"

TestSuite(pairs, .init = scratch_enter, .fini = scratch_leave);

static dataset read_outputs(const char *name, const char *lines) {
    const dataset_options o = {.format = "auto", .outputs = true};
    dataset               d;
    err                   e = {0};
    scratch_write(name, lines);
    cr_assert_eq(dataset_read(name, &o, NULL, NULL, &d, &e), 0, "%s", e.text);
    return d;
}

typedef struct {
    size_t n;
    char   last[1024];
} reports;

static void report(void *ctx, const err *why) {
    reports *r = ctx;
    r->n++;
    snprintf(r->last, sizeof r->last, "%s", why->text);
}

static void assert_refused(const char *a, const char *b, const char *why) {
    dataset      x = read_outputs("a.jsonl", a), y = read_outputs("b.jsonl", b);
    record_pairs p;
    err          e = {0};
    cr_assert_eq(pairs_make(&x, &y, false, NULL, NULL, &p, &e), -1, "taken, but should be refused with %s", why);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_not_null(strstr(e.text, why), "\"%s\" lacks \"%s\"", e.text, why);
    pairs_free(&p);
    dataset_free(&x);
    dataset_free(&y);
}

static void assert_pairs(const char *a, const char *b, const record_pair *want, size_t n) {
    dataset      x = read_outputs("a.jsonl", a), y = read_outputs("b.jsonl", b);
    record_pairs p;
    err          e = {0};
    cr_assert_eq(pairs_make(&x, &y, false, NULL, NULL, &p, &e), 0, "%s", e.text);
    cr_assert_eq(p.n, n);
    for (size_t i = 0; i < n; i++) cr_assert(p.at[i].a == want[i].a && p.at[i].b == want[i].b, "%zu", i);
    pairs_free(&p);
    dataset_free(&x);
    dataset_free(&y);
}

#define IDS(id, list) "{\"id\":\"" id "\",\"prompt\":\"p\",\"output_ids\":[" list "]}\n"

Test(pairs, by_id_in_any_order) {
    assert_pairs(IDS("x", "1") IDS("y", "2"), IDS("y", "3") IDS("x", "4"), (record_pair[]){{0, 1}, {1, 0}}, 2);
}

Test(pairs, by_line_where_there_are_no_ids) {
    assert_pairs("{\"output\":\"a\"}\n{\"output\":\"b\"}\n", "{\"output\":\"a\"}\n{\"output\":\"c\"}\n",
                 (record_pair[]){{0, 0}, {1, 1}}, 2);
}

Test(pairs, the_prompt_may_be_in_one_file) {
    assert_pairs(IDS("x", "1"), "{\"id\":\"x\",\"output_ids\":[1]}\n", (record_pair[]){{0, 0}}, 1);
}

Test(pairs, refused) {
    assert_refused(IDS("x", "1") IDS("y", "1"), IDS("x", "1"), "a.jsonl:2: no record of b.jsonl has the id \"y\"");
    assert_refused(IDS("x", "1"), IDS("x", "1") IDS("y", "1"), "b.jsonl:2: no record of a.jsonl has the id \"y\"");
    assert_refused("{\"output\":\"a\"}\n{\"output\":\"b\"}\n", "{\"output\":\"a\"}\n", "a.jsonl:2: no partner");
    assert_refused(IDS("1", "1"), "{\"output_ids\":[1]}\n",
                   "b.jsonl: the records have no ids, those of a.jsonl have some");
    assert_refused(IDS("x", "1"), "{\"id\":\"x\",\"prompt\":\"q\",\"output_ids\":[1]}\n",
                   "b.jsonl:1: the prompt is not that of a.jsonl:1");
    assert_refused(IDS("x", "1"), "{\"id\":\"x\",\"prompt_ids\":[1],\"output_ids\":[1]}\n",
                   "the prompt is not that of");
    assert_refused(IDS("x", "1"), "{\"id\":\"x\",\"prompt\":\"p\",\"output\":\"a\"}\n",
                   "b.jsonl:1: the output is a text, in a.jsonl:1 it is ids");
    assert_refused(IDS("x", "1"), "{\"id\":\"x\",\"prompt\":\"p\"}\n", "b.jsonl:1: no output");
}

Test(pairs, what_does_not_fit_can_be_left_out) {
    dataset      x = read_outputs("a.jsonl", IDS("x", "1") IDS("y", "1") "{\"id\":\"z\",\"prompt\":\"p\"}\n");
    dataset      y = read_outputs("b.jsonl", IDS("w", "1") IDS("y", "1") IDS("z", "1"));
    reports      r = {0};
    record_pairs p;
    err          e = {0};
    cr_assert_eq(pairs_make(&x, &y, true, report, &r, &p, &e), 0, "%s", e.text);
    cr_assert_eq(p.n, 1);
    cr_assert_eq(p.at[0].a, 1);
    cr_assert_eq(r.n, 3);
    cr_assert_not_null(strstr(r.last, "b.jsonl:1: no record of a.jsonl has the id \"w\""), "%s", r.last);
    pairs_free(&p);
    dataset_free(&x);
    dataset_free(&y);
}

/* What is no output to be compared is as it was: a record without a prompt or an id is refused. */
Test(pairs, only_outputs_may_lack_id_and_prompt) {
    static const char *const lines[] = {"{\"output\":\"a\"}\n", "{\"id\":\"x\",\"output\":\"a\"}\n",
                                        "{\"prompt\":\"p\",\"output\":\"a\"}\n"};
    for (size_t i = 0; i < 3; i++) {
        dataset d;
        err     e = {0};
        scratch_write("a.jsonl", lines[i]);
        cr_assert_eq(dataset_read("a.jsonl", &(dataset_options){.format = "auto"}, NULL, NULL, &d, &e), -1);
        dataset good = read_outputs("a.jsonl", lines[i]);
        dataset_free(&good);
    }
}

Test(pairs, ids_are_in_all_records_or_in_none) {
    dataset d;
    err     e = {0};
    scratch_write("a.jsonl", IDS("x", "1") "{\"output_ids\":[1]}\n");
    cr_assert_eq(dataset_read("a.jsonl", &(dataset_options){.format = "auto", .outputs = true}, NULL, NULL, &d, &e),
                 -1);
    cr_assert_not_null(strstr(e.text, "a.jsonl:2: this record has no id, unlike those before it"), "%s", e.text);
}
