/* file.h - a whole file in memory; files that must be regular; folders for output; input that must not become output.
 */
#ifndef ENGINE_BASE_FILE_H
#define ENGINE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/err.h"

/* The bytes of a file (or pipe) in new memory, followed by a NUL, and their number. Errors are err_unreadable's,
 * and ERR_INPUT for more than `most` bytes. */
char *file_read(const char *path, size_t most, size_t *n, err *e);

/* read(2), again when a signal comes between. */
ssize_t file_read_some(int fd, void *to, size_t n);

/* ERR_INPUT "PATH: is a pipe (WANTED)" for what is no regular file; nothing for one that cannot be looked at. Who waits
 * to write into a pipe is let go. */
int file_check_regular(const char *path, const char *wanted, err *e);

/* Opens a regular file for reading: a descriptor, and in *size how many bytes it has. -1 and the error for another one,
 * without waiting for its writer; other errors are err_unreadable's. */
int file_open(const char *path, const char *wanted, size_t *size, err *e);

/* A regular file's bytes as pages of memory that may not be written to. The same errors, and ERR_INPUT for an empty
 * one. munmap releases them. */
void *file_map(const char *path, const char *wanted, size_t *size, err *e);

/* Which file a path names, and when it was written last. */
typedef struct {
    uint64_t device, inode, size; /* size 0: there is none */
    int64_t  seconds, nanoseconds;
} file_stamp;

file_stamp file_stamp_of(const char *path);

/* Whether the file that had this stamp was written to since, so that what is mapped of it has changed. One that another
 * has replaced at its path was not. */
bool file_overwritten(const char *path, const file_stamp *before);

/* The first bytes of a regular file, at most `size`, and how many there are. The same errors. */
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
