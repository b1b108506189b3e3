/* h5_file.c - HDF5 files that our own code reads and writes, through h5_disk.c.
 *
 * What is written goes to the temporary file of atomic.h. A half-written file never has a name that anyone looks for.
 */
#include "store/h5_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "store/h5.h"

static const char *const any_name = "file"; /* HDF5 wants one, and h5_disk.c none */

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* Format 1.10: every piece of metadata carries a checksum. */
static int create_on(h5_disk *disk, hid_t *file, err *e) {
    int   ret = 0;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);

    if (access < 0 || create < 0 || H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 || H5Pset_obj_track_times(create, false) < 0)
        ret = h5_fails(e, "cannot make a file");
    if (ret == 0) ret = h5_disk_set(access, disk, e);
    if (ret == 0 && (*file = H5Fcreate(any_name, H5F_ACC_TRUNC, create, access)) < 0)
        ret = h5_fails(e, "cannot make a file");
    ret = h5_close(&create, ret, e);
    return h5_close(&access, ret, e);
}

int h5_output_fails(const h5_output *o, err *e) {
    err why = {0};
    errno = o->disk.failed;
    if (o->disk.failed != 0) return err_errno(e, o->file.path, "cannot write");
    if (e != NULL) why = *e;
    return err_run(e, "%s: cannot write: %s", o->file.path, why.text);
}

int h5_output_open(h5_output *o, const char *path, err *e) {
    err why = {0};
    *o = (h5_output){.id = H5I_INVALID_HID};
    if (atomic_open(&o->file, path, e) != 0) return -1;
    o->disk.fd = o->file.fd;
    if (h5_quiet(&why) == 0 && create_on(&o->disk, &o->id, &why) == 0) return 0;
    if (e != NULL) *e = why;
    return h5_output_fails(o, e);
}

int h5_output_close(h5_output *o, bool exclusive, int ret, err *e) {
    err why = {0};
    h5_note_memory(); /* closing gives memory back, and errno may change */
    if (h5_close(&o->id, ret, &why) != ret || (ret == 0 && o->disk.failed != 0)) {
        if (e != NULL) *e = why;
        ret = h5_output_fails(o, e);
    }
    if (ret == 0) ret = atomic_commit(&o->file, exclusive, e);
    atomic_close(&o->file);
    return ret;
}

int h5_file_write(const char *path, bool exclusive, h5_fill *fill, const void *data, err *e) {
    struct stat s;
    h5_output   out;
    if (exclusive && stat(path, &s) == 0 && S_ISREG(s.st_mode)) return 0;
    int ret = h5_output_open(&out, path, e);
    if (ret == 0 && fill(out.id, data, e) != 0) ret = h5_output_fails(&out, e);
    return h5_output_close(&out, exclusive, ret, e);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

enum { SUPERBLOCK = 52 }; /* bytes of it that are looked at */

/* Whether n bytes at the beginning of a file are HDF5's. */
static bool is_hdf5(const char *bytes, size_t n) {
    static const char signature[8] = "\x89HDF\r\n\x1a\n";
    return n >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

/* Checks what the superblock says about the whole file (HDF5 File Format Specification, II.A), of which these are the
 * first n bytes. HDF5 checks the same, but calls a marked file "already open", which it seldom is: usually a program
 * that died left the mark. */
static int check_superblock(const h5_file *f, const char *bytes, size_t n, err *e) {
    enum { LEAST = 48, WRITING = 1 | 4 /* 4: readers allowed */ };
    static const size_t base_at[] = {24, 28, 12, 12}, end_at[] = {40, 44, 28, 28}, offset_size_at[] = {13, 13, 9, 9};
    size_t              version = n >= LEAST ? (unsigned char)bytes[8] : SIZE_MAX;
    uint64_t            base, end;
    if (!is_hdf5(bytes, n) || version > 3 || bytes[offset_size_at[version]] != sizeof end) return 0;
    if (n < end_at[version] + sizeof end) return 0;
    if (version == 3 && (bytes[11] & WRITING) != 0)
        return err_input(e,
                         "%s: is marked as open for writing, by a program that still has it open or that died "
                         "(h5clear -s FILE clears the mark when none has it open)",
                         f->path);
    memcpy(&base, bytes + base_at[version], sizeof base);
    memcpy(&end, bytes + end_at[version], sizeof end);
    if (base != 0 || end <= f->size) return 0;
    return err_input(e, "%s: is a truncated file (%zu of %llu bytes)", f->path, f->size, (unsigned long long)end);
}

static int open_on(h5_file *f, const char *otherwise, err *e) {
    int   ret = 0;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0 || H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0)
        ret = h5_fails(e, "cannot open a file");
    else
        ret = h5_disk_set(access, &f->disk, e);
    if (ret == 0 && (f->id = H5Fopen(any_name, H5F_ACC_RDONLY, access)) < 0) ret = h5_fails(e, otherwise);
    ret = h5_close(&access, ret, e);
    if (ret == 0) return 0;
    err_prefix(e, "%s", f->path);
    return h5_file_fails(f, e);
}

int h5_file_fails(const h5_file *f, err *e) {
    if (f->disk.failed == 0) return -1;
    errno = f->disk.failed;
    return err_unreadable(e, f->path);
}

int h5_file_open(const char *path, const char *cannot, h5_file *f, err *e) {
    struct stat s;
    char        bytes[SUPERBLOCK];
    *f = (h5_file){.path = path, .id = H5I_INVALID_HID, .disk = {.fd = -1}};
    if (stat(path, &s) != 0) return err_unreadable(e, path);
    if (S_ISFIFO(s.st_mode)) /* opening it would block */
        return err_input(e, "%s: is a pipe (results are read at any place: write them to a file first)", path);
    if (!S_ISREG(s.st_mode)) return err_input(e, "%s: is not a file", path);
    if ((f->disk.fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(f->disk.fd, &s) != 0)
        return err_unreadable(e, path);
    f->size = (size_t)s.st_size;
    size_t n = 0;
    for (ssize_t got = 1; got != 0 && n<sizeof bytes; n += got> 0 ? (size_t)got : 0)
        if ((got = pread(f->disk.fd, bytes + n, sizeof bytes - n, (off_t)n)) < 0 && errno != EINTR)
            return err_unreadable(e, path);
    if (n == 0) return err_input(e, "%s: %s: the file is empty", path, cannot);
    if (check_superblock(f, bytes, n, e) != 0 || h5_quiet(e) != 0) return -1;
    return open_on(f, is_hdf5(bytes, n) ? "cannot be read as HDF5" : cannot, e);
}

int h5_file_close(h5_file *f, int ret, err *e) {
    err why = {0};
    h5_note_memory(); /* closing gives memory back, and errno may change */
    if (ret != 0) h5_file_fails(f, e);
    bool closed = h5_close(&f->id, 0, &why) == 0;
    if (f->disk.fd >= 0) close(f->disk.fd);
    f->disk.fd = -1;
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
