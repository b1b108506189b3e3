/* Values of INI files: quotes, lists, paths. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "experiments/ini/inifile.h"
#include "experiments/sweep/config.h"
#include "experiments/training/train_config.h"
#include "tests/fixtures/scratch.h"

TestSuite(ini_value, .init = scratch_enter, .fini = scratch_leave);

/* A file with one key, k, that begins with this line. */
static inifile read_key(const char *lines) {
    char    text[1024];
    inifile f;
    err     e = {0};
    snprintf(text, sizeof text, "[s]\n%s\n", lines);
    scratch_write("in/c.ini", text);
    cr_assert_eq(inifile_read("in/c.ini", &f, &e), 0, "%s", e.text);
    return f;
}

static const ini_entry *key_of(const inifile *f) {
    return ini_find(&f->sections[0], "k");
}

Test(ini_value, takes_quotes_for_no_part_of_a_value) {
    static const char *const values[][2] = {
        {"plain", "plain"},
        {"\"in quotes\"", "in quotes"},
        {"'in quotes'", "in quotes"},
        {"\"a, b\"", "a, b"},
        {"\"Bob's\"", "Bob's"},
        {"'a \"b\"'", "a \"b\""},
        {"\" blanks \"", " blanks "},
        {"\"a ; b\" ; a comment", "a ; b"},
        {"'a ;b' ;\"a comment\"", "a ;b"},
        {"it's ; a comment, isn't it", "it's"},
        {"a = 'b ;c'", "a = 'b"},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char line[256];
        err  e = {0};
        snprintf(line, sizeof line, "k = %s", values[i][0]);
        inifile         f = read_key(line);
        const ini_part *v = ini_value(key_of(&f), &e);
        cr_assert_not_null(v, "%s", e.text);
        cr_assert_str_eq(v->text, values[i][1], "%s gives %s", line, v->text);
        inifile_free(&f);
    }
}

Test(ini_value, refuses_a_quote_at_one_end) {
    static const char *const values[] = {"\"a", "'a", "\"a\" b", "\"a\"b\"", "'Bob's'", "\""};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char line[256], expected[256];
        err  e = {0};
        snprintf(line, sizeof line, "k = %s", values[i]);
        snprintf(expected, sizeof expected, "in/c.ini:2: k = %s: the quote at the beginning does not end the value (",
                 values[i]);
        inifile f = read_key(line);
        cr_assert_null(ini_value(key_of(&f), &e));
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, expected, strlen(expected)), 0, "%s", e.text);
        cr_assert_str_eq(ini_line(key_of(&f), &e), values[i]); /* a key of any text takes it unchanged */
        inifile_free(&f);
    }
}

static int add_item(void *ctx, const ini_part *item, err *e) {
    char *all = ctx;
    (void)e;
    sprintf(all + strlen(all), "%s|", item->text);
    return 0;
}

Test(ini_value, keeps_commas_in_quoted_items) {
    static const char *const lists[][2] = {
        {"k = a, b", "a|b|"},
        {"k = \"a,b.gguf\", c.gguf", "a,b.gguf|c.gguf|"},
        {"k = c.gguf , 'a, b.gguf'", "c.gguf|a, b.gguf|"},
        {"k =\n  'a,b', ; first\n  \"c ; d\" ; second", "a,b|c ; d|"},
        {"k = \",\"", ",|"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char    all[256] = "";
        err     e = {0};
        inifile f = read_key(lists[i][0]);
        cr_assert_eq(ini_items(key_of(&f), add_item, all, &e), 0, "%s", e.text);
        cr_assert_str_eq(all, lists[i][1]);
        inifile_free(&f);
    }
    static const char *const bad[][2] = {
        {"k = \"a,b", "in/c.ini:2: k = \"a: the quote at the beginning does not end the value"},
        {"k = a, \"b\" c", "in/c.ini:2: k = \"b\" c: the quote at the beginning does not end the value"},
        {"k = a, \"\"", "in/c.ini:2: k has an empty value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char    all[256] = "";
        err     e = {0};
        inifile f = read_key(bad[i][0]);
        cr_assert_eq(ini_items(key_of(&f), add_item, all, &e), -1);
        cr_assert_eq(strncmp(e.text, bad[i][1], strlen(bad[i][1])), 0, "%s", e.text);
        inifile_free(&f);
    }
}

/* The path in `value`, or NULL with the error. */
static char *path_of(const char *value, err *e) {
    ini_part v = {.raw = (char *)value, .where = "c.ini:2"};
    cr_assert_eq(ini_unquote(&v, e), 0);
    char *path = ini_path("in/c.ini", "k", &v, e);
    free(v.text);
    return path;
}

Test(ini_value, takes_paths_from_the_files_folder) {
    static const char *const paths[][2] = {
        {"a, b/c", "in/a, b/c"},       {"/abs", "/abs"},    {"./~/x", "in/./~/x"}, {"'~/x'", "in/~/x"},
        {"'$HOME/x*'", "in/$HOME/x*"}, {"a$", "in/a$"},     {"a$1", "in/a$1"},     {"a~", "in/a~"},
        {"'a\\b'", "in/a\\b"},         {"\"a'\"", "in/a'"},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        err   e = {0};
        char *path = path_of(paths[i][0], &e);
        cr_assert_not_null(path, "%s", e.text);
        cr_assert_str_eq(path, paths[i][1]);
        free(path);
    }
}

Test(ini_value, refuses_paths_that_a_shell_would_expand) {
    static const char *const bad[][2] = {
        {"~/results", "~ is not expanded"},
        {"~", "~ is not expanded"},
        {"\"~/results\"", "~ is not expanded"},
        {"$HOME/results", "variables and commands are not expanded"},
        {"\"/scratch/$USER\"", "variables and commands are not expanded"},
        {"${HOME}", "variables and commands are not expanded"},
        {"r-$(date)", "variables and commands are not expanded"},
        {"r-`date`", "commands are not expanded"},
        {"*.gguf", "patterns are not expanded"},
        {"a?.gguf", "patterns are not expanded"},
        {"my\\ results", "a backslash is part of the name"},
        {"data\\x.jsonl", "a backslash is part of the name"},
        {"a\"b\"", "a quote is inside the value"},
        {"Bob's", "a quote is inside the value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char expected[256];
        err  e = {0};
        cr_assert_null(path_of(bad[i][0], &e), "%s is taken", bad[i][0]);
        cr_assert_eq(e.kind, ERR_INPUT);
        snprintf(expected, sizeof expected, "c.ini:2: k = %s: %s", bad[i][0], bad[i][1]);
        cr_assert_eq(strncmp(e.text, expected, strlen(expected)), 0, "%s", e.text);
    }
}

/* ---- in every kind of config ---- */

static const char sweep[] = "[sweep]\nname = \"rag\"\noutput = %s\n[model m]\ntarget = transformer\npath = %s\n"
                            "[dataset d]\npath = %s\n[policy llma]\nk = \"5\", 6\n[policy none]\n[accept greedy]\n";

static int read_sweep(const char *output, const char *weights, const char *dataset, const char *set, config *c,
                      err *e) {
    char text[1024];
    snprintf(text, sizeof text, sweep, output, weights, dataset);
    scratch_write("c.ini", text);
    return config_read("c.ini", &set, set != NULL, c, e);
}

Test(ini_value, is_the_same_in_a_sweeps_config) {
    config c;
    err    e = {0};
    cr_assert_eq(read_sweep("'$x'", "\"a,b.gguf\", c.gguf", "\"a,b.jsonl\"", NULL, &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.name, "rag");
    cr_assert_str_eq(c.output, "$x");
    cr_assert_eq(c.n_models, 2);
    cr_assert_str_eq(c.models[0].label, "m/a,b");
    cr_assert_str_eq(c.models[0].path, "a,b.gguf");
    cr_assert_str_eq(c.models[1].path, "c.gguf");
    cr_assert_str_eq(c.datasets[0].path, "a,b.jsonl");
    config_free(&c);

    cr_assert_eq(read_sweep("o", "'~,.gguf'", "a,b.jsonl", NULL, &c, &e), 0, "%s", e.text);
    cr_assert_eq(c.n_models, 1);
    cr_assert_str_eq(c.models[0].path, "~,.gguf");
    cr_assert_str_eq(c.datasets[0].path, "a,b.jsonl"); /* one path: its commas need no quotes */
    config_free(&c);

    cr_assert_eq(read_sweep("o", "m", "d", "sweep.output='$x y'", &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.output, "$x y");
    config_free(&c);

    cr_assert_eq(read_sweep("$X/o", "m", "d", NULL, &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "c.ini:3: output = $X/o: ", 24), 0, "%s", e.text);
    cr_assert_eq(read_sweep("o", "m, ~/m", "d", NULL, &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "c.ini:6: path = ~/m: ", 21), 0, "%s", e.text);
    cr_assert_eq(read_sweep("o", "m", "d\\d", NULL, &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "c.ini:8: path = d\\d: ", 21), 0, "%s", e.text);
    cr_assert_eq(read_sweep("o", "m", "d", "sweep.output=~/o", &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "--set \"sweep.output=~/o\": output = ~/o: ", 40), 0, "%s", e.text);
}

static int read_training(const char *name, const char *output, const char *path, train_config *c, err *e) {
    char text[1024];
    snprintf(text, sizeof text,
             "[train]\nname = %s\noutput = %s\nsteps = \"200\"\n[export]\npath = %s\n[source a]\nscenario = 'repeat'\n",
             name, output, path);
    scratch_write("t.ini", text);
    return train_config_read("t.ini", NULL, 0, c, e);
}

Test(ini_value, is_the_same_in_a_trainings_config) {
    train_config c;
    err          e = {0};
    cr_assert_eq(read_training("\"t\"", "'$x'", "\"a, b.gguf\"", &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.name, "t");
    cr_assert_str_eq(c.output, "$x");
    cr_assert_str_eq(c.export_path, "a, b.gguf");
    cr_assert_eq(c.trainer.optimizer.adamw.steps, 200);
    train_config_free(&c);

    cr_assert_eq(read_training("t", "~/x", "a.gguf", &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "t.ini:3: output = ~/x: ~ is not expanded", 39), 0, "%s", e.text);
    cr_assert_eq(read_training("t", "x", "$HOME/a.gguf", &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "t.ini:6: path = $HOME/a.gguf: ", 30), 0, "%s", e.text);
    cr_assert_eq(read_training("$RUN", "x", "a.gguf", &c, &e), -1);
    cr_assert_eq(strncmp(e.text, "t.ini:2: name = \"$RUN\" is not allowed (", 39), 0, "%s", e.text);
}
