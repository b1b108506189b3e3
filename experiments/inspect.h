/* inspect.h - what a file holds, printed to stdout: one function for each kind of file. 0, or -1 with the error. */
#ifndef EXPERIMENTS_INSPECT_H
#define EXPERIMENTS_INSPECT_H

#include <stddef.h>

#include "engine/base/err.h"

int inspect_gguf(const char *path, err *e);
int inspect_results(const char *path, err *e);                     /* an HDF5 file of ours */
int inspect_dataset(const char *path, const char *format, err *e); /* JSONL; format "auto" or a name */

/* Prints n bytes of a file's text: line ends and tabs as the caller wants them, and '?' for each byte that is not UTF-8
 * and each character that a terminal would act on or hide. */
void inspect_text(const char *s, size_t n, const char *line_end, const char *tab);

#endif
