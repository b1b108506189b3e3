/* atomic.h - files that appear whole or not at all. */
#ifndef EXPERIMENTS_STORE_ATOMIC_H
#define EXPERIMENTS_STORE_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/* Makes `path` a file of these n bytes: written to a hidden temporary file in the same folder, synced,
 * renamed, the folder synced. With `exclusive` a regular file that is already there is left as it is, and
 * that counts as success, also when another process was first by a moment.
 * ERR_RUN "PATH: cannot write: ..." otherwise; what was at `path` is still there and the temporary file is
 * gone. (Only when the folder's own sync fails is the new file in place, complete, and reported.) */
int atomic_write(const char *path, const void *bytes, size_t n, bool exclusive, err *e);

#endif
