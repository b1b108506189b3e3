/* cell_files.c - the files of a cell: finished, or in parts. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "experiments/sweep/cell.h"
#include "experiments/sweep/provenance.h"
#include "experiments/sweep/results.h"

char *cell_path(const char *dir, const plan_cell *c, err *e) {
    return mem_printf(e, "%s/cells/%s.h5", dir, c->id);
}

static char *parts_path(const char *dir, const plan_cell *c, err *e) {
    return mem_printf(e, "%s/unfinished/%s", dir, c->id);
}

int cell_exists(const char *dir, const plan_cell *c, err *e) {
    struct stat st;
    char       *path = cell_path(dir, c, e);
    int         there = path == NULL ? -1 : stat(path, &st) == 0 ? 1 : 0;
    if (there == 0 && errno != ENOENT && errno != ENOTDIR) there = err_unreadable(e, path);
    free(path);
    return there;
}

/* ---- the parts' folder ----------------------------------------------------------------------------------- */

typedef int each_part(const char *path, void *ctx, err *e);

/* Errors for what another process has removed; on NFS, another machine. */
static bool is_removed(int error) {
    return error == ENOENT || error == ESTALE;
}

static bool is_gone(const char *path) {
    return access(path, F_OK) != 0 && is_removed(errno);
}

/* Calls each() for *.h5 in the folder, which need not exist. Names that begin with a dot are still being written. */
static int for_parts(const char *folder, each_part *each, void *ctx, err *e) {
    DIR *dir = opendir(folder);
    int  ret = 0;
    if (dir == NULL) return is_removed(errno) ? 0 : err_unreadable(e, folder);
    while (ret == 0) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0 && !is_removed(errno)) ret = err_unreadable(e, folder);
            break;
        }
        size_t n = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || n < 3 || strcmp(entry->d_name + n - 3, ".h5") != 0) continue;
        char *path = mem_printf(e, "%s/%s", folder, entry->d_name);
        ret = path != NULL ? each(path, ctx, e) : -1;
        free(path);
    }
    closedir(dir);
    return ret;
}

static int remove_part(const char *path, void *ctx, err *e) {
    (void)ctx, (void)e;
    unlink(path); /* a file of another user may remain */
    return 0;
}

typedef struct {
    char **at;
    size_t n, cap;
} path_list;

static int add_path(const char *path, void *ctx, err *e) {
    path_list *l = ctx;
    if (mem_reserve(&l->at, &l->cap, l->n + 1, e) != 0 || (l->at[l->n] = mem_strdup(path, e)) == NULL) return -1;
    l->n++;
    return 0;
}

static void free_paths(path_list *l) {
    for (size_t i = 0; i < l->n; i++) free(l->at[i]);
    free(l->at);
    *l = (path_list){0};
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The parts in one order everywhere: of a trial that is there twice, the first one is taken. */
static int list_parts(const char *folder, path_list *l, err *e) {
    if (for_parts(folder, add_path, l, e) != 0) return -1;
    if (l->n > 0) qsort(l->at, l->n, sizeof *l->at, compare_paths);
    return 0;
}

/* Whether `in` has all of these. */
static bool has_all(const path_list *in, const path_list *these) {
    for (size_t i = 0; i < these->n; i++)
        if (in->n == 0 || bsearch(&these->at[i], in->at, in->n, sizeof *in->at, compare_paths) == NULL) return false;
    return true;
}

/* ---- which trials there are ------------------------------------------------------------------------------ */

int cell_trials_init(cell_trials *t, const plan *p, size_t cell, err *e) {
    *t = (cell_trials){.n = plan_cell_trials(p, cell), .repeats = p->cfg->repeats};
    return (t->there = mem_new(t->n, sizeof *t->there, e)) != NULL ? 0 : -1;
}

void cell_trials_free(cell_trials *t) {
    free(t->there);
    *t = (cell_trials){0};
}

bool cell_trials_complete(const cell_trials *t) {
    for (size_t i = 0; i < t->n; i++)
        if (!t->there[i]) return false;
    return true;
}

typedef struct {
    cell_trials     *t;
    const plan_cell *c;
    unsigned         parts;
    each_kept       *each;
    void            *ctx;
    const char      *path; /* of the file in work */
    store_data       d;    /* as it is open */
} loading;

static int note_trial(const store_trial *t, void *ctx, err *e) {
    const loading *l = ctx;
    size_t         i = (size_t)t->trial->sample * l->t->repeats + t->trial->repeat;
    if (t->trial->repeat >= l->t->repeats)
        return err_input(e, "%s: holds repeat %u of %zu", l->path, t->trial->repeat, l->t->repeats);
    if (l->t->there[i]) return 0;
    if (l->each != NULL && l->each(t, &l->d, l->ctx, e) != 0) return -1;
    l->t->there[i] = true;
    return 0;
}

static int read_file(loading *l, err *e) {
    const store_data *d = &l->d;
    if (d->n_cells != 1 || strcmp(d->cells->id, l->c->id) != 0)
        return err_input(e, "%s: holds %s%s, whose file has another name", l->path,
                         d->n_cells == 1 ? "the cell " : "no cell or several", d->n_cells == 1 ? d->cells->id : "");
    if (d->cells->trials != l->t->n || d->n_samples * l->t->repeats != l->t->n)
        return err_input(e, "%s: is of a cell of %u trials, not %zu", l->path, d->cells->trials, l->t->n);
    return store_visit(d, l->parts, note_trial, l, e);
}

static int advise(err *e) {
    return e != NULL && e->kind == ERR_INPUT ? err_advise(e, "move the file away, and the sweep runs its trials again")
                                             : -1;
}

/* A file that has disappeared is none: another process has joined it with others. What was read of it is sound. */
static int load_file(loading *l, const char *path, err *e) {
    if (results_open_trials(path, &l->d, e) != 0) return is_gone(path) ? 0 : advise(e);
    l->path = path;
    int ret = read_file(l, e);
    store_free(&l->d);
    return ret == 0 || is_gone(path) ? 0 : advise(e);
}

/* Others join some of these files meanwhile, and a list may have neither those nor the new one. So this lists them
 * again until there is nothing new; what has a name keeps its contents. */
static int load_parts(loading *l, const char *folder, err *e) {
    path_list before = {0}, now = {0};
    bool      found;
    int       ret;
    do {
        ret = list_parts(folder, &now, e);
        found = !has_all(&now, &before);
        for (size_t i = 0; ret == 0 && i < now.n; i++) {
            const path_list one = {&now.at[i], 1, 1};
            if (has_all(&before, &one)) continue;
            ret = load_file(l, now.at[i], e);
            found = true;
        }
        free_paths(&before);
        before = now;
        now = (path_list){0};
    } while (ret == 0 && found);
    free_paths(&before);
    return ret;
}

/* The parts are removed when the cell's file is there, so this looks for that again after them. */
int cell_trials_load(cell_trials *t, const plan *p, const char *dir, size_t cell, unsigned parts, each_kept *each,
                     void *ctx, err *e) {
    const plan_cell *c = &p->cells[cell];
    loading          l = {.t = t, .c = c, .parts = parts, .each = each, .ctx = ctx};
    char            *path = cell_path(dir, c, e), *folder = path != NULL ? parts_path(dir, c, e) : NULL;
    int              there = folder != NULL ? cell_exists(dir, c, e) : -1, ret = there < 0 ? -1 : 0;
    if (there == 0) ret = load_parts(&l, folder, e);
    if (ret == 0 && there == 0 && (there = cell_exists(dir, c, e)) < 0) ret = -1;
    if (ret == 0 && there > 0) ret = load_file(&l, path, e);
    free(path);
    free(folder);
    return ret;
}

int cell_count_kept(const plan *p, const char *dir, const cell_unit *u, size_t *n, size_t *all, err *e) {
    cell_trials t;
    size_t      of_cell = 0;
    *n = 0;
    int ret = cell_trials_init(&t, p, u->cell, e);
    if (ret == 0) ret = cell_trials_load(&t, p, dir, u->cell, 0, NULL, NULL, e);
    for (size_t i = 0; ret == 0 && i < t.n; i++) {
        of_cell += t.there[i];
        *n += t.there[i] && i / t.repeats % u->parts == u->part;
    }
    if (all != NULL) *all = of_cell;
    cell_trials_free(&t);
    return ret;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static int write_trials(const store_data *trials, char *const *parts, size_t n, const char *path, bool finished,
                        err *e) {
    char *now = provenance_now(e);
    int   ret = now != NULL ? store_write_cell(path, trials, (const char *const *)parts, n, now, finished, e) : -1;
    free(now);
    return ret;
}

static char *part_path(const char *folder, const char *process, unsigned number, err *e) {
    return mem_printf(e, "%s/%s.%u.h5", folder, process, number);
}

/* With the trials of some parts, which are removed then: nothing is lost in between. Those that cannot be removed (of
 * another user) stay, and do no harm. */
static int write_part(const store_data *trials, char *const *parts, size_t n, const char *folder, const char *process,
                      unsigned number, err *e) {
    char *path = part_path(folder, process, number, e);
    int   ret = path != NULL ? write_trials(trials, parts, n, path, false, e) : -1;
    for (size_t i = 0; ret == 0 && i < n; i++) unlink(parts[i]);
    free(path);
    return ret;
}

int cell_part_save(const store_data *trials, const char *dir, const plan_cell *c, const char *process, unsigned number,
                   err *e) {
    char *folder = parts_path(dir, c, e);
    int   ret = folder != NULL ? file_make_folder(folder, e) : -1;
    if (ret == 0) ret = write_part(trials, NULL, 0, folder, process, number, e);
    free(folder);
    return ret;
}

int cell_parts_join(const store_data *frame, const char *dir, const plan_cell *c, const char *process,
                    const unsigned *numbers, size_t n, unsigned number, bool *gone, err *e) {
    char *parts[STORE_JOINED] = {0}, *folder = parts_path(dir, c, e);
    int   ret = folder != NULL ? 0 : -1;
    *gone = false;
    for (size_t i = 0; ret == 0 && i < n; i++)
        if ((parts[i] = part_path(folder, process, numbers[i], e)) == NULL) ret = -1;
    if (ret == 0 && write_part(frame, parts, n, folder, process, number, e) != 0) ret = advise(e);
    for (size_t i = 0; ret != 0 && i < n; i++) *gone |= parts[i] != NULL && is_gone(parts[i]);
    for (size_t i = 0; i < n; i++) free(parts[i]);
    free(folder);
    return ret;
}

void cell_remove_parts(const char *dir, const plan_cell *c) {
    char *parts = parts_path(dir, c, NULL);
    if (parts != NULL && for_parts(parts, remove_part, NULL, NULL) == 0) rmdir(parts);
    free(parts);
}

/* What a process that finishes a cell knows of its parts. */
typedef struct {
    const store_data *trials; /* in memory */
    const char       *folder, *path, *process;
    unsigned         *number;
    path_list         joined; /* those that are in another part by now, sorted; some may still be there */
} finishing;

typedef struct {
    char *path;
    off_t size;
} sized_path;

static int compare_sizes(const void *a, const void *b) {
    off_t x = ((const sized_path *)a)->size, y = ((const sized_path *)b)->size;
    return (x > y) - (x < y);
}

/* Takes sixteen of the smaller half out of many: not always the same ones, should several processes do this at once. */
static int choose_parts(const finishing *f, const path_list *l, char *chosen[STORE_JOINED], err *e) {
    sized_path *by_size = mem_new(l->n, sizeof *by_size, e);
    if (by_size == NULL) return -1;
    for (size_t i = 0; i < l->n; i++) {
        struct stat is;
        by_size[i] = (sized_path){l->at[i], stat(l->at[i], &is) == 0 ? is.st_size : 0};
    }
    qsort(by_size, l->n, sizeof *by_size, compare_sizes);
    size_t most = l->n / 2 > STORE_JOINED ? l->n / 2 : STORE_JOINED;
    size_t from = (strtoul(f->process, NULL, 16) + *f->number) % (most - STORE_JOINED + 1);
    for (size_t i = 0; i < STORE_JOINED; i++) chosen[i] = by_size[from + i].path;
    free(by_size);
    return 0;
}

/* Joins some of many parts into one. */
static int join_some(finishing *f, const path_list *l, err *e) {
    char *chosen[STORE_JOINED];
    if (choose_parts(f, l, chosen, e) != 0) return -1;
    if (write_part(f->trials, chosen, STORE_JOINED, f->folder, f->process, (*f->number)++, e) != 0) return -1;
    for (size_t i = 0; i < STORE_JOINED; i++)
        if (add_path(chosen[i], &f->joined, e) != 0) return -1;
    qsort(f->joined.at, f->joined.n, sizeof *f->joined.at, compare_paths);
    return 0;
}

/* The parts that are in no other. */
static int list_apart(const finishing *f, path_list *l, err *e) {
    size_t n = 0;
    if (list_parts(f->folder, l, e) != 0) return -1;
    for (size_t i = 0; i < l->n; i++) {
        const path_list one = {&l->at[i], 1, 1};
        if (has_all(&f->joined, &one))
            free(l->at[i]);
        else
            l->at[n++] = l->at[i];
    }
    l->n = n;
    return 0;
}

/* One step: joins some parts, or all that are left, into the cell's file. */
static int finish_some(finishing *f, err *e) {
    path_list l = {0}, now = {0};
    err       why = {0};
    int       ret = list_apart(f, &l, &why);
    if (ret == 0)
        ret = l.n > STORE_JOINED ? join_some(f, &l, &why) : write_trials(f->trials, l.at, l.n, f->path, true, &why);
    if (ret != 0 && list_apart(f, &now, NULL) == 0 && !(has_all(&now, &l) && has_all(&l, &now)))
        ret = 0; /* another process joins the same ones */
    if (ret != 0 && e != NULL) *e = why;
    free_paths(&l);
    free_paths(&now);
    return ret;
}

int cell_finish(const store_data *trials, const char *dir, const plan_cell *c, const char *process, unsigned *number,
                err *e) {
    char     *folder = parts_path(dir, c, e), *path = folder != NULL ? cell_path(dir, c, e) : NULL;
    finishing f = {trials, folder, path, process, number, {0}};
    int       ret = path != NULL ? 0 : -1, there = 0;
    while (ret == 0 && (there = cell_exists(dir, c, e)) == 0) ret = finish_some(&f, e);
    if (there < 0 || (ret != 0 && cell_exists(dir, c, NULL) <= 0))
        ret = advise(e);
    else
        ret = 0;
    if (ret == 0) cell_remove_parts(dir, c);
    free_paths(&f.joined);
    free(folder);
    free(path);
    return ret;
}
