#include "experiments/sweep/sweep_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/number.h"
#include "experiments/sweep/cell.h"
#include "experiments/sweep/claims.h"
#include "experiments/sweep/plan_print.h"
#include "experiments/sweep/results.h"

/* The cell files of a plan in its order, and how many of them exist. */
static char **cell_files(const plan *p, const char *dir, size_t *present, err *e) {
    struct stat st;
    char      **paths = mem_new(p->n_cells, sizeof *paths, e);
    *present = 0;
    for (size_t i = 0; paths != NULL && i < p->n_cells; i++) {
        if ((paths[i] = cell_path(dir, &p->cells[i], e)) == NULL) {
            while (i > 0) free(paths[--i]);
            free(paths);
            return NULL;
        }
        if (stat(paths[i], &st) == 0) (*present)++;
    }
    return paths;
}

/* Trials that differ from plain decoding although their rule promises the same tokens, from this run or an earlier one.
 * BLAS products promise nothing: there, the differences are the measurement. */
typedef struct {
    const store_data *d;
    size_t            n;
} broken_trials;

static int count_broken(const store_trial *at, void *ctx, err *e) {
    broken_trials   *x = ctx;
    const trial_row *t = at->trial;
    const rule_ops  *by = registry_find(&rule_registry, x->d->cells[t->cell].rule);
    (void)e;
    x->n += by->keeps == SAME_TOKENS && strcmp(x->d->cells[t->cell].gemm, "blas") != 0 &&
            (!t->equal || t->logits_equal == LOGITS_DIFFER);
    return 0;
}

char *sweep_folder(const config *c, err *e) {
    return mem_printf(e, "%s/%s", c->output, c->name);
}

char *sweep_results(const config *c, err *e) {
    return mem_printf(e, "%s/%s.h5", c->output, c->name);
}

/* Collects a sweep whose cells are all finished; otherwise reports how many are finished. */
static int finish(const plan *p, const char *dir, const runner_options *o, const runner_report *report, store_data *all,
                  err *e) {
    const config *c = p->cfg;
    size_t        present = 0;
    int           ret = -1;
    char         *path = sweep_results(c, e);
    char        **paths = cell_files(p, dir, &present, e);
    if (path == NULL || paths == NULL) goto out;
    if (present < p->n_cells && o->collect == COLLECT_ONLY) {
        err_run(e, "%s: %zu of %zu cells are finished; harness sweep goes on with the others", dir, present,
                p->n_cells);
        goto out;
    }
    if (present < p->n_cells && !report->left) {
        err_run(e, "%s: %zu of %zu cell files are gone since this run began", dir, p->n_cells - present, p->n_cells);
        goto out;
    }
    if (present < p->n_cells) {
        fprintf(stderr, "%s: %zu of %zu cells are finished; other processes run the rest, and the last one collects\n",
                c->name, present, p->n_cells);
        ret = 0;
        goto out;
    }
    claims_clear(dir);
    if (o->collect == COLLECT_NO) {
        fprintf(stderr, "%s: all %zu cells are finished\n", c->name, p->n_cells);
        ret = 0;
        goto out;
    }
    /* All are points of this config's grid, even if they were run for an earlier version of its text. */
    kept_text text = {(char *)config_base_name(c), c->text};
    if (results_collect((const char *const *)paths, p->n_cells, &text, path, o->quiet, all, e) != 0) {
        if (e->kind == ERR_INPUT) err_advise(e, "move the file away, and the sweep makes it again");
        goto out;
    }
    char *shown = here_path(path, NULL);
    fprintf(stderr, "%s: %zu cell%s, %zu trial%s, %zu step%s in %s\n", c->name, all->n_cells, plural(all->n_cells),
            all->n_trials, plural(all->n_trials), all->n_steps, plural(all->n_steps), shown != NULL ? shown : path);
    free(shown);
    ret = 0;
out:
    for (size_t i = 0; paths != NULL && i < p->n_cells; i++) free(paths[i]);
    free(paths);
    free(path);
    if (ret != 0) store_free(all);
    return ret;
}

/* Whether files can be created in a folder, or in its nearest parent that exists. */
static int check_folder(const char *folder, err *e) {
    struct stat st;
    char       *at = mem_strdup(folder, e);
    while (at != NULL && stat(at, &st) != 0 && strcmp(at, ".") != 0 && strcmp(at, "/") != 0) {
        char *slash = strrchr(at, '/');
        if (slash == NULL)
            memcpy(at, ".", 2); /* a folder's name has a character */
        else
            slash[slash == at ? 1 : 0] = '\0';
    }
    int ret = at != NULL ? file_check_writable(at, e) : -1;
    free(at);
    return ret;
}

int sweep_check_places(const config *c, const char *dir, err *e) {
    struct stat st;
    char       *cells = mem_printf(e, "%s/cells", dir), *parts = mem_printf(e, "%s/unfinished", dir);
    char       *path = sweep_results(c, e);
    int         ret = cells != NULL && parts != NULL && path != NULL ? check_folder(cells, e) : -1;
    if (ret == 0) ret = check_folder(parts, e);
    if (ret == 0) ret = stat(c->output, &st) == 0 ? atomic_check(path, e) : check_folder(c->output, e);
    int among = ret == 0 ? file_lies_in(path, cells, e) : 0;
    if (among > 0) err_input(e, "%s: leads to one of the sweep's own cells", path);
    free(cells);
    free(parts);
    free(path);
    return ret == 0 && among == 0 ? 0 : -1;
}

static int open_output(const config *c, const char *dir, err *e) {
    char *cells = mem_printf(e, "%s/cells", dir);
    int   ret = cells != NULL ? file_make_folder(cells, e) : -1;
    free(cells);
    return ret == 0 ? sweep_check_places(c, dir, e) : -1;
}

int sweep_check_replaced(const config *c, err *e) {
    struct stat st;
    int64_t     version;
    char       *path = sweep_results(c, e);
    int         ret = path != NULL ? 0 : -1;
    if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (ret = results_version(path, &version, e)) != 0 && e->kind == ERR_INPUT)
        err_advise(e, "the sweep's results go there: move it away, or give the sweep another name or output");
    free(path);
    return ret;
}

static void print_report(const char *name, const runner_report *r) {
    if (r->trials > 0)
        fprintf(stderr, "%s: ran %zu trial%s in %.2f s (%.*f records per second)\n", name, r->trials, plural(r->trials),
                r->seconds, (double)r->trials < 10 * r->seconds ? 2 : 0, (double)r->trials / r->seconds);
    if (r->reused > 0) fprintf(stderr, "%s: %zu of %zu cells were finished before\n", name, r->reused, r->cells);
    if (r->kept > 0)
        fprintf(stderr, "%s: %zu trial%s of unfinished cells %s there before\n", name, r->kept, plural(r->kept),
                r->kept == 1 ? "was" : "were");
}

int sweep_run(const plan *p, const runner_options *o, store_data *all, err *e) {
    runner_report report = {0};
    err           why = {0};
    char         *dir = sweep_folder(p->cfg, e);
    if (dir == NULL || open_output(p->cfg, dir, e) != 0) {
        free(dir);
        return -1;
    }
    int ran = 0, ret = 0;
    if (o->collect != COLLECT_ONLY) {
        plan_warn(p, dir, o, stderr);
        ran = runner_run(p, dir, o, &report, &why);
        print_report(p->cfg->name, &report);
    }
    if (ran == 0) ret = finish(p, dir, o, &report, all, e);
    free(dir);
    if (ran != 0) {
        *e = why;
        if (report.failed > 1) return err_prefix(e, "%zu cells failed, the first one", report.failed);
        return -1;
    }
    broken_trials broken = {.d = all};
    if (ret == 0) ret = store_visit(all, 0, count_broken, &broken, e);
    if (broken.n > 0)
        return err_run(e,
                       "%s: %zu trial%s from plain decoding although the rule promises the same tokens (see harness "
                       "tables equality)",
                       p->cfg->name, broken.n, broken.n == 1 ? " differs" : "s differ");
    return ret;
}
