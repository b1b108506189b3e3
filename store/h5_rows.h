/* h5_rows.h - a list (h5.h) read or written from front to back, a chunk at a time, whatever its length. */
#ifndef STORE_H5_ROWS_H
#define STORE_H5_ROWS_H

#include <hdf5.h>
#include <stddef.h>

#include "engine/base/err.h"

typedef struct {
    hid_t       list, type; /* the type in memory is borrowed */
    const char *name;       /* borrowed, for errors */
    size_t      size;       /* of an element in memory */
    size_t      n, chunk;   /* elements: of the list; at a time */
    char       *buf;        /* [chunk] */
    size_t      first;      /* the element that the buffer begins with */
    size_t      held, used; /* elements in the buffer; of those, read or written by the caller */
} h5_rows;

/* A new list of n elements. All of them must be put before h5_rows_finish. */
int h5_rows_create(hid_t where, const char *name, hid_t type, size_t n, h5_rows *r, err *e);

/* Room for the next element, zeroed; NULL and the error when the elements before it cannot be written. */
void *h5_rows_next(h5_rows *r, err *e);
int   h5_rows_put(h5_rows *r, const void *from, size_t n, err *e); /* the next n */
int   h5_rows_finish(h5_rows *r, err *e);                          /* writes what is still in the buffer */

/* Reads a list that h5_open_list has opened, of n elements. */
int h5_rows_read(hid_t list, const char *name, hid_t type, size_t n, h5_rows *r, err *e);

/* The next element, until the next call; NULL and the error when there is none or it cannot be read. */
const void *h5_rows_get(h5_rows *r, err *e);
int         h5_rows_take(h5_rows *r, void *to, size_t n, err *e); /* the next n */
size_t      h5_rows_left(const h5_rows *r);
void        h5_rows_seek(h5_rows *r, size_t at); /* goes on with this element, at <= n */

/* Closes the list, which may never have been opened (zeroed). Like h5_close. */
int h5_rows_close(h5_rows *r, int ret, err *e);

#endif
