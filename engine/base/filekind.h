/* filekind.h - what a file is, told by its first bytes: for messages about a file that is not what it should be. */
#ifndef ENGINE_BASE_FILEKIND_H
#define ENGINE_BASE_FILEKIND_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

typedef enum {
    FILE_OTHER, /* text, or a kind that is not known here */
    FILE_EMPTY,
    FILE_GGUF,
    FILE_HDF5,
    FILE_DATASTORE,
    FILE_OLD_GGML,
    FILE_LFS_POINTER,
    FILE_HTML,
    FILE_SAFETENSORS,
    FILE_TORCH,
    FILE_LLAMAFILE,
    FILE_PICKLE,
    FILE_NUMPY,
    FILE_GZIP,
    FILE_ZSTD,
    FILE_XZ,
    FILE_BZIP2,
    FILE_LZ4,
    FILE_7Z,
    FILE_RAR,
    FILE_ZIP,
    FILE_TAR,
    FILE_PARQUET,
    FILE_ARROW,
    FILE_SQLITE,
    FILE_PDF,
    FILE_UTF16,
    FILE_UTF32,
} file_kind;

enum { FILE_HEAD = 512 }; /* bytes that are enough to tell */

file_kind file_kind_of(const void *bytes, size_t n);

/* Whether they are text as far as they go: UTF-8, perhaps cut, without control characters other than blanks. */
bool file_is_text(const void *bytes, size_t n);

/* The kind of a file; FILE_OTHER for what is no regular file, such as a pipe, whose bytes can be read only once. Errors
 * are err_unreadable's. */
int file_kind_at(const char *path, file_kind *kind, err *e);

/* ERR_INPUT "PATH: is a gzip file, not WANTED (unpack it first: gunzip)". */
int file_kind_refuse(const char *path, file_kind kind, const char *wanted, err *e);

#endif
