/* Parameters: every type, from a command line, from an INI file, as text and as JSON. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/param.h"
#include "experiments/sweep/values.h"
#include "tests/fixtures/scratch.h"

TestSuite(param, .init = scratch_enter, .fini = scratch_leave);
TestSuite(values, .init = scratch_enter, .fini = scratch_leave);

static const char *const ends[] = {"first", "last", "middle", NULL};
enum { FIRST, LAST, MIDDLE };

enum { N, TEMPERATURE, END, NUMBERS = END + 1, STORE = NUMBERS, SPECS };
static const param_spec specs[] = {
    [N] = PARAM_INTEGER("n", 1, 1, 64, "trigger length"),
    [TEMPERATURE] = PARAM_REAL("temperature", 1, 0.01, 100, "softmax temperature"),
    [END] = PARAM_CHOICE("end", ends, LAST, "which occurrence counts"),
    [STORE] = PARAM_FILE("store", "token ids to copy from"),
};

/* ---- on the command line ------------------------------------------------------------------------------ */

Test(param, parses_lists_and_names_what_is_wrong) {
    param_values v;
    err          e = {0};
    cr_assert_eq(param_parse_list("llma", specs, NUMBERS, "temperature=0.7,n=3,end=first", &v, &e), 0, "%s", e.text);
    cr_assert_eq(v.at[N].integer, 3);
    cr_assert_eq(v.at[TEMPERATURE].real, 0.7);
    cr_assert_eq(v.at[END].choice, FIRST);
    cr_assert_eq(param_parse_list("llma", specs, NUMBERS, "", &v, &e), 0);
    cr_assert_eq(v.at[N].integer, 1);
    cr_assert_eq(v.at[END].choice, LAST);

    static const struct {
        const char *text, *says;
    } bad[] = {
        {"n", "not a parameter"},
        {"n=", "an integer from 1 to 64"},
        {"n=0", "an integer from 1 to 64"},
        {"n=65", "an integer from 1 to 64"},
        {"n=1.5", "an integer from 1 to 64"},
        {"n=nan", "an integer from 1 to 64"},
        {"m=1", "unknown parameter \"m\""},
        {"n=1,n=2", "given twice"},
        {"n=1,", "last comma"},
        {"temperature=inf", "a number from 0.01 to 100"},
        {"=1", "unknown parameter \"\""},
        {"end=frist", "unknown end \"frist\"; did you mean \"first\"? (allowed: \"first\", \"last\" or \"middle\")"},
        {"end=0", "unknown end \"0\""},
        {"end=", "unknown end \"\""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(param_parse_list("llma", specs, NUMBERS, bad[i].text, &v, &e), -1, "%s was taken", bad[i].text);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, "llma: ", 6), 0, "%s", e.text);
        cr_assert_not_null(strstr(e.text, bad[i].says), "%s", e.text);
    }
}

Test(param, files_are_known_by_their_content) {
    param_values a, b, c, copy;
    err          e = {0};
    scratch_write("a.bin", "content");
    scratch_write("far/a name, with a comma", "content");
    scratch_write("c.bin", "other content");
    cr_assert_eq(param_parse_list("x", specs, SPECS, "store=a.bin,n=2", &a, &e), 0, "%s", e.text);
    cr_assert_str_eq(a.at[STORE].file->path, "a.bin");
    cr_assert_eq(param_parse_list("x", specs, SPECS, "store=c.bin", &c, &e), 0, "%s", e.text);
    param_presets(specs, SPECS, &b);
    cr_assert_eq(param_parse(&specs[STORE], "far/a name, with a comma", &b.at[STORE], &e), 0, "%s", e.text);
    cr_assert(param_equal(&a.at[STORE], &b.at[STORE]));
    cr_assert_not(param_equal(&a.at[STORE], &c.at[STORE]));
    cr_assert_not(param_equal(&a.at[STORE], &a.at[N]));

    cr_assert_eq(param_values_copy(&a, &copy, &e), 0);
    param_values_free(&a);
    cr_assert_str_eq(copy.at[STORE].file->path, "a.bin");
    cr_assert(param_equal(&copy.at[STORE], &b.at[STORE]));
    cr_assert_eq(copy.at[N].integer, 2);
    for (size_t k = 1; k <= 2; k++) {
        mem_fail_at(k);
        cr_assert_eq(param_values_copy(&copy, &a, &e), -1);
        mem_fail_at(0);
        cr_assert_null(a.at[STORE].file);
    }
    cr_assert_eq(param_check_unchanged(&b, &e), 0, "%s", e.text);
    cr_assert_eq(param_check_unchanged(&copy, &e), 0, "%s", e.text);
    scratch_write("a.bin", "changed");
    cr_assert_eq(param_check_unchanged(&copy, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, "a.bin: has changed", 18), 0, "%s", e.text);
    param_values_free(&copy);
    param_values_free(&b);
    param_values_free(&c);
}

Test(param, values_may_be_in_quotes) {
    param_values v;
    err          e = {0};
    scratch_write("a name, with a comma", "content");
    scratch_write("it's", "content");
    const char *const good[] = {"store=\"a name, with a comma\",n=2", "n=2,store='a name, with a comma'",
                                "store=it's,n=\"2\"", "n='2',store=\"it's\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert_eq(param_parse_list("x", specs, SPECS, good[i], &v, &e), 0, "%s", e.text);
        cr_assert_eq(v.at[N].integer, 2);
        param_values_free(&v);
    }
    const char *const bad[][2] = {
        {"store=\"a name, with",
         "x: store=\"a name, with: the quote at character 7 has no end (quotes enclose a whole value)"},
        {"n=2,store='a'b",
         "x: n=2,store='a'b: the quote at character 13 does not end the value (quotes enclose a whole "
         "value; one inside it is of the other kind)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(param_parse_list("x", specs, SPECS, bad[i][0], &v, &e), -1);
        cr_assert_str_eq(e.text, bad[i][1]);
    }
}

Test(param, an_optional_file_may_be_none) {
    static const param_spec spec[] = {PARAM_FILE_OR_NONE("table", "counts")};
    param_values            v, w;
    char                    buf[20];
    err                     e = {0};
    scratch_write("none", "is not meant");
    cr_assert_eq(param_parse_list("x", spec, 1, "", &v, &e), 0, "%s", e.text);
    cr_assert_eq(param_parse_list("x", spec, 1, "table=none", &w, &e), 0, "%s", e.text);
    cr_assert(v.at[0].file == NULL && w.at[0].file == NULL && param_equal(&v.at[0], &w.at[0]));
    param_format(&spec[0], &v.at[0], buf, sizeof buf);
    cr_assert_str_eq(buf, "none");
    cr_assert_eq(param_check_unchanged(&v, &e), 0);
    cr_assert_eq(param_parse_list("x", spec, 1, "table=./none", &w, &e), 0, "%s", e.text);
    cr_assert_not(param_equal(&v.at[0], &w.at[0]));
    param_values_free(&w);
}

Test(param, files_must_be_given_and_be_there) {
    param_values v;
    err          e = {0};
    scratch_write("a.bin", "content");
    cr_assert_eq(param_parse_list("x", specs, SPECS, "n=2", &v, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "x needs store = FILE (token ids to copy from)");
    cr_assert_eq(param_parse_list("x", specs, SPECS, "store=absent.bin", &v, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, "x: store: absent.bin: cannot open", 33), 0, "%s", e.text);
    cr_assert_eq(param_parse_list("x", specs, SPECS, "store=a.bin,m=2", &v, &e), -1, "and what was read is freed");
    cr_assert_null(v.at[STORE].file);
}

Test(param, formats_values_that_read_back_equal) {
    const double values[] = {0.7, 1, 0.1 + 0.2, 1e-7, 100};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char buf[40];
        param_format(&specs[TEMPERATURE], &(param_value){.type = PARAM_IS_REAL, .real = values[i]}, buf, sizeof buf);
        cr_assert_eq(strtod(buf, NULL), values[i]);
    }
    char buf[40];
    param_format(&specs[N], &(param_value){.type = PARAM_IS_INTEGER, .integer = 20}, buf, sizeof buf);
    cr_assert_str_eq(buf, "20");
    param_format(&specs[TEMPERATURE], &(param_value){.type = PARAM_IS_REAL, .real = 100}, buf, sizeof buf);
    cr_assert_str_eq(buf, "100");
    param_format(&specs[TEMPERATURE], &(param_value){.type = PARAM_IS_REAL, .real = 0.7}, buf, sizeof buf);
    cr_assert_str_eq(buf, "0.7");
    param_format(&specs[END], &(param_value){.type = PARAM_IS_CHOICE, .choice = MIDDLE}, buf, sizeof buf);
    cr_assert_str_eq(buf, "middle");
    param_file file = {.path = (char *)"some/file"};
    cr_assert_eq(param_format(&specs[STORE], &(param_value){.type = PARAM_IS_FILE, .file = &file}, buf, sizeof buf), 9);
    cr_assert_str_eq(buf, "some/file");
}

/* ---- in an INI file ----------------------------------------------------------------------------------- */

/* The lists of one section; -1 with the error. */
static int read_lists(const char *lines, value_list lists[SPECS], err *e) {
    char    text[1024];
    inifile f;
    snprintf(text, sizeof text, "[policy x]\n%s", lines);
    scratch_write("in/c.ini", text);
    memset(lists, 0, SPECS * sizeof *lists);
    cr_assert_eq(inifile_read("in/c.ini", &f, e), 0, "%s", e->text);
    int ret = values_read(&f, &f.sections[0], specs, SPECS, lists, e);
    inifile_free(&f);
    return ret;
}

static void free_lists(value_list lists[SPECS]) {
    for (size_t i = 0; i < SPECS; i++) value_list_free(&lists[i]);
}

static json_t *point_json(const value_list lists[SPECS], const size_t at[SPECS]) {
    param_values v = {0};
    for (size_t i = 0; i < SPECS; i++) v.at[i] = lists[i].at[at[i]];
    return values_json(specs, SPECS, &v);
}

Test(values, lists_take_every_type) {
    value_list lists[SPECS], other[SPECS];
    err        e = {0};
    scratch_write("in/a.bin", "a");
    scratch_write("in/b c.bin", "bc");
    cr_assert_eq(read_lists("n = 3, 1\nend = middle, first\nstore = a.bin, \"b c.bin\"\n", lists, &e), 0, "%s", e.text);
    cr_assert(lists[N].n == 2 && lists[N].at[0].integer == 3 && lists[N].at[1].integer == 1);
    cr_assert(lists[TEMPERATURE].n == 1 && lists[TEMPERATURE].at[0].real == 1);
    cr_assert(lists[END].n == 2 && lists[END].at[0].choice == MIDDLE && lists[END].at[1].choice == FIRST);
    cr_assert_eq(lists[STORE].n, 2);
    cr_assert_str_eq(lists[STORE].at[0].file->path, "in/a.bin", "beside the INI file");
    cr_assert_str_eq(lists[STORE].at[1].file->path, "in/b c.bin");

    scratch_write("in/other", "bc");
    cr_assert_eq(read_lists("n = 1\nend = first\nstore = other\n", other, &e), 0, "%s", e.text);
    cr_assert(values_meet(lists, other, SPECS), "equal content");
    free_lists(other);
    cr_assert_eq(read_lists("n = 1\nstore = other\n", other, &e), 0, "%s", e.text);
    cr_assert_not(values_meet(lists, other, SPECS), "end = last is in one of them");
    free_lists(other);
    free_lists(lists);
}

/* A file that a config may say how to get (experiments/sweep/needs.h). */
Test(values, may_name_a_file_that_is_not_there_yet) {
    value_list lists[SPECS];
    err        e = {0};
    cr_assert_eq(read_lists("store = absent, other\n", lists, &e), 0, "%s", e.text);
    const value_list *store = NULL;
    for (size_t i = 0; i < SPECS; i++)
        if (lists[i].n == 2 && lists[i].at[0].type == PARAM_IS_FILE) store = &lists[i];
    cr_assert_not_null(store);
    const param_file *f = store->at[0].file;
    cr_assert_str_eq(f->path, "in/absent");
    cr_assert_str_eq(f->where, "in/c.ini:2");
    cr_assert_str_eq(f->sha256, "");
    cr_assert_not(param_equal(&store->at[0], &store->at[1]));
    free_lists(lists);
    cr_assert_eq(read_lists("store = absent, absent\n", lists, &e), -1);
    free_lists(lists);
}

Test(values, say_what_is_wrong_and_where) {
    static const struct {
        const char *lines, *says;
    } bad[] = {
        {"n = 1\n", "in/c.ini:1: [policy x] has no \"store\" (token ids to copy from)"},
        {"store = .\n", "in/c.ini:2: store: in/.: is a folder"},
        {"store = $HOME/a\n", "not expanded"},
        {"store = a.bin, copy.bin\n", "in/c.ini:2: store lists the content of copy.bin twice"},
        {"store = a.bin\nend = middel\n", "in/c.ini:3: unknown end \"middel\"; did you mean \"middle\"?"},
        {"store = a.bin\nend = first last\n", "in/c.ini:3: end = \"first last\" is not one value"},
        {"store = a.bin\nend = first, first\n", "in/c.ini:3: end lists first twice"},
        {"store = a.bin\nn = 70\n", "in/c.ini:3: n = \"70\" is not allowed"},
        {"stroe = a.bin\n", "did you mean \"store\"?"},
    };
    scratch_write("in/a.bin", "a");
    scratch_write("in/copy.bin", "a");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        value_list lists[SPECS];
        err        e = {0};
        cr_assert_eq(read_lists(bad[i].lines, lists, &e), -1, "taken: %s", bad[i].lines);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_not_null(strstr(e.text, bad[i].says), "%s", e.text);
        free_lists(lists);
    }
}

Test(values, json_has_names_and_digests) {
    value_list lists[SPECS];
    err        e = {0};
    char       hex[DIGEST_HEX], want[256];
    scratch_write("in/a.bin", "a");
    cr_assert_eq(read_lists("store = a.bin\nn = 7\nend = first\ntemperature = 0.5\n", lists, &e), 0, "%s", e.text);
    cr_assert_eq(digest_sha256("a", 1, hex, &e), 0);
    json_t *json = point_json(lists, (size_t[SPECS]){0});
    char   *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(want, sizeof want, "{\"end\":\"first\",\"n\":7,\"store\":\"sha256:%s\",\"temperature\":0.5}", hex);
    cr_assert_str_eq(text, want);
    free(text);
    json_decref(json);
    free_lists(lists);
}
