/* slurm.c - the scripts, and sbatch. */
#include "experiments/sweep/slurm.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/mem.h"
#include "experiments/sweep/share.h"

enum { SIGNAL_SECONDS = 120 };

/* ---- what there is to do ---------------------------------------------------------------------------------- */

/* Counts what is open of a cell that is not finished. Where all trials are there, somebody still must join them. */
static void count_cell(const share *s, claims *c, size_t cell, slurm_work *out) {
    size_t baseline = s->p->cells[cell].baseline, open = out->open, last = SIZE_MAX;
    char   who[512];
    for (size_t i = s->group[baseline]; i < s->n && s->p->cells[s->units[i].cell].baseline == baseline; i++) {
        if (s->units[i].cell != cell) continue;
        last = i;
        if (s->missing[i] == 0) continue;
        char *name = share_unit_name(s, i, NULL);
        out->open++;
        out->running += c != NULL && name != NULL && claims_held(c, name, who, sizeof who);
        free(name);
    }
    if (out->open == open && last != SIZE_MAX) out->open++;
}

static int count_work(share *s, claims *c, slurm_work *out, err *e) {
    const plan *p = s->p;
    size_t      group = SIZE_MAX;
    for (size_t i = 0; i < p->n_cells; i++) {
        int there = cell_exists(s->dir, &p->cells[i], e);
        out->groups += plan_cell_is_baseline(&p->cells[i]);
        if (there < 0) return -1;
        if (there > 0) {
            out->finished++;
            continue;
        }
        if (share_count(s, i, e) != 0) return -1;
        count_cell(s, c, i, out);
        out->open_groups += p->cells[i].baseline != group;
        group = p->cells[i].baseline;
    }
    return 0;
}

int slurm_look(const plan *p, const char *dir, size_t parts, slurm_work *out, err *e) {
    struct stat st;
    share       s;
    claims     *c = NULL;
    *out = (slurm_work){0};
    if (share_open(&s, p, dir, parts, e) != 0) return -1;
    char *folder = mem_printf(e, "%s/claims", dir);
    int   ret = folder != NULL ? 0 : -1;
    if (ret == 0 && stat(folder, &st) == 0 && (c = claims_open(dir, CLAIMS_LEASE, e)) == NULL) ret = -1;
    if (ret == 0) ret = count_work(&s, c, out, e);
    claims_close(c);
    free(folder);
    share_close(&s);
    return ret;
}

/* ---- options of sbatch ------------------------------------------------------------------------------------ */

/* Whether a text is this option: "--array", "--array=1-3", "-a", "-a1-3"; or, as getopt_long takes them, "--arr=1-3"
 * and "-Ha1-3" behind letters that take no value. */
static bool is_option(const char *text, const char *name, char letter) {
    enum { SHORTEST = 2 }; /* of abbreviations: a single letter fits several */
    if (text[0] != '-') return false;
    if (text[1] != '-') return letter != 0 && text[1 + strspn(text + 1, "HhIkOQsvVW")] == letter;
    size_t n = strcspn(text + 2, "=");
    return n >= SHORTEST && n <= strlen(name) && strncmp(text + 2, name, n) == 0;
}

bool slurm_has_option(const slurm_options *o, const char *name, char letter) {
    for (size_t i = 0; i < o->n_sbatch; i++)
        if (is_option(o->sbatch[i], name, letter)) return true;
    return false;
}

int slurm_check_options(const slurm_options *o, err *e) {
    if (o->n_sbatch > 0 && o->sbatch[0][0] != '-')
        return err_input(e, "\"%.100s\" is no option of sbatch (one config is allowed; options of sbatch follow --)",
                         o->sbatch[0]);
    for (size_t i = 0; i < o->n_sbatch; i++) {
        const char *text = o->sbatch[i];
        if (is_option(text, "array", 'a'))
            return err_input(e,
                             "sbatch option \"%.100s\" is not allowed (--tasks is the number of tasks, --at-once how "
                             "many run at a time)",
                             text);
        if (is_option(text, "dependency", 'd') || is_option(text, "wrap", 0))
            return err_input(e, "sbatch option \"%.100s\" is not allowed (the collecting job waits for the array)",
                             text);
    }
    return 0;
}

/* ---- scripts ---------------------------------------------------------------------------------------------- */

/* A text inside double quotes of an #SBATCH line; a percent sign in an output's name would be a pattern. */
static char *sbatch_quoted(const char *text, bool pattern, err *e) {
    char *out = mem_new(2 * strlen(text) + 3, 1, e), *at = out;
    if (out == NULL) return NULL;
    *at++ = '"';
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') *at++ = '\\';
        if (*c == '%' && pattern) *at++ = '%';
        *at++ = *c;
    }
    *at = '"';
    return out;
}

char *slurm_words(const char *const *at, size_t n, err *e) {
    char *all = mem_strdup("", e);
    for (size_t i = 0; all != NULL && i < n; i++) {
        char *word = here_quoted(at[i], e), *more = word != NULL ? mem_printf(e, "%s %s", all, word) : NULL;
        free(word);
        free(all);
        all = more;
    }
    return all;
}

typedef struct {
    char *name, *collect_name; /* quoted, of the jobs */
    char *place;               /* the folder of outputs, quoted; the closing quote is left to what is appended */
    char *cwd, *program;       /* words of a shell */
    char *command;
} pieces;

static void pieces_free(pieces *x) {
    free(x->name);
    free(x->collect_name);
    free(x->place);
    free(x->cwd);
    free(x->program);
    free(x->command);
}

static char *program_path(err *e) {
    char *path = realpath("/proc/self/exe", NULL);
    if (path == NULL) err_errno(e, "/proc/self/exe", "cannot find this program");
    return path;
}

static int pieces_make(const plan *p, const char *folder, const slurm_options *o, pieces *x, err *e) {
    char *cwd = getcwd(NULL, 0), *program = program_path(e), *place = file_place(folder, e);
    char *collect = mem_printf(e, "%s-collect", p->cfg->name);
    int   ret = -1;
    *x = (pieces){0};
    if (cwd == NULL) err_errno(e, ".", "cannot name the working folder");
    if (cwd == NULL || program == NULL || place == NULL || collect == NULL) goto out;
    if (strchr(place, '\n') != NULL) {
        err_input(e, "%s: a name with a line break cannot be in a script for sbatch", folder);
        goto out;
    }
    x->name = sbatch_quoted(p->cfg->name, false, e);
    x->collect_name = sbatch_quoted(collect, false, e);
    x->place = sbatch_quoted(place, true, e);
    x->cwd = here_quoted(cwd, e);
    x->program = here_quoted(program, e);
    x->command = slurm_words(o->command, o->n_command, e);
    if (x->name != NULL && x->collect_name != NULL && x->place != NULL && x->cwd != NULL && x->program != NULL &&
        x->command != NULL)
        ret = 0;
    if (ret == 0) x->place[strlen(x->place) - 1] = '\0'; /* the quote comes after the name */
out:
    free(cwd);
    free(program);
    free(place);
    free(collect);
    return ret;
}

static int write_script(const char *folder, const char *name, char *text, err *e) {
    char *path = text != NULL ? mem_printf(e, "%s/%s", folder, name) : NULL;
    int   ret = path != NULL ? atomic_write(path, text, strlen(text), false, e) : -1;
    free(path);
    free(text);
    return ret;
}

static int most_threads(const plan *p) {
    int most = 1;
    for (size_t i = 0; i < p->n_models; i++)
        if (p->models[i].spec.threads > most) most = p->models[i].spec.threads;
    return most;
}

int slurm_write(const plan *p, const char *dir, const slurm_options *o, err *e) {
    pieces x = {0};
    char   limit[24] = "";
    char  *folder = mem_printf(e, "%s/slurm", dir);
    int    ret = folder != NULL && file_make_folder(folder, e) == 0 ? pieces_make(p, folder, o, &x, e) : -1;
    if (o->at_once > 0) snprintf(limit, sizeof limit, "%%%zu", o->at_once);
    if (ret == 0)
        ret = write_script(folder, "array.sh",
                           mem_printf(e,
                                      "#!/bin/bash\n#SBATCH --job-name=%s\n#SBATCH --array=1-%zu%s\n"
                                      "#SBATCH --cpus-per-task=%d\n#SBATCH --output=%s/%%A_%%a.out\"\n"
                                      "#SBATCH --signal=B:TERM@%d\ncd -- %s || exit\n"
                                      "exec %s sweep --quiet --collect no --parts %zu%s\n",
                                      x.name, o->tasks, limit, most_threads(p), x.place, SIGNAL_SECONDS, x.cwd,
                                      x.program, o->parts, x.command),
                           e);
    if (ret == 0)
        ret = write_script(folder, "collect.sh",
                           mem_printf(e,
                                      "#!/bin/bash\n#SBATCH --job-name=%s\n#SBATCH --output=%s/collect_%%j.out\"\n"
                                      "cd -- %s || exit\nexec %s sweep --collect only%s\n",
                                      x.collect_name, x.place, x.cwd, x.program, x.command),
                           e);
    pieces_free(&x);
    free(folder);
    return ret;
}

/* ---- sbatch ------------------------------------------------------------------------------------------------ */

/* Runs a program and reads what it prints; its errors go to stderr as they are. Returns its exit status, or -1. */
static int run_program(char *const *argv, char *out, size_t size, err *e) {
    extern char              **environ;
    int                        pipes[2], status = 0;
    pid_t                      pid;
    size_t                     n = 0;
    posix_spawn_file_actions_t actions;
    if (pipe(pipes) != 0) return err_errno(e, argv[0], "cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipes[0]);
    posix_spawn_file_actions_addclose(&actions, pipes[1]);
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    for (ssize_t got = 1; failed == 0 && got != 0;) {
        char rest[256];
        bool full = n + 1 >= size;
        got = full ? read(pipes[0], rest, sizeof rest) : read(pipes[0], out + n, size - 1 - n);
        if (got < 0 && errno != EINTR) break;
        if (got > 0 && !full) n += (size_t)got;
    }
    out[n] = '\0';
    close(pipes[0]);
    if (failed == ENOENT)
        return err_run(e, "%s: is not on this machine (log in where Slurm's commands are, and give the same command)",
                       argv[0]);
    errno = failed;
    if (failed != 0) return err_errno(e, argv[0], "cannot start");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return err_errno(e, argv[0], "cannot wait for it");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Submits a script; its job's id in new memory. */
static char *submit(const char *dir, const char *script, const char *after, const slurm_options *o, err *e) {
    char   text[256], *id = NULL;
    char **argv = mem_new(o->n_sbatch + 5, sizeof *argv, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    char  *path = mem_printf(e, "%s/slurm/%s", dir, script);
    char  *wait = after != NULL ? mem_printf(e, "--dependency=afterany:%s", after) : NULL;
    size_t n = 0;
    if (argv == NULL || path == NULL || (after != NULL && wait == NULL)) goto out;
    argv[n++] = (char *)"sbatch";
    argv[n++] = (char *)"--parsable";
    for (size_t i = 0; i < o->n_sbatch; i++) argv[n++] = (char *)o->sbatch[i];
    if (wait != NULL) argv[n++] = wait;
    argv[n] = path;
    int    status = run_program(argv, text, sizeof text, e);
    size_t digits = strspn(text, "0123456789");
    if (status > 0) err_run(e, "sbatch refused %s (its exit status is %d)", path, status);
    if (status == 0 && digits == 0) err_run(e, "sbatch printed no job id for %s", path);
    if (status == 0 && digits > 0) id = mem_strndup(text, digits, e);
out:
    free(wait);
    free(path);
    free(argv);
    return id;
}

int slurm_submit(const char *dir, const slurm_options *o, char **array, char **collect, err *e) {
    *collect = NULL;
    if ((*array = submit(dir, "array.sh", NULL, o, e)) == NULL) return -1;
    if ((*collect = submit(dir, "collect.sh", *array, o, e)) != NULL) return 0;
    return err_prefix(e, "the tasks are submitted as job %s, but nothing will collect their results", *array);
}
