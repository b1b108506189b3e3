/* collect.c - `harness collect`: the finished cells of a sweep become one results file.
 *
 * A sweep does this itself when its last cell is finished; this command is for a sweep that was stopped or a job
 * array that is still running. Cell files are read, never changed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "experiments/commands/commands.h"
#include "experiments/sweep/cell_folder.h"
#include "experiments/sweep/results.h"
#include "store/settings.h"

typedef struct {
    char **at;
    size_t n, cap;
} paths;

static void paths_free(paths *p) {
    for (size_t i = 0; i < p->n; i++) free(p->at[i]);
    free(p->at);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The *.h5 files in a folder, sorted. Hidden files are skipped: they are still being written. */
static int list_cells(const char *folder, paths *out, err *e) {
    int  ret = -1;
    DIR *dir = opendir(folder);
    if (dir == NULL) return err_unreadable(e, folder);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            ret = errno == 0 ? 0 : err_unreadable(e, folder);
            break;
        }
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || length < 3 || strcmp(entry->d_name + length - 3, ".h5") != 0) continue;
        if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0) break;
        if ((out->at[out->n] = mem_printf(e, "%s/%s", folder, entry->d_name)) == NULL) break;
        out->n++;
    }
    closedir(dir);
    if (ret == 0 && out->n == 0) return err_input(e, "%s: no cell files (*.h5) are here", folder);
    if (ret == 0) qsort(out->at, out->n, sizeof *out->at, by_name);
    return ret;
}

/* DIR.h5, without DIR's trailing slashes. */
static char *default_output(const char *dir, err *e) {
    size_t n = strlen(dir);
    while (n > 0 && dir[n - 1] == '/') n--;
    char *path = mem_printf(e, "%.*s.h5", (int)n, dir);
    if (path == NULL) return NULL;
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    if (strcmp(name, ".h5") != 0 && strcmp(name, "..h5") != 0 && strcmp(name, "...h5") != 0) return path;
    err_input(e, "%s: has no name for the results (-o FILE)", dir);
    free(path);
    return NULL;
}

/* Whether there are cell files in a folder under their own names; -1 on failure. Results of a sweep that is called like
 * one have its folder beside them. */
static int holds_cells(const char *folder, err *e) {
    int  holds = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) return errno == ENOENT || errno == ENOTDIR ? 0 : err_unreadable(e, folder);
    while (holds == 0) {
        struct stat s;
        char        id[CELL_ID_DIGITS + 1] = {0};
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0) holds = err_unreadable(e, folder);
            break;
        }
        if (!cell_folder_is_file(entry->d_name)) continue;
        memcpy(id, entry->d_name, CELL_ID_DIGITS);
        holds = fstatat(dirfd(dir), id, &s, 0) != 0 || !S_ISDIR(s.st_mode);
    }
    closedir(dir);
    return holds;
}

/* Whether a file would be among the cells of this folder or of another sweep. */
static int lies_among_cells(const char *output, const char *cells, err *e) {
    int   among = file_lies_in(output, cells, e);
    char *place = among == 0 ? file_place(output, e) : NULL, *folder = place != NULL ? file_folder(place, e) : NULL;
    if (among == 0) among = folder != NULL ? holds_cells(folder, e) : -1;
    free(place);
    free(folder);
    return among;
}

/* Like a sweep, this never rewrites a finished cell. It only replaces files that a collection can have made. */
static int check_output(const char *output, const char *cells, err *e) {
    struct stat st;
    int64_t     version;
    int         among = lies_among_cells(output, cells, e);
    if (among < 0) return -1;
    if (among > 0) return err_input(e, "%s: lies among cell files (-o names another folder)", output);
    if (stat(output, &st) != 0) return errno == ENOENT ? 0 : err_errno(e, output, "cannot write");
    if (!S_ISREG(st.st_mode) || st.st_size == 0) return 0;
    if (results_version(output, &version, e) == 0) return 0;
    if (e->kind == ERR_INPUT) err_advise(e, "it would be replaced: move it away, or -o names another file");
    return -1;
}

/* Cells of another schema, from another version of this program, are left out with a message. */
static int leave_out_others(const char *folder, paths *cells, err *e) {
    size_t  kept = 0, n = cells->n;
    int64_t version;
    for (size_t i = 0; i < n; i++) {
        if (store_version(cells->at[i], &version, NULL) == 0 && version != STORE_SCHEMA_VERSION)
            free(cells->at[i]);
        else
            cells->at[kept++] = cells->at[i];
    }
    cells->n = kept;
    if (kept == 0)
        return err_input(e, "%s: all cell files are of other schema versions (this program reads %d)", folder,
                         STORE_SCHEMA_VERSION);
    if (kept < n)
        fprintf(stderr, "harness: %s: %zu of %zu cell files are of other schema versions than %d and left out\n",
                folder, n - kept, n, STORE_SCHEMA_VERSION);
    return 0;
}

/* Cells that differ only in their ids: they come from other versions of the program, the data or the model. */
static void warn_about_versions(const char *dir, const store_data *d) {
    for (size_t i = 1; i < d->n_cells; i++) {
        const cell_row *a = &d->cells[i - 1];
        cell_row        b = d->cells[i];
        b.id = a->id;
        if (settings_compare(a, &b) != 0) continue;
        fprintf(
            stderr,
            "harness: %s: some cells are the same points of the grid, run with other versions of the program, the data "
            "or the model; tables tell them apart by build, dataset_sha256, model_sha256 or id\n",
            dir);
        return;
    }
}

static void warn_about_unfinished(const char *dir) {
    size_t n = cell_folder_unfinished(dir);
    if (n > 0)
        fprintf(stderr, "harness: %s: %zu cell%s begun and not finished, and left out\n", dir, n,
                n == 1 ? " is" : "s are");
}

static int collect(const char *dir, const char *output, err *e) {
    int        ret = -1;
    paths      cells = {0};
    store_data d = {0};
    char      *folder = cell_folder_of(dir, e);

    if (folder == NULL || list_cells(folder, &cells, e) != 0 || check_output(output, folder, e) != 0 ||
        leave_out_others(folder, &cells, e) != 0)
        goto out;
    if (results_collect((const char *const *)cells.at, cells.n, NULL, output, false, &d, e) != 0) goto out;
    printf("%s: %zu cell%s, %zu sample%s, %zu trial%s, %zu step%s, %zu token%s\n", output, d.n_cells, plural(d.n_cells),
           d.n_samples, plural(d.n_samples), d.n_trials, plural(d.n_trials), d.n_steps, plural(d.n_steps), d.n_ids,
           plural(d.n_ids));
    warn_about_versions(dir, &d);
    warn_about_unfinished(dir);
    ret = 0;
out:
    store_free(&d);
    paths_free(&cells);
    free(folder);
    return ret;
}

typedef struct {
    const char *dir, *output;
} options;

static const option_spec specs[] = {
    {"output", 'o', "FILE", &option_path, OPTION_AT(options, output),
     .help = "the results file (default DIR.h5); replaced when it is there"},
};
static const option_spec operands[] = {
    {"DIR", .type = &option_path, OPTION_AT(options, dir), .required = true},
};

static int run(void *opts, err *e) {
    const options *o = opts;
    char          *path = o->output != NULL ? mem_strdup(o->output, e) : default_output(o->dir, e);
    int            ret = path != NULL ? collect(o->dir, path, e) : -1;
    free(path);
    return ret;
}

const command command_collect = {
    .name = "collect",
    .help = "merge finished cells into one results file",
    .about = "Merges the cell files in DIR/cells, or in DIR itself, into one results file and prints its counts.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
