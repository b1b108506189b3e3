/* commands.h - the commands of the program.
 *
 * A command is a constant in a file of its own and a line in commands.def. It declares its options and operands
 * (options.h); its run() gets them parsed. Results go to stdout, everything else to stderr. Only main prints errors and
 * exits.
 */
#ifndef EXPERIMENTS_COMMANDS_H
#define EXPERIMENTS_COMMANDS_H

#include "engine/base/err.h"
#include "engine/base/param.h"
#include "engine/base/registry.h"
#include "experiments/commands/options.h"

typedef struct {
    const char *name; /* first, as in every plug-in */
    const char *help; /* one line */

    /* What follows "harness NAME" in the usage, one line for each form; NULL: made from the tables. */
    const char *usage;
    const char *about;        /* paragraphs before the options */
    const char *notes;        /* paragraphs after them, or NULL */
    void (*lists)(FILE *out); /* prints lists that the program computes, after the notes; or NULL */

    const option_spec *options, *operands;
    size_t             n_options, n_operands;
    size_t             size; /* of the struct that they fill */

    /* Gets the parsed options, which the caller zeroes before and frees afterwards. 0, or -1 with the error. */
    int (*run)(void *options, err *e);
} command;

#define OPTIONS(table)  .options = (table), .n_options = sizeof(table) / sizeof *(table)
#define OPERANDS(table) .operands = (table), .n_operands = sizeof(table) / sizeof *(table)

#define COMMAND(name) extern const command command_##name;
#include "experiments/commands/commands.def"
#undef COMMAND

extern const registry command_registry; /* every command in commands.def */

/* Runs a command on argv[1..argc), or prints its help when requested. */
int command_run(const command *c, int argc, char **argv, err *e);

/* A form of the usage, after "harness NAME": "-m FILE [OPTION]... FILE.h5". `next` is NULL before the first one, and
 * then what the call before returned; false when there are no more. */
bool command_usage(const command *c, const char **next, char *buf, size_t size);

/* Prints the output of -h: usage, text, options. */
void command_print_help(const command *c);

/* Writes results to stdout. A command with many of them calls this, so that it ends at the first write that fails; main
 * finds what fails when the rest is flushed. */
int command_write(const void *bytes, size_t n, err *e);

/* Prints the plug-ins of these names, in their order, or all, with an empty line between two. ERR_INPUT, before
 * anything is printed, for a name that there is not. */
int command_print_named(const registry *r, const text_list *names, void (*print)(const void *plugin), err *e);

/* Parameters of a policy, rule or scenario with default, type, range and help. */
void command_print_params(FILE *out, const param_spec *params, size_t n);

#endif
