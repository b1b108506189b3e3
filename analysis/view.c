#include "analysis/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/cell_keys.h"
#include "engine/base/mem.h"

void view_free(view *v) {
    store_free(&v->d);
    free(v->file);
    v->file = NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool is_plain(const cell_row *c) {
    return strcmp(c->policy, "none") == 0;
}

/* Which cells of all files to take: keep[] over all of them, file by file. */
static int refuse_twins(const store_data *parts, const char *const *paths, size_t n, bool *keep, err *e) {
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t c = 0; c < parts[i].n_cells; c++, at++) {
            const cell_row *cell = &parts[i].cells[c];
            keep[at] = true;
            for (size_t before = 0; before < i; before++)
                for (size_t k = 0; k < parts[before].n_cells; k++) {
                    if (strcmp(parts[before].cells[k].id, cell->id) != 0) continue;
                    if (!is_plain(cell))
                        return err_input(e, "%s: holds the cell %s (%s), which %s holds too (each cell once)", paths[i],
                                         cell->id, cell->policy, paths[before]);
                    keep[at] = false;
                }
        }
    return 0;
}

static int unite(const store_data *parts, const char *const *paths, size_t n, view_twins twins, view *out, err *e) {
    size_t cells = 0;
    for (size_t i = 0; i < n; i++) cells += parts[i].n_cells;
    bool *keep = twins == TWINS_REFUSED ? mem_new(cells, sizeof *keep, e) : NULL;
    if (twins == TWINS_REFUSED && (keep == NULL || refuse_twins(parts, paths, n, keep, e) != 0)) {
        free(keep);
        return -1;
    }
    int status = store_unite(parts, n, keep, &out->d, &out->file, e);
    free(keep);
    return status;
}

int view_read(const char *const *paths, size_t n, view_twins twins, view_reader *read, view *out, err *e) {
    *out = (view){0};
    if (n == 1) {
        if (read(paths[0], &out->d, e) != 0) return -1;
        if ((out->file = mem_new(out->d.n_cells, sizeof *out->file, e)) != NULL) return 0;
        view_free(out);
        return -1;
    }
    store_data *parts = mem_new(n, sizeof *parts, e);
    int         status = parts != NULL ? 0 : -1;
    for (size_t i = 0; status == 0 && i < n; i++) status = read(paths[i], &parts[i], e);
    if (status == 0) status = unite(parts, paths, n, twins, out, e);
    for (size_t i = 0; parts != NULL && i < n; i++) store_free(&parts[i]);
    free(parts);
    return status;
}

/* ---- conditions ---------------------------------------------------------------------------------------- */

static bool named(const char *name, const char *text, size_t n) {
    return strlen(name) == n && strncmp(name, text, n) == 0;
}

/* With all keys that some cell has. */
static int refuse_key(const cell_keys *k, const char *condition, size_t n, err *e) {
    char   list[700] = "";
    size_t at = 0;
    for (size_t i = 0; i < k->n && at < sizeof list; i++)
        if (k->csv[i]->applies) at += (size_t)snprintf(list + at, sizeof list - at, ", %s", k->csv[i]->column);
    return err_input(e, "--where \"%.200s\": no cell has a key \"%.*s\" (id%s)", condition, (int)n, condition, list);
}

/* What people see of a digest is its beginning: as much of it names it. */
static bool is_begun(const char *value, size_t n, const char *item, size_t n_item) {
    static const char file[] = "sha256:";
    size_t            prefix = n > sizeof file - 1 && strncmp(value, file, sizeof file - 1) == 0 ? sizeof file - 1 : 0;
    bool              digest = n == prefix + 64 && strspn(value + prefix, "0123456789abcdef") == 64;
    return digest && n_item >= prefix + 12 && n_item < n && strncmp(value, item, n_item) == 0;
}

/* Whether the value, of n bytes, is the whole list, or one of its items. */
static bool listed(const char *value, size_t n, const char *list) {
    if (named(list, value, n)) return true;
    for (size_t item; *list != '\0'; list += item + (list[item] == ',')) {
        item = strcspn(list, ",");
        if ((item == n && strncmp(value, list, n) == 0) || is_begun(value, n, list, item)) return true;
    }
    return false;
}

static int apply(const cell_keys *k, const cell_row *cells, const char *condition, bool *keep, err *e) {
    size_t     n = strcspn(condition, "="), left = 0;
    bool       id = named("id", condition, n);
    char       there[500] = "";
    cell_value v = {0};
    if (condition[n] == '\0' || n == 0)
        return err_input(e, "--where \"%.200s\" is not a condition (KEY=VALUE or KEY=VALUE,VALUE...)", condition);
    if (!id && (!cell_keys_name(k, condition, n, &v) || !v.key->applies)) return refuse_key(k, condition, n, e);
    for (size_t c = 0, at = 0; c < k->n_cells; c++) {
        size_t      length = id ? strlen(cells[c].id) : 0;
        const char *value = id ? cells[c].id : cell_value_at(&v, c, &length);
        if (value != NULL && keep[c] && at < sizeof there && !listed(value, length, there))
            at += (size_t)snprintf(there + at, sizeof there - at, "%s%.*s", at > 0 ? "," : "", (int)length, value);
        keep[c] = keep[c] && value != NULL && listed(value, length, condition + n + 1);
        left += keep[c];
    }
    if (left > 0) return 0;
    return err_input(e, "--where \"%.200s\": no cell fits (%.*s is %s)", condition, (int)n, condition,
                     *there != '\0' ? there : "nowhere there");
}

/* Leaves the cells that are kept. */
static int keep_cells(view *v, const bool *keep, err *e) {
    view    less = {0};
    size_t *from = NULL, n = 0;
    if (store_unite(&v->d, 1, keep, &less.d, &from, e) != 0) return -1;
    free(from);
    if ((less.file = mem_new(less.d.n_cells, sizeof *less.file, e)) == NULL) {
        view_free(&less);
        return -1;
    }
    for (size_t c = 0; c < v->d.n_cells; c++)
        if (keep[c]) less.file[n++] = v->file[c];
    view_free(v);
    *v = less;
    return 0;
}

int view_where(view *v, const char *const *conditions, size_t n, err *e) {
    cell_keys keys;
    if (n == 0) return 0;
    if (cell_keys_make(&v->d, &keys, e) != 0) return -1;
    bool *keep = mem_new(v->d.n_cells, sizeof *keep, e);
    int   status = keep != NULL ? 0 : -1;
    for (size_t c = 0; status == 0 && c < v->d.n_cells; c++) keep[c] = true;
    for (size_t i = 0; status == 0 && i < n; i++) status = apply(&keys, v->d.cells, conditions[i], keep, e);
    if (status == 0) status = keep_cells(v, keep, e);
    free(keep);
    cell_keys_free(&keys);
    return status;
}
