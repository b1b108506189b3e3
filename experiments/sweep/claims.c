/* claims.c - the files of claims, and the thread that touches the one that is held. */
#include "experiments/sweep/claims.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"

enum { TEXT = 1024, TRIES = 100 };

/* A process as a claim names it. */
typedef struct {
    char     host[128], boot[64], job[64];
    uint64_t space; /* the namespace that its number belongs to: containers on one machine count for themselves */
    uint64_t pid, started;
    uint64_t lease;
    bool     released; /* it gave the claim back */
} owner;

struct claims {
    char           *folder;
    owner           self;
    char            text[TEXT]; /* self, as it is written */
    int             clock;      /* a file in the folder, to ask the server for the time */
    char           *held;       /* path without its generation; NULL: none is held */
    pthread_t       thread;
    bool            has_thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t  wake;
    bool            ending;
    int             fd; /* of the claim; -1: none */
};

/* ---- processes -------------------------------------------------------------------------------------------- */

/* State and start of a process, in clock ticks since the boot; false when there is none with this number. The name,
 * which may hold anything, ends with the last parenthesis. */
static bool process_stat(uint64_t pid, char *state, uint64_t *started) {
    char path[64], text[TEXT];
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    FILE  *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL) fclose(f);
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    return at != NULL &&
           sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64, state,
                  started) == 2;
}

static void read_line(const char *path, char *out, size_t size) {
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(out, (int)size, f) == NULL) *out = '\0';
    if (f != NULL) fclose(f);
    out[strcspn(out, "\n")] = '\0';
}

static void owner_self(owner *o, unsigned lease) {
    struct utsname host;
    struct stat    space;
    char           state;
    const char    *job = getenv("SLURM_ARRAY_JOB_ID"), *task = getenv("SLURM_ARRAY_TASK_ID");
    const char    *single = getenv("SLURM_JOB_ID");
    *o = (owner){.pid = (uint64_t)getpid(), .lease = lease};
    if (uname(&host) == 0) snprintf(o->host, sizeof o->host, "%s", host.nodename);
    read_line("/proc/sys/kernel/random/boot_id", o->boot, sizeof o->boot);
    if (stat("/proc/self/ns/pid", &space) == 0) o->space = (uint64_t)space.st_ino;
    if (!process_stat(o->pid, &state, &o->started)) o->started = 0;
    if (job != NULL && task != NULL)
        snprintf(o->job, sizeof o->job, "%s_%s", job, task);
    else if (single != NULL)
        snprintf(o->job, sizeof o->job, "%s", single);
}

static void owner_write(const owner *o, char text[static TEXT]) {
    snprintf(text, TEXT,
             "host = %s\nboot = %s\nspace = %" PRIu64 "\npid = %" PRIu64 "\nstarted = %" PRIu64 "\nlease = %" PRIu64
             "\njob = %s\n",
             o->host, o->boot, o->space, o->pid, o->started, o->lease, o->job);
}

static void take_text(const char *value, size_t n, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), value);
}

static void take_count(const char *value, size_t n, uint64_t most, uint64_t *out) {
    char     text[24];
    uint64_t x;
    take_text(value, n, text, sizeof text);
    if (n < sizeof text && count_parse(text, 0, most, &x)) *out = x;
}

/* L4. What is not there, or no number, stays unknown. */
static void owner_read(const char *text, owner *o) {
    *o = (owner){.lease = CLAIMS_LEASE};
    while (*text != '\0') {
        size_t      line = strcspn(text, "\n"), key = strcspn(text, "=\n");
        const char *value = text + key + 2;
        if (line >= key + 2) {
            size_t n = line - key - 2;
            if (strncmp(text, "host ", 5) == 0) take_text(value, n, o->host, sizeof o->host);
            if (strncmp(text, "boot ", 5) == 0) take_text(value, n, o->boot, sizeof o->boot);
            if (strncmp(text, "job ", 4) == 0) take_text(value, n, o->job, sizeof o->job);
            if (strncmp(text, "space ", 6) == 0) take_count(value, n, UINT64_MAX, &o->space);
            if (strncmp(text, "pid ", 4) == 0) take_count(value, n, INT32_MAX, &o->pid);
            if (strncmp(text, "started ", 8) == 0) take_count(value, n, UINT64_MAX, &o->started);
            if (strncmp(text, "lease ", 6) == 0) take_count(value, n, CLAIMS_LONGEST, &o->lease);
            if (strncmp(text, "released ", 9) == 0) o->released = true;
        }
        text += line + (text[line] == '\n');
    }
    if (o->lease == 0) o->lease = CLAIMS_LEASE;
}

typedef enum { GONE, ALIVE, UNKNOWN } life;

/* L2. Only about processes that this one can see. */
static life owner_life(const owner *self, const owner *o) {
    char     state;
    uint64_t started;
    if (o->pid == 0 || o->started == 0 || *o->boot == '\0' || strcmp(o->host, self->host) != 0 ||
        strcmp(o->boot, self->boot) != 0 || o->space != self->space || self->started == 0)
        return UNKNOWN;
    if (!process_stat(o->pid, &state, &started) || started != o->started) return GONE;
    return state == 'Z' || state == 'X' ? GONE : ALIVE;
}

/* ---- one claim -------------------------------------------------------------------------------------------- */

static int64_t time_of(const struct stat *s) {
    return (int64_t)s->st_mtim.tv_sec * 1000000000 + s->st_mtim.tv_nsec;
}

/* L3. The file server's time; false when it cannot be asked. */
static bool server_now(const claims *c, int64_t *ns) {
    struct stat s;
    if (futimens(c->clock, NULL) != 0 || fstat(c->clock, &s) != 0) return false;
    *ns = time_of(&s);
    return true;
}

/* Reads the claim at a path: its process, and when it was touched. False when there is none. Opening it asks the
 * server, where stat() may answer from memory. */
static bool look(const char *path, owner *o, int64_t *touched) {
    char        text[TEXT] = "";
    struct stat s;
    ssize_t     n = 0;
    int         fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return false;
    if (fd >= 0) n = file_read_some(fd, text, sizeof text - 1);
    bool there = (fd >= 0 ? fstat(fd, &s) : lstat(path, &s)) == 0;
    if (fd >= 0) close(fd);
    if (!there) return false;
    text[n > 0 ? n : 0] = '\0';
    owner_read(text, o);
    *touched = time_of(&s);
    return true;
}

typedef enum { ENDED, LIVES, UNCLEAR } verdict;

/* What is known of a claim of another process. */
static verdict judge(const claims *c, const owner *o, int64_t touched, unsigned generation, claim_watch *w) {
    int64_t  now;
    uint64_t here = clock_ns(), lease = o->lease * 1000000000u;
    bool     moved = w->seen_ns != 0 && w->generation == generation && w->touched != touched;
    if (w->seen_ns == 0 || w->generation != generation || w->touched != touched)
        *w = (claim_watch){touched, here, generation};
    if (o->released) return ENDED;
    life is = owner_life(&c->self, o);
    if (is == GONE || here - w->seen_ns > lease) return ENDED;
    if (server_now(c, &now) && now - touched > (int64_t)lease) return ENDED;
    return is == ALIVE || moved ? LIVES : UNCLEAR;
}

static char *claim_path(const char *base, unsigned generation, err *e) {
    return mem_printf(e, "%s.%u", base, generation);
}

/* Makes the file, and the folder where another process removed it because it found everything finished. */
static int make_file(const claims *c, const char *path, err *e) {
    for (int again = 0; again < 2; again++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != ENOENT || again == 1) return fd;
        if (file_make_folder(c->folder, e) != 0) return -1;
    }
    return -1;
}

/* A name of this process's own in the folder. */
static char *own_path(const claims *c, const char *what, err *e) {
    return mem_printf(e, "%s/.%" PRIx64 "-%llx.%s", c->folder, c->self.pid, (unsigned long long)clock_ns(), what);
}

/* Where it cannot be written, the claim has no known process, and a lease all the same. */
static void write_text(int fd, const char *text) {
    ssize_t put = write(fd, text, strlen(text));
    (void)put;
}

/* Makes a claim, which gets its name when it is written: who is killed before that has none. -1 with errno EEXIST when
 * it is another's. */
static int make_claim(const claims *c, const char *path, err *e) {
    struct stat s;
    int         fd = -1, why = ENOENT;
    for (int again = 0; why == ENOENT && again < 2; again++) {
        char *own = own_path(c, "claim", e);
        fd = own != NULL ? make_file(c, own, e) : -1;
        why = fd >= 0 ? 0 : errno;
        if (fd >= 0) {
            write_text(fd, c->text);
            if (link(own, path) != 0) why = errno;
            if (why != 0 && fstat(fd, &s) == 0 && s.st_nlink > 1)
                why = 0; /* NFS: the answer was lost, and asked again */
            unlink(own);
        }
        free(own);
        if (fd >= 0 && why != 0) close(fd);
    }
    if (why == EPERM || why == EOPNOTSUPP || why == ENOSYS || why == EMLINK) { /* a file system without links */
        if ((fd = make_file(c, path, e)) < 0) return -1;
        write_text(fd, c->text);
        return fd;
    }
    errno = why;
    return why == 0 ? fd : -1;
}

static void hold(claims *c, char *base, int fd) {
    c->held = base;
    pthread_mutex_lock(&c->lock);
    c->fd = fd;
    pthread_mutex_unlock(&c->lock);
}

/* Opening it asks the server; what may not be read is there all the same. */
static bool is_there(const char *base, unsigned generation, err *e) {
    char *path = claim_path(base, generation, e);
    int   fd = path != NULL ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    bool  there = fd >= 0 || (path != NULL && errno == EACCES && access(path, F_OK) == 0);
    if (fd >= 0) close(fd);
    free(path);
    return there;
}

/* The newest generation, from one that is there: they have no gaps (L1). */
static unsigned newest(const char *base, unsigned there, err *e) {
    unsigned step = 1;
    while (is_there(base, there + step, e)) {
        there += step;
        step *= 2;
    }
    while (step > 1) {
        step /= 2;
        if (is_there(base, there + step, e)) there += step;
    }
    return there;
}

/* What another process's newest claim is; *generation becomes its number. CLAIM_MINE: it has ended. */
static claim_state ask(const claims *c, const char *base, unsigned *generation, claim_watch *w, err *e) {
    owner       o;
    int64_t     touched;
    claim_watch none = {0};
    *generation = newest(base, *generation, e);
    char *path = claim_path(base, *generation, e);
    bool  there = path != NULL && look(path, &o, &touched);
    free(path);
    if (path == NULL) return CLAIM_FAILED;
    if (!there || (w == NULL && !o.released)) return CLAIM_UNCLEAR;
    switch (judge(c, &o, touched, *generation, w != NULL ? w : &none)) {
    case LIVES:
        return CLAIM_OTHERS;
    case ENDED:
        return CLAIM_MINE;
    case UNCLEAR:
        break;
    }
    return CLAIM_UNCLEAR;
}

/* Makes the first generation, or the one after the newest once that has ended. */
static claim_state take(claims *c, char *base, claim_watch *w, err *e) {
    unsigned generation = 0;
    for (int i = 0; i < TRIES; i++) {
        if (is_there(base, generation, e)) {
            claim_state s = ask(c, base, &generation, w, e);
            if (s != CLAIM_MINE) return s;
            generation++;
        }
        char *path = claim_path(base, generation, e);
        if (path == NULL) return CLAIM_FAILED;
        int fd = make_claim(c, path, e), why = errno;
        if (fd < 0 && why != EEXIST) {
            errno = why;
            err_errno(e, path, "cannot write");
        }
        free(path);
        if (fd >= 0) {
            hold(c, base, fd);
            return CLAIM_MINE;
        }
        if (why != EEXIST) return CLAIM_FAILED;
    }
    return CLAIM_UNCLEAR;
}

claim_state claims_take(claims *c, const char *unit, claim_watch *seen, err *e) {
    char *base = mem_printf(e, "%s/%s", c->folder, unit);
    if (base == NULL) return CLAIM_FAILED;
    claims_release(c);
    claim_state s = take(c, base, seen, e);
    if (s != CLAIM_MINE) free(base);
    return s;
}

/* The file stays (L1). Where this cannot be written, the claim ends with its lease. */
void claims_release(claims *c) {
    static const char released[] = "\nreleased = yes\n"; /* a disk may have been full in the middle of a line */
    if (c->held == NULL) return;
    pthread_mutex_lock(&c->lock);
    write_text(c->fd, released);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->lock);
    free(c->held);
    c->held = NULL;
}

bool claims_held(claims *c, const char *unit, char *who, size_t size) {
    owner       o;
    int64_t     touched;
    claim_watch w = {0};
    char       *base = mem_printf(NULL, "%s/%s", c->folder, unit), *path = NULL;
    bool        there = base != NULL && is_there(base, 0, NULL);
    unsigned    generation = there ? newest(base, 0, NULL) : 0;
    if (there) path = claim_path(base, generation, NULL);
    there = path != NULL && look(path, &o, &touched) && judge(c, &o, touched, generation, &w) != ENDED;
    free(base);
    free(path);
    if (!there) return false;
    int n = o.pid == 0 ? snprintf(who, size, "a process that is not known")
                       : snprintf(who, size, "%s, process %" PRIu64, o.host, o.pid);
    if (*o.job != '\0' && n > 0 && (size_t)n < size) snprintf(who + n, size - (size_t)n, ", Slurm job %s", o.job);
    return true;
}

/* ---- the thread ------------------------------------------------------------------------------------------- */

/* A touch that fails is not reported: another process may then run the same trials, which costs time only. */
static void *touch_now_and_then(void *ctx) {
    claims         *c = ctx;
    struct timespec next;
    uint64_t        wait = c->self.lease * 1000000000u / 6;
    pthread_mutex_lock(&c->lock);
    while (!c->ending) {
        clock_gettime(CLOCK_MONOTONIC, &next);
        uint64_t at = (uint64_t)next.tv_sec * 1000000000u + (uint64_t)next.tv_nsec + wait;
        next = (struct timespec){.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
        while (!c->ending && pthread_cond_timedwait(&c->wake, &c->lock, &next) != ETIMEDOUT) continue;
        if (!c->ending && c->fd >= 0) futimens(c->fd, NULL);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Signals are for the thread that works. */
static int start_thread(claims *c, err *e) {
    pthread_condattr_t by;
    sigset_t           all, usual;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&by);
    pthread_condattr_setclock(&by, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &by);
    pthread_condattr_destroy(&by);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &usual);
    int failed = pthread_create(&c->thread, NULL, touch_now_and_then, c);
    pthread_sigmask(SIG_SETMASK, &usual, NULL);
    c->has_thread = failed == 0;
    if (!failed) return 0;
    errno = failed;
    return err_errno(e, c->folder, "cannot start the thread that touches claims");
}

/* A file without a name: what is killed leaves nothing. */
static int open_clock(claims *c, err *e) {
    char *path = own_path(c, "clock", e);
    if (path == NULL) return -1;
    c->clock = make_file(c, path, e);
    if (c->clock < 0)
        err_errno(e, c->folder, "cannot write");
    else
        unlink(path);
    free(path);
    return c->clock >= 0 ? 0 : -1;
}

claims *claims_open(const char *dir, unsigned lease, err *e) {
    claims *c = mem_new(1, sizeof *c, e);
    if (c == NULL) return NULL;
    c->clock = c->fd = -1;
    owner_self(&c->self, lease);
    owner_write(&c->self, c->text);
    c->folder = mem_printf(e, "%s/claims", dir);
    if (c->folder != NULL && file_make_folder(c->folder, e) == 0 && open_clock(c, e) == 0 && start_thread(c, e) == 0)
        return c;
    claims_close(c);
    return NULL;
}

void claims_close(claims *c) {
    if (c == NULL) return;
    if (c->has_thread) {
        claims_release(c);
        pthread_mutex_lock(&c->lock);
        c->ending = true;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->lock);
    }
    if (c->clock >= 0) close(c->clock);
    free(c->folder);
    free(c);
}

static void remove_folder(const char *path) {
    DIR *d = opendir(path);
    for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) unlinkat(dirfd(d), entry->d_name, 0);
    if (d != NULL) closedir(d);
    rmdir(path);
}

/* All numbers go at once, by a rename: a part of them would be gaps. What an earlier call that was killed has moved
 * away goes, too. */
void claims_clear(const char *dir) {
    static const char moved[] = "claims.gone-";
    char             *folder = mem_printf(NULL, "%s/claims", dir);
    char             *gone = mem_printf(NULL, "%s/%s%ld", dir, moved, (long)getpid());
    if (folder != NULL && gone != NULL) rename(folder, gone);
    DIR *d = opendir(dir);
    for (const struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, moved, strlen(moved)) != 0) continue;
        char *path = mem_printf(NULL, "%s/%s", dir, entry->d_name);
        if (path != NULL) remove_folder(path);
        free(path);
    }
    if (d != NULL) closedir(d);
    free(folder);
    free(gone);
}
