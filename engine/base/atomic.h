/* atomic.h - files that appear whole or not at all.
 *
 * What is written goes to a hidden temporary file in the same folder, which is synced and renamed, and then the
 * folder is synced. Until then, and after any failure or signal, what was at `path` is still there. A link stays one:
 * the file that it leads to is replaced or made. Devices, pipes, and files that are standard input, output or error are
 * refused.
 */
#ifndef ENGINE_BASE_ATOMIC_H
#define ENGINE_BASE_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

typedef struct {
    const char *path;  /* the caller's, for errors; must outlive this */
    char       *place; /* what gets written: the path, or where it leads when it is a link */
    char       *folder;
    char       *part; /* the temporary file, for callers that read it before it gets its name */
    int         fd;   /* for reading, too */
} atomic_file;

/* Gives the errors of atomic_open and of what follows it, without making a file. Call it before any work: a result that
 * cannot be saved should not cost a night. */
int atomic_check(const char *path, err *e);

/* Removes what is being written. For handlers that end the program. */
void atomic_abandon(void);

/* The next signal `sig` removes what is being written and ends the program. For handlers that are there for one signal;
 * may be called in them. */
void atomic_end_at(int sig);

/* Errors are ERR_RUN "PATH: cannot write: ...", and ERR_INPUT when what is there is refused. After atomic_open,
 * whatever happened, call atomic_close once. */
int atomic_open(atomic_file *f, const char *path, err *e);
int atomic_put(atomic_file *f, const void *bytes, size_t n, err *e);

/* Gives the file its name. With `exclusive` a regular file that has it already is left as it is, and that counts as
 * success. (Only when the folder's own sync fails is the new file in place, complete, and reported.) */
int atomic_commit(atomic_file *f, bool exclusive, err *e);

/* Removes the temporary file, if it was not committed, and frees. */
void atomic_close(atomic_file *f);

/* All of it for these n bytes. With `exclusive` nothing is written when the file is there. */
int atomic_write(const char *path, const void *bytes, size_t n, bool exclusive, err *e);

#endif
