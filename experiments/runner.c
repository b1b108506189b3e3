/* runner.c - which cell runs when, and where: in this process, or in forked workers that take the next one.
 *
 * Baselines run first (R2), then all others. Workers share nothing but counters in one shared page; what a
 * worker leaves behind are cell files. A worker that dies costs the cell it was on (R1).
 */
#include "experiments/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "experiments/cell.h"
#include "experiments/progress.h"

/* In memory shared with the workers. */
typedef struct {
    atomic_size_t next;          /* index into the current list */
    atomic_size_t cells, trials; /* done */
    atomic_size_t failed;
    atomic_flag   has_error;
    err           first; /* written by whoever takes has_error */
} shared_state;

typedef struct {
    const plan           *p;
    const char           *dir;
    const runner_options *o;
    progress              bar;
    shared_state         *shared;
} run;

static volatile sig_atomic_t stop_asked;

static volatile sig_atomic_t in_worker; /* one process speaks for all */

static void on_stop(int sig) {
    static const char text[] = "\nstopping after the trial in flight; once more: at once\n";
    stop_asked = 1;
    if (in_worker) return;
    atomic_end_at(sig);
    int     kept = errno;
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* nobody to tell */
    errno = kept;
}

static void note_error(shared_state *s, const err *e) {
    if (!atomic_flag_test_and_set(&s->has_error)) s->first = *e;
}

static bool cell_exists(const run *r, size_t cell) {
    char       *path = cell_path(r->dir, &r->p->cells[cell], NULL);
    struct stat st;
    bool        there = path != NULL && stat(path, &st) == 0;
    free(path);
    return there;
}

/* That a finished cell's file is whole, as far as opening it tells. */
static int check_cell(const run *r, size_t cell, err *e) {
    int64_t version;
    char   *path = cell_path(r->dir, &r->p->cells[cell], e);
    int     ret = path != NULL ? store_version(path, &version, e) : -1;
    if (path != NULL && ret != 0 && e->kind == ERR_INPUT)
        err_advise(e, "move the file away, and the sweep makes it anew");
    free(path);
    return ret;
}

static void trial_done(void *ctx) {
    run *r = ctx;
    atomic_fetch_add(&r->shared->trials, 1);
    if (r->o->jobs == 1) progress_update(&r->bar, r->shared->cells, r->shared->trials);
}

/* Takes cells from the list until it is empty or the user asks to stop. */
static void work(run *r, const size_t *list, size_t n) {
    cell_worker w;
    err         e = {0};
    if (cell_worker_open(&w, r->p, r->dir, &e) != 0) {
        note_error(r->shared, &e);
        return;
    }
    w.stop = &stop_asked;
    w.trial_done = trial_done;
    w.ctx = r;
    for (;;) {
        size_t i = atomic_fetch_add(&r->shared->next, 1);
        if (i >= n || stop_asked) break;
        if (cell_exists(r, list[i])) { /* finished meanwhile by another run over the same folder */
            atomic_fetch_add(&r->shared->trials, plan_cell_trials(r->p, list[i]));
        } else if (cell_run(&w, list[i], &e) != 0) {
            if (e.kind != ERR_STOP) {
                err_prefix(&e, "cell %s", r->p->cells[list[i]].id);
                atomic_fetch_add(&r->shared->failed, 1);
            }
            note_error(r->shared, &e);
            continue;
        }
        atomic_fetch_add(&r->shared->cells, 1);
    }
    cell_worker_close(&w);
}

/* True when this worker runs no more; notes it when it did not end by itself. */
static bool worker_ended(shared_state *s, pid_t pid) {
    int   status = 0;
    err   why;
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (got < 0)
        err_errno(&why, "waitpid", "cannot wait for a worker");
    else
        err_run(&why, "a worker was killed by signal %d; its cell is lost, finished ones are kept",
                WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    note_error(s, &why);
    atomic_fetch_add(&s->failed, 1);
    return true;
}

/* Forks workers over the list and waits, showing progress and passing a stop on. */
static int work_forked(run *r, const size_t *list, size_t n, err *e) {
    size_t jobs = r->o->jobs < n ? r->o->jobs : n, running = 0;
    pid_t *pids = mem_new(jobs, sizeof *pids, e); /* 0 once it has ended: the number may be another's by now */
    pid_t  parent = getpid();
    if (pids == NULL) return -1;
    fflush(NULL);
    for (; running < jobs; running++) {
        pids[running] = fork();
        if (pids[running] == 0) {
            in_worker = 1;
            /* A signal to the whole group comes here twice, from its sender and from the parent. */
            struct sigaction act = {.sa_handler = on_stop};
            sigaction(SIGINT, &act, NULL);
            sigaction(SIGTERM, &act, NULL);
            prctl(PR_SET_PDEATHSIG, SIGKILL);  /* no orphans writing into the folder after a kill -9 */
            if (getppid() != parent) _exit(1); /* it was killed before that */
            work(r, list, n);
            _exit(0);
        }
        if (pids[running] < 0) {
            err why;
            err_errno(&why, "fork", "cannot start a worker");
            note_error(r->shared, &why);
            break;
        }
    }
    bool   passed_on = false;
    size_t alive = running;
    while (alive > 0) {
        for (size_t i = 0; i < running; i++) {
            if (pids[i] == 0 || !worker_ended(r->shared, pids[i])) continue;
            pids[i] = 0;
            alive--;
        }
        if (alive == 0) break;
        if (stop_asked && !passed_on) {
            for (size_t i = 0; i < running; i++)
                if (pids[i] != 0) kill(pids[i], SIGTERM);
            passed_on = true;
        }
        progress_update(&r->bar, r->shared->cells, r->shared->trials);
        usleep(20000);
    }
    free(pids);
    return 0;
}

static int work_list(run *r, const size_t *list, size_t n, err *e) {
    atomic_store(&r->shared->next, 0);
    if (n == 0 || stop_asked) return 0;
    if (r->o->jobs > 1) return work_forked(r, list, n, e);
    work(r, list, n);
    return 0;
}

/* Marks this shard's cells and the baselines they need. */
static bool *choose_cells(const plan *p, const runner_options *o, err *e) {
    bool *mine = mem_new(p->n_cells, sizeof *mine, e);
    for (size_t i = 0; mine != NULL && i < p->n_cells; i++)
        if (i % o->n_shards == o->shard) mine[i] = mine[p->cells[i].baseline] = true;
    return mine;
}

static int run_lists(run *r, runner_report *report, err *e) {
    const plan *p = r->p;
    size_t      n_first = 0, n_rest = 0, trials = 0;
    bool       *mine = choose_cells(p, r->o, e);
    size_t     *first = mem_new(p->n_cells, sizeof *first, e), *rest = mem_new(p->n_cells, sizeof *rest, e);
    int         ret = -1;
    if (mine == NULL || first == NULL || rest == NULL) goto out;
    for (size_t i = 0; i < p->n_cells; i++) {
        if (!mine[i]) continue;
        report->cells++;
        if (cell_exists(r, i)) {
            if (check_cell(r, i, e) != 0) goto out; /* before the others take hours */
            report->reused++;
            continue;
        }
        const plan_model *m = &p->models[p->cells[i].model];
        if (m->weights != NULL && (m->blas ? model_decode : model_lay_out)(m->weights, e) != 0) {
            err_prefix(e, "%s:%zu: [model %s]", p->cfg->path, m->cfg->line, m->cfg->label);
            goto out; /* before workers share them */
        }
        trials += plan_cell_trials(p, i);
        if (p->cells[i].baseline == i)
            first[n_first++] = i;
        else
            rest[n_rest++] = i;
    }
    progress_begin(&r->bar, p->cfg->name, n_first + n_rest, trials, r->o->quiet || n_first + n_rest == 0);
    ret = work_list(r, first, n_first, e);
    /* A cell whose baseline failed fails when it looks for it, with that reason. */
    if (ret == 0) ret = work_list(r, rest, n_rest, e);
    progress_end(&r->bar, r->shared->cells, r->shared->trials);
out:
    free(mine);
    free(first);
    free(rest);
    return ret;
}

int runner_run(const plan *p, const char *dir, const runner_options *o, runner_report *report, err *e) {
    *report = (runner_report){0};
    if (file_check_writable(dir, e) != 0) return -1;

    run r = {.p = p, .dir = dir, .o = o};
    r.shared = mmap(NULL, sizeof *r.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r.shared == MAP_FAILED) return err_errno(e, dir, "cannot map memory shared with workers");

    /* The second Ctrl-C ends the program at once: on_stop is there for one signal. A parent may have left
     * SIGCHLD ignored, and then there would be no workers to wait for. */
    struct sigaction act = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND}, old_int, old_term;
    struct sigaction wait_for = {.sa_handler = SIG_DFL}, old_child;
    stop_asked = 0;
    sigaction(SIGINT, &act, &old_int);
    sigaction(SIGTERM, &act, &old_term);
    sigaction(SIGCHLD, &wait_for, &old_child);
    uint64_t begun = clock_ns();
    int      ret = run_lists(&r, report, e);
    report->seconds = (double)(clock_ns() - begun) / 1e9;
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    sigaction(SIGCHLD, &old_child, NULL);

    report->failed = r.shared->failed;
    report->trials = r.shared->trials;
    if (ret == 0 && atomic_flag_test_and_set(&r.shared->has_error)) {
        *e = r.shared->first;
        ret = -1;
    }
    if (stop_asked && ret == 0) ret = err_stop(e, STOPPED);
    if (stop_asked && e->kind != ERR_STOP) { /* an earlier failure; nothing more is begun all the same */
        e->kind = ERR_STOP;
        err_advise(e, "then " STOPPED);
    }
    munmap(r.shared, sizeof *r.shared);
    return ret;
}
