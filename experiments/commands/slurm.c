/* slurm.c - `harness slurm`: a sweep as an array of jobs of Slurm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/kernels/kernels.h"
#include "experiments/commands/commands.h"
#include "experiments/sweep/needs.h"
#include "experiments/sweep/share.h"
#include "experiments/sweep/slurm.h"
#include "experiments/sweep/sweep_run.h"
#include "experiments/terminal/data_report.h"

typedef struct {
    const char *config, *output;
    size_t      tasks, at_once;
    text_list   sets, sbatch;
    bool        submit, skip_bad;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"submit", 0, NULL, &option_flag, OPTION_AT(options, submit), .help = "run sbatch; without it, say how to"},
    {"tasks", 't', "N", &option_size, OPTION_AT(options, tasks), OPTION_RANGE(1, 1000000),
     .help = "tasks of the array, fewer when there is less to do; with more than baselines, cells are split by "
             "records (default: one for each baseline with work)"},
    {"at-once", 0, "N", &option_size, OPTION_AT(options, at_once), OPTION_RANGE(1, 1000000),
     .help = "most tasks that run at a time (default: as many as Slurm lets)"},
    {"set", 's', "SECTION.KEY=VAL", &option_text, OPTION_AT(options, sets), .list = true,
     .help = "override a value, as in harness sweep"},
    {"output", 'o', "DIR", &option_path, OPTION_AT(options, output),
     .help = "results folder, instead of the one in the config"},
    {"skip-bad", 0, NULL, &option_flag, OPTION_AT(options, skip_bad),
     .help = "count and report bad dataset lines instead of stopping at the first"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"CONFIG.ini", .type = &option_path, OPTION_AT(options, config), .required = true},
    {"SBATCH-OPTION", .type = &option_text, OPTION_AT(options, sbatch), .list = true},
};

/* What each task runs with, as words; they are the caller's texts. */
static const char **command_words(const options *o, size_t *n, err *e) {
    const char **all = mem_new(2 * o->sets.n + 5, sizeof *all, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    *n = 0;
    if (all == NULL) return NULL;
    for (size_t i = 0; i < o->sets.n; i++) {
        all[(*n)++] = "--set";
        all[(*n)++] = o->sets.at[i];
    }
    if (o->output != NULL) all[(*n)++] = "--output";
    if (o->output != NULL) all[(*n)++] = o->output;
    if (o->skip_bad) all[(*n)++] = "--skip-bad";
    all[(*n)++] = "--";
    all[(*n)++] = o->config;
    return all;
}

static int print_how(const char *dir, const slurm_options *how, const char *array, const char *collect, err *e) {
    char *plain = mem_printf(e, "%s/slurm", dir), *folder = plain != NULL ? here_word(plain, e) : NULL;
    char *words = slurm_words(how->sbatch, how->n_sbatch, e), *task = slurm_words(how->command, how->n_command, e);
    int   ret = folder != NULL && words != NULL && task != NULL ? 0 : -1;
    if (ret == 0 && array == NULL)
        printf("\nto submit, give --submit, or:\n"
               "    job=$(sbatch --parsable%s %s/array.sh) &&\n"
               "      sbatch --dependency=afterany:${job%%%%;*}%s %s/collect.sh\n",
               words, folder, words, folder);
    if (ret == 0 && array != NULL) printf("\nsubmitted: tasks as job %s, collecting as job %s\n", array, collect);
    if (ret == 0)
        printf("\nto watch:\n"
               "    squeue -r -j %s\n"
               "    sacct -j %s --format=JobID,State,ExitCode,Elapsed,NodeList\n"
               "    harness sweep -n%s    # how much is finished\n",
               array != NULL ? array : "$job", array != NULL ? array : "$job", task);
    if (ret == 0 && !slurm_has_option(how, "output", 'o')) printf("    tail %s/*.out\n", folder);
    if (ret == 0)
        printf("When tasks failed, were cancelled or ran out of time, give this command again: finished trials are "
               "kept, and\nonly what is missing is submitted. It does not see tasks that still wait in the queue.\n");
    free(plain);
    free(folder);
    free(words);
    free(task);
    return ret;
}

/* Says what there is to do; true when there is something to submit. */
static bool print_work(const plan *p, const slurm_work *w) {
    printf("%s: %zu of %zu cells are finished", p->cfg->name, w->finished, p->n_cells);
    if (w->open == 0) {
        printf("; nothing is left to run\n");
        return false;
    }
    printf("; %zu part%s of the others %s left to run", w->open, plural(w->open), w->open == 1 ? "is" : "are");
    if (w->running > 0) printf(", of which processes are running %zu", w->running);
    printf("\n");
    if (w->running < w->open) return true;
    printf(
        "%s: nothing to submit: all of it is claimed by processes. What one that died had claimed is free again after "
        "%d seconds: give this command again then\n",
        p->cfg->name, CLAIMS_LEASE);
    return false;
}

static int make_jobs(const options *o, const plan *p, const char *dir, err *e) {
    slurm_work    work;
    slurm_options how = {.at_once = o->at_once, .sbatch = o->sbatch.at, .n_sbatch = o->sbatch.n};
    char         *array = NULL, *collect = NULL;
    how.parts = share_parts(p, 0, o->tasks > 0 ? o->tasks : 1);
    if (slurm_check_options(&how, e) != 0 || slurm_look(p, dir, how.parts, &work, e) != 0) return -1;
    if (!print_work(p, &work)) return 0;
    size_t left = work.open - work.running, wanted = o->tasks > 0 ? o->tasks : work.open_groups;
    how.tasks = wanted < left ? wanted : left;
    const char **task = command_words(o, &how.n_command, e);
    how.command = task;
    int ret = task != NULL ? slurm_write(p, dir, &how, e) : -1;
    if (ret == 0) {
        char *shown = here_path(dir, NULL);
        printf("%s: wrote %s/slurm/array.sh (%zu task%s) and collect.sh\n", p->cfg->name, shown != NULL ? shown : dir,
               how.tasks, plural(how.tasks));
        free(shown);
        if (fflush(stdout) != 0) ret = err_errno(e, "standard output", "cannot write"); /* before what sbatch says */
    }
    if (ret == 0 && o->submit) ret = slurm_submit(dir, &how, &array, &collect, e);
    if (ret == 0) ret = print_how(dir, &how, array, collect, e);
    free(array);
    free(collect);
    free(task);
    return ret;
}

/* Reads and plans the config as a task will, so that a mistake is found here. */
static int run(void *opts, err *e) {
    const options     *o = opts;
    const plan_options how = {.skip_bad = o->skip_bad, .report = data_report_skipped};
    config             c;
    plan               p = {0};
    missing_files      missing = {0};
    if (kernels_get(e) == NULL || config_read(o->config, o->sets.at, o->sets.n, &c, e) != 0) return -1;
    int   ret = o->output != NULL ? config_set_output(&c, o->output, e) : 0;
    char *dir = ret == 0 ? sweep_folder(&c, e) : NULL;
    if (dir == NULL) ret = -1;
    if (ret == 0 && (sweep_check_replaced(&c, e) != 0 || needs_find(&c, &missing, e) != 0)) ret = -1;
    if (ret == 0 && missing.n > 0) {
        needs_print(&missing, "", stderr);
        ret = err_run(e, "%s: files that it needs are missing (see above)", o->config);
    }
    if (ret == 0) ret = plan_make(&c, &how, &p, e);
    if (ret == 0) ret = sweep_check_places(&c, dir, e);
    if (ret == 0) ret = make_jobs(o, &p, dir, e);
    plan_free(&p);
    needs_free(&missing);
    free(dir);
    config_free(&c);
    return ret;
}

const command command_slurm = {
    .name = "slurm",
    .help = "run a sweep as an array of jobs of Slurm",
    .usage = "[OPTION]... CONFIG.ini [-- SBATCH-OPTION...]",
    .about =
        "Writes OUTPUT/NAME/slurm/array.sh, an array of tasks that share the sweep's folder, and collect.sh, which "
        "collects when they have ended; with --submit it gives them to sbatch. The folder must be one that all "
        "nodes see; NFS is enough. Tasks take what nobody has claimed, so a node that dies gives its cells back. The "
        "same command again submits what is missing, and only as many tasks as there is work; tasks that still wait in "
        "the queue have claimed nothing, and are not counted.",
    .notes =
        "What follows -- goes to sbatch, for both jobs: -- --partition=cpu --time=4:00:00. Two minutes before the time "
        "limit tasks keep what they have finished and end. Speed-up by the clock needs paired = yes.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
