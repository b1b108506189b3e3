/* atomic.c - write, sync, rename, sync the folder.
 *
 * Temporary names are ".PID-TIME.part": hidden, not ending in .h5, and unique also among hosts that share
 * a folder, because a name that exists is never taken over. A killed process leaves at most one behind.
 */
#include "experiments/store/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"

static int fails(const char *path, err *e) {
    return err_errno(e, path, "cannot write");
}

/* The folder of a path, slash included; "" for the working directory. */
static char *folder_of(const char *path, err *e) {
    const char *slash = strrchr(path, '/');
    return mem_strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0, e);
}

/* Opens a new file beside `path`; its name is the caller's to free. */
static int open_part(const char *path, const char *folder, char **part, err *e) {
    for (int attempt = 0; attempt < 100; attempt++) {
        char *name = mem_printf(e, "%s.%ld-%llx.part", folder, (long)getpid(), (unsigned long long)clock_ns());
        if (name == NULL) return -1;
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *part = name;
            return fd;
        }
        free(name);
        if (errno != EEXIST) break;
    }
    fails(path, e);
    return -1;
}

static int write_all(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

static bool is_file(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* Gives the file its name unless something has it. The temporary name may be left over. */
static int place_new(const char *part, const char *path) {
    if (link(part, path) == 0) return 0;
#ifdef RENAME_NOREPLACE
    /* FAT and some network file systems have no hard links. */
    if (errno != EEXIST && renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return 0;
#endif
    return errno == EEXIST && is_file(path) ? 0 : -1;
}

static int sync_folder(const char *folder) {
    int fd = open(*folder != '\0' ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    /* Some file systems cannot sync a folder and say EINVAL: there is nothing more to be done there. */
    int ret = fsync(fd) != 0 && errno != EINVAL ? -1 : 0;
    int why = errno;
    close(fd);
    errno = why;
    return ret;
}

int atomic_write(const char *path, const void *bytes, size_t n, bool exclusive, err *e) {
    int   ret = -1, fd = -1;
    char *folder = NULL, *part = NULL;

    if (exclusive && is_file(path)) return 0;
    if ((folder = folder_of(path, e)) == NULL) goto out;
    if ((fd = open_part(path, folder, &part, e)) < 0) goto out;
    if (write_all(fd, bytes, n) != 0 || fsync(fd) != 0) {
        fails(path, e);
        goto out;
    }
    int closed = close(fd);
    fd = -1;
    if (closed != 0 || (exclusive ? place_new(part, path) : rename(part, path)) != 0) {
        fails(path, e);
        goto out;
    }
    if (sync_folder(folder) != 0) {
        fails(path, e);
        goto out;
    }
    ret = 0;
out:
    if (fd >= 0) close(fd);
    if (part != NULL) unlink(part); /* gone already when it was renamed */
    free(part);
    free(folder);
    return ret;
}
