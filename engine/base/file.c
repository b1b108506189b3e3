#include "engine/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"

enum { MAX_LINKS = 40 }; /* in a chain, as Linux has it */

ssize_t file_read_some(int fd, void *to, size_t n) {
    ssize_t got;
    do got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Reads all that is left, with room for a NUL after it. */
static int read_rest(int fd, const char *path, size_t most, char **bytes, size_t *n, err *e) {
    enum { CHUNK = 1 << 16 };
    size_t      cap = 0;
    struct stat s;
    bool        known = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0;
    /* One byte more than a file has: the read that says so ends it. */
    if (known && (size_t)s.st_size <= most && mem_reserve(bytes, &cap, (size_t)s.st_size + 2, e) != 0)
        return err_prefix(e, "%s", path);
    for (ssize_t got = 1; got > 0; *n += (size_t)got) {
        if ((known && (size_t)s.st_size > most) || *n > most)
            return err_input(e, "%s: is too large (at most %zu bytes)", path, most);
        if (cap - *n < 2 && mem_reserve(bytes, &cap, *n + CHUNK, e) != 0) return err_prefix(e, "%s", path);
        if ((got = file_read_some(fd, *bytes + *n, cap - 1 - *n)) < 0) return err_unreadable(e, path);
    }
    (*bytes)[*n] = '\0';
    return 0;
}

char *file_read(const char *path, size_t most, size_t *n, err *e) {
    char *bytes = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_unreadable(e, path);
        return NULL;
    }
    int ret = read_rest(fd, path, most, &bytes, n, e);
    close(fd);
    if (ret == 0) return bytes;
    free(bytes);
    return NULL;
}

static int refuse_special(const char *path, mode_t mode, const char *wanted, err *e) {
    const char *kind = S_ISDIR(mode)    ? "a folder"
                       : S_ISFIFO(mode) ? "a pipe"
                       : S_ISSOCK(mode) ? "a socket"
                                        : "a device";
    return err_input(e, "%s: is %s (%s)", path, kind, wanted);
}

int file_check_regular(const char *path, const char *wanted, err *e) {
    struct stat s;
    if (stat(path, &s) != 0 || S_ISREG(s.st_mode)) return 0;
    int fd = S_ISFIFO(s.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0) close(fd);
    return refuse_special(path, s.st_mode, wanted, e);
}

int file_open(const char *path, const char *wanted, size_t *size, err *e) {
    struct stat s;
    if (file_check_regular(path, wanted, e) != 0) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_unreadable(e, path);
    int ret = fstat(fd, &s) != 0    ? err_unreadable(e, path)
              : !S_ISREG(s.st_mode) ? refuse_special(path, s.st_mode, wanted, e)
                                    : 0;
    if (ret == 0) {
        *size = (size_t)s.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

void *file_map(const char *path, const char *wanted, size_t *size, err *e) {
    int fd = file_open(path, wanted, size, e);
    if (fd < 0) return NULL;
    void *map = NULL;
    if (*size == 0)
        err_input(e, "%s: the file is empty (%s)", path, wanted);
    else if ((map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        err_errno(e, path, "cannot map");
    close(fd);
    return map != MAP_FAILED ? map : NULL;
}

file_stamp file_stamp_of(const char *path) {
    struct stat s;
    if (stat(path, &s) != 0) return (file_stamp){0};
    return (file_stamp){s.st_dev, s.st_ino, (uint64_t)s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
}

bool file_overwritten(const char *path, const file_stamp *before) {
    file_stamp now = file_stamp_of(path);
    if (now.device != before->device || now.inode != before->inode) return false;
    return now.size != before->size || now.seconds != before->seconds || now.nanoseconds != before->nanoseconds;
}

int file_begin(const char *path, void *bytes, size_t size, size_t *n, err *e) {
    size_t  all;
    ssize_t got = 1;
    int     fd = file_open(path, "a regular file", &all, e);
    *n = 0;
    if (fd < 0) return -1;
    while (got > 0 && *n < size) {
        got = file_read_some(fd, (char *)bytes + *n, size - *n);
        if (got > 0) *n += (size_t)got;
    }
    int ret = got < 0 ? err_unreadable(e, path) : 0;
    close(fd);
    return ret;
}

int file_check_output(const char *output, const char *input, err *e) {
    struct stat to, from;
    if (stat(output, &to) != 0) return errno == ENOENT ? 0 : err_errno(e, output, "cannot write");
    if (stat(input, &from) != 0) return err_unreadable(e, input);
    if (to.st_dev != from.st_dev || to.st_ino != from.st_ino) return 0;
    return err_input(e, "%s: cannot be the output: it is the same file as the input %s", output, input);
}

char *file_folder(const char *path, err *e) {
    const char *slash = strrchr(path, '/');
    return mem_strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0, e);
}

int file_link(const char *path, char **target, err *e) {
    char        text[PATH_MAX];
    struct stat s;
    *target = NULL;
    if (lstat(path, &s) != 0 || !S_ISLNK(s.st_mode)) return 0;
    ssize_t n = readlink(path, text, sizeof text);
    if (n == (ssize_t)sizeof text) errno = ENAMETOOLONG;
    if (n < 0 || n == (ssize_t)sizeof text) return err_errno(e, path, "cannot follow the link");
    char *folder = text[0] != '/' ? file_folder(path, e) : mem_strdup("", e);
    if (folder != NULL) *target = mem_printf(e, "%s%.*s", folder, (int)n, text);
    free(folder);
    return *target != NULL ? 0 : -1;
}

char *file_follow(const char *path, err *e) {
    char *at = mem_strdup(path, e), *target;
    for (int links = 0; at != NULL; links++) {
        if (file_link(at, &target, e) == 0 && target == NULL) return at;
        free(at);
        at = target;
        if (at != NULL && links == MAX_LINKS) {
            errno = ELOOP;
            err_errno(e, path, "cannot write");
            free(at);
            return NULL;
        }
    }
    return NULL;
}

/* Of a path that is no link to what is not there. */
static char *resolve(const char *path, err *e) {
    char  *place = NULL;
    size_t n = strlen(path);
    for (;;) { /* the longest beginning that is there */
        char *head = mem_strndup(n > 0 ? path : ".", n > 0 ? n : 1, e);
        if (head == NULL) return NULL;
        place = realpath(head, NULL);
        free(head);
        if (place != NULL || n == 0) break;
        while (n > 0 && path[n - 1] != '/') n--;
        while (n > 1 && path[n - 1] == '/') n--;
    }
    if (place == NULL) {
        err_errno(e, path, "cannot find the working folder");
        return NULL;
    }
    for (const char *at = path + n; place != NULL && *at != '\0';) {
        size_t length = strcspn(at, "/");
        if (length == 2 && strncmp(at, "..", length) == 0) { /* out of what is not there, and so is no link */
            char *slash = strrchr(place, '/');
            slash[slash == place ? 1 : 0] = '\0';
        } else if (length > 0 && strncmp(at, ".", length) != 0) {
            char *longer = mem_printf(e, "%s/%.*s", strcmp(place, "/") != 0 ? place : "", (int)length, at);
            free(place);
            place = longer;
        }
        at += length + (at[length] == '/');
    }
    return place;
}

char *file_place(const char *path, err *e) {
    char *end = file_follow(path, e), *place = end != NULL ? resolve(end, e) : NULL;
    free(end);
    return place;
}

int file_same_place(const char *a, const char *b, err *e) {
    char *x = file_place(a, e), *y = x != NULL ? file_place(b, e) : NULL;
    int   same = y != NULL ? strcmp(x, y) == 0 : -1;
    free(x);
    free(y);
    return same;
}

int file_lies_in(const char *path, const char *folder, err *e) {
    char *place = file_place(path, e), *its = place != NULL ? file_folder(place, e) : NULL;
    int   lies = its != NULL ? file_same_place(its, folder, e) : -1;
    free(place);
    free(its);
    return lies;
}

int file_make_folder(const char *path, err *e) {
    char *copy = mem_strdup(path, e);
    if (copy == NULL) return -1;
    int ret = 0;
    for (char *at = copy + 1; ret == 0; at++) {
        if (*at != '/' && *at != '\0') continue;
        char end = *at;
        *at = '\0';
        struct stat s;
        bool        made = mkdir(copy, 0777) == 0 || (errno == EEXIST && stat(copy, &s) == 0 && S_ISDIR(s.st_mode));
        if (!made && errno == EEXIST) errno = ENOTDIR; /* something else has the name */
        if (!made) ret = err_errno(e, copy, "cannot make the output folder");
        *at = end;
        if (end == '\0') break;
    }
    free(copy);
    return ret;
}

int file_check_writable(const char *folder, err *e) {
    char *path =
        mem_printf(e, "%s/.writable.XXXXXX", folder); /* not by pid: containers that share a folder share pids */
    if (path == NULL) return -1;
    int ret = 0, fd = mkstemp(path);
    if (fd < 0) {
        ret = err_errno(e, folder, "cannot write into the output folder");
    } else {
        close(fd);
        unlink(path);
    }
    free(path);
    return ret;
}
