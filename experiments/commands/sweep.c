/* sweep.c - `harness sweep`: turns each config into cell files, one results file and a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/number.h"
#include "engine/kernels/kernels.h"
#include "experiments/commands/commands.h"
#include "experiments/ini/inifile.h"
#include "experiments/sweep/claims.h"
#include "experiments/sweep/needs.h"
#include "experiments/sweep/plan_print.h"
#include "experiments/sweep/sweep_run.h"
#include "experiments/terminal/data_report.h"
#include "experiments/terminal/tokenizer_report.h"

typedef struct {
    runner_options run;
    text_list      configs, sets;
    const char    *output;
    bool           dry_run, skip_bad;
} options;

static const char *const collect_choices[] = {"yes", "no", "only", NULL};

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
    {"parts", 0, "N", &option_size, OPTION_AT(options, run.parts), OPTION_RANGE(1, 1000000),
     .help = "split each cell by records into N parts, where more processes than models times data sets share the "
             "folder; the same N in all of them (default: as many as --jobs needs)"},
    {"lease", 0, "SECONDS", &option_size, OPTION_AT(options, run.lease), .preset = "90", OPTION_RANGE(1, CLAIMS_LONGEST),
     .help = "how long another machine's process may be silent before its work is given to others"},
    {"collect", 0, "WHEN", &option_choice, OPTION_AT(options, run.collect), .preset = "yes", .of = collect_choices,
     .help = "yes: write the results and print them when all cells are finished; no: leave that to another process; "
             "only: run nothing, and fail when a cell is not finished"},
    {"skip-bad", 0, NULL, &option_flag, OPTION_AT(options, skip_bad),
     .help = "count and report bad dataset lines instead of stopping at the first"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, run.quiet), .help = "no progress"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"CONFIG.ini", .type = &option_path, OPTION_AT(options, configs), .required = true, .list = true},
};

/* Runs a plan and prints its summary, also when trials are not what their rule promises. */
static int run_plan(const plan *p, const runner_options *o, err *e) {
    store_data    all = {0};
    err           why = {0};
    int           ret = sweep_run(p, o, &all, e);
    table_options text = {.format = registry_find(&table_format_registry, "text")};
    if (all.n_cells > 0 && table_print(registry_find(&table_registry, "summary"), &all, &text, stdout, &why) != 0) {
        if (ret == 0) *e = why;
        ret = -1;
    }
    store_free(&all);
    return ret;
}

/* --dry-run: runs nothing and creates nothing. */
static int show_plan(const plan *p, const options *o, err *e) {
    char *dir = sweep_folder(p->cfg, e);
    int   ret = dir != NULL ? sweep_check_places(p->cfg, dir, e) : -1;
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
            char         *a = sweep_results(one, e), *b = sweep_results(other, e);
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
        if (o->output != NULL && config_set_output(c, o->output, e) != 0) return -1;
    }
    if (check_distinct(jobs, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++)
        if (sweep_check_replaced(&jobs[i].cfg, e) != 0 || needs_find(&jobs[i].cfg, &jobs[i].missing, e) != 0) return -1;
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
        int failed = o->dry_run ? show_plan(&jobs[i].grid, o, &why) : run_plan(&jobs[i].grid, &o->run, &why);
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
        "sweep-config says what a config holds. The same command started several times, on one machine or on many that "
        "share the folder, shares the work; harness slurm does so on a cluster.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
