/* Tables of keys: every type, every error, and the description. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/rules/rule.h"
#include "experiments/ini/keys.h"
#include "tests/fixtures/scratch.h"

TestSuite(keys, .init = scratch_enter, .fini = scratch_leave);

typedef struct {
    uint64_t        u;
    size_t          n;
    int             i;
    double          real;
    bool            on;
    char           *name, *path, *colour, *path_at;
    const rule_ops *rule;
    value_list      list;
} thing;

static const char *const colours[] = {"red", "green", NULL};

static const key_spec specs[] = {
    {"u", &key_u64, KEY_AT(thing, u), .preset = "7", KEY_RANGE(0, UINT64_MAX), .help = "of all"},
    {"n", &key_size, KEY_AT(thing, n), .preset = "5", KEY_RANGE(2, 3000000), .help = "tokens"},
    {"i", &key_int, KEY_AT(thing, i), KEY_RANGE(1, 10), .help = "threads"},
    {"real", &key_real, KEY_AT(thing, real), .preset = "0.5", KEY_REALS(-1, 1e9), .help = "of the mix"},
    {"on", &key_bool, KEY_AT(thing, on), .preset = "no", .help = "whether it is on"},
    {"name", &key_name, KEY_AT(thing, name), .required = true, .help = "of the file"},
    {"path", &key_path, KEY_PLACED(thing, path), .help = "of the model"},
    {"colour", &key_choice, KEY_AT(thing, colour), .preset = "red", .of = colours, .help = "of text"},
    {"rule", &key_plugin, KEY_AT(thing, rule), .of = &rule_registry, .help = "what accepts"},
    {"list", &key_item, KEY_AT(thing, list), .preset = "1", .list = true, KEY_RANGE(1, 9), .help = "swept"},
    {"remark", &key_remark, .help = "for people"},
};
static const key_section section = {"thing", "Once: a thing.", specs, KEY_COUNT(specs)};

static void thing_free(thing *t) {
    free(t->name);
    free(t->path);
    free(t->colour);
    free(t->path_at);
    value_list_free(&t->list);
    *t = (thing){0};
}

/* The lines of [thing] into *t. */
static int read_thing(const char *lines, thing *t, err *e) {
    char    text[1024];
    inifile f;
    snprintf(text, sizeof text, "[thing]\n%s", lines);
    scratch_write("in/t.ini", text);
    *t = (thing){0};
    if (inifile_read("in/t.ini", &f, e) != 0) return -1;
    int ret = keys_check(&f.sections[0], &section, NULL, 0, e);
    if (ret == 0) ret = keys_read(&f, &f.sections[0], &section, t, e);
    inifile_free(&f);
    return ret;
}

Test(keys, fill_fields_of_every_type) {
    thing t;
    err   e = {0};
    cr_assert_eq(read_thing("u = 18446744073709551615\nn = 3e6\ni = 10\nreal = -2.5e-1\non = true\nname = a.b\n"
                            "path = m, n.gguf\ncolour = green\nrule = greedy\nlist = 3, 1,\n  2\nremark = \"as it is\n",
                            &t, &e),
                 0, "%s", e.text);
    cr_assert(t.u == UINT64_MAX && t.n == 3000000 && t.i == 10 && t.real == -0.25 && t.on);
    cr_assert_str_eq(t.name, "a.b");
    cr_assert_str_eq(t.path, "in/m, n.gguf");
    cr_assert_str_eq(t.path_at, "in/t.ini:8");
    cr_assert_str_eq(t.colour, "green");
    cr_assert_str_eq(t.rule->name, "greedy");
    cr_assert(t.list.n == 3 && t.list.at[0].integer == 3 && t.list.at[1].integer == 1 && t.list.at[2].integer == 2);
    thing_free(&t);
}

Test(keys, take_presets_where_nothing_is_said) {
    thing t;
    err   e = {0};
    cr_assert_eq(read_thing("name = x\n", &t, &e), 0, "%s", e.text);
    cr_assert(t.u == 7 && t.n == 5 && t.i == 0 && t.real == 0.5 && !t.on);
    cr_assert(t.path == NULL && t.path_at == NULL && t.rule == NULL);
    cr_assert_str_eq(t.colour, "red");
    cr_assert(t.list.n == 1 && t.list.at[0].integer == 1);
    thing_free(&t);
}

Test(keys, of_a_missing_section_are_presets) {
    static const key_spec some[] = {
        {"n", &key_size, KEY_AT(thing, n), .preset = "5", KEY_RANGE(2, 9), .help = "tokens"}};
    static const key_section few = {"few", "", some, 1};
    thing                    t = {0};
    inifile                  f;
    err                      e = {0};
    scratch_write("t.ini", "; nothing\n");
    cr_assert_eq(inifile_read("t.ini", &f, &e), 0);
    cr_assert_eq(keys_read(&f, NULL, &few, &t, &e), 0, "%s", e.text);
    cr_assert_eq(t.n, 5);
    thing_free(&t);
    cr_assert_eq(keys_read(&f, NULL, &section, &t, &e), -1);
    cr_assert_str_eq(e.text, "t.ini: [thing] has no \"name\" (of the file)");
    thing_free(&t);
    inifile_free(&f);
}

Test(keys, name_place_and_reason_of_every_refusal) {
    static const char *const bad[][2] = {
        {"", "in/t.ini:1: [thing] has no \"name\" (of the file)"},
        {"nam = x",
         "in/t.ini:2: unknown key of [thing] \"nam\"; did you mean \"name\"? (allowed: \"u\", \"n\", \"i\", "},
        {"u = -1", "in/t.ini:2: u = \"-1\" is not allowed (an integer from 0 to 18446744073709551615: of all)"},
        {"u = 18446744073709551616", "in/t.ini:2: u = \"18446744073709551616\" is not allowed ("},
        {"n = 1", "in/t.ini:2: n = \"1\" is not allowed (an integer from 2 to 3000000: tokens)"},
        {"n = 4e6", "in/t.ini:2: n = \"4e6\" is not allowed ("},
        {"n = 25e-1", "in/t.ini:2: n = \"25e-1\" is not allowed ("},
        {"n = 1.5e1e", "in/t.ini:2: n = \"1.5e1e\" is not allowed ("},
        {"n = +5", "in/t.ini:2: n = \"+5\" is not allowed ("},
        {"n = 0x10", "in/t.ini:2: n = \"0x10\" is not allowed ("},
        {"n = 1e999", "in/t.ini:2: n = \"1e999\" is not allowed ("},
        {"n =", "in/t.ini:2: n has no value (it takes one value)"},
        {"n = 3\n 4", "in/t.ini:3: n takes one value"},
        {"i = 11", "in/t.ini:2: i = \"11\" is not allowed (an integer from 1 to 10: threads)"},
        {"real = -1.5", "in/t.ini:2: real = \"-1.5\" is not allowed (a number from -1 to 1000000000: of the mix)"},
        {"real = nan", "in/t.ini:2: real = \"nan\" is not allowed ("},
        {"real = 1 2", "in/t.ini:2: real = \"1 2\" is not allowed ("},
        {"on = maybe", "in/t.ini:2: on = \"maybe\" is not allowed (yes or no: whether it is on)"},
        {"name = .x", "in/t.ini:2: name = \".x\" is not allowed (at most 64 of A-Z a-z 0-9"},
        {"name = x\npath = ~/m", "in/t.ini:3: path = ~/m: ~ is not expanded"},
        {"name = x\npath = \"m", "in/t.ini:3: path = \"m: the quote at the beginning"},
        {"name = x\ncolour = gren",
         "in/t.ini:3: unknown colour \"gren\"; did you mean \"green\"? (allowed: \"red\" or "},
        {"name = x\nrule = gredy",
         "in/t.ini:3: unknown rule \"gredy\"; did you mean \"greedy\"? (allowed: \"greedy\", "},
        {"name = x\nlist = 1, 10", "in/t.ini:3: list = \"10\" is not allowed (an integer from 1 to 9: swept)"},
        {"name = x\nlist = 1,\n 2,\n 1", "in/t.ini:5: list lists 1 twice"},
        {"name = x\nremark = a\n b", "in/t.ini:4: remark takes one value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        thing t;
        err   e = {0};
        cr_assert_eq(read_thing(bad[i][0], &t, &e), -1, "taken: %s", bad[i][0]);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, bad[i][1], strlen(bad[i][1])), 0, "%s", e.text);
        thing_free(&t);
    }
}

Test(keys, parameters_are_allowed_beside_a_table) {
    static const param_spec params[] = {PARAM_INTEGER("depth", 1, 1, 9, "of it")};
    inifile                 f;
    err                     e = {0};
    scratch_write("t.ini", "[thing]\nname = x\ndepth = 3\n[thing b]\ndeph = 3\n");
    cr_assert_eq(inifile_read("t.ini", &f, &e), 0);
    cr_assert_eq(keys_check(&f.sections[0], &section, params, 1, &e), 0, "%s", e.text);
    cr_assert_eq(keys_check(&f.sections[0], NULL, params, 1, &e), -1);
    cr_assert_str_eq(e.text, "t.ini:2: unknown key of [thing] \"name\" (allowed: \"depth\")");
    cr_assert_eq(keys_check(&f.sections[1], &section, params, 1, &e), -1);
    cr_assert_not_null(strstr(e.text, "t.ini:5: unknown key of [thing b] \"deph\"; did you mean \"depth\"?"), "%s",
                       e.text);
    inifile_free(&f);
}

Test(keys, survive_every_failed_allocation) {
    for (size_t k = 1;; k++) {
        thing t;
        err   e = {0};
        mem_fail_at(k);
        int ret = read_thing("name = x\npath = m\nlist = 1, 2, 3, 4, 5\n", &t, &e);
        mem_fail_at(0);
        thing_free(&t);
        if (ret == 0) {
            cr_assert_gt(k, 10);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
    }
}

Test(keys, are_described_with_type_range_and_default) {
    const key_file file = {"things", "what things hold", "About things.", &section, 1};
    char          *text = NULL;
    size_t         n = 0;
    FILE          *f = open_memstream(&text, &n);
    cr_assert_not_null(f);
    keys_print(&file, f);
    fclose(f);
    cr_assert_str_eq(text, "About things.\n\n[thing]\nOnce: a thing.\n"
                           "  u = 7 (integer, 0 to 18446744073709551615)\n      of all\n"
                           "  n = 5 (integer, 2 to 3000000)\n      tokens\n"
                           "  i (integer, 1 to 10)\n      threads\n"
                           "  real = 0.5 (number, -1 to 1000000000)\n      of the mix\n"
                           "  on = no (yes or no)\n      whether it is on\n"
                           "  name (name; required)\n      of the file\n"
                           "  path (path)\n      of the model\n"
                           "  colour = red (red or green)\n      of text\n"
                           "  rule (greedy, coupled, rejection, typical, relaxed, topp_window, threshold,\n      fly "
                           "or nucleus)\n      what accepts\n"
                           "  list = 1 (list of integers, 1 to 9)\n      swept\n"
                           "  remark (text)\n      for people\n");
    free(text);
}
