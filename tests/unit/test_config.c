/* Configurations: what is read, and the exact line of every error. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/suggest.h"
#include "experiments/sweep/config.h"
#include "tests/fixtures/scratch.h"

TestSuite(config, .init = scratch_enter, .fini = scratch_leave);

/* Lines 1 to 17; the tests below replace one of them. */
static const char *const good[] = {
    "[sweep]",        "name = rag",  "output = out",   "[model m]",       "target = replay", "tokenizer = bytes",
    "threads = 1, 2", "[dataset d]", "path = d.jsonl", "forced = yes",    "limit = 10",      "[policy llma]",
    "n = 1, 2",       "k = 5, 10",   "[policy none]",  "[accept greedy]", "; the end",
};
enum { LINES = sizeof good / sizeof *good };

/* The good file with line `at` (from 1) replaced; NULL leaves the line empty. */
static char *with_line(size_t at, const char *line) {
    static char text[8192];
    text[0] = '\0';
    for (size_t i = 1; i <= LINES; i++) {
        const char *l = i == at ? line : good[i - 1];
        if (l != NULL) strcat(text, l);
        strcat(text, "\n");
    }
    return text;
}

static void expect_refused(const char *text, const char *set, const char *where, const char *what) {
    config c;
    err    e = {0};
    scratch_write("c.ini", text);
    cr_assert_eq(config_read("c.ini", &set, set != NULL, &c, &e), -1, "taken, but not: %s %s", where, what);
    cr_assert_eq(e.kind, ERR_INPUT, "%s", e.text);
    cr_assert_eq(strncmp(e.text, where, strlen(where)), 0, "\"%s\" does not begin with \"%s\"", e.text, where);
    cr_assert_not_null(strstr(e.text, what), "\"%s\" does not say \"%s\"", e.text, what);
}

static void read_good(const char *text, const char *const *sets, size_t n, config *c) {
    err e = {0};
    scratch_write("c.ini", text);
    cr_assert_eq(config_read("c.ini", sets, n, c, &e), 0, "%s", e.text);
}

static void expect_list(const value_list *l, size_t n, const double *values) {
    cr_assert_eq(l->n, n);
    for (size_t i = 0; i < n; i++) cr_assert_eq(param_number(&l->at[i]), values[i]);
}
#define EXPECT_LIST(list, ...)                                                                                         \
    expect_list(list, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

static const value_list *values(const policy_config *p, const char *name) {
    int i = param_find(p->ops->params, p->ops->n_params, name);
    cr_assert_geq(i, 0);
    return &p->values[i];
}

Test(config, results_go_below_the_current_folder_where_nothing_is_said) {
    config c;
    err    e = {0};
    scratch_write("ini/c.ini", with_line(3, NULL));
    cr_assert_eq(config_read("ini/c.ini", NULL, 0, &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.output, "results");
    config_free(&c);
}

Test(config, stop_tokens_are_texts_with_their_place) {
    config c;
    read_good(with_line(7, "stop = </s>, 13,\n  \"a, b\", [EOT]"), NULL, 0, &c);
    const text_items *stop = &c.models[0].stop;
    const char       *want[] = {"</s>", "13", "a, b", "[EOT]"};
    cr_assert_eq(stop->n, 4);
    for (size_t i = 0; i < 4; i++) cr_assert_str_eq(stop->at[i], want[i]);
    cr_assert_str_eq(c.models[0].stop_at, "c.ini:7");
    config_free(&c);
    read_good(with_line(1, "[sweep]"), NULL, 0, &c);
    cr_assert_eq(c.models[0].stop.n, 0);
    cr_assert_null(c.models[0].stop_at);
    config_free(&c);
}

Test(config, reads_a_whole_file) {
    config      c;
    const char *text = "\xef\xbb\xbf# a comment\n"
                       "[sweep]\n"
                       "name    = rag            ; results/rag.h5\n"
                       "output  = ../../results\n"
                       "seed    = 9223372036854775807\n"
                       "repeats = 3\n"
                       "\n"
                       "[model  a]\n"
                       "  target = replay\n"
                       "tokenizer : bytes\n"
                       "threads = 4, 1\n"
                       "cost = /abs/cost.ini\n"
                       "[ model b.2 ] ; another\n"
                       "target = replay\n"
                       "tokenizer = v.gguf\n"
                       "[dataset rag]\n"
                       "path = rag.jsonl\n"
                       "format = llma\n"
                       "limit = 100\n"
                       "forced = on\n"
                       "append_docs = true\n"
                       "doc_tokens = 0\n"
                       "max_new_tokens = 512\n"
                       "[policy llma]\n"
                       "n = 1\n"
                       "[policy llma deep]\n"
                       "n = 3, 2 ; falling\n"
                       "k = 5\n"
                       "[policy none]\n"
                       "[accept greedy]"; /* no line end */
    scratch_write("ini/c.ini", text);
    err e = {0};
    cr_assert_eq(config_read("ini/c.ini", NULL, 0, &c, &e), 0, "%s", e.text);

    cr_assert_str_eq(c.path, "ini/c.ini");
    cr_assert_str_eq(c.text, text);
    cr_assert_str_eq(c.name, "rag");
    cr_assert_str_eq(c.output, "ini/../../results");
    cr_assert_eq(c.seed, INT64_MAX);
    cr_assert_eq(c.repeats, 3);

    cr_assert_eq(c.n_models, 2);
    cr_assert_str_eq(c.models[0].label, "a");
    cr_assert_eq(c.models[0].line, 8);
    cr_assert_str_eq(c.models[0].target->name, "replay");
    cr_assert_str_eq(c.models[0].tokenizer, "bytes"); /* not a path */
    EXPECT_LIST(&c.models[0].threads, 4, 1);
    cr_assert_str_eq(c.models[0].cost, "/abs/cost.ini");
    cr_assert_eq(c.models[0].gemm, GEMM_EXACT);
    cr_assert_null(c.models[0].path);
    cr_assert_str_eq(c.models[1].label, "b.2");
    cr_assert_str_eq(c.models[1].tokenizer, "ini/v.gguf");
    EXPECT_LIST(&c.models[1].threads, 1);
    cr_assert_eq(c.models[1].context, 0);

    cr_assert_eq(c.n_datasets, 1);
    const dataset_config *d = &c.datasets[0];
    cr_assert_str_eq(d->path, "ini/rag.jsonl");
    cr_assert_str_eq(d->format, "llma");
    cr_assert(d->limit == 100 && d->forced && d->append_docs && d->doc_tokens == 0 && d->max_new_tokens == 512);

    cr_assert_eq(c.n_policies, 3);
    cr_assert_str_eq(c.policies[0].label, "");
    EXPECT_LIST(values(&c.policies[0], "n"), 1);
    EXPECT_LIST(values(&c.policies[0], "k"), 20);
    cr_assert_str_eq(c.policies[1].label, "deep");
    cr_assert_eq(c.policies[1].line, 26);
    EXPECT_LIST(values(&c.policies[1], "n"), 3, 2);
    cr_assert_str_eq(c.policies[2].ops->name, "none");
    cr_assert_eq(c.n_rules, 1);
    config_free(&c);
}

Test(config, has_the_documented_defaults) {
    config c;
    read_good("[sweep]\nname=a\noutput=o\n[model m]\ntarget=replay\ntokenizer=bytes\n[dataset d]\npath=p\nforced=1\n"
              "[policy none]\n[accept greedy]\n",
              NULL, 0, &c);
    cr_assert(c.seed == 1 && c.repeats == 1);
    EXPECT_LIST(&c.models[0].threads, 1);
    cr_assert_eq(c.models[0].gemm, GEMM_EXACT);
    const dataset_config *d = &c.datasets[0];
    cr_assert_str_eq(d->format, "auto");
    cr_assert(d->limit == 0 && !d->append_docs && d->doc_tokens == 768 && d->max_new_tokens == 256);
    config_free(&c);
}

Test(config, takes_every_spelling_of_yes_and_no) {
    static const char *const words[] = {"yes", "no", "true", "false", "on", "off", "1", "0"};
    for (size_t i = 0; i < 8; i++) {
        config c;
        char   line[32];
        snprintf(line, sizeof line, "append_docs = %s", words[i]);
        read_good(with_line(11, line), NULL, 0, &c);
        cr_assert_eq(c.datasets[0].append_docs, i % 2 == 0, "%s", words[i]);
        config_free(&c);
    }
}

Test(config, indented_lines_continue_a_list) {
    static const char *const same[] = {"n = 1, 2, 3, 4", "n = 1, 2\n  3, 4", "n = 1, 2,\n\t3,\n\n; aside\n  4",
                                       "n =\n 1\n 2\n 3 ; three\n 4"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        config c;
        read_good(with_line(13, same[i]), NULL, 0, &c);
        EXPECT_LIST(values(&c.policies[0], "n"), 1, 2, 3, 4);
        EXPECT_LIST(values(&c.policies[0], "k"), 5, 10);
        config_free(&c);
    }
    /* An error in a continued list names its own line. */
    expect_refused(with_line(13, "n = 1,\n  2,\n  zwei"), NULL, "c.ini:15:", "\"zwei\"");
    expect_refused(with_line(13, "n = 1,\n  ,2"), NULL, "c.ini:14:", "empty value");
    expect_refused(with_line(13, "n = 1,\n  2,"), NULL, "c.ini:14:", "empty value");
    /* An indented key reads as a value: that must not go unnoticed. */
    expect_refused(with_line(13, "n = 1\n  max_n = 7"), NULL, "c.ini:14:", "max_n = 7");
}

Test(config, takes_windows_line_ends) {
    config c;
    char   text[4096] = "";
    for (size_t i = 0; i < LINES; i++) {
        strcat(text, good[i]);
        strcat(text, "\r\n");
    }
    read_good(text, NULL, 0, &c);
    cr_assert_str_eq(c.name, "rag");
    cr_assert_str_eq(c.datasets[0].path, "d.jsonl");
    EXPECT_LIST(values(&c.policies[0], "k"), 5, 10);
    config_free(&c);
}

Test(config, names_place_and_reason_of_every_refusal) {
    static const struct {
        size_t      line; /* replaced by text */
        const char *text, *where, *what;
    } cases[] = {
        /* sections */
        {1, "[swep]", "c.ini:1:", "did you mean \"sweep\""},
        {1, "[sweep a]", "c.ini:1:", "[sweep]"},
        {1, "[]", "c.ini:1:", "unknown section"},
        {1, "[sweep", "c.ini:1:", "\"]\" is missing"},
        {1, "[sweep] x", "c.ini:1:", "text after"},
        {1, "name = early", "c.ini:1:", "before the first [section]"},
        {4, "[model]", "c.ini:4:", "[model LABEL]"},
        {4, "[model a b]", "c.ini:4:", "[model LABEL]"},
        {4, "[model a/b]", "c.ini:4:", "not a name"},
        {8, "[dataset]", "c.ini:8:", "[dataset LABEL]"},
        {12, "[policy]", "c.ini:12:", "[policy NAME]"},
        {12, "[policy a b c]", "c.ini:12:", "[policy NAME LABEL]"},
        {12, "[policy lma]", "c.ini:12:", "did you mean \"llma\""},
        {16, "[accept greed]", "c.ini:16:", "did you mean \"greedy\""},
        {17, "[policy llma]", "c.ini:17:", "already on line 12"},
        {17, "[policy  none ]", "c.ini:17:", "already on line 15"},
        {17, "[sweep]", "c.ini:17:", "already on line 1"},
        {17, "[model m]", "c.ini:17:", "already on line 4"},
        /* keys */
        {2, "nam = rag", "c.ini:2:", "did you mean \"name\""},
        {2, NULL, "c.ini:1:", "no \"name\""},
        {9, NULL, "c.ini:8:", "no \"path\""},
        {5, NULL, "c.ini:4:", "no \"target\""},
        {3, "name = again", "c.ini:3:", "already set at c.ini:2"},
        {3, "output", "c.ini:3:", "neither [section] nor key = value"},
        {3, "= 5", "c.ini:3:", "no key"},
        {14, "m = 2", "c.ini:14:", "\"max_n\""},
        {15, "[policy none]\nn = 1", "c.ini:16:", "allowed: none"},
        /* values */
        {2, "name =", "c.ini:2:", "no value"},
        {2, "name = ; nothing", "c.ini:2:", "no value"},
        {2, "name = a/b", "c.ini:2:", "\"a/b\""},
        {2, "name = .hidden", "c.ini:2:", "dot"},
        {2, "name = a b", "c.ini:2:", "\"a b\""},
        {2, "name = a\n b", "c.ini:3:", "one value"},
        {3, "output = o\nseed = -1", "c.ini:4:", "0 to 9223372036854775807"},
        {3, "output = o\nseed = 9223372036854775808", "c.ini:4:", "seed"},
        {3, "output = o\nseed = 99999999999999999999999", "c.ini:4:", "seed"},
        {3, "output = o\nrepeats = 0", "c.ini:4:", "from 1 to"},
        {3, "output = o\nrepeats = 1, 2", "c.ini:4:", "\"1, 2\""},
        {3, "output = o\nrepeats = +1", "c.ini:4:", "an integer"},
        {3, "output = o\nrepeats = 1.5", "c.ini:4:", "an integer"},
        {3, "output = o\nrepeats = 0x10", "c.ini:4:", "an integer"},
        {5, "target = replya", "c.ini:5:", "did you mean \"replay\""},
        {7, "threads = 0", "c.ini:7:", "1 to 1024"},
        {7, "threads = 1, 1", "c.ini:7:", "twice"},
        {7, "threads =", "c.ini:7:", "no value"},
        {7, "threads = ,", "c.ini:7:", "empty value"},
        {7, "stop = <eot>, 13, <eot>", "c.ini:7:", "stop lists <eot> twice"},
        {7, "stop =", "c.ini:7:", "no value"},
        {7, "gemm = mkl", "c.ini:7:", "(allowed: \"exact\" or \"blas\")"},
        {7, "gemm = exat", "c.ini:7:", "did you mean \"exact\"?"},
        {10, "forced = maybe", "c.ini:10:", "yes or no"},
        {10, "forced = Yes", "c.ini:10:", "yes or no"},
        {11, "limit = ten", "c.ini:11:", "an integer"},
        {11, "format = lama", "c.ini:11:", "did you mean \"llma\""},
        {11, "max_new_tokens = 0", "c.ini:11:", "from 1 to"},
        {13, "n = 0", "c.ini:13:", "from 1 to 64"},
        {13, "n = 65", "c.ini:13:", "from 1 to 64"},
        {13, "n = 1.5", "c.ini:13:", "an integer"},
        {13, "n = nan", "c.ini:13:", "an integer"},
        {13, "n =", "c.ini:13:", "no value"},
        {13, "n = 1 2", "c.ini:13:", "with commas"},
        {13, "n = 1,,2", "c.ini:13:", "empty value"},
        {13, "n = , 1", "c.ini:13:", "empty value"},
        {13, "n = 1, 2,", "c.ini:13:", "empty value"},
        {13, "n = 1, 2, 1.0", "c.ini:13:", "twice"},
        /* keys against keys */
        {6, NULL, "c.ini:4:", "no \"tokenizer\""},
        {7, "path = w.gguf", "c.ini:7:", "replay"},
        {7, "context = 100", "c.ini:7:", "no context limit"},
        /* sections against sections */
        {10, "forced = no", "c.ini:8:", "set forced = yes"},
        {10, NULL, "c.ini:8:", "[model m]"},
        {16, "[accept coupled]", "c.ini:16:", "[model m] has target = replay, which gives none"},
        {17, "[policy chain]\nstages = pld > recycle", "c.ini:17:", "[policy chain] drafts from logits, but [model m]"},
        {17, "[policy chain]\nstages = pld, pld > recycle", "c.ini:17:", "drafts from logits"},
        {17, "[policy chain]", "c.ini:17:", "has no \"stages\""},
        {17, "[policy chain]\nstages = pld > lmla", "c.ini:18:", "stages: stage 2: unknown policy \"lmla\""},
        {17, "[policy chain]\nstages = pld > hf, pld>hf n=2", "c.ini:18:", "stages lists pld>hf n=2 twice"},
        {17, "[policy llma again]\nn = 7, 2\nk = 10", "c.ini:17:", "[policy llma] on line 12"},
        {17, "[policy none again]", "c.ini:17:", "[policy none] on line 15"},
        {17, "[accept greedy again]", "c.ini:17:", "[accept greedy] on line 16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(with_line(cases[i].line, cases[i].text), NULL, cases[i].where, cases[i].what);
}

Test(config, asks_for_missing_sections) {
    expect_refused("", NULL, "c.ini:", "[sweep]");
    expect_refused("; nothing\n", NULL, "c.ini:", "[sweep]");
    expect_refused("[sweep]\nname=a\noutput=b\n", NULL, "c.ini:", "[model LABEL]");
    expect_refused("[sweep]\n[model m]\n", NULL, "c.ini:", "[dataset LABEL]");
    expect_refused("[sweep]\n[model m]\n[dataset d]\n", NULL, "c.ini:", "[policy NAME]");
    expect_refused("[sweep]\n[model m]\n[dataset d]\n[policy none]\n", NULL, "c.ini:", "[accept NAME]");
}

Test(config, grids_that_only_touch_are_fine) {
    config c;
    read_good(with_line(17, "[policy llma again]\nn = 1, 2\nk = 20"), NULL, 0, &c);
    cr_assert_eq(c.n_policies, 3);
    config_free(&c);
}

Test(config, overrides_replace_values_and_are_kept_in_the_text) {
    config            c;
    const char *const sets[] = {"policy llma.n=3, 4", "sweep.repeats=2", "dataset d.path= a.b=c.jsonl "};
    read_good(with_line(0, NULL), sets, 3, &c);
    EXPECT_LIST(values(&c.policies[0], "n"), 3, 4);
    EXPECT_LIST(values(&c.policies[0], "k"), 5, 10);
    cr_assert_eq(c.repeats, 2);
    cr_assert_str_eq(c.datasets[0].path, "a.b=c.jsonl");
    cr_assert_not_null(strstr(c.text, "; the end\n; --set policy llma.n=3, 4\n; --set sweep.repeats=2\n; --set dataset "
                                      "d.path= a.b=c.jsonl \n"));
    config_free(&c);

    /* The stored text is still a configuration. */
    const char *const one[] = {"model m.threads=3"};
    read_good("[sweep]\nname=a\noutput=o\n[model m]\ntarget=replay\ntokenizer=bytes\nthreads=1\n 2\n[dataset d]\n"
              "path=p\nforced=1\n[policy none]\n[accept greedy]",
              one, 1, &c);
    EXPECT_LIST(&c.models[0].threads, 3);
    cr_assert_not_null(strstr(c.text, "[accept greedy]\n; --set model m.threads=3\n"));
    char *text = strdup(c.text);
    config_free(&c);
    read_good(text, NULL, 0, &c);
    EXPECT_LIST(&c.models[0].threads, 1, 2);
    config_free(&c);
    free(text);
}

Test(config, overrides_are_checked_like_lines) {
    static const char *const bad[][2] = {
        {"sweep", "SECTION.KEY=VALUE"},          {"sweep.repeats", "SECTION.KEY=VALUE"},
        {"repeats=2", "SECTION.KEY=VALUE"},      {"policy lama.n=1", "unknown section of"},
        {"sweep.repeat=2", "did you mean"},      {"sweep.repeats=0", "from 1 to"},
        {"sweep.repeats=", "no value"},          {"policy llma.n=1,1", "twice"},
        {"sweep.name=\x1b[31m", "control"},      {"sweep.name=\xff", "UTF-8"},
        {"model m.target=replai", "\"replay\""}, {"=1", "SECTION.KEY=VALUE"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char where[64];
        snprintf(where, sizeof where, "--set \"%s\":", bad[i][0]);
        expect_refused(with_line(0, NULL), bad[i][0], where, bad[i][1]);
    }
    /* They contradict keys in the file. */
    expect_refused(with_line(0, NULL), "dataset d.forced=no", "c.ini:8:", "set forced = yes");

    config            c;
    err               e = {0};
    const char *const twice[] = {"sweep.repeats=1", "sweep.repeats=2"};
    scratch_write("c.ini", with_line(0, NULL));
    cr_assert_eq(config_read("c.ini", twice, 2, &c, &e), -1);
    cr_assert_not_null(strstr(e.text, "a second time"), "%s", e.text);
}

Test(config, a_list_of_files_is_a_model_for_each) {
    config c;
    err    e = {0};
    scratch_write("ini/c.ini",
                  "[sweep]\nname = x\noutput = r\n"
                  "[model real]\ntarget = transformer\npath = small.gguf, sub/large.q8.gguf,\n  /abs/third\n"
                  "threads = 1, 2\n"
                  "[dataset d]\npath = a,b.jsonl\n[policy none]\n[accept greedy]\n");
    cr_assert_eq(config_read("ini/c.ini", NULL, 0, &c, &e), 0, "%s", e.text);
    static const char *const want[][2] = {
        {"real/small", "ini/small.gguf"}, {"real/large.q8", "ini/sub/large.q8.gguf"}, {"real/third", "/abs/third"}};
    cr_assert_eq(c.n_models, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_str_eq(c.models[i].label, want[i][0]);
        cr_assert_str_eq(c.models[i].path, want[i][1]);
        cr_assert_eq(c.models[i].line, 4);
        EXPECT_LIST(&c.models[i].threads, 1, 2);
    }
    cr_assert_str_eq(c.datasets[0].path, "ini/a,b.jsonl"); /* elsewhere a comma is part of a path */
    config_free(&c);
    cr_assert_eq(config_read("ini/c.ini", (const char *[]){"model real.path=a/m.gguf, b/m.gguf"}, 1, &c, &e), -1);
    cr_assert_not_null(strstr(e.text, "two models would be named real/m"), "%s", e.text);
    cr_assert_eq(config_read("ini/c.ini", (const char *[]){"model real.path=a.gguf,,b.gguf"}, 1, &c, &e), -1);
    cr_assert_not_null(strstr(e.text, "empty value"), "%s", e.text);
}

/* inih would split a long line into two and read on. */
Test(config, refuses_lines_over_inihs_buffer) {
    char   line[512] = "n = 1";
    config c;
    while (strlen(line) < 199) strcat(line, " ");
    read_good(with_line(13, line), NULL, 0, &c); /* just fits */
    config_free(&c);
    strcat(line, "2");
    expect_refused(with_line(13, line), NULL, "c.ini:13:", "too long (at most 199 bytes");

    memset(line, ';', 400); /* comments may be long, and hide nothing */
    line[400] = '\0';
    memcpy(line + 190, " n = 9 ", 7);
    read_good(with_line(13, line), NULL, 0, &c);
    EXPECT_LIST(values(&c.policies[0], "n"), 1);
    config_free(&c);

    memset(line, 'x', 400);
    memcpy(line, "n = 2 ;", 7); /* after a value, too */
    read_good(with_line(13, line), NULL, 0, &c);
    EXPECT_LIST(values(&c.policies[0], "n"), 2);
    config_free(&c);
}

Test(config, long_names_are_not_cut) {
    char line[160] = "", where[16] = "c.ini:14:";
    for (int i = 0; i < 60; i++) strcat(line, "n");
    strcat(line, " = 1"); /* inih keeps 49 bytes of a name for continued lines */
    expect_refused(with_line(14, line), NULL, where, "unknown key");
    strcpy(line, "[policy llma ");
    for (int i = 0; i < 65; i++) strcat(line, "x");
    strcat(line, "]");
    expect_refused(with_line(12, line), NULL, "c.ini:12:", "not a name");
}

Test(config, refuses_bytes_that_are_not_text) {
    expect_refused(with_line(3, "output = a\x01"), NULL, "c.ini:3:", "control character 0x01");
    expect_refused(with_line(3, "output = a\rb"), NULL, "c.ini:3:", "control character 0x0d");
    expect_refused(with_line(3, "output = \xc3("), NULL, "c.ini:3:", "UTF-8");
    expect_refused(with_line(17, "; \xed\xa0\x80"), NULL, "c.ini:17:", "UTF-8"); /* the text is stored whole */

    config     c;
    err        e = {0};
    const char nul[] = "[sweep]\nname = a\0b\n";
    scratch_write_bytes("c.ini", nul, sizeof nul - 1);
    cr_assert_eq(config_read("c.ini", NULL, 0, &c, &e), -1);
    cr_assert_str_eq(e.text, "c.ini:2: control character 0x00 (text only)");
}

Test(config, refuses_files_it_cannot_take_whole) {
    config c;
    err    e = {0};
    cr_assert_eq(config_read("absent.ini", NULL, 0, &c, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_not_null(strstr(e.text, "absent.ini: cannot open"), "%s", e.text);
    cr_assert_eq(config_read(".", NULL, 0, &c, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);

    size_t n = (1 << 20) + 1;
    char  *big = malloc(n);
    memset(big, '\n', n);
    scratch_write_bytes("c.ini", big, n);
    free(big);
    cr_assert_eq(config_read("c.ini", NULL, 0, &c, &e), -1);
    cr_assert_not_null(strstr(e.text, "at most 1048576 bytes"), "%s", e.text);
}

/* The first bad line is named, whichever of the two readers finds it. */
Test(config, names_the_first_bad_line) {
    expect_refused("[sweep]\nnonsense\n[swep\n", NULL, "c.ini:2:", "neither");
    expect_refused("[sweep]\n[swep\nnonsense\n", NULL, "c.ini:2:", "\"]\"");
    expect_refused("[sweep]\nnonsense\nname=a\nname=b\n", NULL, "c.ini:2:", "neither");
    expect_refused("[sweep]\nname=a\nname=b\nnonsense\n", NULL, "c.ini:3:", "already set");
}

Test(config, survives_every_failed_allocation) {
    const char *const sets[] = {"policy llma.n=3,4,5,6,7,8,9,10,11"};
    scratch_write("c.ini", with_line(0, NULL));
    for (size_t k = 1;; k++) {
        config c;
        err    e = {0};
        mem_fail_at(k);
        int ret = config_read("c.ini", sets, 1, &c, &e);
        mem_fail_at(0);
        if (ret == 0) {
            cr_assert_gt(k, 50);
            config_free(&c);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
    }
}
