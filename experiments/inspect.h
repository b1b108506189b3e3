/* inspect.h - what a file holds, printed to stdout: one function for each kind of file. 0, or -1 with the error. */
#ifndef EXPERIMENTS_INSPECT_H
#define EXPERIMENTS_INSPECT_H

#include "engine/base/err.h"

int inspect_gguf(const char *path, err *e);
int inspect_results(const char *path, err *e);                     /* an HDF5 file of ours */
int inspect_dataset(const char *path, const char *format, err *e); /* JSONL; format "auto" or a name */

#endif
