/* manual.h - the manual: man pages made from the tables that also make the help.
 *
 * harness.1 is about the program, harness-COMMAND.1 about a command, harness-FILE.5 about a kind of INI file. They are
 * in man(7), which groff and mandoc read.
 */
#ifndef EXPERIMENTS_MANUAL_H
#define EXPERIMENTS_MANUAL_H

#include <stdio.h>

#include "experiments/commands/commands.h"
#include "experiments/ini/keys.h"

/* `files`: every kind of INI file, key_file. */
void manual_print(const registry *files, FILE *out);
int  manual_print_command(const command *c, FILE *out, err *e);
void manual_print_file(const key_file *f, FILE *out);

/* The names of all pages, such as "harness-sweep.1", one a line. */
void manual_print_names(const registry *files, FILE *out);

#endif
