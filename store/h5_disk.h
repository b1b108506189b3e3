/* h5_disk.h - an open file as HDF5 gets at it: by its descriptor, with pread(2) and pwrite(2), whose errors are kept.
 *
 * HDF5's own file access may report a full disk only when the program ends, and an unreadable disk as a file of another
 * kind. It also locks files, which not every file system can.
 */
#ifndef STORE_H5_DISK_H
#define STORE_H5_DISK_H

#include <hdf5.h>

#include "engine/base/err.h"

/* Must stay where it is in memory while HDF5 has the file, which does not close the descriptor. */
typedef struct {
    H5FD_t  opened; /* HDF5's: the file, which it opens once at a time */
    int     fd;
    int     failed;   /* errno of the first call that failed; 0 */
    haddr_t eoa, eof; /* end of what HDF5 has given out; end of the file */
} h5_disk;

/* Makes a file access property list open this descriptor, whatever name H5Fopen or H5Fcreate is given. When a write has
 * failed, HDF5 is told that all went well, and further writes do nothing: ask `failed` after closing. */
int h5_disk_set(hid_t access, h5_disk *disk, err *e);

#endif
