/* runner.c - decides which cell runs when, and where: in this process, or in forked workers that take the next one.
 *
 * Baselines run first (R2), then all others. Workers share only the counters in one shared page, and leave
 * their results in files. A worker that dies loses only the trials that it has not saved.
 */
#include "experiments/sweep/runner.h"

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
#include "experiments/sweep/cell.h"
#include "experiments/terminal/progress.h"

/* In memory shared with the workers. */
typedef struct {
    atomic_size_t next;          /* index into the current list */
    atomic_size_t cells, trials; /* done */
    atomic_size_t failed;
    atomic_bool   unsaved; /* R5 */
    atomic_flag   has_error;
    err           first; /* written by the worker that sets has_error */
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
    (void)written; /* there is nobody to tell */
    errno = kept;
}

static void note_error(shared_state *s, const err *e) {
    if (!atomic_flag_test_and_set(&s->has_error)) s->first = *e;
}

/* Checks that the file of a finished cell can be opened. */
static int check_cell(const run *r, size_t cell, err *e) {
    int64_t version;
    char   *path = cell_path(r->dir, &r->p->cells[cell], e);
    int     ret = path != NULL ? store_version(path, &version, e) : -1;
    if (path != NULL && ret != 0 && e->kind == ERR_INPUT)
        err_advise(e, "move the file away, and the sweep makes it again");
    free(path);
    return ret;
}

size_t unit_trials(const plan *p, const cell_unit *u) {
    size_t n = p->samples[p->cells[u->cell].samples].set.n;
    return (n + u->parts - 1 - u->part) / u->parts * p->cfg->repeats;
}

static void trial_done(void *ctx) {
    run *r = ctx;
    atomic_fetch_add(&r->shared->trials, 1);
    if (r->o->jobs == 1) progress_update(&r->bar, r->shared->cells, r->shared->trials);
}

/* Takes units from the list until it is empty or the user asks to stop. */
static void work(run *r, const cell_unit *list, size_t n) {
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
        bool   finished = false;
        if (i >= n || stop_asked || r->shared->unsaved) break;
        const plan_cell *c = &r->p->cells[list[i].cell];
        int              there = cell_exists(r->dir, c, &e);
        if (there > 0) { /* finished meanwhile by another run over the same folder */
            atomic_fetch_add(&r->shared->trials, unit_trials(r->p, &list[i]));
            finished = true;
        } else if (there < 0 || cell_run(&w, &list[i], &finished, &e) != 0) {
            if (e.kind != ERR_STOP) {
                err_prefix(&e, "cell %s", c->id);
                atomic_fetch_add(&r->shared->failed, 1);
            }
            if (w.unsaved) atomic_store(&r->shared->unsaved, true);
            note_error(r->shared, &e);
        }
        if (finished) atomic_fetch_add(&r->shared->cells, 1);
    }
    cell_worker_close(&w);
}

/* True when this worker has ended; notes the error when it failed. */
static bool worker_ended(shared_state *s, pid_t pid) {
    int   status = 0;
    err   why;
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (got < 0)
        err_errno(&why, "waitpid", "cannot wait for a worker");
    else if (WIFSIGNALED(status))
        err_run(&why, "a worker was killed by signal %d; what it had saved is kept", WTERMSIG(status));
    else
        err_run(&why, "a worker ended with status %d; what it had saved is kept", WEXITSTATUS(status));
    note_error(s, &why);
    atomic_fetch_add(&s->failed, 1);
    return true;
}

/* Forks workers over the list and waits, showing progress and passing a stop on. */
static int work_forked(run *r, const cell_unit *list, size_t n, err *e) {
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
            if (getppid() != parent) _exit(1); /* the parent was killed before prctl */
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

/* Splits each unit by samples until there are enough for all jobs, or no samples are left to split by. In new memory.
 */
static cell_unit *split_units(const plan *p, const cell_unit *units, size_t n, size_t jobs, size_t *n_out, err *e) {
    size_t     pieces = n > 0 ? (jobs + n - 1) / n : 1;
    cell_unit *out = mem_new(n * pieces, sizeof *out, e);
    *n_out = 0;
    for (size_t i = 0; out != NULL && i < n; i++) {
        const cell_unit *u = &units[i];
        for (size_t k = 0; k < pieces; k++) {
            cell_unit piece = {u->cell, u->part + k * u->parts, u->parts * pieces};
            if (unit_trials(p, &piece) > 0) out[(*n_out)++] = piece;
        }
    }
    return out;
}

static int work_list(run *r, const cell_unit *list, size_t n, err *e) {
    size_t     n_split;
    cell_unit *split;
    atomic_store(&r->shared->next, 0);
    if (n == 0 || stop_asked || r->shared->unsaved) return 0;
    if (r->o->jobs <= 1) {
        work(r, list, n);
        return 0;
    }
    split = split_units(r->p, list, n, r->o->jobs, &n_split, e);
    int ret = split != NULL ? work_forked(r, split, n_split, e) : -1;
    free(split);
    return ret;
}

/* The number of parts that each cell is split into. All shards must agree on it, whatever is already finished. */
static size_t shard_parts(const plan *p, const runner_options *o) {
    size_t most = 1, wanted = (o->n_shards + p->n_cells - 1) / p->n_cells;
    for (size_t i = 0; i < p->n_samples; i++)
        if (p->samples[i].set.n > most) most = p->samples[i].set.n;
    return wanted < most ? wanted : most;
}

cell_unit *runner_units(const plan *p, const runner_options *o, size_t *n_first, size_t *n, err *e) {
    size_t     parts = shard_parts(p, o), all = p->n_cells * parts;
    bool      *mine = mem_new(all, sizeof *mine, e);
    cell_unit *units = mem_new(all, sizeof *units, e);
    *n = *n_first = 0;
    if (mine == NULL || units == NULL) {
        free(mine);
        free(units);
        return NULL;
    }
    for (size_t i = 0; i < all; i++)
        if (i % o->n_shards == o->shard) mine[i] = mine[p->cells[i / parts].baseline * parts + i % parts] = true;
    for (int first = 1; first >= 0; first--) {
        for (size_t i = 0; i < all; i++) {
            cell_unit u = {i / parts, i % parts, parts};
            bool      baseline = plan_cell_is_baseline(&p->cells[u.cell]);
            if (mine[i] && baseline == (first == 1) && unit_trials(p, &u) > 0) units[(*n)++] = u;
        }
        if (first == 1) *n_first = *n;
    }
    free(mine);
    return units;
}

/* Makes the weights ready before workers share them. */
static int prepare_model(const plan *p, size_t cell, err *e) {
    const plan_model *m = &p->models[p->cells[cell].model];
    if (target_prepare(m->cfg->target, &m->spec, e) == 0) return 0;
    return err_prefix(e, "%s:%zu: [model %s]", p->cfg->path, m->cfg->line, m->cfg->label);
}

/* Looks at the existing files, and keeps only the units that have something to run. */
static int choose_units(run *r, cell_unit *units, size_t *n_first, size_t *n, size_t *trials, runner_report *report,
                        err *e) {
    const plan *p = r->p;
    size_t      kept = 0, kept_first = 0, last = SIZE_MAX;
    *trials = 0;
    for (size_t i = 0; i < *n; i++) {
        size_t cell = units[i].cell, done = 0;
        int    there = cell_exists(r->dir, &p->cells[cell], e);
        if (there < 0) return -1;
        if (cell != last) {
            report->cells++;
            if (there && check_cell(r, cell, e) != 0) return -1; /* before the others take hours */
            report->reused += (size_t)there;
            last = cell;
        }
        if (there) {
            cell_remove_parts(r->dir, &p->cells[cell]); /* of a process that was killed after it finished the cell */
            continue;
        }
        if (prepare_model(p, cell, e) != 0 || cell_count_kept(p, r->dir, &units[i], &done, e) != 0) return -1;
        report->kept += done;
        *trials += unit_trials(p, &units[i]) - done;
        if (i < *n_first) kept_first++;
        units[kept++] = units[i];
    }
    *n = kept;
    *n_first = kept_first;
    return 0;
}

static int run_lists(run *r, runner_report *report, err *e) {
    size_t     n_first, n, trials;
    cell_unit *units = runner_units(r->p, r->o, &n_first, &n, e);
    int        ret = units != NULL ? choose_units(r, units, &n_first, &n, &trials, report, e) : -1;
    if (ret == 0) {
        size_t cells = report->cells - report->reused;
        progress_begin(&r->bar, r->p->cfg->name, (progress_kind){"cells", cells}, (progress_kind){"trials", trials},
                       r->o->quiet || n == 0);
        ret = work_list(r, units, n_first, e);
        /* A cell whose baseline failed fails when it reads the baseline, with that reason. */
        if (ret == 0) ret = work_list(r, units + n_first, n - n_first, e);
        progress_end(&r->bar, r->shared->cells, r->shared->trials);
    }
    free(units);
    return ret;
}

int runner_run(const plan *p, const char *dir, const runner_options *o, runner_report *report, err *e) {
    *report = (runner_report){0};
    if (file_check_writable(dir, e) != 0) return -1;

    run r = {.p = p, .dir = dir, .o = o};
    r.shared = mmap(NULL, sizeof *r.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r.shared == MAP_FAILED) return err_errno(e, dir, "cannot map memory shared with workers");

    /* on_stop handles one signal, so a second Ctrl-C ends the program at once. A parent may have left SIGCHLD ignored;
     * then there would be no workers to wait for. */
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
    if (r.shared->unsaved && ret != 0) err_advise(e, "stopped here: nothing else could be saved either");
    if (stop_asked && ret == 0) ret = err_stop(e, STOPPED);
    if (stop_asked && e->kind != ERR_STOP) { /* an earlier failure; nothing more is begun all the same */
        e->kind = ERR_STOP;
        err_advise(e, "then " STOPPED);
    }
    munmap(r.shared, sizeof *r.shared);
    return ret;
}
