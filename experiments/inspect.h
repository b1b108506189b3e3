/* inspect.h - `harness inspect FILE`: what a file holds, printed to stdout. The kind is told by its first bytes. */
#ifndef EXPERIMENTS_INSPECT_H
#define EXPERIMENTS_INSPECT_H

#include "engine/base/err.h"

int inspect_gguf(const char *path, err *e);
int inspect_results(const char *path, err *e);                     /* an HDF5 file of ours */
int inspect_dataset(const char *path, const char *format, err *e); /* JSONL; format "auto" or a name */

/* argv[0] is "inspect". 0, or -1 with the error. */
int cmd_inspect(int argc, char **argv, err *e);

#endif
