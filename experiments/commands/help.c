/* help.c - `harness help`: what commands there are, or the usage of one. */
#include <stdio.h>

#include <string.h>

#include "experiments/commands/commands.h"
#include "experiments/sweep/config.h"
#include "experiments/sweep/cost.h"
#include "experiments/training/train_config.h"

static const key_file *const files[] = {&config_keys, &train_config_keys, &cost_keys};

static const char usage[] = "usage: harness help [COMMAND | FILE]\n"
                            "Lists the commands, or prints what harness COMMAND -h does, or what an INI file holds.\n"
                            "\n"
                            "  -h, --help  this text\n";

static void list_commands(void) {
    printf("usage: harness COMMAND [OPTION]... [ARGUMENT]...\n"
           "Measures inference with reference: text that is copied, checked by the model, and the same bit for bit.\n"
           "\n");
    for (size_t i = 0; i < command_total(); i++) printf("  %-10s %s\n", command_at(i)->name, command_at(i)->help);
    printf("\n");
    for (size_t i = 0; i < KEY_COUNT(files); i++) printf("  %-13s %s\n", files[i]->name, files[i]->help);
    printf("\n"
           "harness COMMAND -h, or harness help COMMAND, says more about one.\n"
           "Exit status: 0 done; 1 something failed while working; 2 usage, configuration or input error.\n");
}

int cmd_help(int argc, char **argv, err *e) {
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    for (int c; (c = command_option(argc, argv, ":h", longs, e)) != -1;) {
        if (c == '?') return -1;
        fputs(usage, stdout);
        return 0;
    }
    if (command_operands(argc, argv, 0, 1, "at most one COMMAND", e) != 0) return -1;
    if (optind == argc) {
        list_commands();
        return 0;
    }
    for (size_t i = 0; i < KEY_COUNT(files); i++) {
        if (strcmp(files[i]->name, argv[optind]) != 0) continue;
        keys_print(files[i], stdout);
        return 0;
    }
    const command *c = command_named(argv[optind], e);
    if (c == NULL) return -1;
    char *help[] = {(char *)c->name, "-h", NULL};
    optind = 0; /* another command line begins */
    return c->run(2, help, e);
}
