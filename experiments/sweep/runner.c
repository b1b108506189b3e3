/* runner.c - decides which cell runs when, and where: in this process, or in forked workers that take the next one.
 *
 * Workers share counters and what is known of the units, and leave their results in files. A worker that dies loses
 * only the trials that it has not saved.
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
#include "engine/base/mem.h"
#include "experiments/sweep/cell.h"
#include "experiments/sweep/plan_pace.h"
#include "experiments/sweep/results.h"
#include "experiments/sweep/share.h"
#include "experiments/terminal/progress.h"

/* In memory shared with the workers. */
typedef struct {
    atomic_size_t cells, trials; /* done */
    atomic_size_t others;        /* trials that other processes have done since the start */
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
    share                 units;
    plan_pace             pace;
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
    int     ret = path != NULL ? results_version(path, &version, e) : -1;
    if (path != NULL && ret != 0 && e->kind == ERR_INPUT)
        err_advise(e, "move the file away, and the sweep makes it again");
    free(path);
    return ret;
}

/* ---- one worker ------------------------------------------------------------------------------------------- */

/* A worker and the units that it takes. */
typedef struct {
    run        *r;
    cell_worker cells;
    size_t      unit, trials; /* in work; of it */
    uint64_t    since;        /* the last trial, or the unit, began */
} worker;

static void show_progress(run *r) {
    if (progress_due(&r->bar)) r->bar.share = pace_done(&r->pace.of);
    progress_update(&r->bar, r->shared->cells, r->shared->trials + r->shared->others);
}

static void trial_done(void *ctx, size_t at) {
    worker  *w = ctx;
    run     *r = w->r;
    uint64_t now = clock_ns();
    plan_pace_add(&r->pace, r->units.units[w->unit].cell, at, now - w->since);
    w->since = now;
    w->trials++;
    atomic_fetch_add(&r->shared->trials, 1);
    if (r->o->jobs == 1) show_progress(r);
}

static void add_others(run *r, size_t unit, size_t trials) {
    atomic_fetch_add(&r->shared->others, trials);
    pace_add_others(&r->pace.of, r->units.units[unit].cell, trials);
}

static void cell_finished(run *r, size_t unit) {
    if (share_cell_finished(&r->units, r->units.units[unit].cell)) atomic_fetch_add(&r->shared->cells, 1);
}

/* Another process was faster, or another worker of this one, which counts its trials itself. */
static void others_finished(void *ctx, size_t unit) {
    const worker *w = ctx;
    if (!atomic_load(&w->r->units.begun[unit])) add_others(w->r, unit, w->r->units.missing[unit]);
    cell_finished(w->r, unit);
}

static void others_run(void *ctx, const char *who) {
    worker *w = ctx;
    if (w->r->o->quiet || w->r->o->jobs > 1) return;
    progress_clear(&w->r->bar);
    fprintf(stderr, "%s: waiting for what another process has begun (%s)\n", w->r->p->cfg->name, who);
}

static void note_failure(run *r, const plan_cell *c, bool unsaved, err *e) {
    if (e->kind != ERR_STOP) {
        err_prefix(e, "cell %s", c->id);
        atomic_fetch_add(&r->shared->failed, 1);
    }
    if (unsaved) atomic_store(&r->shared->unsaved, true);
    note_error(r->shared, e);
}

static void run_unit(worker *w, size_t unit) {
    run             *r = w->r;
    const cell_unit *u = &r->units.units[unit];
    err              e = {0};
    bool             finished = false;
    w->unit = unit;
    w->trials = 0;
    w->since = clock_ns();
    /* Trials of other parts may have come since it was read. */
    if (w->cells.has_baseline && !plain_runs_complete(&w->cells.baseline)) w->cells.has_baseline = false;
    if (cell_run(&w->cells, u, &finished, &e) != 0) {
        if (e.kind != ERR_STOP) atomic_store(&r->units.state[unit], UNIT_FAILED);
        note_failure(r, &r->p->cells[u->cell], w->cells.unsaved, &e);
    } else {
        share_unit_done(&r->units, unit);
        if (r->units.missing[unit] > w->trials) add_others(r, unit, r->units.missing[unit] - w->trials);
    }
    if (finished) cell_finished(r, unit);
}

/* Takes units until none is left or the user asks to stop. */
static void work(run *r) {
    worker       w = {.r = r};
    share_worker units;
    err          e = {0};
    size_t       unit;
    int          got;
    if (cell_worker_open(&w.cells, r->p, r->dir, &e) != 0) {
        note_error(r->shared, &e);
        return;
    }
    if (share_worker_open(&units, &r->units, (unsigned)(r->o->lease > 0 ? r->o->lease : CLAIMS_LEASE), &e) != 0) {
        note_error(r->shared, &e);
        cell_worker_close(&w.cells);
        return;
    }
    w.cells.stop = units.stop = &stop_asked;
    w.cells.trial_done = trial_done;
    units.finished = others_finished;
    units.waiting = others_run;
    w.cells.ctx = units.ctx = &w;
    while (!r->shared->unsaved && (got = share_worker_next(&units, &unit, &e)) != 0) {
        if (got > 0)
            run_unit(&w, unit);
        else
            note_failure(r, &r->p->cells[r->units.units[unit].cell], units.unsaved, &e);
        share_worker_give(&units);
    }
    share_worker_close(&units);
    cell_worker_close(&w.cells);
}

/* ---- forked workers --------------------------------------------------------------------------------------- */

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

/* Forks workers and waits, showing progress and passing a stop on. */
static int work_forked(run *r, size_t jobs, err *e) {
    size_t running = 0;
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
            work(r);
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
        show_progress(r);
        usleep(20000);
    }
    free(pids);
    return 0;
}

/* Makes the weights ready before workers share them. */
static int prepare_model(const plan *p, size_t cell, err *e) {
    const plan_model *m = &p->models[p->cells[cell].model];
    if (target_prepare(m->cfg->target, &m->spec, e) == 0) return 0;
    return err_prefix(e, "%s:%zu: [model %s]", p->cfg->path, m->cfg->line, m->cfg->label);
}

/* Looks at the existing files, and counts the trials and units that there are to run. */
static int look_at_cells(run *r, size_t *trials, size_t *units, runner_report *report, err *e) {
    const plan *p = r->p;
    share      *s = &r->units;
    report->cells = p->n_cells;
    *trials = *units = 0;
    for (size_t i = 0; i < p->n_cells; i++) {
        int there = cell_exists(r->dir, &p->cells[i], e);
        if (there < 0) return -1;
        if (there && check_cell(r, i, e) != 0) return -1; /* before the others take hours */
        if (there) {
            cell_remove_parts(r->dir, &p->cells[i]); /* of a process that was killed after it finished the cell */
            share_cell_finished(s, i);
            report->reused++;
        } else if (prepare_model(p, i, e) != 0 || share_count(s, i, e) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->finished[s->units[i].cell]) {
            share_unit_done(s, i);
            continue;
        }
        report->kept += unit_trials(p, &s->units[i]) - s->missing[i];
        *trials += s->missing[i];
        ++*units;
    }
    return 0;
}

static int open_pace(run *r, err *e) {
    size_t *missing = mem_new(r->p->n_cells, sizeof *missing, e);
    if (missing == NULL) return -1;
    for (size_t i = 0; i < r->units.n; i++)
        if (atomic_load(&r->units.state[i]) != UNIT_DONE) missing[r->units.units[i].cell] += r->units.missing[i];
    int ret = plan_pace_open(&r->pace, r->p, missing, e);
    free(missing);
    return ret;
}

static int run_units(run *r, runner_report *report, err *e) {
    size_t trials, units;
    if (share_open(&r->units, r->p, r->dir, share_parts(r->p, r->o->parts, r->o->jobs), e) != 0) return -1;
    int ret = look_at_cells(r, &trials, &units, report, e);
    if (ret == 0) ret = open_pace(r, e);
    if (ret == 0) {
        size_t cells = report->cells - report->reused, jobs = r->o->jobs < units ? r->o->jobs : units;
        progress_begin(&r->bar, r->p->cfg->name, (progress_kind){"cells", cells}, (progress_kind){"trials", trials},
                       r->o->quiet || units == 0);
        if (units > 0 && !stop_asked && r->o->jobs <= 1) work(r);
        if (units > 0 && !stop_asked && r->o->jobs > 1) ret = work_forked(r, jobs, e);
        progress_end(&r->bar, r->shared->cells, r->shared->trials + r->shared->others);
    }
    for (size_t i = 0; i < r->units.n; i++)
        report->left |= r->units.state[i] == UNIT_LEFT && !r->units.finished[r->units.units[i].cell];
    share_close(&r->units);
    plan_pace_close(&r->pace);
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
    int      ret = run_units(&r, report, e);
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
