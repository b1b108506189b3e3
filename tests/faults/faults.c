/* clang-format off */
/* faults.c - a library to preload: the k-th call of a kind fails, counted from main on.
 *
 *   FAULT_CALL    which calls count: alloc, read, write, open, sync, name or stat;
 *                 short: read(2), write(2) and the like, which then transfer half of what was asked;
 *                 signal: the same, which are then interrupted (EINTR);
 *                 map: the file that is mapped loses its second half
 *   FAULT_AT      k, from 1; without it none fails
 *   FAULT_MANY    how many fail from there on (default 1)
 *   FAULT_EVERY   n: every n-th call fails, instead of those
 *   FAULT_ERRNO   what they fail with; allocations always with ENOMEM
 *   FAULT_PATH    only calls on files whose path holds this text
 *   FAULT_CALLER  only calls from a program or library whose file name begins so, also those that libc makes for it
 *   FAULT_REPORT  a file that gets a line "failed NAME" for each call that fails, where NAME is its caller's, and a
 *                 line "calls N" when a process ends
 *
 * What runs before main and after it (the loader, constructors, libraries that end) is not counted. Standard error
 * never fails: the message must come through. stdio's own reads and writes do not pass through here, so fread and
 * fflush of standard output count in their place. For glibc. */
/* clang-format on */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool          counting;
static const char   *kind = "", *only, *from, *report;
static long          at, many = 1, every, calls;
static int           code = EIO;
static __thread bool within; /* what this library does itself */

__attribute__((format(printf, 1, 2))) static void write_report(const char *form, ...) {
    char    text[300];
    va_list args;
    if (report == NULL) return;
    va_start(args, form);
    int n = vsnprintf(text, sizeof text, form, args);
    va_end(args);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT | O_APPEND, 0666);
    syscall(SYS_write, fd, text, n);
    syscall(SYS_close, fd);
}

/* The name of the file that this code is in; NULL for this library, libc and what is unknown. */
static const char *file_of(const void *code_at) {
    Dl_info own, of;
    dladdr((void *)file_of, &own);
    if (dladdr(code_at, &of) == 0 || of.dli_fbase == own.dli_fbase) return NULL;
    const char *slash = strrchr(of.dli_fname, '/'), *name = slash != NULL ? slash + 1 : of.dli_fname;
    return strncmp(name, "libc.so", 7) != 0 ? name : NULL;
}

/* The file name of the innermost caller that is neither this library nor libc: mostly of the code that our function
 * returns to. To go further out takes a hundred times as long. */
static const char *caller(const void *returns_to) {
    enum { DEEPEST = 32 };
    void       *frames[DEEPEST];
    const char *name = file_of(returns_to);
    int         n = name == NULL ? backtrace(frames, DEEPEST) : 0;
    for (int i = 0; i < n && name == NULL; i++) name = file_of(frames[i]);
    return name != NULL ? name : "unknown";
}

/* In each of the functions below, so that what it returns to is their caller. */
#define INSIDE static inline __attribute__((always_inline))

INSIDE bool fails(const char *this_kind) {
    const void *returns_to = __builtin_return_address(0);
    if (!counting || within || strcmp(kind, this_kind) != 0) return false;
    within = true;
    bool counts = from == NULL || strncmp(caller(returns_to), from, strlen(from)) == 0;
    within = false;
    if (!counts) return false;
    long k = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    bool hit = every > 0 ? k % every == 0 : at > 0 && k >= at && k - at < many;
    if (!hit) return false;
    within = true;
    write_report("failed %s\n", caller(returns_to));
    within = false;
    errno = strcmp(kind, "alloc") == 0 ? ENOMEM : code;
    return true;
}

INSIDE bool fails_path(const char *this_kind, const char *path) {
    return (only == NULL || strstr(path, only) != NULL) && fails(this_kind);
}

INSIDE bool fails_fd(const char *this_kind, int fd) {
    char name[40], path[4096] = "";
    if (!counting || fd == STDERR_FILENO) return false;
    if (only != NULL) {
        int kept = errno;
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
        errno = kept;
    }
    return fails_path(this_kind, path);
}

/* The function that this one hides. */
#define REAL(name)                                                                                                     \
    static __typeof__(name) *real_##name;                                                                              \
    if (real_##name == NULL) real_##name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* ---- from main to its end ----------------------------------------------------------------------------------- */

typedef int           main_function(int, char **, char **);
static main_function *real_main;

static const char *setting(const char *name, const char *preset) {
    const char *value = getenv(name);
    return value != NULL ? value : preset;
}

static int counted_main(int argc, char **argv, char **env) {
    kind = setting("FAULT_CALL", "");
    only = setting("FAULT_PATH", NULL);
    from = setting("FAULT_CALLER", NULL);
    report = setting("FAULT_REPORT", NULL);
    at = atol(setting("FAULT_AT", "0"));
    many = atol(setting("FAULT_MANY", "1"));
    every = atol(setting("FAULT_EVERY", "0"));
    code = atoi(setting("FAULT_ERRNO", "5"));
    caller(NULL); /* loads what it needs */
    counting = true;
    int status = real_main(argc, argv, env);
    counting = false;
    return status;
}

int __libc_start_main(main_function *m, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader)(void), void *stack) {
    REAL(__libc_start_main);
    real_main = m;
    return real___libc_start_main(counted_main, argc, argv, init, fini, loader, stack);
}

__attribute__((destructor)) static void report_calls(void) {
    counting = false;
    write_report("calls %ld\n", calls);
}

/* ---- allocations -------------------------------------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t n) {
    return fails("alloc") ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return fails("alloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    return fails("alloc") ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n) {
    return fails("alloc") ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n) {
    int kept = errno;
    *p = fails("alloc") ? NULL : __libc_memalign(align, n);
    errno = kept;
    return *p != NULL ? 0 : ENOMEM;
}

/* Takes away the second half of a file. */
static void cut(int fd, size_t n) {
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (truncate(name, (off_t)n / 2) != 0) abort();
}

void *mmap(void *where, size_t n, int protection, int flags, int fd, off_t offset) {
    REAL(mmap);
    bool fault = flags & MAP_ANONYMOUS ? fails("alloc") : fails_fd("open", fd);
    if (fault) return MAP_FAILED;
    void *at = real_mmap(where, n, protection, flags, fd, offset);
    if (at != MAP_FAILED && !(flags & MAP_ANONYMOUS) && fails_fd("map", fd)) cut(fd, n);
    return at;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* How many bytes a call is to transfer: half of them if it is a short one. */
INSIDE size_t shorter(int fd, size_t n) {
    int  kept = errno;
    bool fault = n > 1 && fails_fd("short", fd);
    errno = kept;
    return fault ? n / 2 : n;
}

INSIDE bool interrupted(int fd) {
    if (!fails_fd("signal", fd)) return false;
    errno = EINTR;
    return true;
}

ssize_t read(int fd, void *to, size_t n) {
    REAL(read);
    return fails_fd("read", fd) || interrupted(fd) ? -1 : real_read(fd, to, shorter(fd, n));
}

ssize_t pread(int fd, void *to, size_t n, off_t from) {
    REAL(pread);
    return fails_fd("read", fd) || interrupted(fd) ? -1 : real_pread(fd, to, shorter(fd, n), from);
}

size_t fread(void *to, size_t size, size_t n, FILE *f) {
    REAL(fread);
    if (!fails_fd("read", fileno(f))) return real_fread(to, size, n, f);
    f->_flags |= 0x20; /* glibc's own error flag, for ferror */
    return 0;
}

struct dirent *readdir(DIR *d) {
    REAL(readdir);
    return fails_fd("read", dirfd(d)) ? NULL : real_readdir(d);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

ssize_t write(int fd, const void *from, size_t n) {
    REAL(write);
    return fails_fd("write", fd) || interrupted(fd) ? -1 : real_write(fd, from, shorter(fd, n));
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t to) {
    REAL(pwrite);
    return fails_fd("write", fd) || interrupted(fd) ? -1 : real_pwrite(fd, from, shorter(fd, n), to);
}

int fflush(FILE *f) {
    REAL(fflush);
    if (f != stdout || !fails_fd("write", STDOUT_FILENO)) return real_fflush(f);
    f->_flags |= 0x20;
    return EOF;
}

int fsync(int fd) {
    REAL(fsync);
    return fails_fd("sync", fd) ? -1 : real_fsync(fd);
}

/* Closed it is all the same, as on Linux. */
int close(int fd) {
    REAL(close);
    if (!fails_fd("sync", fd)) return real_close(fd);
    int kept = errno;
    real_close(fd);
    errno = kept;
    return -1;
}

/* ---- names -------------------------------------------------------------------------------------------------- */

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails_path("open", path) ? -1 : real_open(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
    REAL(fopen);
    return fails_path("open", path) ? NULL : real_fopen(path, mode);
}

DIR *opendir(const char *path) {
    REAL(opendir);
    return fails_path("open", path) ? NULL : real_opendir(path);
}

int mkstemp(char *path) {
    REAL(mkstemp);
    return fails_path("open", path) ? -1 : real_mkstemp(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    return fails_path("name", to) ? -1 : real_rename(from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    REAL(renameat2);
    return fails_path("name", to) ? -1 : real_renameat2(from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to) {
    REAL(link);
    return fails_path("name", to) ? -1 : real_link(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return fails_path("name", path) ? -1 : real_mkdir(path, mode);
}

int stat(const char *restrict path, struct stat *restrict s) {
    REAL(stat);
    return fails_path("stat", path) ? -1 : real_stat(path, s);
}

int lstat(const char *restrict path, struct stat *restrict s) {
    REAL(lstat);
    return fails_path("stat", path) ? -1 : real_lstat(path, s);
}

int fstat(int fd, struct stat *s) {
    REAL(fstat);
    return fails_fd("stat", fd) ? -1 : real_fstat(fd, s);
}

/* HDF5 is built for large files and calls these names. */
#define SAME(name, of) extern __typeof__(of) name __attribute__((alias(#of)))
SAME(pread64, pread);
SAME(pwrite64, pwrite);
SAME(open64, open);
SAME(fopen64, fopen);
SAME(mkstemp64, mkstemp);
SAME(mmap64, mmap);
