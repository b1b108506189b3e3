/* output.h - where a table goes: standard output, or a file that appears whole or not at all. */
#ifndef EXPERIMENTS_OUTPUT_H
#define EXPERIMENTS_OUTPUT_H

#include <stdio.h>

#include "engine/base/err.h"

typedef int output_printer(FILE *out, void *ctx, err *e);

/* path: NULL for standard output. A file that was there stays when printing fails. */
int output_print(const char *path, output_printer *print, void *ctx, err *e);

/* For a command's help: the formats of tables. */
void output_list_formats(FILE *out);

#endif
