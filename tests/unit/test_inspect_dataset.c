/* What `harness inspect` says about a JSONL file. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "experiments/inspect/inspect.h"

static char path[] = "/tmp/test-inspect-XXXXXX";

static void setup(void) {
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_redirect_stdout();
}

static void teardown(void) {
    unlink(path);
}

TestSuite(inspect_dataset, .init = setup, .fini = teardown);

static void write_text(const char *text) {
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    cr_assert_eq(fclose(f), 0);
}

/* Inspects, and compares everything after the line with the digest. */
static void assert_report(const char *expected) {
    static char buf[1 << 14];
    err         e = {0};
    cr_assert_eq(inspect_dataset(path, &(dataset_options){.format = "auto"}, &e), 0, "%s", e.text);
    fflush(stdout);
    FILE  *out = cr_get_redirected_stdout();
    size_t n = 0;
    char  *tail;
    /* The pipe stays open: read until the report's end has come. */
    do {
        size_t got = fread(buf + n, 1, 1, out);
        cr_assert_eq(got, 1, "the report ends early: %s", buf);
        buf[n += got] = '\0';
        tail = strstr(buf, "records  ");
    } while (tail == NULL || strlen(tail) < strlen(expected));
    cr_assert_str_eq(tail, expected);
}

Test(inspect_dataset, texts) {
    /* "a b c d e f" has two runs of five words, the first of which is in the reference. */
    write_text("{\"id\":\"one\",\"scenario\":\"rag\",\"prompt\":\"why\\n?\",\"references\":[\"x a b  c\\td e\",\"\"],"
               "\"output\":\"a b c d e f\"}\n"
               "{\"id\":\"two\",\"scenario\":\"edit\",\"prompt\":\"\",\"references\":[\"a b c d e f\"]}\n"
               "{\"id\":\"three\",\"scenario\":\"rag\",\"prompt\":\"four\",\"output\":\"a b c d\"}\n"
               "{\"id\":\"four\",\"prompt\":\"123456789\"}\n");
    assert_report("records  4\n"
                  "\nrecords  scenario\n"
                  "      1  (none)\n"
                  "      1  edit\n"
                  "      2  rag\n"
                  "\n  count  passage    size in       min    median       max\n"
                  "      4  prompt     bytes          0         4         9\n"
                  "      3  reference  bytes          0        11        12\n"
                  "      2  output     bytes          7         9        11\n"
                  "\nrecords with an output: 2 of 4\n"
                  "runs of 5 words (or ids) of the outputs that are in the record's references: 50.0% of 2\n"
                  "\nfirst record (line 1)\n"
                  "  id           one\n"
                  "  prompt       why\\n?\n"
                  "  reference 0  x a b  c\\td e\n"
                  "  reference 1  (empty)\n"
                  "  output       a b c d e f\n");
}

Test(inspect_dataset, ids) {
    write_text("\n{\"id\":\"a\",\"prompt_ids\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17],"
               "\"references_ids\":[[],[1],[2],[3,4,5,6,7]],\"output_ids\":[2,3,4,5,6,7]}\n"
               "{\"id\":\"b\",\"prompt\":\"p\"}\n");
    assert_report("records  2\n"
                  "\nrecords  scenario\n"
                  "      2  (none)\n"
                  "\n  count  passage    size in       min    median       max\n"
                  "      1  prompt     bytes          1         1         1\n"
                  "      1  prompt     ids           17        17        17\n"
                  "      4  reference  ids            0         1         5\n"
                  "      1  output     ids            6         6         6\n"
                  "\nrecords with an output: 1 of 2\n"
                  "runs of 5 words (or ids) of the outputs that are in the record's references: 50.0% of 2\n"
                  "\nfirst record (line 2)\n"
                  "  id           a\n"
                  "  prompt       ids 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ...\n"
                  "  reference 0  (empty)\n"
                  "  reference 1  ids 1\n"
                  "  reference 2  ids 2\n"
                  "  ... and 1 more\n"
                  "  output       ids 2 3 4 5 6 7\n");
}

Test(inspect_dataset, what_a_file_says_does_not_steer_the_terminal) {
    /* 159 bytes and a character of two: cut before it, not through it. */
    char text[600], expected[1000], line[161];
    memset(line, 'x', 159);
    line[159] = '\0';
    snprintf(text, sizeof text,
             "{\"id\":\"\\u001b]0;t\\u0007\",\"scenario\":\"\\u009b1m\\u007f\\u202e\\u00a0\",\"prompt\":\"%s\xc3\xa9 "
             "and more\"}\n",
             line);
    write_text(text);
    snprintf(expected, sizeof expected,
             "records  1\n"
             "\nrecords  scenario\n"
             "      1  ?1m??\xc2\xa0\n"
             "\n  count  passage    size in       min    median       max\n"
             "      1  prompt     bytes        170       170       170\n"
             "\nrecords with an output: 0 of 1\n"
             "\nfirst record (line 1)\n"
             "  id           ?]0;t?\n"
             "  prompt       %s...\n",
             line);
    assert_report(expected);
}

Test(inspect_dataset, records_that_repeat_and_keys_that_are_not_read) {
    write_text("{\"id\":\"a\",\"prompt\":\"p\",\"references\":[\"r\"],\"output\":\"o\",\"seed\":1}\n"
               "{\"id\":\"b\",\"prompt\":\"p\",\"references\":[\"r\"],\"output\":\"o\",\"scenario\":\"x\"}\n"
               "{\"id\":\"c\",\"prompt\":\"p\",\"references\":[\"r\",\"\"],\"output\":\"o\"}\n"
               "{\"id\":\"d\",\"prompt\":\"p\",\"reference\":[\"r\"],\"seed\":18446744073709551615}\n"
               "{\"id\":\"e\",\"prompt\":\"p\",\"references\":[\"r\"],\"output\":\"o\",\"reference\":\"\"}\n"
               "{\"id\":\"f\",\"prompt\":\"p\",\"reference\":[\"s\"]}\n");
    assert_report("records  6\n"
                  "distinct 3 (3 repeat the prompt, references and output of an earlier record: b = a, e = a, f = d)\n"
                  "\nrecords  scenario\n"
                  "      5  (none)\n"
                  "      1  x\n"
                  "\n  count  passage    size in       min    median       max\n"
                  "      6  prompt     bytes          1         1         1\n"
                  "      5  reference  bytes          0         1         1\n"
                  "      4  output     bytes          1         1         1\n"
                  "\nrecords with an output: 4 of 6\n"
                  "\nrecords  key that is not read\n"
                  "      2  seed\n"
                  "      3  reference (did you mean references? 2 of them have none)\n"
                  "\nfirst record (line 1)\n"
                  "  id           a\n"
                  "  prompt       p\n"
                  "  reference 0  r\n"
                  "  output       o\n");
}

Test(inspect_dataset, bad_files) {
    char expected[200];
    err  e = {0};
    write_text("{\"id\":\"a\",\"prompt\":\"p\"}\n{\"id\":\"a\",\"prompt\":\"p\"}\n");
    snprintf(expected, sizeof expected, "%s:2: id \"a\" was already given on line 1 (ids must differ)", path);
    cr_assert_eq(inspect_dataset(path, &(dataset_options){.format = "auto"}, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, expected);
    cr_assert_eq(inspect_dataset(path, &(dataset_options){.format = "gguf"}, &e), -1);
    cr_assert(strstr(e.text, "unknown dataset format \"gguf\"") != NULL);
}

Test(inspect_dataset, every_failed_allocation_is_reported) {
    write_text("{\"id\":\"a\",\"prompt\":\"p\",\"references\":[\"a b c d e\"],\"output\":\"a b c d e f\"}\n");
    size_t k = 1;
    for (int done = 0; !done; k++) {
        err e = {0};
        mem_fail_at(k);
        done = inspect_dataset(path, &(dataset_options){.format = "auto"}, &e) == 0;
        mem_fail_at(0);
        if (!done) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
    }
    cr_assert_gt(k, 16);
}
