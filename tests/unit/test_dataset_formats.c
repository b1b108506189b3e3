/* Other people's formats: how their records are read, which lines are refused, and how formats are told apart. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "datasets/dataset.h"
#include "datasets/format.h"
#include "engine/base/mem.h"
#include "tests/fixtures/scratch.h"

TestSuite(formats, .init = scratch_enter, .fini = scratch_leave);

static const dataset_options automatic = {.format = "auto"};

/* Reads the lines as this format. */
static dataset read_lines(const char *format, const dataset_options *o, const char *lines) {
    dataset d;
    err     e = {0};
    scratch_write("d.jsonl", lines);
    cr_assert_eq(dataset_read("d.jsonl", o, NULL, NULL, &d, &e), 0, "%s", e.text);
    cr_assert_str_eq(d.format, format);
    return d;
}

static void assert_text(const passage *p, const char *text) {
    cr_assert_not_null(p->text);
    cr_assert_str_eq(p->text, text);
    cr_assert_eq(p->n_text, strlen(text));
}

/* `references` ends with NULL. `output`: NULL when there is none. */
static void assert_record(const record *r, const char *id, const char *scenario, const char *prompt,
                          const char *const *references, const char *output) {
    cr_assert_str_eq(r->id, id);
    cr_assert_str_eq(r->scenario, scenario);
    assert_text(&r->prompt, prompt);
    for (size_t i = 0; i < r->n_references; i++) {
        cr_assert_not_null(references[i], "%s: reference %zu is one too many", id, i);
        assert_text(&r->references[i], references[i]);
    }
    cr_assert_null(references[r->n_references], "%s: %zu references", id, r->n_references);
    cr_assert_eq(r->has_output, output != NULL);
    if (output != NULL) assert_text(&r->output, output);
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_TEXTS   ((const char *const[]){NULL})

typedef struct {
    const char *line, *why; /* why NULL: the line is good */
} bad_line;

/* Each line comes after a good one, and is refused with ":2: WHY"; skipped, it leaves nothing behind. */
static void assert_refused(const char *format, const char *good, const bad_line *cases, size_t n) {
    char text[4096], expected[1024];
    for (size_t i = 0; i < n; i++) {
        dataset         d;
        err             e = {0};
        dataset_options o = {.format = format};
        snprintf(text, sizeof text, "%s\n%s\n", good, cases[i].line);
        scratch_write("d.jsonl", text);
        snprintf(expected, sizeof expected, "d.jsonl:2: %s", cases[i].why);
        cr_assert_eq(dataset_read("d.jsonl", &o, NULL, NULL, &d, &e), -1, "taken: %s", cases[i].line);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_str_eq(e.text, expected);

        o.skip_bad = true;
        cr_assert_eq(dataset_read("d.jsonl", &o, NULL, NULL, &d, &e), 0, "%s", e.text);
        cr_assert_eq(d.n, 1);
        cr_assert_eq(d.bad, 1);
        cr_assert_eq(d.dropped, 0, "%s", cases[i].line);
        dataset_free(&d);
    }
}
#define REFUSED(format, good, cases) assert_refused(format, good, cases, sizeof(cases) / sizeof *(cases))

/* ---- ms-marco ---- */

Test(formats, ms_marco) {
    dataset d = read_lines(
        "ms-marco", &automatic,
        "{\"query_id\":7,\"query\":\"how deep?\",\"query_type\":\"NUMERIC\",\"passages\":[{\"is_selected\":0,\"url\":"
        "\"u\",\"passage_text\":\"The lake is old.\"},{\"is_selected\":1,\"passage_text\":\"It is nine metres "
        "deep.\"}],"
        "\"answers\":[\"nine metres\",\"9 m\"],\"wellFormedAnswers\":[\"\",\"It is nine metres deep.\"]}\n"
        "{\"query_id\":\"x8\",\"query\":\"why?\",\"passages\":{\"is_selected\":[1,0],\"passage_text\":[\"a\",\"b\"]},"
        "\"answers\":[\" \",\"because\"],\"wellFormedAnswers\":\"[]\"}\n"
        "{\"query_id\":9,\"query\":\"who?\",\"passages\":[],\"answers\":[\"No Answer Present.\"],"
        "\"wellFormedAnswers\":[]}\n"
        "{\"query_id\":10,\"query\":\"when?\",\"passages\":[]}\n"
        "{\"query_id\":11,\"query\":\"where?\",\"passages\":[],\"answers\":[\"\"]}\n");
    cr_assert_eq(d.n, 4);
    cr_assert_eq(d.dropped, 1);
    cr_assert_not(d.cut);
    assert_record(&d.records[0], "7", "rag", "how deep?", TEXTS("The lake is old.", "It is nine metres deep."),
                  "It is nine metres deep.");
    assert_record(&d.records[1], "x8", "rag", "why?", TEXTS("a", "b"), "because");
    assert_record(&d.records[2], "10", "rag", "when?", NO_TEXTS, NULL);
    assert_record(&d.records[3], "11", "rag", "where?", NO_TEXTS, NULL);
    cr_assert_eq(d.records[3].line, 5);
    dataset_free(&d);
}

Test(formats, ms_marco_in_llmas_template) {
    static const char line[] = "{\"query_id\":1,\"query\":\"q?\",\"passages\":[{\"passage_text\":\"One "
                               "two\"},{\"passage_text\":\"three\"}]}\n";
    err               e = {0};
    tokenizer        *tok = tokenizer_bytes(&e);
    cr_assert_not_null(tok);
    dataset_options o = {.format = "auto", .append_docs = true};
    dataset         d = read_lines("ms-marco", &o, line);
    assert_record(&d.records[0], "1", "rag", "docs:\nOne two\nthree\nquery: q?\nanswer:", TEXTS("One two", "three"),
                  NULL);
    cr_assert_not(d.cut);
    dataset_free(&d);

    o.doc_tokens = 4;
    o.tok = tok;
    d = read_lines("ms-marco", &o, line);
    assert_record(&d.records[0], "1", "rag", "docs:\nOne \nthre\nquery: q?\nanswer:", TEXTS("One two", "three"), NULL);
    cr_assert(d.cut); /* so that a plan reads it again for another tokenizer */
    dataset_free(&d);
    tokenizer_close(tok);
}

Test(formats, ms_marco_refusals) {
    static const bad_line cases[] = {
        {"{\"query\":\"q\",\"passages\":[]}", "\"query_id\" is missing"},
        {"{\"query_id\":1.5,\"query\":\"q\",\"passages\":[]}", "query_id is neither an integer nor a string"},
        {"{\"query_id\":2,\"passages\":[]}", "\"query\" is missing"},
        {"{\"query_id\":2,\"query\":[],\"passages\":[]}", "query is an array (a string is needed)"},
        {"{\"query_id\":2,\"query\":\"q\"}", "\"passages\" is missing"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":\"p\"}", "passages is a string (an array is needed)"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":{\"url\":[]}}",
         "passages is an object without \"passage_text\""},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":{\"passage_text\":[\"p\",3]}}",
         "passages.passage_text[1] is an integer (a string is needed)"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":[\"p\"]}", "passages[0].passage_text is missing"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":[{\"passage_text\":\"p\"},{\"passage_text\":{}}]}",
         "passages[1].passage_text is an object (a string is needed)"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":[],\"answers\":\"a\"}",
         "answers is a string (an array is needed)"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":[],\"answers\":[\"a\",1]}",
         "answers[1] is an integer (a string is needed)"},
        {"{\"query_id\":2,\"query\":\"q\",\"passages\":[],\"wellFormedAnswers\":[null]}",
         "wellFormedAnswers[0] is null (a string is needed)"},
        {"{\"query_id\":\"1\",\"query\":\"q\",\"passages\":[]}",
         "id \"1\" was already given on line 1 (ids must differ)"},
        /* The line would also be left out: a bad one is not counted twice. */
        {"{\"query_id\":1,\"query\":\"q\",\"passages\":[],\"answers\":[\"No Answer Present.\",2]}",
         "answers[1] is an integer (a string is needed)"},
    };
    REFUSED("ms-marco", "{\"query_id\":1,\"query\":\"q\",\"passages\":[]}", cases);
}

/* ---- ragtruth ---- */

Test(formats, ragtruth) {
    dataset d = read_lines(
        "ragtruth", &automatic,
        "{\"id\":\"0\",\"source_id\":\"s1\",\"model\":\"m\",\"temperature\":0.7,\"labels\":[],\"split\":\"train\","
        "\"quality\":\"good\",\"response\":\"Nine.\",\"task_type\":\"QA\",\"source\":\"lakes\",\"source_info\":"
        "{\"question\":\"how deep?\",\"passages\":\"passage 1:Old, see passage 2: there.\\npassage 3: no\\n\\n"
        "passage 2:\\n\\npassage 3:Nine metres.\\n\\n\"},\"prompt\":\"Answer: how deep?\"}\n"
        "{\"id\":1,\"source_id\":\"s2\",\"response\":\"Short.\",\"task_type\":\"Summary\",\"source_info\":\"A long "
        "story.\\n\",\"prompt\":\"Summarize: A long story.\"}\n"
        "{\"id\":2,\"source_id\":\"s3\",\"response\":\"A shop.\",\"task_type\":\"Data2txt\",\"source_info\":{\"name\":"
        "\"Caf\\u00e9\",\"stars\":4.5,\"open\":true,\"wifi\":null,\"rating\":0.1},\"prompt\":\"Describe it\"}\n"
        "{\"id\":3,\"source_id\":\"s3\",\"response\":\" \\n\",\"source_info\":\"x\",\"prompt\":\"p\"}\n"
        "{\"id\":4,\"source_id\":\"s4\",\"response\":\"r\",\"source_info\":{\"passages\":\"No label.\\npassage "
        "1:x\\n\"},"
        "\"prompt\":\"p\"}\n"
        "{\"id\":5,\"source_id\":\"s5\",\"response\":\"r\",\"source_info\":{\"passages\":\"\"},\"prompt\":\"p\"}\n");
    cr_assert_eq(d.n, 5);
    cr_assert_eq(d.dropped, 1);
    const record *r = d.records;
    /* A label counts where a line begins, and in order: "passage 3:" before "passage 2:" belongs to the first. */
    assert_record(&r[0], "0", "rag", "Answer: how deep?",
                  TEXTS("Old, see passage 2: there.\npassage 3: no", "", "Nine metres."), "Nine.");
    assert_record(&r[1], "1", "summarize", "Summarize: A long story.", TEXTS("A long story.\n"), "Short.");
    assert_record(&r[2], "2", "Data2txt", "Describe it",
                  TEXTS("{\"name\": \"Caf\xc3\xa9\", \"stars\": 4.5, \"open\": true, \"wifi\": null, \"rating\": 0.1}"),
                  "A shop.");
    assert_record(&r[3], "4", "", "p", TEXTS("No label.\npassage 1:x\n"), "r");
    assert_record(&r[4], "5", "", "p", TEXTS(""), "r");
    dataset_free(&d);
}

Test(formats, ragtruth_refusals) {
    static const bad_line cases[] = {
        {"{\"source_id\":\"s\",\"response\":\"r\",\"source_info\":\"i\",\"prompt\":\"p\"}", "\"id\" is missing"},
        {"{\"id\":2,\"source_id\":\"s\",\"source_info\":\"i\",\"prompt\":\"p\"}", "\"response\" is missing"},
        {"{\"id\":2,\"source_id\":\"s\",\"response\":\"r\",\"prompt\":\"p\"}",
         "\"source_info\" is missing (join responses with their sources: datasets/README.md)"},
        {"{\"id\":2,\"source_id\":\"s\",\"response\":\"r\",\"source_info\":\"i\"}",
         "\"prompt\" is missing (join responses with their sources: datasets/README.md)"},
        {"{\"id\":2,\"response\":[],\"source_info\":\"i\",\"prompt\":\"p\"}",
         "response is an array (a string is needed)"},
        {"{\"id\":2,\"response\":\"r\",\"source_info\":[],\"prompt\":\"p\"}",
         "source_info is neither a string nor an object"},
        {"{\"id\":2,\"response\":\"r\",\"source_info\":{\"passages\":[]},\"prompt\":\"p\"}",
         "source_info.passages is an array (a string is needed)"},
        {"{\"id\":2,\"response\":\"r\",\"source_info\":\"i\",\"prompt\":1}",
         "prompt is an integer (a string is needed)"},
        {"{\"id\":2,\"response\":\"r\",\"source_info\":\"i\",\"prompt\":\"p\",\"task_type\":1}",
         "task_type is an integer (a string is needed)"},
    };
    REFUSED("ragtruth", "{\"id\":1,\"response\":\"r\",\"source_info\":\"i\",\"prompt\":\"p\"}", cases);
}

/* ---- humaneval ---- */

Test(formats, humaneval) {
    dataset d = read_lines(
        "humaneval", &automatic,
        "{\"task_id\":\"T/0\",\"prompt\":\"def twice(x):\\n\",\"canonical_solution\":\"    return 2 * x\\n\",\"test\":"
        "\"assert\",\"entry_point\":\"twice\"}\n"
        "{\"task_id\":\"T/1\",\"prompt\":\"not read\",\"declaration\":\"def half(x):\\n\",\"buggy_solution\":\"    "
        "return "
        "x\\n\",\"canonical_solution\":\"    return x / 2\\n\",\"docstring\":\"d\",\"entry_point\":\"half\"}\n"
        "{\"task_id\":2,\"prompt\":\"def third(x):\\n\",\"entry_point\":\"third\"}\n");
    cr_assert_eq(d.n, 3);
    assert_record(&d.records[0], "T/0", "code", "def twice(x):\n", NO_TEXTS, "    return 2 * x\n");
    assert_record(&d.records[1], "T/1", "edit", "Fix bugs in half.\ndef half(x):\n    return x\n",
                  TEXTS("def half(x):\n    return x\n"), "def half(x):\n    return x / 2\n");
    assert_record(&d.records[2], "2", "code", "def third(x):\n", NO_TEXTS, NULL);
    dataset_free(&d);
}

Test(formats, humaneval_refusals) {
    static const bad_line cases[] = {
        {"{\"prompt\":\"p\"}", "\"task_id\" is missing"},
        {"{\"task_id\":[],\"prompt\":\"p\"}", "task_id is neither an integer nor a string"},
        {"{\"task_id\":\"b\"}", "\"prompt\" is missing"},
        {"{\"task_id\":\"b\",\"prompt\":2}", "prompt is an integer (a string is needed)"},
        {"{\"task_id\":\"b\",\"prompt\":\"p\",\"canonical_solution\":2}",
         "canonical_solution is an integer (a string is needed)"},
        {"{\"task_id\":\"b\",\"buggy_solution\":\"x\"}", "\"declaration\" is missing"},
        {"{\"task_id\":\"b\",\"buggy_solution\":1,\"declaration\":\"d\"}",
         "buggy_solution is an integer (a string is needed)"},
        {"{\"task_id\":\"b\",\"buggy_solution\":\"x\",\"declaration\":\"d\"}", "\"canonical_solution\" is missing"},
        {"{\"task_id\":\"b\",\"buggy_solution\":\"x\",\"declaration\":\"d\",\"canonical_solution\":\"c\"}",
         "\"entry_point\" is missing"},
        {"{\"task_id\":\"b\",\"buggy_solution\":\"x\",\"declaration\":\"d\",\"canonical_solution\":\"c\","
         "\"entry_point\":\"\\u0000\"}",
         "entry_point holds \\u0000 (only texts may)"},
        {"{\"task_id\":\"a\",\"prompt\":\"p\"}", "id \"a\" was already given on line 1 (ids must differ)"},
    };
    REFUSED("humaneval", "{\"task_id\":\"a\",\"prompt\":\"p\"}", cases);
}

/* ---- chat ---- */

Test(formats, chat_of_openai) {
    dataset d = read_lines(
        "chat", &automatic,
        "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Write a "
        "li\\nst"
        "\"},{\"role\":\"assistant\",\"content\":\"a, b\"},{\"role\":\"user\",\"content\":\"Add c\",\"name\":\"n\"},{"
        "\"role\":\"assistant\",\"content\":\"a, b, c\"}]}\n"
        "{\"id\":\"talk\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Ho"
        "\"}]}\n");
    cr_assert_eq(d.n, 3);
    cr_assert_eq(d.dropped, 0);
    assert_record(&d.records[0], "chat/0/1", "single-turn",
                  "SYSTEM: Be brief.\nUSER: Write a li\nst\nASSISTANT:", TEXTS("Be brief.", "Write a li\nst"), "a, b");
    assert_record(&d.records[1], "chat/0/2", "multi-turn",
                  "SYSTEM: Be brief.\nUSER: Write a li\nst\nASSISTANT: a, b\nUSER: Add c\nASSISTANT:",
                  TEXTS("Be brief.", "Write a li\nst", "a, b", "Add c"), "a, b, c");
    assert_record(&d.records[2], "talk/1", "single-turn", "USER: Hi\nASSISTANT:", TEXTS("Hi"), "Ho");
    cr_assert_eq(d.records[1].line, 1);
    cr_assert_eq(d.records[2].line, 2);
    dataset_free(&d);
}

/* ShareGPT's habits: conversations that begin in the middle, blank turns, one speaker twice. */
Test(formats, chat_of_sharegpt_turns_need_not_alternate) {
    dataset d = read_lines(
        "chat", &automatic,
        "{\"id\":5,\"conversations\":[{\"from\":\"gpt\",\"value\":\"Welcome\"},{\"from\":\"human\",\"value\":\"One\"},"
        "{\"from\":\"human\",\"value\":\"Two\"},{\"from\":\"gpt\",\"value\":\" \\n\"},{\"from\":\"gpt\",\"value\":"
        "\"Three\"},{\"from\":\"gpt\",\"value\":\"Four\"},{\"from\":\"human\",\"value\":\"\"},{\"from\":\"gpt\",\"value"
        "\":\"Five\"},{\"from\":\"human\",\"value\":\"Six\"},{\"from\":\"human\",\"value\":\"\"},{\"from\":\"gpt\",\""
        "value\":\"Seven\"},{\"from\":\"human\",\"value\":\"Bye\"}]}\n");
    cr_assert_eq(d.n, 2);
    cr_assert_eq(d.dropped, 4); /* Welcome, the blank one, Four, Five */
    assert_record(&d.records[0], "5/3", "multi-turn",
                  "ASSISTANT: Welcome\nUSER: One\nUSER: Two\nASSISTANT:", TEXTS("Welcome", "One", "Two"), "Three");
    assert_record(&d.records[1], "5/6", "multi-turn",
                  "ASSISTANT: Welcome\nUSER: One\nUSER: Two\nASSISTANT: Three\nASSISTANT: Four\nASSISTANT: Five\n"
                  "USER: Six\nASSISTANT:",
                  TEXTS("Welcome", "One", "Two", "Three", "Four", "Five", "Six"), "Seven");
    dataset_free(&d);
}

/* No content beside a call, null and "" are one. */
Test(formats, chat_turns_of_tools_that_say_nothing) {
    static const char *const nothing[] = {"", "\"content\":null,", "\"content\":\"\",", "\"content\":[],",
                                          "\"content\":\" \\n\","};
    const dataset_options    skip = {.format = "chat", .tools = TOOLS_SKIPPED};
    const dataset_options    as_text = {.format = "chat", .tools = TOOLS_AS_TEXT};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"When?\"},"
                 "{%s\"role\":\"assistant\",\"tool_calls\":[1]},{\"role\":\"tool\",\"content\":%s},"
                 "{\"role\":\"assistant\",\"content\":\"Noon\"}]}\n",
                 nothing[i], i % 2 == 0 ? "\"\"" : "null");
        dataset d = read_lines("chat", &skip, line);
        cr_assert(d.n == 1 && d.dropped == 0, "%s: %zu records, %zu left out", nothing[i], d.n, d.dropped);
        assert_record(&d.records[0], "chat/0/1", "single-turn", "USER: When?\nASSISTANT:", TEXTS("When?"), "Noon");
        dataset_free(&d);
        if (i == 4) continue; /* blanks are kept */
        d = read_lines("chat", &as_text, line);
        cr_assert(d.n == 1 && d.dropped == 1, "%s: %zu records, %zu left out", nothing[i], d.n, d.dropped);
        assert_record(&d.records[0], "chat/0/1", "single-turn", "USER: When?\nASSISTANT:", TEXTS("When?"), "[1]");
        dataset_free(&d);
    }
}

Test(formats, chat_refusals) {
#define ASK    "{\"role\":\"user\",\"content\":\"q\"}"
#define ANSWER "{\"role\":\"assistant\",\"content\":\"a\"}"
    static const bad_line cases[] = {
        {"{\"text\":\"x\"}", "\"messages\" is missing (or \"conversations\")"},
        {"{\"messages\":[" ASK "," ANSWER "],\"conversations\":[]}",
         "both \"messages\" and \"conversations\" are given (one or the other)"},
        {"{\"messages\":{}}", "messages is an object (an array is needed)"},
        {"{\"messages\":[]}", "messages has no turn of the assistant (each one becomes a record)"},
        {"{\"conversations\":[]}", "conversations has no turn of the assistant (each one becomes a record)"},
        {"{\"messages\":[" ASK "]}", "messages has no turn of the assistant (each one becomes a record)"},
        {"{\"messages\":[" ASK ",\"a\"]}", "messages[1] is not an object (with \"role\" in it)"},
        {"{\"messages\":[{\"from\":\"human\",\"value\":\"q\"}]}", "messages[0].role is missing"},
        {"{\"conversations\":[" ASK "]}", "conversations has no turn of the assistant (each one becomes a record)"},
        {"{\"messages\":[" ASK ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}]}",
         "messages[1].content is missing"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}," ANSWER "]}",
         "messages[0].content[0].type is \"image_url\" (only \"text\" is read)"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}," ANSWER "]}",
         "messages[0].content[0].text is missing"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[\"q\"]}," ANSWER "]}",
         "messages[0].content[0] is not an object (with \"type\" and \"text\" in it)"},
        {"{\"messages\":[" ASK "," ANSWER ",{\"role\":\"tool\",\"content\":\"x\"}]}",
         "messages[2].role is \"tool\" (tools = skip leaves such turns out, tools = text keeps them as text)"},
        {"{\"messages\":[" ASK "," ANSWER ",{\"role\":\"asistant\",\"content\":\"x\"}]}",
         "messages[2].role: unknown role \"asistant\"; did you mean \"assistant\"? (allowed: \"user\", \"assistant\", "
         "\"system\", \"human\", \"gpt\", \"developer\", \"tool\", \"function\", \"observation\" or "
         "\"function_call\")"},
        {"{\"messages\":[{\"role\":\"user\\u0000\",\"content\":\"x\"}]}",
         "messages[0].role holds \\u0000 (only texts may)"},
        {"{\"messages\":[{\"role\":7,\"content\":\"x\"}]}", "messages[0].role is an integer (a string is needed)"},
        {"{\"messages\":[" ASK ",{\"role\":\"system\",\"content\":\"s\"}," ANSWER "]}",
         "messages[1].role is \"system\" (only the first turn may be)"},
        {"{\"id\":true,\"messages\":[" ASK "," ANSWER "]}", "id is neither an integer nor a string"},
        /* The first answer is new, the second is not, the third would be left out: all of it goes. */
        {"{\"id\":\"chat/0\",\"messages\":[" ASK "," ANSWER "," ANSWER "]}",
         "id \"chat/0/1\" was already given on line 1 (ids must differ)"},
    };
    REFUSED("chat", "{\"messages\":[" ASK "," ANSWER "]}", cases);
}

/* ---- which format ---- */

#define FORMAT(name) extern const dataset_format format_##name;
#include "datasets/formats.def"
#undef FORMAT

/* A record as published, for each format. */
static const struct {
    const dataset_format *format;
    const char           *line;
} published[] = {
    {&format_native, "{\"id\":\"a\",\"prompt\":\"p\",\"references\":[\"r\"],\"output\":\"o\"}"},
    {&format_llma, "{\"query\":\"q\",\"docs\":[\"d\"],\"result\":{\"text\":\"t\"}}"},
    {&format_spec_bench, "{\"question_id\":1,\"category\":\"c\",\"turns\":[\"t\",\"u\"],\"reference\":[\"r\"]}"},
    {&format_ms_marco, "{\"query_id\":1,\"query\":\"q\",\"query_type\":\"ENTITY\",\"passages\":[{\"is_selected\":1,"
                       "\"url\":\"u\",\"passage_text\":\"p\"}],\"answers\":[\"a\"],\"wellFormedAnswers\":[\"w\"]}"},
    {&format_ragtruth, "{\"id\":\"0\",\"source_id\":\"1\",\"model\":\"m\",\"temperature\":0.7,\"labels\":[],\"split\":"
                       "\"train\",\"quality\":\"good\",\"response\":\"r\",\"task_type\":\"QA\",\"source\":\"s\","
                       "\"source_info\":{\"question\":\"q\",\"passages\":\"passage 1:p\\n\\npassage 2:q\\n\\n\"},"
                       "\"prompt\":\"p\"}"},
    {&format_ragtruth, "{\"id\":\"0\",\"source_id\":\"1\",\"response\":\"r\",\"source_info\":{\"k\":\"v\"},"
                       "\"prompt\":\"p\"}"},
    {&format_humaneval, "{\"task_id\":\"T/0\",\"prompt\":\"p\",\"canonical_solution\":\"c\",\"test\":\"t\","
                        "\"entry_point\":\"f\"}"},
    {&format_humaneval, "{\"task_id\":\"T/0\",\"prompt\":\"p\",\"declaration\":\"d\",\"canonical_solution\":\"c\","
                        "\"buggy_solution\":\"b\",\"bug_type\":\"t\",\"failure_symptoms\":\"s\",\"entry_point\":\"f\","
                        "\"import\":\"\",\"test_setup\":\"\",\"test\":\"t\",\"example_test\":\"e\",\"signature\":\"s\","
                        "\"docstring\":\"d\",\"instruction\":\"i\"}"},
    {&format_chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]}"},
    {&format_chat, "{\"id\":\"x\",\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":"
                   "\"a\"}]}"},
};
enum { N_PUBLISHED = sizeof published / sizeof *published };

Test(formats, each_is_told_from_all_others) {
    static const dataset_format *const all[] = {
#define FORMAT(name) &format_##name,
#include "datasets/formats.def"
#undef FORMAT
    };
    for (size_t i = 0; i < N_PUBLISHED; i++) {
        json_t *o = json_loads(published[i].line, 0, NULL);
        cr_assert_not_null(o, "%s", published[i].line);
        for (size_t f = 0; f < sizeof all / sizeof *all; f++) {
            bool same = all[f] == published[i].format;
            /* Both have a native record's prompt; they come before it in formats.def. */
            if (all[f] == &format_native && json_object_get(o, "prompt") != NULL) same = true;
            cr_assert_eq(all[f]->fits(o), same, "%s: %s", all[f]->name, published[i].line);
        }
        json_decref(o);
        dataset d = read_lines(published[i].format->name, &automatic, published[i].line);
        dataset_free(&d);
    }
}

/* Records of the native format may keep keys of what they were made from. */
Test(formats, native_records_stay_native) {
    static const char *const lines[] = {
        "{\"id\":\"a\",\"prompt\":\"p\",\"task_id\":\"T/0\",\"entry_point\":\"f\",\"buggy_solution\":\"b\"}",
        "{\"id\":\"a\",\"prompt\":\"p\",\"source_id\":\"s\",\"response\":\"r\",\"output\":\"o\"}",
        "{\"id\":\"a\",\"prompt\":\"p\",\"source_id\":\"s\",\"response\":\"r\",\"references\":[]}",
        "{\"id\":\"a\",\"prompt\":\"p\",\"messages\":[],\"query\":\"q\",\"passages\":[]}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        dataset d = read_lines("native", &automatic, lines[i]);
        dataset_free(&d);
    }
}

/* ---- out of memory ---- */

Test(formats, every_failed_allocation_is_reported) {
    err        e = {0};
    tokenizer *tok = tokenizer_bytes(&e);
    for (size_t i = 0; i < N_PUBLISHED; i++) {
        const dataset_options o = {.format = "auto",
                                   .append_docs = published[i].format->appends_docs,
                                   .doc_tokens = 4,
                                   .tok = tok,
                                   .skip_bad = true};
        scratch_write("d.jsonl", published[i].line);
        size_t k = 1;
        for (bool done = false; !done; k++) {
            dataset d;
            e = (err){0};
            mem_fail_at(k);
            done = dataset_read("d.jsonl", &o, NULL, NULL, &d, &e) == 0;
            mem_fail_at(0);
            if (!done) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text); /* never skipped as a bad line */
            dataset_free(&d);
        }
        cr_assert_gt(k, 6);
    }
    tokenizer_close(tok);
}
