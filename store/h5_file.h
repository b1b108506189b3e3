/* h5_file.h - whole HDF5 files, read and written by our own code; attributes. */
#ifndef STORE_H5_FILE_H
#define STORE_H5_FILE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/* A file that is open for reading. */
typedef struct {
    const char *path; /* borrowed, for errors; must outlive this */
    hid_t       id;
    char       *bytes; /* all of it: HDF5 reads nothing from disk */
    size_t      size;
} h5_file;

/* Reads a file and gives its bytes to HDF5, so disk errors keep their errno, and no lock is needed. Errors are
 * file_read's, ERR_RUN when out of memory, ERR_INPUT "PATH: CANNOT: ..." for a file that is not HDF5, and ERR_INPUT for
 * one that is truncated, damaged or marked as open for writing. Afterwards, even on failure, call h5_file_close once,
 * like h5_close: `ret = h5_file_close(&file, ret, e)`. */
int h5_file_open(const char *path, const char *cannot, h5_file *file, err *e);
int h5_file_close(h5_file *file, int ret, err *e);

/* Puts everything into an empty file. */
typedef int h5_fill(hid_t file, const void *data, err *e);

/* Writes what `fill` puts in; the file appears whole or not at all, and the same content gives the same bytes. With
 * `exclusive` a file that is there stays as it is. All errors are ERR_RUN "PATH: cannot write: ...". */
int h5_file_write(const char *path, bool exclusive, h5_fill *fill, const void *data, err *e);

int h5_write_attribute(hid_t where, const char *name, hid_t type, const void *value, err *e);
int h5_write_text_attribute(hid_t where, const char *name, const char *text, err *e);
/* A list of n texts, n > 0, all as long as the longest. */
int h5_write_texts_attribute(hid_t where, const char *name, const char *const *texts, size_t n, err *e);

#endif
