/* help.c - `harness help`: lists the commands, prints the help of one, or describes an INI file. */
#include <stdio.h>

#include "engine/base/suggest.h"
#include "experiments/commands/commands.h"
#include "experiments/sweep/config.h"
#include "experiments/sweep/cost.h"
#include "experiments/terminal/wrap.h"
#include "experiments/training/train_config.h"

static const void *const files[] = {&config_keys, &train_config_keys, &cost_keys};

static const registry file_registry = REGISTRY("file", files);

typedef struct {
    const char *topic; /* NULL: all */
} options;

static const option_spec operands[] = {
    {"TOPIC", .type = &option_text, OPTION_AT(options, topic)},
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
    const char *names[64];
    size_t      n = 0;
    for (size_t i = 0; i < command_registry.n; i++) names[n++] = registry_name(&command_registry, i);
    for (size_t i = 0; i < file_registry.n; i++) names[n++] = registry_name(&file_registry, i);
    return err_unknown(e, "command line", "command", topic, names, n);
}

static int run(void *opts, err *e) {
    const options *o = opts;
    if (o->topic == NULL) {
        list_topics();
        return 0;
    }
    const command  *c = registry_find(&command_registry, o->topic);
    const key_file *f = registry_find(&file_registry, o->topic);
    if (c != NULL)
        command_print_help(c);
    else if (f != NULL)
        keys_print(f, stdout);
    else
        return unknown_topic(o->topic, e);
    return 0;
}

const command command_help = {
    .name = "help",
    .help = "list the commands, or say more about one",
    .usage = "[COMMAND | FILE]",
    .about =
        "Lists the commands and the INI files, or says more about one: what harness COMMAND -h prints, or the keys of "
        "a file with their types, ranges and defaults.",
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
