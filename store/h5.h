/* h5.h - what every caller of HDF5 needs: its errors turned into ours, one way to close, one kind of list. */
#ifndef STORE_H5_H
#define STORE_H5_H

#include <hdf5.h>
#include <stddef.h>

#include "engine/base/err.h"

/* Call before anything else of HDF5. HDF5 then no longer prints errors in this thread, and does nothing when the
 * program ends (after it ran out of memory, it might crash there). */
int h5_quiet(err *e);

/* Remembers that an allocation has failed, for the reasons of errors: call it before errno can change. */
void h5_note_memory(void);

/* Errors of HDF5's last call; use them before any other call of HDF5. When memory ran out, both are ERR_RUN "WHAT: out
 * of memory". (h5_file_write makes the kind ERR_RUN in any case.) */

/* ERR_INPUT "WHAT: REASON" and -1. The reason is HDF5's innermost message. */
int h5_fails(err *e, const char *what);

/* ERR_INPUT "WHAT: REASON" and -1. The caller gives the reason: what the call found in the file. */
int h5_refuses(err *e, const char *what, const char *reason);

/* Closes any identifier and invalidates it; an invalid one is allowed. Returns `ret`, or -1 and an ERR_RUN when
 * `ret` was 0 and closing failed: `ret = h5_close(&space, ret, e)`. */
int h5_close(hid_t *id, int ret, err *e);

/* The type of texts of `size` bytes: fixed size, NUL-padded, UTF-8. Negative on failure. */
hid_t h5_text_type(size_t size);

/* The type that reads a file's texts of this type: same size and character set, NUL-padded. */
hid_t h5_text_like(hid_t type);

/* Lists: 1-D datasets, extensible, chunked, shuffled and deflated, without time stamps. */
int h5_create_list(hid_t where, const char *name, hid_t type, size_t n, hid_t *list, err *e);
int h5_open_list(hid_t where, const char *name, hid_t *list, size_t *n, err *e);

/* Refuses what is in another file: an object whose path has a soft or external link in it, a dataset whose elements are
 * stored elsewhere or are a view of others. Whoever gives somebody a file must not choose what else is read. */
int h5_check_link(hid_t where, const char *name, err *e);
int h5_check_storage(hid_t dataset, const char *name, err *e);

/* How many elements of `size` bytes to move at a time: a chunk of a list of n, at least 1. */
size_t h5_chunk(size_t n, size_t size);

/* Moves n elements starting at `first` between a list and memory. */
int h5_write_part(hid_t list, hid_t type, size_t first, size_t n, const void *from, err *e);
int h5_read_part(hid_t list, hid_t type, size_t first, size_t n, void *to, err *e);

/* Refuses n elements of `size` bytes when that is more than `most`, the bytes that the file can hold. */
int h5_check_room(const char *name, size_t n, size_t size, size_t most, err *e);

#endif
