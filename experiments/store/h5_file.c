/* h5_file.c - HDF5 files that are built in memory and written out by our own code.
 *
 * HDF5's way to disk can report a full disk as late as when the program ends; write(2) and fsync(2) report it here,
 * and a file that is half written never has a name that anyone looks for.
 */
#include "experiments/store/h5_file.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/atomic.h"
#include "experiments/store/h5.h"

enum { GROWTH = 1 << 20 }; /* the image grows by steps of this many bytes */

/* ---- a file in memory ----------------------------------------------------------------------------------- */

/* The memory that HDF5 grows and, when it closes the file, leaves to us. (H5Fget_file_image is not used: in
 * 1.10 it clears a flag of the superblock and leaves its checksum wrong.) */
typedef struct {
    char  *bytes;
    size_t size;
} image;

static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)op, (void)udata;
    return malloc(size);
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)op, (void)udata;
    return memcpy(to, from, size);
}

static void *image_realloc(void *bytes, size_t size, H5FD_file_image_op_t op, void *udata) {
    image *m = udata;
    (void)op;
    char *more = realloc(bytes, size);
    if (more == NULL) return NULL;
    size_t before = bytes != NULL ? m->size : 0;
    if (size > before) memset(more + before, 0, size - before); /* the same data give the same bytes */
    *m = (image){more, size};
    return more;
}

static herr_t image_free(void *bytes, H5FD_file_image_op_t op, void *udata) {
    (void)udata;
    if (op != H5FD_FILE_IMAGE_OP_FILE_CLOSE) free(bytes);
    return 0;
}

static void *image_same(void *udata) {
    return udata;
}

static herr_t image_leave(void *udata) {
    (void)udata;
    return 0;
}

/* Format 1.10: every piece of metadata carries a checksum. The file needs a name, and HDF5 looks whether there is
 * such a file on disk: there is none below what is not a folder. */
static int image_create(image *m, hid_t *file, err *e) {
    static const char           name[] = "/dev/null/results.h5";
    int                         ret = 0;
    hid_t                       access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5FD_file_image_callbacks_t callbacks = {
        image_malloc, image_memcpy, image_realloc, image_free, image_same, image_leave, m};

    *file = H5I_INVALID_HID;
    if (access < 0 || create < 0 || H5Pset_fapl_core(access, GROWTH, false) < 0 ||
        H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
        H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 || H5Pset_obj_track_times(create, false) < 0 ||
        (*file = H5Fcreate(name, H5F_ACC_TRUNC, create, access)) < 0)
        ret = h5_fails(e, "cannot make a file in memory");
    ret = h5_close(&create, ret, e);
    return h5_close(&access, ret, e);
}

/* Cuts a closed file to its length, which a superblock of version 2 or 3 holds at byte 28 (HDF5 File Format
 * Specification, II.A); HDF5 grows the memory in larger steps. */
static int image_cut(image *m, err *e) {
    uint64_t end;
    if (m->bytes == NULL || m->size < 28 + sizeof end) return err_run(e, "HDF5 made no file");
    memcpy(&end, m->bytes + 28, sizeof end);
    if (end > m->size) return err_run(e, "HDF5 made a file that is not whole");
    m->size = (size_t)end;
    return 0;
}

int h5_file_write(const char *path, bool exclusive, h5_fill *fill, const void *data, err *e) {
    hid_t file = H5I_INVALID_HID;
    image made = {0};
    err   why = {0};

    int ret = h5_quiet(&why);
    if (ret == 0) ret = image_create(&made, &file, &why);
    if (ret == 0) ret = fill(file, data, &why);
    ret = h5_close(&file, ret, &why);
    if (ret == 0) ret = image_cut(&made, &why);
    if (ret != 0)
        err_run(e, "%s: cannot write: %s", path, why.text);
    else
        ret = atomic_write(path, made.bytes, made.size, exclusive, e);
    free(made.bytes);
    return ret;
}

/* ---- attributes ------------------------------------------------------------------------------------------ */

int h5_write_attribute(hid_t file, const char *name, hid_t type, const void *value, err *e) {
    int   ret = 0;
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;

    if (space < 0 || (attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, value) < 0)
        ret = h5_fails(e, name);
    ret = h5_close(&attribute, ret, e);
    return h5_close(&space, ret, e);
}

int h5_write_text_attribute(hid_t file, const char *name, const char *text, err *e) {
    size_t length = strlen(text);
    hid_t  type = h5_text_type(length > 0 ? length : 1);
    if (type < 0) return h5_fails(e, name);
    return h5_close(&type, h5_write_attribute(file, name, type, text, e), e);
}
