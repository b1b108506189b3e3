/* Files that a config says how to get, among them those that are parameters: no policy of ours has one yet. */
#include <criterion/criterion.h>
#include <string.h>

#include "experiments/sweep/needs.h"
#include "tests/fixtures/scratch.h"

TestSuite(needs, .init = scratch_enter, .fini = scratch_leave);

static const param_spec specs[] = {PARAM_FILE("store", "token ids to copy from")};
static const policy_ops stored = {.name = "stored", .params = specs, .n_params = 1};

/* A config with one policy, whose file is a.bin, and one section [needs]. */
static struct {
    param_value   value;
    policy_config policy;
    need_config   need;
    config        cfg;
} all;

static config *with_need(const char *path) {
    err e = {0};
    cr_assert_eq(param_file_absent("a.bin", "c.ini:7", &all.value, &e), 0);
    all.policy = (policy_config){.ops = &stored, .label = (char *)"", .values = {{.at = &all.value, .n = 1}}};
    all.need = (need_config){.label = (char *)"n",
                             .path = (char *)path,
                             .command = (char *)"../make a.bin",
                             .path_at = (char *)"c.ini:9",
                             .command_at = (char *)"c.ini:10"};
    all.cfg =
        (config){.path = (char *)"c.ini", .policies = &all.policy, .n_policies = 1, .needs = &all.need, .n_needs = 1};
    return &all.cfg;
}

Test(needs, name_files_that_are_parameters) {
    missing_files missing;
    err           e = {0};
    const config *c = with_need("a.bin");
    cr_assert_eq(needs_check(c, false, &e), 0, "%s", e.text);
    cr_assert_eq(needs_find(c, &missing, &e), 0, "%s", e.text);
    cr_assert_eq(missing.n, 1);
    cr_assert_str_eq(missing.at[0].path, "a.bin");
    cr_assert_str_eq(missing.at[0].command, "../make a.bin");
    needs_free(&missing);

    scratch_write("a.bin", "content");
    cr_assert_eq(needs_find(c, &missing, &e), 0, "%s", e.text);
    cr_assert_eq(missing.n, 0);
    param_value_free(&all.value);
}

Test(needs, refuse_a_parameter_that_is_missing_and_not_declared) {
    missing_files missing;
    err           e = {0};
    const config *c = with_need("b.bin");
    cr_assert_eq(needs_check(c, false, &e), -1);
    cr_assert_not_null(strstr(e.text, "c.ini:9: [needs n] path = b.bin is not a file that this config reads"), "%s",
                       e.text);
    cr_assert_eq(needs_find(c, &missing, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, "c.ini:7: a.bin: cannot open", 27), 0, "%s", e.text);
    param_value_free(&all.value);
}

Test(needs, take_commands_whose_paths_can_be_rewritten) {
    static const struct {
        const char *command, *why; /* NULL: taken */
    } cases[] = {
        {"../gen.sh a b", NULL},
        {"harness quantize -t f32 ../m.gguf ./f32.gguf && ../b", NULL},
        {"make x; ../gen.sh", NULL},
        {"tool --cost=./c", "does not begin the word"},
        {"tool >./c", "does not begin the word"},
        {"../gen.sh; true", "blanks around"},
        {"(harness inspect ../x )", "blanks around"},
        {"cat ../*.gz", "blanks around"},
        {"cat './x'", "does not begin the word"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err     e = {0};
        config *c = with_need("a.bin");
        all.need.command = (char *)cases[i].command;
        int ret = needs_check(c, false, &e);
        cr_assert_eq(ret, cases[i].why == NULL ? 0 : -1, "%s: %s", cases[i].command, e.text);
        if (ret != 0) cr_assert_not_null(strstr(e.text, cases[i].why), "%s", e.text);
        param_value_free(&all.value);
    }
}
