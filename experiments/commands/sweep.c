/* sweep.c - `harness sweep`: turns each config into cell files, one results file and a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/number.h"
#include "engine/kernels/kernels.h"
#include "experiments/commands/commands.h"
#include "experiments/ini/inifile.h"
#include "experiments/sweep/cell.h"
#include "experiments/sweep/needs.h"
#include "experiments/sweep/plan_print.h"
#include "experiments/sweep/runner.h"
#include "experiments/terminal/data_report.h"
#include "experiments/terminal/tokenizer_report.h"

typedef struct {
    runner_options run;
    text_list      configs, sets;
    const char    *output;
    bool           dry_run, skip_bad;
} options;

/* "I/N" with 1 <= I <= N. */
static int parse_shard(const option_value *v, void *at, err *e) {
    runner_options *o = at;
    uint64_t        i, n;
    const char     *slash = strchr(v->text, '/');
    char            first[24];
    if (slash == NULL || (size_t)(slash - v->text) >= sizeof first)
        return err_input(e, "--shard \"%.100s\" is not allowed (I/N, such as 1/4)", v->text);
    snprintf(first, sizeof first, "%.*s", (int)(slash - v->text), v->text);
    if (option_parse_count("--shard: N", slash + 1, 1, 1000000, &n, e) != 0) return -1;
    if (option_parse_count("--shard: I", first, 1, n, &i, e) != 0) return -1;
    o->shard = (size_t)i - 1;
    o->n_shards = (size_t)n;
    return 0;
}

static const option_type option_shard = {.parse = parse_shard};

/* clang-format off */
static const option_spec specs[] = {
    {"dry-run", 'n', NULL, &option_flag, OPTION_AT(options, dry_run),
     .help = "print the grid, how much of it is done and how long the rest will take; run nothing"},
    {"set", 's', "SECTION.KEY=VAL", &option_text, OPTION_AT(options, sets), .list = true,
     .help = "override a value, such as \"policy llma.k=5,10\""},
    {"output", 'o', "DIR", &option_path, OPTION_AT(options, output),
     .help = "results folder, instead of the one in each config"},
    {"jobs", 'j', "N", &option_size, OPTION_AT(options, run.jobs), .preset = "1", OPTION_RANGE(1, 1024),
     .help = "worker processes; they share the cores, so timings suffer"},
    {"shard", 0, "I/N", &option_shard, OPTION_AT(options, run), .preset = "1/1",
     .help = "run the I-th of N parts, for job arrays that share a results folder; with more parts than cells, "
             "cells are split by records"},
    {"skip-bad", 0, NULL, &option_flag, OPTION_AT(options, skip_bad),
     .help = "count and report bad dataset lines instead of stopping at the first"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, run.quiet), .help = "no progress"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"CONFIG.ini", .type = &option_path, OPTION_AT(options, configs), .required = true, .list = true},
};

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
static size_t count_broken(const store_data *d) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_trials; i++) {
        const trial_row *t = &d->trials[i];
        const rule_ops  *by = registry_find(&rule_registry, d->cells[t->cell].rule);
        if (by->keeps == SAME_TOKENS && strcmp(d->cells[t->cell].gemm, "blas") != 0 &&
            (!t->equal || t->logits_equal == LOGITS_DIFFER))
            n++;
    }
    return n;
}

/* The folder of a sweep's cells, finished and unfinished. */
static char *sweep_folder(const config *c, err *e) {
    return mem_printf(e, "%s/%s", c->output, c->name);
}

/* Where a sweep's results go. */
static char *results_path(const config *c, err *e) {
    return mem_printf(e, "%s/%s.h5", c->output, c->name);
}

/* Collects a sweep whose cells are all finished and prints its table; otherwise reports how many are finished. */
static int finish(const plan *p, const char *dir, const runner_options *o, size_t *broken, err *e) {
    const config *c = p->cfg;
    size_t        present = 0;
    store_data    all = {0};
    int           ret = -1;
    char         *path = results_path(c, e);
    char        **paths = cell_files(p, dir, &present, e);
    if (path == NULL || paths == NULL) goto out;
    if (present < p->n_cells && o->n_shards == 1) {
        err_run(e, "%s: %zu of %zu cell files are gone since this run began", dir, p->n_cells - present, p->n_cells);
        goto out;
    }
    if (present < p->n_cells) {
        fprintf(stderr, "%s: %zu of %zu cells are finished; the last shard to end collects them\n", c->name, present,
                p->n_cells);
        ret = 0;
        goto out;
    }
    /* All are points of this config's grid, even if they were run for an earlier version of its text. */
    kept_text text = {(char *)config_base_name(c), c->text};
    if (store_collect((const char *const *)paths, p->n_cells, &text, &all, e) != 0) {
        if (e->kind == ERR_INPUT) err_advise(e, "move the file away, and the sweep makes it again");
        goto out;
    }
    *broken = count_broken(&all);
    if (store_write(path, &all, false, e) != 0) goto out;
    char *shown = here_path(path, NULL);
    fprintf(stderr, "%s: %zu cell%s, %zu trial%s, %zu step%s in %s\n", c->name, all.n_cells, plural(all.n_cells),
            all.n_trials, plural(all.n_trials), all.n_steps, plural(all.n_steps), shown != NULL ? shown : path);
    free(shown);
    ret = table_print(registry_find(&table_registry, "summary"), &all, registry_find(&table_format_registry, "text"),
                      stdout, e);
out:
    for (size_t i = 0; paths != NULL && i < p->n_cells; i++) free(paths[i]);
    free(paths);
    free(path);
    store_free(&all);
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

/* Checks every place that a sweep writes to, before any work. All shards check, since the last one to end writes the
 * results. For a missing folder its nearest existing parent is checked; nothing is created. */
static int check_places(const config *c, const char *dir, err *e) {
    struct stat st;
    char       *cells = mem_printf(e, "%s/cells", dir), *parts = mem_printf(e, "%s/unfinished", dir);
    char       *path = results_path(c, e);
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
    return ret == 0 ? check_places(c, dir, e) : -1;
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

/* After a failed cell the rest is still saved; its error is reported afterwards. */
static int run_plan(const plan *p, const options *o, err *e) {
    runner_report report;
    err           why = {0};
    char         *dir = sweep_folder(p->cfg, e);
    if (dir == NULL || open_output(p->cfg, dir, e) != 0) {
        free(dir);
        return -1;
    }
    plan_warn(p, dir, &o->run, stderr);
    int ran = runner_run(p, dir, &o->run, &report, &why);
    int ret = 0;
    print_report(p->cfg->name, &report);
    size_t broken = 0;
    if (ran == 0) ret = finish(p, dir, &o->run, &broken, e);
    free(dir);
    if (ran != 0) {
        *e = why;
        if (report.failed > 1) return err_prefix(e, "%zu cells failed, the first one", report.failed);
        return -1;
    }
    if (ret == 0 && broken > 0)
        return err_run(e,
                       "%s: %zu trial%s from plain decoding although the rule promises the same tokens (see harness "
                       "tables equality)",
                       p->cfg->name, broken, broken == 1 ? " differs" : "s differ");
    return ret;
}

/* --dry-run: runs nothing and creates nothing. */
static int show_plan(const plan *p, const options *o, err *e) {
    char *dir = sweep_folder(p->cfg, e);
    int   ret = dir != NULL ? check_places(p->cfg, dir, e) : -1;
    if (ret == 0) {
        plan_warn(p, dir, &o->run, stderr);
        ret = plan_print(p, dir, &o->run, stdout, e);
    }
    free(dir);
    return ret;
}

/* A config and its plan; one with missing files is skipped. */
typedef struct {
    config        cfg;
    missing_files missing;
    plan          grid;
    enum { WAITING, DONE, FAILED } state;
} job;

/* Two sweeps into one results file would overwrite each other. */
static int check_distinct(const job *jobs, size_t n, err *e) {
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            const config *one = &jobs[i].cfg, *other = &jobs[k].cfg;
            char         *a = results_path(one, e), *b = results_path(other, e);
            int           same = a != NULL && b != NULL ? file_same_place(a, b, e) : -1;
            free(a);
            free(b);
            if (same < 0) return -1;
            if (same > 0)
                return err_input(e, "%s: writes the same %s/%s.h5 as %s (give each sweep a name of its own)", one->path,
                                 one->output, one->name, other->path);
        }
    }
    return 0;
}

/* Newer results replace older ones, but not, say, a training's curve of the same name. */
static int check_replaced(const config *c, err *e) {
    struct stat st;
    int64_t     version;
    char       *path = results_path(c, e);
    int         ret = path != NULL ? 0 : -1;
    if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (ret = store_version(path, &version, e)) != 0 && e->kind == ERR_INPUT)
        err_advise(e, "the sweep's results go there: move it away, or give the sweep another name or output");
    free(path);
    return ret;
}

static void report_tokenizers(const plan *p) {
    for (size_t i = 0; i < p->n_models; i++) {
        const plan_model *m = &p->models[i];
        bool              seen = false;
        for (size_t k = 0; k < i; k++) seen |= p->models[k].tok == m->tok;
        if (!seen) tokenizer_report(m->tok, m->cfg->path != NULL ? m->cfg->path : m->cfg->tokenizer);
    }
}

static void report_omitted(const plan *p) {
    for (size_t i = 0; i < p->n_samples; i++)
        data_report_omitted(&p->samples[i].set, p->datasets[p->samples[i].dataset].cfg->path);
}

/* Reports each section's data once, however many tokenizers it was read with. */
static void report_keys(const plan *p) {
    for (size_t i = 0; i < p->n_datasets; i++) {
        size_t k = 0;
        while (p->datasets[k].cfg != p->datasets[i].cfg) k++;
        if (k == i) data_report_keys(&p->datasets[i].data);
    }
}

/* Reads and plans every config before the first one runs: a mistake in the last should not cost a night. */
static int plan_all(const options *o, job *jobs, err *e) {
    size_t       n = o->configs.n;
    plan_options how = {.skip_bad = o->skip_bad, .report = data_report_skipped};
    if (kernels_get(e) == NULL) return -1; /* HARNESS_ISA: replay would not ask before its first cell is done */
    for (size_t i = 0; i < n; i++) {
        config *c = &jobs[i].cfg;
        if (config_read(o->configs.at[i], o->sets.at, o->sets.n, c, e) != 0) return -1;
        if (o->output == NULL) continue;
        if (*o->output == '\0') return err_input(e, "--output \"\" is not allowed (a folder)");
        const char *why = ini_unexpanded(o->output);
        if (why != NULL)
            return err_input(e, "--output \"%s\": %s (--set \"sweep.output='%s'\" is a folder with exactly this name)",
                             o->output, why, o->output);
        free(c->output);
        if ((c->output = mem_strdup(o->output, e)) == NULL) return -1;
    }
    if (check_distinct(jobs, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++)
        if (check_replaced(&jobs[i].cfg, e) != 0 || needs_find(&jobs[i].cfg, &jobs[i].missing, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].missing.n > 0) continue;
        if (plan_make(&jobs[i].cfg, &how, &jobs[i].grid, e) != 0) return -1;
        report_tokenizers(&jobs[i].grid);
        report_omitted(&jobs[i].grid);
        report_keys(&jobs[i].grid);
    }
    return 0;
}

/* A sweep that fails does not keep the next ones from running. */
static int run_all(job *jobs, size_t n, const options *o, err *e) {
    int ret = 0;
    for (size_t i = 0; i < n; i++) {
        err why = {0};
        if (jobs[i].missing.n > 0) continue;
        int failed = o->dry_run ? show_plan(&jobs[i].grid, o, &why) : run_plan(&jobs[i].grid, o, &why);
        jobs[i].state = failed ? FAILED : DONE;
        if (!failed) continue;
        if (ret != 0) fprintf(stderr, "harness: %s\n", e->text);
        *e = why;
        ret = -1;
        if (why.kind == ERR_STOP) break;
    }
    return ret;
}

/* What became of each of several configs, and how to get the missing files. */
static void print_summary(const job *jobs, size_t n, const options *o) {
    fprintf(stderr, "%zu configs:\n", n);
    for (size_t i = 0; i < n; i++) {
        const job  *j = &jobs[i];
        const char *word = j->missing.n > 0      ? "skipped"
                           : j->state == FAILED  ? "failed"
                           : j->state == WAITING ? "not run"
                           : o->dry_run          ? "ready"
                                                 : "ran";
        fprintf(stderr, "  %-7s  %s\n", word, j->cfg.path);
        needs_print(&j->missing, "           ", stderr);
    }
}

/* Runs or shows all plans. Says what was skipped before anything runs, while the user can still get the files, and
 * again at the end. */
static int do_jobs(job *jobs, size_t n, const options *o, err *e) {
    size_t skipped = 0;
    for (size_t i = 0; i < n; i++) {
        const missing_files *m = &jobs[i].missing;
        if (m->n == 0) continue;
        skipped++;
        if (n > 1)
            fprintf(stderr, "%s: skipped: %zu file%s that it needs %s missing (see below)\n", jobs[i].cfg.path, m->n,
                    plural(m->n), m->n > 1 ? "are" : "is");
    }
    int ret = run_all(jobs, n, o, e);
    if (n > 1)
        print_summary(jobs, n, o);
    else
        needs_print(&jobs[0].missing, "", stderr);
    if (ret != 0 || skipped == 0) return ret;
    if (n == 1) return err_run(e, "%s: skipped: files that it needs are missing (see above)", jobs[0].cfg.path);
    return err_run(e, "%zu of %zu configs were skipped: files that they need are missing (see above)", skipped, n);
}

static int run(void *opts, err *e) {
    const options *o = opts;
    size_t         n = o->configs.n;
    job           *jobs = mem_new(n, sizeof *jobs, e);
    if (jobs == NULL) return -1;
    int ret = plan_all(o, jobs, e);
    if (ret == 0) ret = do_jobs(jobs, n, o, e);
    for (size_t i = 0; i < n; i++) {
        plan_free(&jobs[i].grid);
        needs_free(&jobs[i].missing);
        config_free(&jobs[i].cfg);
    }
    free(jobs);
    return ret;
}

const command command_sweep = {
    .name = "sweep",
    .help = "run or resume the grid of a config, collect and print it",
    .about =
        "Runs or resumes the grid of each config, collects OUTPUT/NAME.h5 and prints its summary table. Finished "
        "cells are kept in OUTPUT/NAME/cells, finished trials of the others in OUTPUT/NAME/unfinished: a sweep that "
        "was stopped or killed goes on where it was when the same command is given again. harness help "
        "sweep-config says what a config holds.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
