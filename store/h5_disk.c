/* h5_disk.c - a file driver of HDF5 (H5FDpublic.h).
 *
 *  D1  The driver leaves errno as it was: h5.c takes an errno of HDF5's for one of malloc's.
 *  D2  HDF5 keeps a file that it cannot write out, and crashes over it later, so it never hears of a write that failed.
 */
#include "store/h5_disk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/h5.h"

/* What a property list holds. */
typedef struct {
    h5_disk *disk;
} disk_info;

static hid_t driver = H5I_INVALID_HID;

static h5_disk *of(const H5FD_t *file) {
    return (h5_disk *)file; /* its first member */
}

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t access, haddr_t most) {
    const disk_info *info = H5Pget_driver_info(access);
    struct stat      s;
    int              kept = errno;
    (void)name, (void)flags, (void)most;
    if (info == NULL) return NULL;
    h5_disk *disk = info->disk;
    if (fstat(disk->fd, &s) != 0) {
        disk->failed = errno;
        errno = kept;
        return NULL;
    }
    disk->opened = (H5FD_t){0};
    disk->eoa = 0;
    disk->eof = (haddr_t)s.st_size;
    return &disk->opened;
}

static herr_t disk_close(H5FD_t *file) {
    (void)file;
    return 0;
}

static herr_t disk_query(const H5FD_t *file, unsigned long *flags) {
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t disk_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return of(file)->eoa;
}

static herr_t disk_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t at) {
    (void)type;
    of(file)->eoa = at;
    return 0;
}

static haddr_t disk_get_eof(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return of(file)->eof;
}

/* What is past the end reads as zeros. */
static herr_t disk_read(H5FD_t *file, H5FD_mem_t type, hid_t how, haddr_t at, size_t size, void *to) {
    h5_disk *disk = of(file);
    char    *into = to;
    int      kept = errno;
    (void)type, (void)how;
    while (size > 0) {
        ssize_t got = pread(disk->fd, into, size, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            if (disk->failed == 0) disk->failed = errno;
            errno = kept;
            return -1;
        }
        if (got == 0) {
            memset(into, 0, size);
            break;
        }
        into += got;
        at += (haddr_t)got;
        size -= (size_t)got;
    }
    errno = kept;
    return 0;
}

static herr_t disk_write(H5FD_t *file, H5FD_mem_t type, hid_t how, haddr_t at, size_t size, const void *from) {
    h5_disk    *disk = of(file);
    const char *left = from;
    int         kept = errno;
    (void)type, (void)how;
    if (at + size > disk->eof) disk->eof = at + size;
    while (size > 0 && disk->failed == 0) {
        ssize_t put = pwrite(disk->fd, left, size, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            disk->failed = errno; /* D2 */
            break;
        }
        left += put;
        at += (haddr_t)put;
        size -= (size_t)put;
    }
    errno = kept;
    return 0;
}

/* HDF5 calls it when it writes out everything: the file then ends where its contents do. */
static herr_t disk_truncate(H5FD_t *file, hid_t how, hbool_t closing) {
    h5_disk *disk = of(file);
    int      kept = errno;
    (void)how, (void)closing;
    if (disk->eoa == disk->eof) return 0;
    if (disk->failed == 0 && ftruncate(disk->fd, (off_t)disk->eoa) != 0) disk->failed = errno;
    disk->eof = disk->eoa;
    errno = kept;
    return 0;
}

static const H5FD_class_t class = {
    .name = "descriptor",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(disk_info),
    .open = disk_open,
    .close = disk_close,
    .query = disk_query,
    .get_eoa = disk_get_eoa,
    .set_eoa = disk_set_eoa,
    .get_eof = disk_get_eof,
    .read = disk_read,
    .write = disk_write,
    .truncate = disk_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

int h5_disk_set(hid_t access, h5_disk *disk, err *e) {
    const disk_info info = {disk};
    if (driver < 0) driver = H5FDregister(&class);
    return driver >= 0 && H5Pset_driver(access, driver, &info) >= 0 ? 0 : h5_fails(e, "cannot open a file");
}
