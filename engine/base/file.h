/* file.h - a whole file in memory; folders for output; input that must not become output. */
#ifndef ENGINE_BASE_FILE_H
#define ENGINE_BASE_FILE_H

#include <stddef.h>

#include "engine/base/err.h"

/* The bytes of a file (or pipe) in new memory, followed by a NUL, and their number. Errors are err_unreadable's,
 * and ERR_INPUT for more than `most` bytes. */
char *file_read(const char *path, size_t most, size_t *n, err *e);

/* The first bytes of a file, at most `size`, and how many there are. The same errors. */
int file_begin(const char *path, void *bytes, size_t size, size_t *n, err *e);

/* ERR_INPUT when both are names of one file: writing `output` would destroy what `input` is read from. */
int file_check_output(const char *output, const char *input, err *e);

/* The folder of a path, slash included, in new memory; "" for the working folder. */
char *file_folder(const char *path, err *e);

/* What the link at `path` names, in new memory, as a path of the same kind; NULL when there is no link. */
int file_link(const char *path, char **target, err *e);

/* Where output goes: `path` itself or the end of a chain of links from there, in new memory. It need not exist. */
char *file_follow(const char *path, err *e);

/* The absolute path of what is, or would be, at `path`, in new memory: links followed and dots taken out. Two paths
 * with the same place name the same file. */
char *file_place(const char *path, err *e);

/* Whether they have the same place; -1 on failure. */
int file_same_place(const char *a, const char *b, err *e);

/* Whether a file is, or would be, in this folder itself; -1 on failure. */
int file_lies_in(const char *path, const char *folder, err *e);

/* Makes a folder and those above it that are missing. ERR_RUN when one cannot be made. */
int file_make_folder(const char *path, err *e);

/* ERR_RUN unless files can be made in this folder. */
int file_check_writable(const char *folder, err *e);

#endif
