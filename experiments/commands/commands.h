/* commands.h - the commands of the program, and what their option parsing shares.
 *
 * A command gets argv[0] = its own name and optind = 1. It returns 0, or -1 with the error; results go to
 * stdout, everything else to stderr. Only main prints errors and exits.
 */
#ifndef EXPERIMENTS_COMMANDS_H
#define EXPERIMENTS_COMMANDS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/param.h"

#define COMMAND(id, name, help) int cmd_##id(int argc, char **argv, err *e);
#include "experiments/commands/commands.def"
#undef COMMAND

typedef struct {
    const char *name, *help;
    int (*run)(int argc, char **argv, err *e);
} command;

size_t         command_total(void);
const command *command_at(size_t i);
/* NULL and an ERR_INPUT that lists the commands when there is none of this name. */
const command *command_named(const char *name, err *e);

/* getopt_long with errors of our own: gives the next option, -1 after the last one, and '?' with an ERR_INPUT
 * in place of getopt's message. `shorts` begins with ":". */
int command_option(int argc, char **argv, const char *shorts, const struct option *longs, err *e);

/* Writes "; did you mean '--NAME'?" when an option is near, or all that an abbreviation may stand for; else "". */
void command_suggest_option(const char *wrong, const struct option *longs, char *buf, size_t size);

/* A whole decimal number from min to max, the value of option `name`. */
int command_count(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out, err *e);

/* ERR_INPUT unless the arguments after the options number min to max; `what` names them. */
int command_operands(int argc, char **argv, int min, int max, const char *what, err *e);

/* Reads the arguments of a command that takes -h alone; then prints `usage` and sets *done. */
int command_help_only(int argc, char **argv, const char *usage, bool *done, err *e);

/* Parameters of a policy or rule with default, type, range and help. */
void command_print_params(const param_spec *params, size_t n);

#endif
