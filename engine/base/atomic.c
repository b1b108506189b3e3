/* atomic.c - write, sync, rename, sync the folder.
 *
 * Temporary names are ".PID-TIME.part": hidden, not ending in .h5, and unique also among hosts that share
 * a folder, because a name that exists is never taken over. SIGINT, SIGTERM and SIGHUP remove the one that is being
 * written where they would end the program; kill -9 leaves it.
 */
#include "engine/base/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static int fails(const char *path, err *e) {
    return err_errno(e, path, "cannot write");
}

static bool is_file(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* The path, or where it leads. */
static char *place_of(const char *path, err *e) {
    struct stat s;
    if (stat(path, &s) != 0) return file_follow(path, e);
    if (!S_ISREG(s.st_mode)) return mem_strdup(path, e); /* refused as what it is */
    if (lstat(path, &s) != 0 || !S_ISLNK(s.st_mode)) return mem_strdup(path, e);
    char *place = realpath(path, NULL); /* of /dev/stdout too, which leads to what is open, with a name or without */
    if (place == NULL) fails(path, e);
    return place;
}

/* Renaming would replace a device or a pipe by a file, or leave readers of a standard stream with the old file. */
static int check_place(const char *path, const char *place, err *e) {
    struct stat to, stream;
    if (stat(place, &to) != 0) return errno == ENOENT ? 0 : fails(path, e);
    if (!S_ISREG(to.st_mode)) return err_input(e, "%s: cannot write: what is there is not a regular file", path);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &stream) == 0 && stream.st_dev == to.st_dev && stream.st_ino == to.st_ino)
            return err_input(e, "%s: cannot write: it is open as standard input, output or error", path);
    return 0;
}

/* ---- a signal that ends the program ---------------------------------------------------------------------- */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING = sizeof ending / sizeof *ending };

static char             doomed[PATH_MAX]; /* the file to remove; "" is none */
static struct sigaction before[ENDING];

void atomic_abandon(void) {
    if (*doomed != '\0') unlink(doomed);
}

static void on_end(int sig) {
    atomic_abandon();
    raise(sig); /* SA_RESETHAND has brought the default back: this returns into it */
}

void atomic_end_at(int sig) {
    struct sigaction act = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
    sigaction(sig, &act, NULL);
}

/* Handlers of the program's own stay: it goes on after them, and closes its files. */
static void guard(const char *part) {
    if (*doomed != '\0' || strlen(part) >= sizeof doomed) return;
    memcpy(doomed, part, strlen(part) + 1);
    for (int i = 0; i < ENDING; i++) {
        sigaction(ending[i], NULL, &before[i]);
        if (before[i].sa_handler == SIG_DFL) atomic_end_at(ending[i]);
    }
}

static void unguard(const char *part) {
    if (strcmp(doomed, part) != 0) return;
    for (int i = 0; i < ENDING; i++) {
        struct sigaction now;
        sigaction(ending[i], NULL, &now);
        if (now.sa_handler == on_end && before[i].sa_handler == SIG_DFL) sigaction(ending[i], &before[i], NULL);
    }
    *doomed = '\0';
}

/* ---- files ------------------------------------------------------------------------------------------------- */

/* What is there can be replaced: in a sticky folder it must be ours, or the folder. */
static int check_replaced(const char *path, const char *place, const char *folder, err *e) {
    struct stat to, above;
    if (lstat(place, &to) != 0) return errno == ENOENT ? 0 : fails(path, e); /* a name that is too long, for example */
    if (stat(folder, &above) != 0 || !(above.st_mode & S_ISVTX)) return 0;
    if (geteuid() == 0 || to.st_uid == geteuid() || above.st_uid == geteuid()) return 0;
    errno = EPERM;
    return fails(path, e);
}

int atomic_check(const char *path, err *e) {
    char       *place = place_of(path, e), *folder = place != NULL ? file_folder(place, e) : NULL;
    const char *in = folder != NULL && *folder != '\0' ? folder : ".";
    int         ret = -1;
    if (folder != NULL && check_place(path, place, e) == 0 && file_check_writable(in, e) == 0)
        ret = check_replaced(path, place, in, e);
    free(folder);
    free(place);
    return ret;
}

/* Makes the file, which must be new, and guards it. Signals wait: one between the two would leave the file behind. */
static int open_guarded(const char *part) {
    sigset_t all, usual;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &usual);
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666), why = errno;
    if (fd >= 0) guard(part);
    pthread_sigmask(SIG_SETMASK, &usual, NULL);
    errno = why;
    return fd;
}

int atomic_open(atomic_file *f, const char *path, err *e) {
    *f = (atomic_file){.path = path, .fd = -1};
    if ((f->place = place_of(path, e)) == NULL || check_place(path, f->place, e) != 0) return -1;
    if ((f->folder = file_folder(f->place, e)) == NULL) return -1;
    for (int attempt = 0; attempt < 100; attempt++) {
        f->part = mem_printf(e, "%s.%ld-%llx.part", f->folder, (long)getpid(), (unsigned long long)clock_ns());
        if (f->part == NULL) return -1;
        if ((f->fd = open_guarded(f->part)) >= 0) return 0;
        free(f->part); /* somebody else's */
        f->part = NULL;
        if (errno != EEXIST) break;
    }
    fails(path, e);
    return -1;
}

int atomic_put(atomic_file *f, const void *bytes, size_t n, err *e) {
    for (const char *at = bytes; n > 0;) {
        ssize_t put = write(f->fd, at, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fails(f->path, e);
        at += put;
        n -= (size_t)put;
    }
    return 0;
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

int atomic_commit(atomic_file *f, bool exclusive, err *e) {
    if (fsync(f->fd) != 0) return fails(f->path, e);
    int closed = close(f->fd);
    f->fd = -1;
    if (closed != 0 || (exclusive ? place_new(f->part, f->place) : rename(f->part, f->place)) != 0)
        return fails(f->path, e);
    return sync_folder(f->folder) == 0 ? 0 : fails(f->path, e);
}

void atomic_close(atomic_file *f) {
    if (f->fd >= 0) close(f->fd);
    if (f->part != NULL) {
        unlink(f->part); /* gone already when it was renamed */
        unguard(f->part);
    }
    free(f->part);
    free(f->folder);
    free(f->place);
    *f = (atomic_file){.fd = -1};
}

int atomic_write(const char *path, const void *bytes, size_t n, bool exclusive, err *e) {
    atomic_file f;
    if (exclusive && is_file(path)) return 0;
    int ret = atomic_open(&f, path, e);
    if (ret == 0) ret = atomic_put(&f, bytes, n, e);
    if (ret == 0) ret = atomic_commit(&f, exclusive, e);
    atomic_close(&f);
    return ret;
}
