/* Claims: one process at a time has a unit, and what has ended is given to one other. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/sweep/claims.h"

static char dir[] = "/tmp/claimsXXXXXX";

static void begin(void) {
    cr_assert_not_null(mkdtemp(dir));
}

static void end(void) {
    claims_clear(dir);
    cr_assert_eq(rmdir(dir), 0, "claims are left");
}

static claims *open_claims(unsigned lease) {
    err     e = {0};
    claims *c = claims_open(dir, lease, &e);
    cr_assert_not_null(c, "%s", e.text);
    return c;
}

static claim_state take(claims *c, const char *unit, claim_watch *w) {
    err         e = {0};
    claim_state s = claims_take(c, unit, w, &e);
    cr_assert_neq(s, CLAIM_FAILED, "%s", e.text);
    return s;
}

/* A claim with this text that was touched `age` seconds ago. */
static void write_claim(const char *name, const char *text, long age) {
    char            path[256];
    struct timespec now, times[2];
    snprintf(path, sizeof path, "%s/claims", dir);
    mkdir(path, 0777); /* claims_clear() removes it */
    snprintf(path, sizeof path, "%s/claims/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    clock_gettime(CLOCK_REALTIME, &now);
    times[0] = times[1] = (struct timespec){.tv_sec = now.tv_sec - age};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool exists(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/claims/%s", dir, name);
    return access(path, F_OK) == 0;
}

#define ELSEWHERE "host = nowhere\nboot = b\nspace = 1\npid = 7\nstarted = 9\nlease = 60\njob = 5_2\n"

Test(claims, one_has_it, .init = begin, .fini = end) {
    claims     *a = open_claims(60), *b = open_claims(60);
    claim_watch w = {0};
    char        who[256];
    cr_assert_eq(take(a, "u", &w), CLAIM_MINE);
    cr_assert(exists("u.0"));
    cr_assert_eq(take(b, "u", &w), CLAIM_OTHERS, "this process lives");
    cr_assert_eq(take(b, "u", NULL), CLAIM_UNCLEAR);
    cr_assert(claims_held(b, "u", who, sizeof who));
    cr_assert(!claims_held(b, "other", who, sizeof who));
    cr_assert_eq(take(b, "other", NULL), CLAIM_MINE);
    claims_release(a);
    cr_assert(!claims_held(b, "u", who, sizeof who));
    cr_assert_eq(take(b, "u", NULL), CLAIM_MINE, "and gives back the other one");
    cr_assert(exists("u.1"));
    cr_assert(claims_held(a, "u", who, sizeof who) && !claims_held(a, "other", who, sizeof who));
    claims_close(b);
    cr_assert(!claims_held(a, "u", who, sizeof who));
    claims_close(a);
}

Test(claims, a_killed_process_gives_back_at_once, .init = begin, .fini = end) {
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        claim_watch w = {0};
        take(open_claims(3600), "u", &w);
        if (write(ready[1], "x", 1) == 1) pause();
        _exit(1);
    }
    char byte;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    claims     *c = open_claims(3600);
    claim_watch w = {0};
    cr_assert_eq(take(c, "u", &w), CLAIM_OTHERS);
    kill(child, SIGKILL);
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0); /* dead, and not waited for */
    cr_assert_eq(take(c, "u", &w), CLAIM_MINE);
    cr_assert(exists("u.0") && exists("u.1"));
    cr_assert_eq(waitpid(child, NULL, 0), child);
    claims_close(c);
}

Test(claims, a_silent_process_of_another_machine_gives_back_after_its_lease, .init = begin, .fini = end) {
    claims     *c = open_claims(5);
    claim_watch w = {0};
    char        who[256];
    write_claim("u.0", ELSEWHERE, 30);
    cr_assert_eq(take(c, "u", &w), CLAIM_UNCLEAR, "its own lease counts");
    cr_assert(claims_held(c, "u", who, sizeof who));
    cr_assert_str_eq(who, "nowhere, process 7, Slurm job 5_2");
    write_claim("u.0", ELSEWHERE, 29);
    cr_assert_eq(take(c, "u", &w), CLAIM_OTHERS, "it was touched");
    write_claim("u.0", ELSEWHERE, 61);
    cr_assert(!claims_held(c, "u", who, sizeof who));
    cr_assert_eq(take(c, "u", &w), CLAIM_MINE);
    claims_close(c);
}

Test(claims, a_clock_that_was_set, .init = begin, .fini = end) {
    claims     *c = open_claims(60);
    claim_watch w = {0};
    write_claim("u.0", "host = nowhere\nlease = 1\n", -86400); /* touched tomorrow */
    cr_assert_eq(take(c, "u", &w), CLAIM_UNCLEAR);
    usleep(1200000);
    cr_assert_eq(take(c, "u", &w), CLAIM_MINE);
    claims_close(c);
}

Test(claims, garbage_has_the_usual_lease, .init = begin, .fini = end) {
    static const char *const garbage[] = {
        "",       "\n=\n = \nlease = 0\npid = -1\n",       "lease = 99999999999999999999\n", "host",
        "host =", "pid = 1\nstarted = x\nlease = \xff\xfe"};
    claims *c = open_claims(60);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        claim_watch w = {0};
        write_claim("u.0", garbage[i], CLAIMS_LEASE - 30);
        cr_assert_eq(take(c, "u", &w), CLAIM_UNCLEAR);
        write_claim("u.0", garbage[i], CLAIMS_LEASE + 30);
        cr_assert_eq(take(c, "u", &w), CLAIM_MINE);
        claims_release(c);
        claims_clear(dir);
    }
    claims_close(c);
}

Test(claims, is_touched_while_it_is_held, .init = begin, .fini = end) {
    claims     *a = open_claims(1);
    claim_watch w = {0};
    struct stat s;
    char        path[256];
    cr_assert_eq(take(a, "u", &w), CLAIM_MINE);
    write_claim("u.0", ELSEWHERE, 3600);
    usleep(900000);
    snprintf(path, sizeof path, "%s/claims/u.0", dir);
    cr_assert_eq(stat(path, &s), 0);
    cr_assert_gt(s.st_mtim.tv_sec, time(NULL) - 60);
    claims_close(a);
}

/* What took a claim for ended keeps it, though the first holder lives and gives back. */
Test(claims, the_late_holder_gives_back_its_own_only, .init = begin, .fini = end) {
    claims     *a = open_claims(60), *b = open_claims(60), *c = open_claims(60);
    claim_watch w = {0};
    cr_assert_eq(take(a, "u", &w), CLAIM_MINE);
    write_claim("u.0", ELSEWHERE, 3600); /* it was asleep */
    cr_assert_eq(take(b, "u", &w), CLAIM_MINE);
    claims_release(a);
    cr_assert_eq(take(a, "u", &w), CLAIM_OTHERS);
    cr_assert_eq(take(c, "u", &w), CLAIM_OTHERS);
    claims_release(b);
    cr_assert_eq(take(c, "u", &w), CLAIM_MINE);
    claims_close(a);
    claims_close(b);
    claims_close(c);
}

/* The newest is found wherever it is, and what has ended long ago is not asked again. */
Test(claims, the_newest_decides, .init = begin, .fini = end) {
    claims *c = open_claims(60);
    for (unsigned n = 0; n < 70; n++) {
        char        name[16];
        claim_watch w = {0};
        snprintf(name, sizeof name, "u.%u", n);
        write_claim(name, ELSEWHERE, 30);
        cr_assert_eq(take(c, "u", &w), CLAIM_UNCLEAR, "%u", n);
        write_claim(name, n % 2 == 0 ? ELSEWHERE "released = yes\n" : "host = no\nreleased = yes\n", 0);
    }
    cr_assert_eq(take(c, "u", NULL), CLAIM_MINE);
    cr_assert(exists("u.70") && !exists("u.71"));
    claims_close(c);
}

/* Nor does a late holder remove another's claim that has the same name. */
Test(claims, the_late_holder_removes_nothing, .init = begin, .fini = end) {
    claims     *a = open_claims(60), *b = open_claims(60);
    claim_watch w = {0};
    cr_assert_eq(take(a, "u", &w), CLAIM_MINE);
    claims_clear(dir); /* the folder, too */
    cr_assert_eq(take(b, "u", &w), CLAIM_MINE);
    claims_release(a);
    cr_assert(exists("u.0"));
    claims_close(a);
    claims_close(b);
}

Test(claims, a_folder_that_cannot_be_made_is_named, .init = begin) {
    char path[256];
    err  e = {0};
    snprintf(path, sizeof path, "%s/claims", dir);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fclose(f);
    cr_assert_null(claims_open(dir, 60, &e));
    cr_assert_not_null(strstr(e.text, path), "%s", e.text);
    unlink(path);
    rmdir(dir);
}

/* ---- a race for claims that have ended -------------------------------------------------------------------- */

enum { RACERS = 8, ROUNDS = 300 };

typedef struct {
    pthread_barrier_t barrier;
    atomic_int        winners, holders, most;
    int               wrong;
} race;

static void racer(race *r, bool first) {
    claims *c = open_claims(3600);
    for (int round = 0; round < ROUNDS; round++) {
        claim_watch w = {0};
        if (first) {
            write_claim("u.0", ELSEWHERE, 3600);
            if (round % 2 == 1) write_claim("u.1", ELSEWHERE, 3600);
            r->winners = 0;
        }
        pthread_barrier_wait(&r->barrier);
        if (claims_take(c, "u", &w, NULL) == CLAIM_MINE) atomic_fetch_add(&r->winners, 1);
        pthread_barrier_wait(&r->barrier);
        if (first && r->winners != 1) r->wrong++;
        claims_release(c);
        pthread_barrier_wait(&r->barrier);
        if (first) claims_clear(dir);
        pthread_barrier_wait(&r->barrier);
    }
    claims_close(c);
}

/* Processes hold, give back and ask again, and some are gone before others have looked: never two at a time. */
static void holder(race *r) {
    claims *c = open_claims(3600);
    for (int i = 0; i < 2000; i++) {
        claim_watch w = {0};
        if (claims_take(c, "v", &w, NULL) != CLAIM_MINE) continue;
        int now = atomic_fetch_add(&r->holders, 1) + 1;
        if (now > 1) atomic_store(&r->most, now);
        usleep((useconds_t)(i % 7) * 20);
        atomic_fetch_sub(&r->holders, 1);
        claims_release(c);
    }
    claims_close(c);
}

static race *new_race(unsigned n) {
    pthread_barrierattr_t shared;
    race                 *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(r, MAP_FAILED);
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&r->barrier, &shared, n);
    return r;
}

static void join(const pid_t *pids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int status;
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_assert_eq(status, 0);
    }
}

Test(claims, one_of_many_takes_over, .init = begin, .fini = end, .timeout = 120) {
    race *r = new_race(RACERS);
    pid_t pids[RACERS];
    claims_close(open_claims(60)); /* makes the folder */
    for (size_t i = 0; i < RACERS; i++) {
        if ((pids[i] = fork()) != 0) continue;
        racer(r, i == 0);
        _exit(0);
    }
    join(pids, RACERS);
    cr_assert_eq(r->wrong, 0, "%d of %d rounds had no or several winners", r->wrong, ROUNDS);
    munmap(r, sizeof *r);
}

Test(claims, never_two_hold, .init = begin, .fini = end, .timeout = 120) {
    race *r = new_race(1);
    pid_t pids[RACERS];
    for (size_t i = 0; i < RACERS; i++) {
        if ((pids[i] = fork()) != 0) continue;
        holder(r);
        _exit(0);
    }
    join(pids, RACERS);
    cr_assert_eq(r->most, 0, "%d held it at once", (int)r->most);
    munmap(r, sizeof *r);
}
