#include "engine/base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"

enum { MAX_LINKS = 40 }; /* in a chain, as Linux has it */

char *file_read(const char *path, size_t most, size_t *n, err *e) {
    enum { CHUNK = 1 << 16 };
    char  *bytes = NULL;
    size_t cap = 0, got;

    *n = 0;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        err_input(e, "%s: cannot open: %s", path, strerror(errno));
        return NULL;
    }
    do {
        if (mem_reserve(&bytes, &cap, *n + CHUNK, e) != 0) goto fail;
        errno = 0;
        got = fread(bytes + *n, 1, cap - 1 - *n, f);
        *n += got;
    } while (got > 0 && *n <= most);
    if (ferror(f)) {
        err_input(e, "%s: cannot read: %s", path, strerror(errno)); /* a folder, for example */
        goto fail;
    }
    if (*n > most) {
        err_input(e, "%s: is too large (at most %zu bytes)", path, most);
        goto fail;
    }
    fclose(f);
    bytes[*n] = '\0';
    return bytes;
fail:
    fclose(f);
    free(bytes);
    return NULL;
}

int file_check_output(const char *output, const char *input, err *e) {
    struct stat to, from;
    if (stat(output, &to) != 0 || stat(input, &from) != 0) return 0;
    if (to.st_dev != from.st_dev || to.st_ino != from.st_ino) return 0;
    return err_input(e, "%s: cannot be the output: it is the same file as the input %s", output, input);
}

char *file_folder(const char *path, err *e) {
    const char *slash = strrchr(path, '/');
    return mem_strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0, e);
}

char *file_follow(const char *path, err *e) {
    char        target[PATH_MAX];
    struct stat s;
    char       *at = mem_strdup(path, e);
    for (int links = 0; at != NULL && lstat(at, &s) == 0 && S_ISLNK(s.st_mode); links++) {
        ssize_t n = readlink(at, target, sizeof target);
        bool    too_long = n == (ssize_t)sizeof target;
        if (n < 0 || too_long || links == MAX_LINKS) {
            if (n >= 0) errno = too_long ? ENAMETOOLONG : ELOOP;
            err_errno(e, path, "cannot write");
            free(at);
            return NULL;
        }
        char *folder = target[0] != '/' ? file_folder(at, e) : mem_strdup("", e);
        free(at);
        at = folder != NULL ? mem_printf(e, "%s%.*s", folder, (int)n, target) : NULL;
        free(folder);
    }
    return at;
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
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) ret = err_errno(e, copy, "cannot make the output folder");
        *at = end;
        if (end == '\0') break;
    }
    free(copy);
    if (ret != 0 && e != NULL) e->kind = ERR_INPUT;
    return ret;
}

int file_check_writable(const char *folder, err *e) {
    char *path =
        mem_printf(e, "%s/.writable.XXXXXX", folder); /* not by pid: containers that share a folder share pids */
    if (path == NULL) return -1;
    int ret = 0, fd = mkstemp(path);
    if (fd < 0) {
        ret = err_errno(e, folder, "cannot write into the output folder");
        if (e != NULL) e->kind = ERR_INPUT;
    } else {
        close(fd);
        unlink(path);
    }
    free(path);
    return ret;
}
