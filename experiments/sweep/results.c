#include "experiments/sweep/results.h"

#include <string.h>

#include "engine/base/filekind.h"
#include "experiments/terminal/progress.h"

/* Where this file is what `e` is about, and of a kind that is known, says so instead. Returns -1. */
static int name_kind(const char *path, err *e) {
    file_kind kind;
    size_t    n = strlen(path);
    bool      about = e != NULL && e->kind == ERR_INPUT && strncmp(e->text, path, n) == 0 && e->text[n] == ':';
    if (!about || file_kind_at(path, &kind, NULL) != 0) return -1;
    if (kind == FILE_OTHER || kind == FILE_EMPTY || kind == FILE_HDF5) return -1;
    return file_kind_refuse(path, kind, "a results file", e);
}

int results_open(const char *path, store_data *out, err *e) {
    return store_open(path, out, e) == 0 ? 0 : name_kind(path, e);
}

int results_open_trials(const char *path, store_data *out, err *e) {
    return store_open_trials(path, out, e) == 0 ? 0 : name_kind(path, e);
}

int results_version(const char *path, int64_t *version, err *e) {
    return store_version(path, version, e) == 0 ? 0 : name_kind(path, e);
}

typedef struct {
    progress bar;
    bool     quiet, begun;
} collecting;

static void show(void *ctx, size_t done, size_t all) {
    collecting *c = ctx;
    if (!c->begun) progress_begin(&c->bar, "collecting", (progress_kind){0}, (progress_kind){"trials", all}, c->quiet);
    c->begun = true;
    progress_update(&c->bar, 0, done);
}

int results_collect(const char *const *paths, size_t n, const kept_text *config, const char *to, bool quiet,
                    store_data *out, err *e) {
    collecting c = {.quiet = quiet};
    int        ret = store_collect(paths, n, config, to, show, &c, out, e);
    if (c.begun) progress_clear(&c.bar);
    for (size_t i = 0; ret != 0 && i < n; i++) name_kind(paths[i], e);
    return ret;
}
