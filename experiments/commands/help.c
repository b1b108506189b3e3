/* help.c - `harness help`: lists the commands, prints the help of one, or describes an INI file; and makes of the same
 * tables what a package installs: the manual and completion for shells. */
#include <stdio.h>

#include "engine/base/suggest.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/completion.h"
#include "experiments/commands/manual.h"
#include "experiments/sweep/config.h"
#include "experiments/sweep/cost.h"
#include "experiments/terminal/wrap.h"
#include "experiments/training/train_config.h"

static const void *const files[] = {&config_keys, &train_config_keys, &cost_keys};

static const registry file_registry = REGISTRY("file", files);

static const void *const shells[] = {&completion_bash, &completion_fish, &completion_zsh};

static const registry shell_registry = REGISTRY("shell", shells);

typedef struct {
    const char             *topic; /* NULL: all */
    const completion_shell *shell;
    bool                    man, pages;
} options;

/* For completion; which texts are topics is told when one is looked for. */
static size_t topic_names(const option_spec *s, const char *names[static OPTION_NAMES]) {
    size_t n = 0;
    (void)s;
    for (size_t i = 0; i < command_registry.n; i++) names[n++] = registry_name(&command_registry, i);
    for (size_t i = 0; i < file_registry.n; i++) names[n++] = registry_name(&file_registry, i);
    return n;
}

static int parse_topic(const option_value *v, void *at, err *e) {
    return option_text.parse(v, at, e);
}

static const option_type option_topic = {.parse = parse_topic, .names = topic_names};

static const option_spec specs[] = {
    {"man", 'm', NULL, &option_flag, OPTION_AT(options, man),
     .help = "print the page of the manual instead, for man -l -"},
    {"pages", 0, NULL, &option_flag, OPTION_AT(options, pages), .help = "print the names of all pages of the manual"},
    {"completion", 'c', "SHELL", &option_plugin, OPTION_AT(options, shell), .of = &shell_registry,
     .help = "print what completes command lines: source <(harness help --completion bash)"},
};
static const option_spec operands[] = {
    {"TOPIC", .type = &option_topic, OPTION_AT(options, topic)},
};

static void list_topics(void) {
    wrap_print(
        stdout,
        "usage: harness COMMAND [OPTION]... [ARGUMENT]...\n"
        "Measures inference with reference: text that is copied, checked by the model, and the same bit for bit.\n",
        0, 0);
    for (size_t i = 0; i < command_registry.n; i++) {
        const command *c = command_registry.at[i];
        printf("  %-11s %s\n", c->name, c->help);
    }
    printf("\nINI files:\n");
    for (size_t i = 0; i < file_registry.n; i++) {
        const key_file *f = file_registry.at[i];
        printf("  %-13s %s\n", f->name, f->help);
    }
    printf("\n");
    wrap_print(
        stdout,
        "harness COMMAND -h, or harness help COMMAND, says more about one; harness help FILE lists the keys of an "
        "INI file.\n"
        "Exit status: 0 done; 1 something failed while working; 2 usage, configuration or input error.",
        0, 0);
}

static int unknown_topic(const char *topic, err *e) {
    const char *names[OPTION_NAMES];
    size_t      n = topic_names(NULL, names);
    return err_unknown(e, "command line", "command", topic, names, n);
}

static int print_topic(const options *o, err *e) {
    const command  *c = registry_find(&command_registry, o->topic);
    const key_file *f = registry_find(&file_registry, o->topic);
    if (c != NULL && o->man) return manual_print_command(c, stdout, e);
    if (c != NULL)
        command_print_help(c);
    else if (f != NULL && o->man)
        manual_print_file(f, stdout);
    else if (f != NULL)
        keys_print(f, stdout);
    else
        return unknown_topic(o->topic, e);
    return 0;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    if (o->man + o->pages + (o->shell != NULL) > 1)
        return err_input(e, "--man, --pages and --completion print different things (give one)");
    if (o->topic != NULL && (o->pages || o->shell != NULL))
        return err_input(e, "%s prints all topics (leave out %s)", o->pages ? "--pages" : "--completion", o->topic);
    if (o->pages)
        manual_print_names(&file_registry, stdout);
    else if (o->shell != NULL)
        o->shell->print(stdout);
    else if (o->topic != NULL)
        return print_topic(o, e);
    else if (o->man)
        manual_print(&file_registry, stdout);
    else
        list_topics();
    return 0;
}

const command command_help = {
    .name = "help",
    .help = "list the commands, or say more about one",
    .usage = "[--man] [COMMAND | FILE]\n--pages\n--completion SHELL",
    .about =
        "Lists the commands and the INI files, or says more about one: what harness COMMAND -h prints, or the keys of "
        "a file with their types, ranges and defaults. With --man it is a page of the manual, in man(7).",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
