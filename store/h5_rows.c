/* h5_rows.c - a buffer of one chunk between a list and its reader or writer: each chunk is packed or unpacked once. */
#include "store/h5_rows.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/h5.h"

static int begin(h5_rows *r, hid_t list, const char *name, hid_t type, size_t n, err *e) {
    size_t size = H5Tget_size(type);
    *r = (h5_rows){.list = list, .type = type, .name = name, .size = size, .n = n, .chunk = h5_chunk(n, size)};
    return (r->buf = mem_new(r->chunk, r->size, e)) != NULL ? 0 : -1;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

int h5_rows_create(hid_t where, const char *name, hid_t type, size_t n, h5_rows *r, err *e) {
    hid_t list;
    *r = (h5_rows){.list = H5I_INVALID_HID};
    if (h5_create_list(where, name, type, n, &list, e) != 0) return -1;
    return begin(r, list, name, type, n, e);
}

static int flush(h5_rows *r, err *e) {
    if (r->held > 0 && h5_write_part(r->list, r->type, r->first, r->held, r->buf, e) != 0)
        return err_prefix(e, "%s", r->name);
    memset(r->buf, 0, r->held * r->size);
    r->first += r->held;
    r->held = 0;
    return 0;
}

void *h5_rows_next(h5_rows *r, err *e) {
    if (r->held == r->chunk && flush(r, e) != 0) return NULL;
    return r->buf + r->held++ * r->size;
}

int h5_rows_put(h5_rows *r, const void *from, size_t n, err *e) {
    for (const char *at = from; n > 0;) {
        if (r->held == r->chunk && flush(r, e) != 0) return -1;
        size_t some = smaller(n, r->chunk - r->held);
        memcpy(r->buf + r->held * r->size, at, some * r->size);
        r->held += some;
        at += some * r->size;
        n -= some;
    }
    return 0;
}

int h5_rows_finish(h5_rows *r, err *e) {
    if (r->first + r->held != r->n)
        return err_run(e, "%s: %zu of %zu elements were written", r->name, r->first + r->held, r->n);
    return flush(r, e);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

int h5_rows_read(hid_t list, const char *name, hid_t type, size_t n, h5_rows *r, err *e) {
    return begin(r, list, name, type, n, e);
}

size_t h5_rows_left(const h5_rows *r) {
    return r->n - r->first - r->used;
}

void h5_rows_seek(h5_rows *r, size_t at) {
    if (at >= r->first && at <= r->first + r->held) {
        r->used = at - r->first;
        return;
    }
    r->first = at;
    r->held = r->used = 0;
}

/* Makes the buffer hold the next element. Reads to the end of its chunk in the file, as later calls do. */
static int fill(h5_rows *r, err *e) {
    if (r->used < r->held) return 0;
    if (h5_rows_left(r) == 0) return err_input(e, "%s: ends too early", r->name);
    r->first += r->held;
    r->held = r->used = 0;
    size_t n = smaller(r->chunk - r->first % r->chunk, r->n - r->first);
    if (h5_read_part(r->list, r->type, r->first, n, r->buf, e) != 0) return err_prefix(e, "%s", r->name);
    r->held = n;
    return 0;
}

const void *h5_rows_get(h5_rows *r, err *e) {
    return fill(r, e) == 0 ? r->buf + r->used++ * r->size : NULL;
}

int h5_rows_take(h5_rows *r, void *to, size_t n, err *e) {
    for (char *at = to; n > 0;) {
        if (fill(r, e) != 0) return -1;
        size_t some = smaller(n, r->held - r->used);
        memcpy(at, r->buf + r->used * r->size, some * r->size);
        r->used += some;
        at += some * r->size;
        n -= some;
    }
    return 0;
}

int h5_rows_close(h5_rows *r, int ret, err *e) {
    free(r->buf);
    ret = r->list > 0 ? h5_close(&r->list, ret, e) : ret;
    *r = (h5_rows){.list = H5I_INVALID_HID};
    return ret;
}
