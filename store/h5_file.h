/* h5_file.h - HDF5 files, read and written by our own code; attributes. */
#ifndef STORE_H5_FILE_H
#define STORE_H5_FILE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/atomic.h"
#include "engine/base/err.h"
#include "store/h5_disk.h"

/* A file that is open for reading; it must stay where it is in memory. */
typedef struct {
    const char *path; /* borrowed, for errors; must outlive this */
    hid_t       id;
    size_t      size; /* bytes */
    h5_disk     disk;
} h5_file;

/* Opens a file; no lock is needed. Errors are err_unreadable's, ERR_RUN when out of memory, ERR_INPUT "PATH: CANNOT:
 * ..." for a file that is not HDF5, and ERR_INPUT for one that is truncated, damaged or marked as open for writing.
 * Afterwards, even on failure, call h5_file_close once, like h5_close: `ret = h5_file_close(&file, ret, e)`. */
int h5_file_open(const char *path, const char *cannot, h5_file *file, err *e);
int h5_file_close(h5_file *file, int ret, err *e);

/* Call it when something has failed that read the file: where the disk failed, HDF5 has found another reason, and the
 * disk's error takes its place in `e`. Returns -1. h5_file_close does so when `ret` is not 0. */
int h5_file_fails(const h5_file *file, err *e);

/* A file that is being written; it must stay where it is in memory. */
typedef struct {
    hid_t       id;
    atomic_file file;
    h5_disk     disk;
} h5_output;

/* Begins an empty file. Afterwards, even on failure, call h5_output_close once: with ret == 0 the file gets its name,
 * otherwise nothing is left. All errors are ERR_RUN "PATH: cannot write: ...", except atomic_open's. `path` must
 * outlive the output. With `exclusive` a file that is there stays as it is. */
int h5_output_open(h5_output *out, const char *path, err *e);
int h5_output_close(h5_output *out, bool exclusive, int ret, err *e);

/* Makes an error of what was put into the file one of the above. Returns -1. */
int h5_output_fails(const h5_output *out, err *e);

/* Puts everything into an empty file. */
typedef int h5_fill(hid_t file, const void *data, err *e);

/* Writes what `fill` puts in; the file appears whole or not at all, and the same content gives the same bytes. With
 * `exclusive` a file that is there stays as it is. Errors are those of h5_output. */
int h5_file_write(const char *path, bool exclusive, h5_fill *fill, const void *data, err *e);

int h5_write_attribute(hid_t where, const char *name, hid_t type, const void *value, err *e);
int h5_write_text_attribute(hid_t where, const char *name, const char *text, err *e);
/* A list of n texts, n > 0, all as long as the longest. */
int h5_write_texts_attribute(hid_t where, const char *name, const char *const *texts, size_t n, err *e);

#endif
