/* Records from JSONL: what is read, what is refused, and the messages. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/dataset.h"
#include "datasets/distinct.h"
#include "engine/base/digest.h"
#include "engine/base/mem.h"

/* ---- a file for one test ---- */

static char path[] = "/tmp/test-dataset-XXXXXX";

static void make_file(void) {
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_file(void) {
    unlink(path);
}

TestSuite(dataset, .init = make_file, .fini = remove_file);

static void write_bytes(const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

static void write_text(const char *text) {
    write_bytes(text, strlen(text));
}

static const dataset_options automatic = {.format = "auto"};

static dataset read_all(const char *text) {
    dataset d;
    err     e = {0};
    write_text(text);
    cr_assert_eq(dataset_read(path, &automatic, NULL, NULL, &d, &e), 0, "%s", e.text);
    return d;
}

/* Reading fails with "PATH" followed by `expected`. */
static void assert_refused(const dataset_options *o, const char *expected) {
    dataset d;
    err     e = {0};
    cr_assert_eq(dataset_read(path, o, NULL, NULL, &d, &e), -1, "taken, but should be refused with %s", expected);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strncmp(e.text, path, strlen(path)) == 0, "%s", e.text);
    cr_assert_str_eq(e.text + strlen(path), expected);
    cr_assert_null(d.records);
    cr_assert_null(d.path);
}

static void assert_text(const passage *p, const char *text) {
    cr_assert_not_null(p->text);
    cr_assert_str_eq(p->text, text);
    cr_assert_eq(p->n_text, strlen(text));
}

static void assert_ids(const passage *p, const int32_t *ids, size_t n) {
    cr_assert_null(p->text);
    cr_assert(tokens_equal(&p->ids, &(tokens){.ids = (int32_t *)(uintptr_t)ids, .n = n}));
}

/* ---- native ---- */

Test(dataset, native_text) {
    dataset d =
        read_all("{\"id\":\"a\",\"scenario\":\"rag\",\"conversation\":7,\"prompt\":\"p\",\"references\":[\"x\",\"\"],"
                 "\"output\":\"o\"}\n"
                 "{\"id\":\"b\",\"prompt\":\"\",\"other\":{\"deep\":[1]}}\n"
                 "{\"id\":\"c\",\"prompt\":\"\\u00e9\",\"references\":null,\"scenario\":null,\"output\":null}\n");
    cr_assert_eq(d.n, 3);
    cr_assert_str_eq(d.format, "native");
    cr_assert_str_eq(d.path, path);
    const record *r = d.records;
    cr_assert_str_eq(r[0].id, "a");
    cr_assert_str_eq(r[0].scenario, "rag");
    cr_assert_str_eq(r[0].conversation, "7");
    assert_text(&r[0].prompt, "p");
    cr_assert_eq(r[0].n_references, 2);
    assert_text(&r[0].references[0], "x");
    assert_text(&r[0].references[1], "");
    cr_assert(r[0].has_output);
    assert_text(&r[0].output, "o");
    cr_assert_eq(r[0].line, 1);

    cr_assert_str_eq(r[1].scenario, "");
    cr_assert_null(r[1].conversation);
    assert_text(&r[1].prompt, "");
    cr_assert_eq(r[1].n_references, 0);
    cr_assert_not(r[1].has_output);
    assert_text(&r[2].prompt, "\xc3\xa9");
    cr_assert_not(r[2].has_output);
    cr_assert_eq(r[2].line, 3);
    dataset_free(&d);
    cr_assert_null(d.records);
}

Test(dataset, native_ids_and_a_mix_of_both) {
    dataset d = read_all("{\"id\":\"a\",\"prompt_ids\":[],\"references_ids\":[[1,2147483647],[]],\"output_ids\":[0]}\n"
                         "{\"id\":\"b\",\"prompt\":\"text\",\"references_ids\":[[7]],\"output\":\"text\"}\n");
    const record *r = d.records;
    assert_ids(&r[0].prompt, NULL, 0);
    cr_assert_eq(r[0].n_references, 2);
    assert_ids(&r[0].references[0], (int32_t[]){1, INT32_MAX}, 2);
    assert_ids(&r[0].references[1], NULL, 0);
    cr_assert(r[0].has_output);
    assert_ids(&r[0].output, (int32_t[]){0}, 1);
    assert_text(&r[1].prompt, "text");
    assert_ids(&r[1].references[0], (int32_t[]){7}, 1);
    dataset_free(&d);
}

Test(dataset, texts_may_hold_nul) {
    dataset d = read_all("{\"id\":\"a\",\"prompt\":\"x\\u0000y\"}\n");
    cr_assert_eq(d.records[0].prompt.n_text, 3);
    cr_assert_eq(memcmp(d.records[0].prompt.text, "x\0y", 4), 0);
    dataset_free(&d);
}

Test(dataset, bom_crlf_blank_lines_and_no_final_line_end) {
    dataset d =
        read_all("\xef\xbb\xbf\r\n  \t\n{\"id\":\"a\",\"prompt\":\"p\"}\r\n\r\n\n  {\"id\":\"b\",\"prompt\":\"q\"}  ");
    cr_assert_eq(d.n, 2);
    cr_assert_eq(d.records[0].line, 3);
    cr_assert_eq(d.records[1].line, 6);
    assert_text(&d.records[1].prompt, "q");
    dataset_free(&d);

    write_text("{\"id\":\"a\",\"prompt\":\"p\"}\n\n\xef\xbb\xbf{\"id\":\"b\",\"prompt\":\"p\"}\n");
    assert_refused(&automatic, ":3: not JSON: invalid token near '?', at byte 3 of the line (one object to a line)");
}

Test(dataset, digest_is_that_of_the_file) {
    char        hex[DIGEST_HEX];
    const char *text = "\xef\xbb\xbf{\"id\":\"a\",\"prompt\":\"p\"}\n{\"id\":\"b\",\"prompt\":\"p\"}\nnot read\n";
    dataset     d;
    err         e = {0};
    const dataset_options two = {.format = "native", .limit = 2};
    write_text(text);
    cr_assert_eq(dataset_read(path, &two, NULL, NULL, &d, &e), 0, "%s", e.text);
    cr_assert_eq(digest_sha256(text, strlen(text), hex, &e), 0);
    cr_assert_str_eq(d.sha256, hex);
    dataset_free(&d);
}

Test(dataset, a_line_of_five_megabytes) {
    enum { N = 5 << 20 };
    static const char head[] = "{\"id\":\"long\",\"prompt\":\"", tail[] = "\"}\n{\"id\":\"next\",\"prompt\":\"p\"}\n";
    char             *text = malloc(sizeof head + N + sizeof tail);
    dataset           d;
    err               e = {0};
    memcpy(text, head, sizeof head - 1);
    memset(text + sizeof head - 1, 'x', N);
    memcpy(text + sizeof head - 1 + N, tail, sizeof tail - 1);
    write_bytes(text, sizeof head - 1 + N + sizeof tail - 1);
    cr_assert_eq(dataset_read(path, &automatic, NULL, NULL, &d, &e), 0, "%s", e.text);
    cr_assert_eq(d.n, 2);
    cr_assert_eq(d.records[0].prompt.n_text, N);
    cr_assert_eq(d.records[0].prompt.text[N - 1], 'x');
    cr_assert_eq(d.records[1].line, 2);
    dataset_free(&d);
    free(text);
}

/* ---- bad lines ---- */

/* Each is on line 2, after a good record with the id "first". */
static const struct {
    const char *line, *why;
} bad_native[] = {
    {"{\"id\":\"a\",",
     "not JSON: string or '}' expected near end of file, at byte 10 of the line (one object to a line)"},
    {"hello", "not JSON: invalid token near 'hello', at byte 5 of the line (one object to a line)"},
    {"{} {}", "not JSON: end of file expected near '{', at byte 4 of the line (one object to a line)"},
    {"[]", "an array (one object to a line)"},
    {"7", "an integer (one object to a line)"},
    {"null", "null (one object to a line)"},
    {"{\"id\":\"a\",\"prompt\":\"\xff\"}",
     "not JSON: unable to decode byte 0xff near '\"', at byte 20 of the line (one object to a line)"},
    {"{\"id\":\"a\",\"id\":\"b\",\"prompt\":\"\"}",
     "not JSON: duplicate object key near '\"id\"', at byte 14 of the line (one object to a line)"},
    {"{\"prompt\":\"p\"}", "\"id\" is missing"},
    {"{\"id\":null,\"prompt\":\"p\"}", "\"id\" is missing"},
    {"{\"id\":7,\"prompt\":\"p\"}", "id is an integer (a string is needed)"},
    {"{\"id\":\"\",\"prompt\":\"p\"}", "id is empty (a text that no other record has)"},
    {"{\"id\":\"a\\u0000\",\"prompt\":\"p\"}", "id holds \\u0000 (only texts may)"},
    {"{\"id\":\"first\",\"prompt\":\"p\"}", "id \"first\" was already given on line 1 (ids must differ)"},
    {"{\"id\":\"a\"}", "\"prompt\" is missing (or \"prompt_ids\")"},
    {"{\"id\":\"a\",\"prompt\":null}", "\"prompt\" is missing (or \"prompt_ids\")"},
    {"{\"id\":\"a\",\"prompt\":1.5}", "prompt is a real number (a string is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"scenario\":true}", "scenario is a boolean (a string is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"references\":\"r\"}", "references is a string (an array is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"references\":[\"r\",null]}", "references[1] is null (a string is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"references_ids\":[1,2]}",
     "references_ids[0] is an integer (an array of token ids is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"references_ids\":[[],[3,\"x\"]]}",
     "references_ids[1][1] is a string (a token id is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"output\":{}}", "output is an object (a string is needed)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"prompt_ids\":[]}",
     "both \"prompt\" and \"prompt_ids\" are given (text or ids, not both)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"references\":[],\"references_ids\":[]}",
     "both \"references\" and \"references_ids\" are given (text or ids, not both)"},
    {"{\"id\":\"a\",\"prompt\":\"p\",\"output\":\"o\",\"output_ids\":[]}",
     "both \"output\" and \"output_ids\" are given (text or ids, not both)"},
    {"{\"id\":\"a\",\"prompt_ids\":\"1 2\"}", "prompt_ids is a string (an array of token ids is needed)"},
    {"{\"id\":\"a\",\"prompt_ids\":[1.0]}", "prompt_ids[0] is a real number (a token id is needed)"},
    {"{\"id\":\"a\",\"prompt_ids\":[1,-1]}", "prompt_ids[1] is -1 (an id is 0 to 2147483647)"},
    {"{\"id\":\"a\",\"prompt_ids\":[2147483648]}", "prompt_ids[0] is 2147483648 (an id is 0 to 2147483647)"},
    {"{\"id\":\"a\",\"prompt_ids\":[99999999999999999999]}",
     "prompt_ids[0] is a number out of range (integers to 2^63, reals to 1.8e308)"},
};
enum { N_BAD = sizeof bad_native / sizeof *bad_native };

Test(dataset, bad_lines_name_file_line_and_reason) {
    for (size_t i = 0; i < N_BAD; i++) {
        char text[512], expected[512];
        snprintf(text, sizeof text, "{\"id\":\"first\",\"prompt\":\"p\"}\n%s\n", bad_native[i].line);
        snprintf(expected, sizeof expected, ":2: %s", bad_native[i].why);
        write_text(text);
        assert_refused(&automatic, expected);
    }
}

static void count_report(void *ctx, const err *why) {
    size_t *seen = ctx;
    char    expected[600];
    snprintf(expected, sizeof expected, "%s:%zu: %s", path, *seen + 2, bad_native[*seen].why);
    cr_assert_str_eq(why->text, expected);
    cr_assert_eq(why->kind, ERR_INPUT);
    ++*seen;
}

Test(dataset, skip_bad_reports_each_and_keeps_the_others) {
    char text[1 << 14] = "{\"id\":\"first\",\"prompt\":\"p\"}\n";
    for (size_t i = 0; i < N_BAD; i++) {
        strcat(text, bad_native[i].line);
        strcat(text, "\n");
    }
    strcat(text, "{\"id\":\"a\",\"prompt\":\"last\"}\n"); /* the bad lines' id is still free */
    write_text(text);

    dataset               d;
    err                   e = {0};
    size_t                seen = 0;
    const dataset_options o = {.format = "auto", .skip_bad = true};
    cr_assert_eq(dataset_read(path, &o, count_report, &seen, &d, &e), 0, "%s", e.text);
    cr_assert_eq(seen, N_BAD);
    cr_assert_eq(d.bad, N_BAD);
    cr_assert_eq(d.n, 2);
    assert_text(&d.records[1].prompt, "last");
    dataset_free(&d);
    cr_assert_eq(dataset_read(path, &o, NULL, NULL, &d, &e), 0, "%s", e.text); /* no one to report to */
    cr_assert_eq(d.bad, N_BAD);
    dataset_free(&d);
}

Test(dataset, keys_that_were_probably_meant) {
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"{\"id\":\"a\",\"promt\":\"p\"}",
         ":1: no known format has this record's keys; did you mean \"prompt\" by \"promt\"? (ragtruth: "},
        {"{\"query\":\"q\",\"doc\":[]}",
         ":1: no known format has this record's keys; did you mean \"docs\" by \"doc\"? (ragtruth: "},
        {"{\"Messages\":[]}",
         ":1: no known format has this record's keys; did you mean \"messages\" by \"Messages\"? (ragtruth: "},
        {"{\"ID\":\"a\",\"prompt\":\"p\"}", ":1: \"id\" is missing, but there is \"ID\"; did you mean \"id\"?"},
        {"{\"prompt\":\"p\",\"prompt_id\":7}", ":1: \"id\" is missing"},
        {"{\"question\":1,\"turns\":[\"\"]}",
         ":1: \"question_id\" is missing, but there is \"question\"; did you mean \"question_id\"?"},
        {"{\"prompt\":\"\",\"id\":\"a\"}\n{\"id\":\"b\",\"prompts\":\"\"}",
         ":2: \"prompt\" is missing (or \"prompt_ids\"), but there is \"prompts\"; did you mean \"prompt\"?"},
        {"{\"prompt\":\"\",\"id\":\"a\"}\n{\"id\":\"b\",\"text\":\"\"}",
         ":2: \"prompt\" is missing (or \"prompt_ids\")"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset d;
        err     e = {0};
        write_text(cases[i].line);
        cr_assert_eq(dataset_read(path, &automatic, NULL, NULL, &d, &e), -1);
        const char *why = e.text + strlen(path);
        bool        list = cases[i].why[strlen(cases[i].why) - 1] == ' '; /* the formats follow */
        cr_assert_eq(strncmp(why, cases[i].why, list ? strlen(cases[i].why) : sizeof e.text), 0, "%s", e.text);
    }
}

Test(dataset, keys_that_are_not_read_are_counted) {
    dataset d = read_all("{\"id\":\"a\",\"prompt\":\"p\",\"reference\":1,\"note\":null}\n"
                         "{\"id\":\"b\",\"prompt\":\"p\",\"reference\":2,\"references_ids\":[]}\n"
                         "{\"id\":\"c\",\"prompt\":\"p\",\"Output\":\"\",\"output_id\":1,\"prompt_id\":1}\n"
                         "{\"id\":\"d\",\"prompt\":\"p\",\"output_ids\":[],\"outputs\":\"\"}\n");
    static const struct {
        const char *key, *meant;
        size_t      records, lacking, line;
    } all[] = {{"reference", "references", 2, 1, 1}, {"note", NULL, 1, 0, 1},      {"Output", "output", 1, 1, 3},
               {"output_id", "output_ids", 1, 1, 3}, {"prompt_id", NULL, 1, 0, 3}, {"outputs", "output", 1, 0, 4}};
    cr_assert_eq(d.n_unread, sizeof all / sizeof *all);
    for (size_t i = 0; i < d.n_unread; i++) {
        const unread_key *k = &d.unread[i];
        cr_assert_str_eq(k->key, all[i].key);
        cr_assert((k->meant == NULL) == (all[i].meant == NULL), "%s", k->key);
        if (k->meant != NULL) cr_assert_str_eq(k->meant, all[i].meant);
        cr_assert(k->records == all[i].records && k->lacking == all[i].lacking && k->line == all[i].line, "%s", k->key);
    }
    dataset_free(&d);
    d = read_all("{\"query\":\"q\",\"docs\":[],\"result\":{\"text\":\"o\"},\"results\":1}\n");
    cr_assert(d.n_unread == 1 && d.unread[0].meant == NULL);
    dataset_free(&d);
}

Test(dataset, records_that_are_the_same_but_for_their_ids) {
    dataset             d = read_all("{\"id\":\"0\",\"prompt\":\"p\",\"output\":\"\"}\n"
                                                 "{\"id\":\"1\",\"prompt\":\"p\"}\n"
                                                 "{\"id\":\"2\",\"prompt\":\"p\",\"references\":[\"a\",\"b\"]}\n"
                                                 "{\"id\":\"3\",\"prompt\":\"p\",\"references\":[\"b\",\"a\"]}\n"
                                                 "{\"id\":\"4\",\"prompt\":\"p\",\"references\":[\"ab\",\"\"]}\n"
                                                 "{\"id\":\"5\",\"prompt_ids\":[1,2]}\n"
                                                 "{\"id\":\"6\",\"prompt\":\"p\",\"scenario\":\"rag\",\"references\":[]}\n"
                                                 "{\"id\":\"7\",\"prompt_ids\":[1,2],\"output\":null}\n"
                                                 "{\"id\":\"8\",\"prompt\":\"p\",\"output_ids\":[]}\n"
                                                 "{\"id\":\"9\",\"prompt\":\"p\",\"references\":[\"a\",\"b\"]}\n"
                                                 "{\"id\":\"10\",\"prompt\":\"p\"}\n");
    static const size_t expected[] = {0, 1, 2, 3, 4, 5, 1, 5, 8, 2, 1};
    size_t              first[11];
    err                 e = {0};
    cr_assert_eq(d.n, 11);
    cr_assert_eq(dataset_distinct(&d, first, &e), 0);
    for (size_t i = 0; i < d.n; i++) cr_assert_eq(first[i], expected[i], "%zu: %zu", i, first[i]);
    dataset_free(&d);
}

Test(dataset, errors_carry_no_control_characters) {
    write_text("{\"id\":\"\\u001b[2J\\u009b\",\"prompt\":\"p\"}\n{\"id\":\"\\u001b[2J\\u009b\",\"prompt\":\"p\"}\n");
    assert_refused(&automatic, ":2: id \"?[2J?\" was already given on line 1 (ids must differ)");
}

Test(dataset, files_without_records) {
    write_text("");
    assert_refused(&automatic, ": the file is empty (one record to a line)");
    write_text("\xef\xbb\xbf\n \n\r\n");
    assert_refused(&automatic, ": the file is empty (one record to a line)");
    write_text("x\ny\n");
    assert_refused(&(dataset_options){.format = "auto", .skip_bad = true}, ": no records (bad lines: 2; left out: 0)");
    write_text("{\"question_id\":1,\"category\":\"qa\",\"turns\":[\"p\"]}\n");
    assert_refused(&(dataset_options){.format = "auto", .append_docs = true},
                   ": append_docs is not for records of format spec-bench (native, llma, ms-marco)");
    remove_file();
    assert_refused(&automatic, ": cannot open: No such file or directory");
    cr_assert_eq(access(path, F_OK), -1); /* nothing was made in its place */

    dataset d;
    err     e = {0};
    cr_assert_eq(dataset_read("/tmp", &automatic, NULL, NULL, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "/tmp: cannot read: Is a directory");
}

/* ---- which format, how many ---- */

Test(dataset, the_first_record_decides) {
    const struct {
        const char *line, *format;
    } cases[] = {
        {"{\"id\":\"a\",\"prompt_ids\":[],\"turns\":[],\"query\":\"\",\"docs\":[]}", "native"},
        {"{\"query\":\"q\",\"docs\":[],\"turns\":[],\"result\":{\"text\":\"o\"}}", "llma"},
        {"{\"question_id\":1,\"turns\":[\"t\"],\"query\":\"no docs\"}", "spec-bench"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset d = read_all(cases[i].line);
        cr_assert_str_eq(d.format, cases[i].format);
        dataset_free(&d);
    }
    write_text("\n{\"question\":\"q\"}\n");
    static const char none[] = ":2: no known format has this record's keys (ragtruth: \"source_id\" and \"response\"; "
                               "humaneval: \"task_id\" and \"entry_point\"; native: \"prompt\" or \"prompt_ids\"; "
                               "llma: \"query\" and \"docs\"; spec-bench: \"turns\"; ms-marco: \"query\" and "
                               "\"passages\"; chat: \"messages\" or \"conversations\")";
    assert_refused(&automatic, none);
    assert_refused(&(dataset_options){.format = "auto", .skip_bad = true}, none); /* the file, not a line, is bad */
    write_text("{\"id\":\"a\",\"prompt\":\"p\"}\n{\"query\":\"q\",\"docs\":[]}\n");
    assert_refused(&automatic, ":2: \"id\" is missing"); /* formats do not change half-way */
}

Test(dataset, formats_by_name) {
    cr_assert_eq(format_registry.n, 7);
    for (size_t i = 0; i < format_registry.n; i++) {
        cr_assert_neq(strcmp(registry_name(&format_registry, i), "auto"), 0);
        cr_assert_gt(strlen(dataset_format_help(i)), 0);
    }
    write_text("{\"id\":\"a\",\"prompt\":\"p\"}\n");
    assert_refused(&(dataset_options){.format = "llma"}, ":1: \"docs\" is missing");

    dataset d;
    err     e = {0};
    cr_assert_eq(dataset_read(path, &(dataset_options){.format = "csv"}, NULL, NULL, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(
        e.text, "unknown dataset format \"csv\" (allowed: \"auto\", \"ragtruth\", \"humaneval\", \"native\", \"llma\", "
                "\"spec-bench\", \"ms-marco\" or \"chat\")");
}

Test(dataset, limit_counts_records_after_those_left_out) {
    static const char llma[] = "{\"query\":\"a\",\"docs\":[],\"result\":{\"text\":\" \\n\"}}\n"
                               "{\"query\":\"b\",\"docs\":[],\"result\":{\"text\":\"B\"}}\n"
                               "{\"query\":\"c\",\"docs\":[]}\n"
                               "{\"query\":\"d\",\"docs\":[],\"result\":{\"text\":\"D\"}}\n"
                               "{\"query\":\"e\",\"docs\":[],\"result\":{\"text\":\"E\"}}\n";
    write_text(llma);
    for (size_t limit = 0; limit < 6; limit++) {
        dataset               d;
        err                   e = {0};
        const dataset_options o = {.format = "llma", .limit = limit};
        cr_assert_eq(dataset_read(path, &o, NULL, NULL, &d, &e), 0, "%s", e.text);
        size_t n = limit == 0 || limit > 3 ? 3 : limit;
        cr_assert_eq(d.n, n);
        cr_assert_eq(d.dropped, n == 1 ? 1 : 2);
        const char *ids[] = {"llma/1", "llma/3", "llma/4"};
        for (size_t i = 0; i < n; i++) cr_assert_str_eq(d.records[i].id, ids[i]);
        dataset_free(&d);
    }
    write_text("{\"question_id\":\"q\",\"turns\":[\"1\",\"2\",\"3\"]}\n{\"question_id\":8,\"turns\":[\"x\"]}\n");
    for (size_t limit = 1; limit < 6; limit++) {
        dataset               d;
        err                   e = {0};
        const dataset_options o = {.format = "auto", .limit = limit};
        cr_assert_eq(dataset_read(path, &o, NULL, NULL, &d, &e), 0, "%s", e.text);
        cr_assert_eq(d.n, limit < 4 ? limit : 4);
        dataset_free(&d);
    }
}

Test(dataset, native_prompts_with_their_references) {
    write_text("{\"id\":\"1\",\"prompt\":\"why?\",\"references\":[\"One two\",\"three\"]}\n"
               "{\"id\":\"2\",\"prompt\":\"p\"}\n{\"id\":\"3\",\"prompt_ids\":[1]}\n");
    err        e = {0};
    tokenizer *tok = tokenizer_bytes(&e);
    dataset    d;
    for (size_t cut = 0; cut <= 5; cut += 5) {
        const dataset_options o = {
            .format = "auto", .append_docs = true, .doc_tokens = cut, .tok = tok, .as_turn = true};
        const char *text =
            cut > 0 ? "docs:\nOne t\nthree\nquery: why?\nanswer:" : "docs:\nOne two\nthree\nquery: why?\nanswer:";
        cr_assert_eq(dataset_read(path, &o, NULL, NULL, &d, &e), 0, "%s", e.text);
        assert_text(&d.records[0].prompt, text);
        cr_assert_str_eq(d.records[0].turns[0].text, text);
        assert_text(&d.records[0].references[0], "One two"); /* never cut */
        assert_text(&d.records[1].prompt, "p");
        cr_assert_eq(d.records[2].prompt.ids.n, 1);
        dataset_free(&d);
    }
    tokenizer_close(tok);

    static const char *const others[] = {
        "{\"id\":\"1\",\"prompt_ids\":[1],\"references\":[\"a\"]}",
        "{\"id\":\"1\",\"prompt\":\"p\",\"references_ids\":[[1]]}",
        "{\"id\":\"1\",\"messages\":[{\"role\":\"user\",\"content\":\"p\"}],\"references\":[\"a\"]}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        write_text(others[i]);
        assert_refused(&(dataset_options){.format = "native", .append_docs = true},
                       ":1: append_docs needs \"prompt\" and \"references\" as texts, not ids or messages");
    }
}

/* ---- llma ---- */

Test(dataset, llma_prompts) {
    static const char line[] =
        "{\"query\":\"why\\u0000?\",\"docs\":[\"One two\",\"three\"],\"result\":{\"text\":\" So.\",\"index\":0}}\n";
    err     e = {0};
    dataset d = read_all(line);
    cr_assert_eq(d.records[0].prompt.n_text, 5);
    cr_assert_str_eq(d.records[0].scenario, "");
    assert_text(&d.records[0].references[0], "One two");
    assert_text(&d.records[0].output, " So.");
    dataset_free(&d);

    tokenizer *tok = tokenizer_bytes(&e);
    cr_assert_not_null(tok);
    const struct {
        size_t      doc_tokens;
        const char *docs;
    } cases[] = {{0, "One two\nthree"}, {7, "One two\nthree"}, {6, "One tw\nthree"}, {3, "One\nthr"}, {1, "O\nt"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dataset_options o = {
            .format = "auto", .append_docs = true, .doc_tokens = cases[i].doc_tokens, .tok = tok};
        char expected[100];
        int  n = snprintf(expected, sizeof expected, "docs:\n%s\nquery: why%c?\nanswer:", cases[i].docs, 0);
        cr_assert_eq(dataset_read(path, &o, NULL, NULL, &d, &e), 0, "%s", e.text);
        cr_assert_eq(d.records[0].prompt.n_text, (size_t)n);
        cr_assert_eq(memcmp(d.records[0].prompt.text, expected, (size_t)n + 1), 0);
        assert_text(&d.records[0].references[0], "One two"); /* never cut */
        dataset_free(&d);
    }
    tokenizer_close(tok);

    cr_assert_eq(dataset_read(path, &(dataset_options){.append_docs = true, .doc_tokens = 9}, NULL, NULL, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN); /* the caller's fault, not the file's */
}

Test(dataset, llma_refusals) {
    const struct {
        const char *line, *why;
    } cases[] = {
        {"{\"docs\":[]}", ":1: \"query\" is missing"},
        {"{\"query\":\"q\"}", ":1: \"docs\" is missing"},
        {"{\"query\":[],\"docs\":[]}", ":1: query is an array (a string is needed)"},
        {"{\"query\":\"q\",\"docs\":{}}", ":1: docs is an object (an array is needed)"},
        {"{\"query\":\"q\",\"docs\":[\"d\",3]}", ":1: docs[1] is an integer (a string is needed)"},
        {"{\"query\":\"q\",\"docs\":[],\"result\":\"r\"}", ":1: result is not an object (with \"text\" in it)"},
        {"{\"query\":\"q\",\"docs\":[],\"result\":{\"text\":1}}", ":1: result.text is an integer (a string is needed)"},
        {"{\"query\":\"q\",\"docs\":[],\"result\":{\"text\":\"\"}}",
         ": no records (bad lines: 0; left out: 1, the first for no result text)"},
        {"{\"query\":\"q\",\"docs\":[],\"result\":{}}",
         ": no records (bad lines: 0; left out: 1, the first for no result text)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(cases[i].line);
        assert_refused(&(dataset_options){.format = "llma"}, cases[i].why);
    }
}

/* ---- spec-bench ---- */

Test(dataset, spec_bench_turns) {
    dataset d = read_all(
        "{\"question_id\":81,\"category\":\"writing\",\"turns\":[\"one\",\"t\\nwo\",\"\"],\"reference\":[[1]]}\n"
        "{\"question_id\":\"x\",\"turns\":[\"only\"]}\n");
    cr_assert_eq(d.n, 4);
    const record *r = d.records;
    cr_assert_str_eq(r[0].id, "81/1");
    cr_assert_str_eq(r[0].scenario, "writing");
    cr_assert_str_eq(r[0].conversation, "81");
    cr_assert_str_eq(r[1].conversation, "81");
    assert_text(&r[0].prompt, "USER: one\nASSISTANT:");
    cr_assert_eq(r[0].n_references, 0);
    cr_assert_str_eq(r[2].id, "81/3");
    assert_text(&r[1].prompt, "USER: one\nUSER: t\nwo\nASSISTANT:");
    cr_assert_eq(r[1].n_references, 1);
    assert_text(&r[1].references[0], "USER: one\n");
    assert_text(&r[2].prompt, "USER: one\nUSER: t\nwo\nUSER: \nASSISTANT:");
    assert_text(&r[2].references[0], "USER: one\nUSER: t\nwo\n");
    cr_assert_str_eq(r[3].id, "x/1");
    cr_assert_str_eq(r[3].scenario, "");
    cr_assert_eq(r[3].line, 2);
    for (size_t i = 0; i < d.n; i++) cr_assert_not(r[i].has_output);
    dataset_free(&d);
}

Test(dataset, spec_bench_refusals_take_the_whole_line_back) {
    const struct {
        const char *line, *why;
    } cases[] = {
        {"{\"turns\":[\"t\"]}", ":2: \"question_id\" is missing"},
        {"{\"question_id\":1.5,\"turns\":[\"t\"]}", ":2: question_id is neither an integer nor a string"},
        {"{\"question_id\":2}", ":2: \"turns\" is missing"},
        {"{\"question_id\":2,\"turns\":\"t\"}", ":2: turns is a string (an array is needed)"},
        {"{\"question_id\":2,\"turns\":[]}", ":2: turns is empty (at least one question)"},
        {"{\"question_id\":2,\"turns\":[\"t\",null]}", ":2: turns[1] is null (a string is needed)"},
        {"{\"question_id\":2,\"turns\":[\"t\"],\"category\":[]}", ":2: category is an array (a string is needed)"},
        {"{\"question_id\":\"1\",\"turns\":[\"t\"]}", ":2: id \"1/1\" was already given on line 1 (ids must differ)"},
        {"{\"question_id\":\"1/1\",\"turns\":[\"t\",\"u\"]}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"question_id\":1,\"turns\":[\"t\"]}\n%s\n", cases[i].line);
        write_text(text);
        if (cases[i].why != NULL) assert_refused(&automatic, cases[i].why);

        dataset d;
        err     e = {0};
        cr_assert_eq(dataset_read(path, &(dataset_options){.format = "auto", .skip_bad = true}, NULL, NULL, &d, &e), 0);
        cr_assert_eq(d.n, cases[i].why != NULL ? 1 : 3);
        cr_assert_eq(d.bad, cases[i].why != NULL ? 1 : 0);
        dataset_free(&d);
    }
}

/* ---- out of memory ---- */

Test(dataset, every_failed_allocation_is_reported) {
    static const char *const texts[] = {
        "{\"id\":\"a\",\"scenario\":\"s\",\"prompt\":\"p\",\"references\":[\"x\",\"y\"],\"output\":\"o\"}\n"
        "{\"id\":\"b\",\"prompt_ids\":[1],\"references_ids\":[[2]],\"output_ids\":[3]}\n",
        "{\"query\":\"q\",\"docs\":[\"long "
        "document\",\"d\"],\"result\":{\"text\":\"o\"}}\n{\"query\":\"q\",\"docs\":[]}\n",
        "{\"question_id\":1,\"category\":\"c\",\"turns\":[\"t\",\"u\"]}\n",
    };
    err        e = {0};
    tokenizer *tok = tokenizer_bytes(&e);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        /* Memory is never skipped as a bad line is. */
        const dataset_options o = {
            .format = "auto", .append_docs = i == 1, .doc_tokens = 4, .tok = tok, .skip_bad = true};
        write_text(texts[i]);
        size_t k = 1;
        for (int done = 0; !done; k++) {
            dataset d;
            e = (err){0};
            mem_fail_at(k);
            done = dataset_read(path, &o, NULL, NULL, &d, &e) == 0;
            mem_fail_at(0);
            if (!done) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
            if (done) cr_assert_eq(d.bad, 0);
            dataset_free(&d);
        }
        cr_assert_gt(k, 8);
    }
    tokenizer_close(tok);
}
