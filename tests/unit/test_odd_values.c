/* Valid JSON that the parser cannot hold: skipped in keys that are not read, an error in those that are. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "datasets/dataset.h"
#include "datasets/jsonl.h"
#include "datasets/odd_values.h"
#include "tests/fixtures/scratch.h"

TestSuite(odd_values, .init = scratch_enter, .fini = scratch_leave);

static const dataset_options automatic = {.format = "auto"};

#define NUMBER " a number out of range (integers to 2^63, reals to 1.8e308)"
#define TEXT   " a text with a lone surrogate, which is no character (\\ud800 to \\udfff come in pairs)"

/* All values under a key that no reader knows, and then those that are read. */
Test(odd_values, are_read_past) {
    static const char *const values[] = {
        "18446744073709551615",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "1e999",
        "-1e309",
        "1.5E+400",
        "1e309",
        "\"\\ud83d\"",
        "\"\\udca9\\ud83d\"",
        "\"\\ud83d\\ud83d\\udca9\"",
        "\"a\\uD83Db\\\\\\\"c\"",
        "\"\\ud83d\\\\udca9\"",
        "[1, [1e999, {\"x\": -1e999}], \"\\ud83d\"]",
        "{\"a\": {\"b\": [18446744073709551615]}}",
        "{\"\\ud83d\": 1, \"\\ud83e\": 2, \"\\u0000\": 3}",
        "{\"\\u0000\\ud83d\\\\u0000\": {\"\\uDFFF\": 1e999}}",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char    text[512];
        dataset d;
        err     e = {0};
        snprintf(text, sizeof text,
                 "{\"odd\": %s, \"id\": \"1e999\", \"prompt\": \"\\ud83d\\udca9 9e307\", \"prompt_ids\": null,"
                 " \"references\": [\"8e307\"], \"n\": 1}\n{\"id\": \"b\", \"prompt\": \"p\", \"odd\":%s }\n",
                 values[i], values[i]);
        scratch_write("d.jsonl", text);
        cr_assert_eq(dataset_read("d.jsonl", &automatic, NULL, NULL, &d, &e), 0, "%s: %s", values[i], e.text);
        cr_assert_eq(d.n, 2);
        cr_assert_str_eq(d.records[0].id, "1e999");
        cr_assert_str_eq(d.records[0].prompt.text, "\xf0\x9f\x92\xa9 9e307");
        cr_assert_str_eq(d.records[0].references[0].text, "8e307");
        dataset_free(&d);
    }
}

Test(odd_values, are_named_where_they_are_read) {
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"{\"id\": 18446744073709551615, \"prompt\": \"p\"}", "id is" NUMBER},
        {"{\"id\": \"\\ud83d\", \"prompt\": \"p\"}", "id is" TEXT},
        {"{\"id\": \"a\", \"prompt\": 1e999}", "prompt is" NUMBER},
        {"{\"id\": \"a\", \"prompt\": \"x \\udc00\"}", "prompt is" TEXT},
        {"{\"id\": \"a\", \"prompt\": \"p\", \"scenario\": \"\\ud800\"}", "scenario is" TEXT},
        {"{\"id\": \"a\", \"prompt\": \"p\", \"references\": 1e999}", "references is" NUMBER},
        {"{\"id\": \"a\", \"prompt\": \"p\", \"references\": [\"\", \"\\ud800\"]}", "references[1] is" TEXT},
        {"{\"id\": \"a\", \"prompt\": \"p\", \"output\": \"\\ud800\"}", "output is" TEXT},
        {"{\"id\": \"a\", \"prompt_ids\": [1, 1e400]}", "prompt_ids[1] is" NUMBER},
        {"{\"id\": \"a\", \"prompt_ids\": [9223372036854775808]}", "prompt_ids[0] is" NUMBER},
        {"{\"query\": \"\\ud800\", \"docs\": []}", "query is" TEXT},
        {"{\"query\": \"q\", \"docs\": [\"\\ud800\"]}", "docs[0] is" TEXT},
        {"{\"query\": \"q\", \"docs\": [], \"result\": {\"text\": \"\\ud800\"}}", "result.text is" TEXT},
        {"{\"turns\": [\"\\ud800\"], \"question_id\": 1}", "turns[0] is" TEXT},
        {"{\"turns\": [\"\"], \"question_id\": 1e999}", "question_id is" NUMBER},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}", "messages[0].content is" TEXT},
        {"{\"messages\": [{\"role\": \"\\ud800\", \"content\": \"\"}]}", "messages[0].role is" TEXT},
        {"{\"query_id\": 1, \"query\": \"q\", \"passages\": [{\"passage_text\": \"\\ud800\"}]}",
         "passages[0].passage_text is" TEXT},
        {"{\"query_id\": 1, \"query\": \"q\", \"passages\": [], \"answers\": [\"\\ud800\"]}", "answers[0] is" TEXT},
        {"{\"source_id\": \"1\", \"id\": 1, \"prompt\": \"p\", \"response\": \"r\", \"source_info\": {\"a\": [1e999]}}",
         "source_info holds" NUMBER},
        {"{\"source_id\": \"1\", \"id\": 1, \"prompt\": \"p\", \"response\": \"r\", \"source_info\": {\"\\ud800\": 1}}",
         "source_info holds" TEXT},
        {"{\"source_id\": \"1\", \"id\": 1, \"prompt\": \"p\", \"response\": \"r\", \"source_info\": \"\\ud800\"}",
         "source_info is" TEXT},
        {"{\"task_id\": \"1\", \"entry_point\": \"f\", \"prompt\": \"\\ud800\", \"canonical_solution\": \"\"}",
         "prompt is" TEXT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset d;
        err     e = {0};
        char    expected[256];
        scratch_write("d.jsonl", cases[i].line);
        snprintf(expected, sizeof expected, "d.jsonl:1: %s", cases[i].why);
        cr_assert_eq(dataset_read("d.jsonl", &automatic, NULL, NULL, &d, &e), -1, "%s", cases[i].line);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_str_eq(e.text, expected);
    }
}

/* Invalid JSON stays an error, at its byte in the file. */
Test(odd_values, excuse_nothing_else) {
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"{\"x\": 1e999, \"x\": 2}", "not JSON: duplicate object key near '\"x\"', at byte 16 of the line"},
        {"{\"\\ud83d\": 1, \"\\uD83D\": 2}", "not JSON: duplicate object key near '\""},
        {"{\"x\": 1e999, \"y\": 01}", "not JSON: invalid token near '0', at byte 19 of the line"},
        {"{\"x\": 1e999, \"y\": \"\\ud8\"}", "not JSON: invalid escape near "},
        {"{\"x\": \"\\ud83d\\x\"}", "not JSON: invalid"},
        {"{\"x\": \"\\ud83d \xff\"}", "not JSON: unable to decode byte 0xff"},
        {"{\"x\": \"\\ud83d \t\"}", "not JSON: control character 0x9 near"},
        {"{\"x\": \"\\ud83d\", \"y\": \"\xff\"}", "not JSON: unable to decode byte 0xff"},
        {"{\"x\": 1e999", "not JSON: '}' expected near end of file"},
        {"{\"x\": 1e999.5}", "not JSON: '}' expected near '.'"},
        {"{\"x\": \"\\ud83d", "not JSON: "},
        {"{\"id\": NaN}", "not JSON: the line holds NaN, which JSON has not (Python's json.dumps writes it"},
        {"{\"id\": [-Infinity]}", "not JSON: the line holds Infinity, which JSON has not (Python's"},
        {"{\"id\": \"NaN\", \"x\": nan}", "not JSON: the line holds nan, which JSON has not"},
        {"{\"id\": None}", "not JSON: the line holds Python's spelling of a value"},
        {"{'id': 1}", "not JSON: the line holds Python's spelling of a value"},
        {"{\"id\": it's}", "not JSON: invalid token near 'it'"},
        {"{\"id\": \"NaN None\", \"x\": nothing}", "not JSON: invalid token near 'nothing'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset d;
        err     e = {0};
        char    expected[256];
        scratch_write("d.jsonl", cases[i].line);
        snprintf(expected, sizeof expected, "d.jsonl:1: %s", cases[i].why);
        cr_assert_eq(dataset_read("d.jsonl", &automatic, NULL, NULL, &d, &e), -1, "%s", cases[i].line);
        cr_assert_eq(strncmp(e.text, expected, strlen(expected)), 0, "%s", e.text);
    }
}

Test(odd_values, leave_a_lines_length_alone) {
    static const char   lines[][64] = {"{\"a\":1e309}", "[18446744073709551615,1e308,-0]",
                                       "{\"\\ud800\":\"\\udc00\\u0000\"}"};
    static const size_t counts[] = {1, 1, 2};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char copy[64];
        memcpy(copy, lines[i], sizeof copy);
        cr_assert_eq(odd_values_replace(copy, strlen(copy)), counts[i]);
        cr_assert_eq(strlen(copy), strlen(lines[i]));
        cr_assert_eq(odd_values_replace(copy, strlen(copy)), 0, "%s", copy);
    }
}

Test(odd_values, files_of_other_kinds_are_named) {
    static const struct {
        const char *bytes;
        size_t      n;
        const char *why;
    } cases[] = {
#define BYTES(text) text, sizeof(text) - 1
        {BYTES("\x1f\x8b\x08\0"), "damaged gzip data (it ends before the text does)"},
        {BYTES("\x28\xb5\x2f\xfd."), "is a Zstandard file, not JSON Lines (unpack it first: unzstd)"},
        {BYTES("PK\x03\x04\x14\0"), "is a zip archive, not JSON Lines (unpack it first: unzip)"},
        {BYTES("PAR1\x15\x04"), "is a Parquet file, not JSON Lines (pandas writes"},
        {BYTES("\xff\xfe{\0\"\0"), "is text in UTF-16, not JSON Lines (make it UTF-8 first: iconv -f UTF-16 -t UTF-8)"},
        {BYTES("{\0\"\0i\0d\0"), "is text in UTF-16, not JSON Lines"},
        {BYTES("\0{\0\"\0i\0d"), "is text in UTF-16, not JSON Lines"},
        {BYTES("GGUF\x03\0\0\0"), "is a GGUF file, not JSON Lines"},
        {BYTES("{\n  \"id\": \"a\"\n}\n"),
         "holds objects over several lines, not JSON Lines (one object to a line: jq -c . "},
        {BYTES("id,prompt\na,b\n"), "looks like a table (CSV), not JSON Lines"},
        {BYTES("id\tprompt\na\tb\n"), "looks like a table (CSV), not JSON Lines"},
    };
    const dataset_options skip = {.format = "auto", .skip_bad = true}; /* not one bad line: never skipped */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset d;
        err     e = {0};
        char    expected[256];
        scratch_write_bytes("d.jsonl", cases[i].bytes, cases[i].n);
        snprintf(expected, sizeof expected, "d.jsonl: %s", cases[i].why);
        cr_assert_eq(dataset_read("d.jsonl", &skip, NULL, NULL, &d, &e), -1);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, expected, strlen(expected)), 0, "%s", e.text);
    }
}
