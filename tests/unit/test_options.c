/* Tables of options: every kind, every error, the help text; and the tables of all commands. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/rules/rule.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"

typedef struct {
    bool            on, list_them;
    uint64_t        count;
    size_t          size, choice;
    double          real;
    const char     *text, *path, *first, *last;
    text_list       many, rest;
    int             custom;
    const rule_ops *rule;
} things;

static const char *const colours[] = {"red", "green", NULL};

static int parse_custom(const option_value *v, void *at, err *e) {
    if (strcmp(v->text, "bad") == 0) return err_input(e, "%s is bad", v->name);
    *(int *)at = v->text[0];
    return 0;
}
static const option_type custom = {.parse = parse_custom};

static const option_spec specs[] = {
    {"on", 'o', NULL, &option_flag, OPTION_AT(things, on), .help = "switch it on"},
    {"jobs", 'j', "N", &option_count, OPTION_AT(things, count), .preset = "7", OPTION_RANGE(1, 1024), .help = "jobs"},
    {"size", 0, "N", &option_size, OPTION_AT(things, size), OPTION_RANGE(0, UINT64_MAX), .help = "bytes"},
    {"color", 0, "WHICH", &option_choice, OPTION_AT(things, choice), .preset = "red", .of = colours, .help = "colour"},
    {"real", 'r', "X", &option_real, OPTION_AT(things, real), .preset = "0.5", OPTION_REALS(-1, 2), .help = "share"},
    {"text", 't', "TEXT", &option_text, OPTION_AT(things, text), .required = true, .help = "any text"},
    {"path", 0, "FILE", &option_path, OPTION_AT(things, path), .help = "a file"},
    {"many", 'm', "X", &option_text, OPTION_AT(things, many), .list = true, .help = "texts"},
    {"custom", 'c', "X", &custom, OPTION_AT(things, custom), .help = "of a command's own"},
    {"rule", 0, "NAME", &option_plugin, OPTION_AT(things, rule), .preset = "greedy", .of = &rule_registry,
     .help = "rule"},
    {"list", 'l', NULL, &option_flag, OPTION_AT(things, list_them), .alone = true, .help = "list them"},
};
static const option_spec operands[] = {
    {"NAME", .type = &option_text, OPTION_AT(things, first)},
    {"FILE", .type = &option_path, OPTION_AT(things, last), .required = true},
    {"MORE", .type = &option_text, OPTION_AT(things, rest), .list = true},
};
static const option_table table = {"thing", specs, operands, sizeof specs / sizeof *specs, 2};

enum { MOST_ARGS = 32 };

static int parse(const option_table *t, things *x, const option_spec **alone, err *e, const char *const *args) {
    static char *argv[MOST_ARGS]; /* texts are borrowed from it */
    int          argc = 1;
    argv[0] = (char *)"thing";
    for (; args[argc - 1] != NULL; argc++) argv[argc] = (char *)args[argc - 1];
    argv[argc] = NULL;
    *x = (things){0};
    return options_parse(t, argc, argv, x, alone, e);
}
#define PARSE(t, x, alone, e, ...) parse(t, x, alone, e, (const char *const[]){__VA_ARGS__, NULL})

Test(options, of_every_kind_fill_their_fields) {
    things             x;
    const option_spec *alone;
    err                e = {0};
    cr_assert_eq(PARSE(&table, &x, &alone, &e, "-o", "-j4", "--size=18446744073709551615", "--color", "green",
                       "-r-1e-1", "f.h5", "-t", "-t", "--path", "p", "-m", "a", "--many=b", "-c", "z",
                       "--rule=coupled"),
                 0, "%s", e.text);
    cr_assert_null(alone);
    cr_assert(x.on && x.count == 4 && x.size == SIZE_MAX && x.choice == 1 && x.real == -0.1 && x.custom == 'z');
    cr_assert_str_eq(x.text, "-t");
    cr_assert_str_eq(x.path, "p");
    cr_assert_str_eq(x.rule->name, "coupled");
    cr_assert(x.many.n == 2 && strcmp(x.many.at[0], "a") == 0 && strcmp(x.many.at[1], "b") == 0);
    cr_assert_null(x.first);
    cr_assert_str_eq(x.last, "f.h5");
    options_free(&table, &x);
}

Test(options, have_presets_and_may_be_abbreviated) {
    things             x;
    const option_spec *alone;
    err                e = {0};
    cr_assert_eq(PARSE(&table, &x, &alone, &e, "--te", "x", "--jo=9", "--jobs", "3", "f"), 0, "%s", e.text);
    cr_assert(!x.on && x.count == 3 && x.size == 0 && x.choice == 0 && x.real == 0.5 && x.many.n == 0);
    options_free(&table, &x);
    cr_assert_eq(PARSE(&table, &x, &alone, &e, "-ot", "x", "n", "--", "-f"), 0, "%s", e.text);
    cr_assert(x.on);
    cr_assert_str_eq(x.first, "n");
    cr_assert_str_eq(x.last, "-f");
    options_free(&table, &x);
}

Test(options, operands_go_to_the_required_ones_first) {
    static const option_table with_rest = {"thing", NULL, operands + 1, 0, 2},
                              only_rest = {"thing", NULL, operands + 2, 0, 1};
    things             x;
    const option_spec *alone;
    err                e = {0};
    cr_assert_eq(PARSE(&with_rest, &x, &alone, &e, "a"), 0, "%s", e.text);
    cr_assert(strcmp(x.last, "a") == 0 && x.rest.n == 0);
    options_free(&with_rest, &x);
    cr_assert_eq(PARSE(&with_rest, &x, &alone, &e, "a", "b", "c"), 0, "%s", e.text);
    cr_assert(strcmp(x.last, "a") == 0 && x.rest.n == 2 && strcmp(x.rest.at[1], "c") == 0);
    options_free(&with_rest, &x);
    cr_assert_eq(PARSE(&only_rest, &x, &alone, &e, NULL), 0, "%s", e.text);
    cr_assert_eq(x.rest.n, 0);
    options_free(&only_rest, &x);
}

Test(options, some_end_the_reading) {
    things             x;
    const option_spec *alone;
    err                e = {0};
    cr_assert_eq(PARSE(&table, &x, &alone, &e, "-l", "--nonsense"), 0, "%s", e.text);
    cr_assert(alone == &specs[10] && x.list_them);
    options_free(&table, &x);
    cr_assert_eq(PARSE(&table, &x, &alone, &e, "a", "b", "c", "--help"), 0, "%s", e.text);
    cr_assert_eq(alone, &option_help);
    options_free(&table, &x);
}

Test(options, say_what_is_wrong_with_each) {
    static const struct {
        const char *args[5], *text;
    } bad[] = {
        {{"f"}, "thing needs -t TEXT (see harness thing -h)"},
        {{"-tx"}, "thing needs [NAME] FILE (see harness thing -h)"},
        {{"-tx", "a", "b", "c"}, "unexpected argument 'c' (see harness thing -h)"},
        {{"--jbos", "3"}, "unknown option '--jbos'; did you mean '--jobs'? (see harness thing -h)"},
        {{"--hlep"}, "unknown option '--hlep'; did you mean '--help'? (see harness thing -h)"},
        {{"--zzzzzz=1"}, "unknown option '--zzzzzz=1' (see harness thing -h)"},
        {{"--"}, "thing needs -t TEXT (see harness thing -h)"},
        {{"-ox"}, "unknown option '-x' (see harness thing -h)"},
        {{"-j"}, "no value after option '-j' (see harness thing -h)"},
        {{"--jobs"}, "no value after option '--jobs' (see harness thing -h)"},
        {{"--on=1"}, "no value is allowed in option '--on=1' (see harness thing -h)"},
        {{"--m", "x", "--l"}, "thing needs -t TEXT (see harness thing -h)"},
        {{"-j", "0"}, "--jobs \"0\" is not allowed (an integer from 1 to 1024)"},
        {{"-j", "+1"}, "--jobs \"+1\" is not allowed (an integer from 1 to 1024)"},
        {{"--jobs=1e1"}, "--jobs \"1e1\" is not allowed (an integer from 1 to 1024)"},
        {{"--jobs="}, "--jobs \"\" is not allowed (an integer from 1 to 1024)"},
        {{"--size", "18446744073709551616"},
         "--size \"18446744073709551616\" is not allowed (an integer from 0 to 18446744073709551615)"},
        {{"-r", "2.5"}, "--real \"2.5\" is not allowed (a number from -1 to 2)"},
        {{"-r", "nan"}, "--real \"nan\" is not allowed (a number from -1 to 2)"},
        {{"-r", "1x"}, "--real \"1x\" is not allowed (a number from -1 to 2)"},
        {{"-r", ""}, "--real \"\" is not allowed (a number from -1 to 2)"},
        {{"--color", "gren"},
         "--color: unknown value \"gren\"; did you mean \"green\"? (allowed: \"red\" or \"green\")"},
        {{"-c", "bad"}, "--custom is bad"},
        {{"--rule", "gredy"},
         "--rule: unknown rule \"gredy\"; did you mean \"greedy\"? (allowed: \"greedy\", \"coupled\", \"rejection\", "
         "\"typical\", \"relaxed\", \"topp_window\", \"threshold\", \"fly\" or \"nucleus\")"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        things             x;
        const option_spec *alone;
        err                e = {0};
        int                ret = parse(&table, &x, &alone, &e, bad[i].args);
        if (strcmp(bad[i].args[0], "--m") == 0 && ret == 0) { /* --l is --list, alone */
            cr_assert_eq(alone, &specs[10]);
            options_free(&table, &x);
            continue;
        }
        cr_assert_eq(ret, -1, "taken: %s", bad[i].args[0]);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_str_eq(e.text, bad[i].text);
        options_free(&table, &x);
    }
}

Test(options, an_operand_may_be_a_choice) {
    static const option_spec job[] = {
        {"job", .type = &option_choice, OPTION_AT(things, choice), .required = true, .of = colours}};
    static const option_table jobs = {"thing", NULL, job, 0, 1};
    things                    x;
    const option_spec        *alone;
    err                       e = {0};
    cr_assert_eq(PARSE(&jobs, &x, &alone, &e, "green"), 0, "%s", e.text);
    cr_assert_eq(x.choice, 1);
    cr_assert_eq(PARSE(&jobs, &x, &alone, &e, NULL), -1);
    cr_assert_str_eq(e.text, "thing needs red|green (see harness thing -h)");
    cr_assert_eq(PARSE(&jobs, &x, &alone, &e, "gren"), -1);
    cr_assert_str_eq(e.text, "unknown job \"gren\"; did you mean \"green\"? (allowed: \"red\" or \"green\")");
}

Test(options, an_ambiguous_abbreviation_is_refused) {
    static const option_spec  two[] = {{"prompt", 'p', "T", &option_text, OPTION_AT(things, text), .help = ""},
                                       {"prompt-file", 'f', "T", &option_text, OPTION_AT(things, path), .help = ""}};
    static const option_table prompts = {"thing", two, NULL, 2, 0};
    things                    x;
    const option_spec        *alone;
    err                       e = {0};
    cr_assert_eq(PARSE(&prompts, &x, &alone, &e, "--pro", "x"), -1);
    cr_assert_str_eq(e.text,
                     "unknown option '--pro'; did you mean '--prompt' or '--prompt-file'? (see harness thing -h)");
    cr_assert_eq(PARSE(&prompts, &x, &alone, &e, "--prompt", "x"), 0, "%s", e.text);
}

Test(options, survive_every_failed_allocation) {
    for (size_t k = 1;; k++) {
        things             x;
        const option_spec *alone;
        err                e = {0};
        mem_fail_at(k);
        int ret = PARSE(&table, &x, &alone, &e, "-tx", "-m", "a", "f");
        mem_fail_at(0);
        options_free(&table, &x);
        if (ret == 0) break;
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
    }
}

static char *printed(void (*print)(FILE *)) {
    char  *text = NULL;
    size_t n = 0;
    FILE  *f = open_memstream(&text, &n);
    cr_assert_not_null(f);
    print(f);
    fclose(f);
    return text;
}

static void print_help(FILE *f) {
    static const option_spec some[] = {
        {"jobs", 'j', "N", &option_count, OPTION_AT(things, count), .preset = "7", OPTION_RANGE(1, 9),
         .help = "worker processes; they share the cores, so that timings suffer"},
        {"many", 0, "X", &option_text, OPTION_AT(things, many), .list = true, .help = "texts"},
        {"a-name-that-is-rather-long", 0, "VALUE", &option_text, OPTION_AT(things, text), .help = "a text"},
        {"on", 'o', NULL, &option_flag, OPTION_AT(things, on), .help = "switch it on"},
    };
    options_print(&(option_table){"thing", some, NULL, 4, 0}, f);
}

Test(options, are_aligned_in_the_help_text) {
    char *text = printed(print_help);
    cr_assert_str_eq(text, "  -j, --jobs N  worker processes; they share the cores, so that timings suffer\n"
                           "                (default 7)\n"
                           "      --many X  texts (repeatable)\n"
                           "      --a-name-that-is-rather-long VALUE\n"
                           "                a text\n"
                           "  -o, --on      switch it on\n"
                           "  -h, --help    this text\n");
    free(text);
}

#define TEN "0123456789"

static void print_wrapped(FILE *f) {
    wrap_print(f, "one\n  two  blanks\n\nfour", 0, 2);
    wrap_print(f, TEN TEN TEN TEN TEN TEN TEN TEN TEN, 5, 3);              /* a long word */
    wrap_print(f, TEN TEN TEN TEN TEN TEN TEN " 12345678", 1, 3);          /* fits */
    wrap_print(f, TEN TEN TEN TEN TEN TEN TEN " 123456789 x", 1, 3);       /* does not */
    wrap_print(f, TEN TEN TEN TEN TEN TEN TEN " (default\t1) x", 0, 3);    /* kept together */
    wrap_print(f, "  " TEN TEN TEN TEN TEN TEN TEN "  345678 x\ny", 0, 1); /* hangs under its first word */
}

Test(wrap, breaks_at_blanks_and_keeps_lines) {
    char *text = printed(print_wrapped);
    cr_assert_str_eq(text, "one\n    two  blanks\n\n  four\n" TEN TEN TEN TEN TEN TEN TEN TEN TEN
                           "\n" TEN TEN TEN TEN TEN TEN TEN " 12345678\n" TEN TEN TEN TEN TEN TEN TEN
                           "\n   123456789 x\n" TEN TEN TEN TEN TEN TEN TEN "\n   (default 1) x\n"
                           "  " TEN TEN TEN TEN TEN TEN TEN "  345678\n   x\n y\n");
    free(text);
}

/* What a table promises, and mistakes that getopt_long would silently accept. */
static void check_table(const command *c, const option_spec *specs_of, size_t n, bool are_options) {
    cr_assert_leq(n, OPTION_MOST);
    for (size_t i = 0; i < n; i++) {
        const option_spec *s = &specs_of[i];
        cr_assert_not_null(s->type, "%s %s", c->name, s->name);
        cr_assert_lt(s->offset, c->size, "%s %s", c->name, s->name);
        cr_assert(!s->alone || s->type->is_flag, "%s %s", c->name, s->name);
        cr_assert(!are_options || s->help != NULL, "%s %s", c->name, s->name);
        cr_assert(!are_options || (s->arg == NULL) == s->type->is_flag, "%s %s", c->name, s->name);
        cr_assert(s->letter != 'h' && strcmp(s->name, "help") != 0, "%s", c->name);
        cr_assert(s->type != &option_count || s->min < s->max, "%s %s", c->name, s->name);
        for (size_t k = 0; k < i; k++) {
            cr_assert(strcmp(s->name, specs_of[k].name) != 0, "%s %s twice", c->name, s->name);
            cr_assert(s->letter == 0 || s->letter != specs_of[k].letter, "%s -%c twice", c->name, s->letter);
            cr_assert(s->offset != specs_of[k].offset || s->type != specs_of[k].type, "%s: %s and %s", c->name, s->name,
                      specs_of[k].name);
        }
    }
}

Test(options, of_all_commands_are_sound) {
    for (size_t i = 0; i < command_registry.n; i++) {
        const command *c = command_registry.at[i];
        cr_assert(c->help != NULL && c->about != NULL && c->run != NULL, "%s", c->name);
        check_table(c, c->options, c->n_options, true);
        check_table(c, c->operands, c->n_operands, false);
    }
}
