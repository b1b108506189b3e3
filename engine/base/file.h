/* file.h - a whole file in memory; input that must not become output. */
#ifndef ENGINE_BASE_FILE_H
#define ENGINE_BASE_FILE_H

#include <stddef.h>

#include "engine/base/err.h"

/* The bytes of a file (or pipe) in new memory, with a NUL behind them, and their number. ERR_INPUT when it cannot be
 * opened or read, or holds more than `most` bytes. */
char *file_read(const char *path, size_t most, size_t *n, err *e);

/* ERR_INPUT when both are names of one file: writing `output` would destroy what `input` is read from. */
int file_check_output(const char *output, const char *input, err *e);

#endif
