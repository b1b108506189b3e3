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

/* Calls each() for *.h5 in the folder, which need not exist. Names that begin with a dot are still being written. */
static int for_parts(const char *folder, each_part *each, void *ctx, err *e) {
    DIR *dir = opendir(folder);
    int  ret = 0;
    if (dir == NULL) return errno == ENOENT ? 0 : err_unreadable(e, folder);
    while (ret == 0) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0) ret = err_unreadable(e, folder);
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

/* ---- trials in memory ------------------------------------------------------------------------------------ */

int cell_trials_init(cell_trials *t, const plan *p, size_t cell, err *e) {
    *t = (cell_trials){.n = plan_cell_trials(p, cell), .repeats = p->cfg->repeats};
    if ((t->at = mem_new(t->n, sizeof *t->at, e)) == NULL) return -1;
    for (size_t i = 0; i < t->n; i++) t->at[i] = NOT_THERE;
    return 0;
}

void cell_trials_free(cell_trials *t) {
    store_free(&t->rows);
    free(t->at);
    *t = (cell_trials){0};
}

bool cell_trials_complete(const cell_trials *t) {
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i] == NOT_THERE) return false;
    return true;
}

/* The trials that a file's trials are added to. */
typedef struct {
    cell_trials     *t;
    const plan_cell *c;
    size_t           next;     /* index of the next one */
    bool             vanished; /* a part disappeared before it was read */
} loading;

/* Chooses the trials that are not there yet, and notes where they will be. */
static bool is_new(const trial_row *row, void *ctx) {
    loading *l = ctx;
    size_t   i = (size_t)row->sample * l->t->repeats + row->repeat;
    if (l->t->at[i] != NOT_THERE) return false;
    l->t->at[i] = l->next++;
    return true;
}

static int check_file(const char *path, const store_data *d, const loading *l, err *e) {
    if (d->n_cells != 1 || strcmp(d->cells->id, l->c->id) != 0)
        return err_input(e, "%s: holds %s%s, whose file has another name", path,
                         d->n_cells == 1 ? "the cell " : "no cell or several", d->n_cells == 1 ? d->cells->id : "");
    if (d->cells->trials != l->t->n || d->n_samples * l->t->repeats != l->t->n)
        return err_input(e, "%s: is of a cell of %u trials, not %zu", path, d->cells->trials, l->t->n);
    for (size_t i = 0; i < d->n_trials; i++)
        if (d->trials[i].repeat >= l->t->repeats)
            return err_input(e, "%s: holds repeat %u of %zu", path, d->trials[i].repeat, l->t->repeats);
    return 0;
}

static int advise(err *e) {
    return e != NULL && e->kind == ERR_INPUT ? err_advise(e, "move the file away, and the sweep runs its trials again")
                                             : -1;
}

static int load_file(const char *path, void *ctx, err *e) {
    loading   *l = ctx;
    store_data d;
    if (store_read(path, &d, e) != 0) {
        l->vanished = access(path, F_OK) != 0 && errno == ENOENT;
        return l->vanished ? 0 : advise(e);
    }
    l->next = l->t->rows.n_trials;
    int ret = check_file(path, &d, l, e);
    if (ret != 0) advise(e);
    if (ret == 0) ret = store_join(&l->t->rows, &d, is_new, l, e);
    store_free(&d);
    return ret;
}

/* Other processes add parts and, when all are there, join them into the cell's file and remove them. So after reading
 * the parts this looks for the file again, and for the parts again when one of them had disappeared. */
int cell_trials_load(cell_trials *t, const plan *p, const char *dir, size_t cell, err *e) {
    const plan_cell *c = &p->cells[cell];
    loading          l = {.t = t, .c = c};
    char            *path = cell_path(dir, c, e), *parts = path != NULL ? parts_path(dir, c, e) : NULL;
    int              ret = parts != NULL ? 0 : -1, there = 0;
    do {
        l.vanished = false;
        if (ret == 0 && (there = cell_exists(dir, c, e)) < 0) ret = -1;
        if (ret == 0 && there == 0) ret = for_parts(parts, load_file, &l, e);
        if (ret == 0 && there == 0 && (there = cell_exists(dir, c, e)) < 0) ret = -1;
    } while (ret == 0 && there == 0 && l.vanished);
    if (ret == 0 && there > 0) ret = load_file(path, &l, e);
    free(path);
    free(parts);
    return ret;
}

int cell_count_kept(const plan *p, const char *dir, const cell_unit *u, size_t *n, err *e) {
    cell_trials t;
    *n = 0;
    int ret = cell_trials_init(&t, p, u->cell, e);
    if (ret == 0) ret = cell_trials_load(&t, p, dir, u->cell, e);
    for (size_t i = 0; ret == 0 && i < t.n; i++) *n += t.at[i] != NOT_THERE && i / t.repeats % u->parts == u->part;
    cell_trials_free(&t);
    return ret;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static bool is_own(const trial_row *row, void *ctx) {
    (void)ctx;
    return row->process == 0; /* cell_frame put this process first */
}

static bool is_any(const trial_row *row, void *ctx) {
    (void)row, (void)ctx;
    return true;
}

static int write_trials(const cell_trials *t, trial_choice *keep, const char *path, bool exclusive, err *e) {
    store_data out;
    if (store_pick(&t->rows, keep, NULL, &out, e) != 0) return -1;
    char *now = provenance_now(e), *again = now != NULL ? mem_strdup(now, e) : NULL;
    int   ret = -1;
    if (again != NULL) {
        free(out.created);
        free(out.cells->created);
        out.created = now;
        out.cells->created = again;
        ret = store_write(path, &out, exclusive, e);
    } else {
        free(now);
    }
    store_free(&out);
    return ret;
}

int cell_trials_save(cell_trials *t, const char *dir, const plan_cell *c, const process_row *own, err *e) {
    char *folder = parts_path(dir, c, e);
    char *path = folder != NULL ? mem_printf(e, "%s/%s.h5", folder, own->id) : NULL;
    int   ret = -1;
    if (path != NULL && file_make_folder(folder, e) == 0) ret = write_trials(t, is_own, path, false, e);
    free(folder);
    free(path);
    return ret;
}

void cell_remove_parts(const char *dir, const plan_cell *c) {
    char *parts = parts_path(dir, c, NULL);
    if (parts != NULL && for_parts(parts, remove_part, NULL, NULL) == 0) rmdir(parts);
    free(parts);
}

int cell_trials_finish(cell_trials *t, const char *dir, const plan_cell *c, err *e) {
    char *path = cell_path(dir, c, e);
    int   ret = path != NULL ? write_trials(t, is_any, path, true, e) : -1;
    if (ret == 0) cell_remove_parts(dir, c);
    free(path);
    return ret;
}
