/* h5_file.c - HDF5 files that our own code reads and writes as a whole; HDF5 sees them in memory.
 *
 * HDF5's own file access may report a full disk only when the program ends, and an unreadable disk as a file of another
 * kind. read(2), write(2) and fsync(2) report both here, with their errno. A half-written file never has a name that
 * anyone looks for.
 */
#include "store/h5_file.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "store/h5.h"

enum { GROWTH = 1 << 20 }; /* the image grows by steps of this many bytes */

/* HDF5 checks whether a file with this name is on disk; below something that is not a folder there is none. HDF5 would
 * take two files with the same name for one. */
static void name_image(char *name, size_t size) {
    static atomic_ulong number;
    snprintf(name, size, "/dev/null/%lu.h5", atomic_fetch_add(&number, 1));
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* The memory that HDF5 grows and, on closing the file, leaves to us. (H5Fget_file_image is not used: in
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

/* Format 1.10: every piece of metadata carries a checksum. */
static int image_create(image *m, hid_t *file, err *e) {
    char                        name[40];
    int                         ret = 0;
    hid_t                       access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5FD_file_image_callbacks_t callbacks = {
        image_malloc, image_memcpy, image_realloc, image_free, image_same, image_leave, m};

    *file = H5I_INVALID_HID;
    name_image(name, sizeof name);
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
    if (end > m->size) return err_run(e, "HDF5 made an incomplete file");
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

/* ---- reading ------------------------------------------------------------------------------------------------ */

static const char signature[8] = "\x89HDF\r\n\x1a\n";

static bool is_hdf5(const h5_file *f) {
    return f->size >= sizeof signature && memcmp(f->bytes, signature, sizeof signature) == 0;
}

/* The bytes are lent: HDF5 makes no copies, and we free them after it has closed the file. */
static void *lend(size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)size, (void)op;
    return ((h5_file *)udata)->bytes;
}

static void *lend_again(void *to, const void *from, size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)op, (void)udata;
    return to == from ? to : memcpy(to, from, size);
}

static void *lend_no_more(void *bytes, size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)bytes, (void)size, (void)op, (void)udata;
    return NULL;
}

static herr_t take_back(void *bytes, H5FD_file_image_op_t op, void *udata) {
    (void)bytes, (void)op, (void)udata;
    return 0;
}

/* Checks what the superblock says about the whole file (HDF5 File Format Specification, II.A). HDF5 checks the same,
 * but calls a marked file "already open", which it seldom is: usually a program that died left the mark. */
static int check_superblock(const h5_file *f, err *e) {
    enum { LEAST = 48, WRITING = 1 | 4 /* 4: readers allowed */ };
    static const size_t base_at[] = {24, 28, 12, 12}, end_at[] = {40, 44, 28, 28}, offset_size_at[] = {13, 13, 9, 9};
    size_t              version = f->size >= LEAST ? (unsigned char)f->bytes[8] : SIZE_MAX;
    uint64_t            base, end;
    if (!is_hdf5(f) || version > 3 || f->bytes[offset_size_at[version]] != sizeof end) return 0;
    if (version == 3 && (f->bytes[11] & WRITING) != 0)
        return err_input(e,
                         "%s: is marked as open for writing, by a program that still has it open or that died "
                         "(h5clear -s FILE clears the mark when none has it open)",
                         f->path);
    memcpy(&base, f->bytes + base_at[version], sizeof base);
    memcpy(&end, f->bytes + end_at[version], sizeof end);
    if (base != 0 || end <= f->size) return 0;
    return err_input(e, "%s: is a truncated file (%zu of %llu bytes)", f->path, f->size, (unsigned long long)end);
}

static int open_lent(h5_file *f, const char *cannot, err *e) {
    char                        name[40];
    int                         ret = 0;
    hid_t                       access = H5Pcreate(H5P_FILE_ACCESS);
    H5FD_file_image_callbacks_t callbacks = {lend, lend_again, lend_no_more, take_back, image_same, image_leave, f};
    name_image(name, sizeof name);
    if (access < 0 || H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 ||
        H5Pset_fapl_core(access, GROWTH, false) < 0 || H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
        H5Pset_file_image(access, f->bytes, f->size) < 0)
        ret = h5_fails(e, "cannot open a file in memory");
    else if ((f->id = H5Fopen(name, H5F_ACC_RDONLY, access)) < 0)
        ret = h5_fails(e, is_hdf5(f) ? "cannot be read as HDF5" : cannot);
    ret = h5_close(&access, ret, e);
    return ret == 0 ? 0 : err_prefix(e, "%s", f->path);
}

int h5_file_open(const char *path, const char *cannot, h5_file *f, err *e) {
    struct stat s;
    *f = (h5_file){.path = path, .id = H5I_INVALID_HID};
    if (stat(path, &s) != 0) return err_unreadable(e, path);
    if (!S_ISREG(s.st_mode)) return err_input(e, "%s: is not a file", path); /* opening a pipe would block */
    if ((f->bytes = file_read(path, SIZE_MAX, &f->size, e)) == NULL) return -1;
    if (f->size == 0) return err_input(e, "%s: %s: the file is empty", path, cannot);
    if (check_superblock(f, e) != 0) return -1;
    return h5_quiet(e) != 0 ? -1 : open_lent(f, cannot, e);
}

int h5_file_close(h5_file *f, int ret, err *e) {
    err why = {0};
    h5_note_memory(); /* closing gives memory back, and errno may change */
    bool closed = h5_close(&f->id, 0, &why) == 0;
    if (closed) free(f->bytes); /* else HDF5 may still look at them */
    f->bytes = NULL;
    if (closed || ret != 0) return ret;
    err_prefix(&why, "%s", f->path);
    if (e != NULL) *e = why;
    return -1;
}

/* ---- attributes ------------------------------------------------------------------------------------------ */

/* Closes `space`. */
static int write_attribute(hid_t where, const char *name, hid_t type, hid_t space, const void *value, err *e) {
    int   ret = 0;
    hid_t attribute = H5I_INVALID_HID;

    if (space < 0 || (attribute = H5Acreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, value) < 0)
        ret = h5_fails(e, name);
    ret = h5_close(&attribute, ret, e);
    return h5_close(&space, ret, e);
}

int h5_write_attribute(hid_t where, const char *name, hid_t type, const void *value, err *e) {
    return write_attribute(where, name, type, H5Screate(H5S_SCALAR), value, e);
}

int h5_write_text_attribute(hid_t where, const char *name, const char *text, err *e) {
    size_t length = strlen(text);
    hid_t  type = h5_text_type(length > 0 ? length : 1);
    if (type < 0) return h5_fails(e, name);
    return h5_close(&type, h5_write_attribute(where, name, type, text, e), e);
}

int h5_write_texts_attribute(hid_t where, const char *name, const char *const *texts, size_t n, err *e) {
    int     ret = -1;
    size_t  size = 1;
    hsize_t dims = n;
    for (size_t i = 0; i < n; i++)
        if (strlen(texts[i]) > size) size = strlen(texts[i]);
    hid_t type = h5_text_type(size);
    char *packed = mem_new(n, size, e);
    for (size_t i = 0; packed != NULL && i < n; i++) memcpy(packed + i * size, texts[i], strlen(texts[i]));
    if (type < 0)
        h5_fails(e, name);
    else if (packed != NULL)
        ret = write_attribute(where, name, type, H5Screate_simple(1, &dims, NULL), packed, e);
    free(packed);
    return h5_close(&type, ret, e);
}
