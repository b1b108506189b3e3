/* h5_file.h - a whole HDF5 file at once, and attributes of its root. */
#ifndef EXPERIMENTS_STORE_H5_FILE_H
#define EXPERIMENTS_STORE_H5_FILE_H

#include <hdf5.h>
#include <stdbool.h>

#include "engine/base/err.h"

/* Puts everything into an empty file. */
typedef int h5_fill(hid_t file, const void *data, err *e);

/* Writes what `fill` puts in; the file appears whole or not at all, and the same content gives the same bytes. With
 * `exclusive` a file that is there stays as it is. All errors are ERR_RUN "PATH: cannot write: ...". */
int h5_file_write(const char *path, bool exclusive, h5_fill *fill, const void *data, err *e);

int h5_write_attribute(hid_t file, const char *name, hid_t type, const void *value, err *e);
int h5_write_text_attribute(hid_t file, const char *name, const char *text, err *e);

#endif
