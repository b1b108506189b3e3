/* inspect_folder.c - a sweep's folder, OUTPUT/NAME or the cells in it: how much of the sweep is done. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "experiments/inspect/inspect.h"
#include "experiments/sweep/cell_folder.h"

typedef struct {
    size_t    cells;
    long long bytes;
    bool      hugging_face; /* a config.json and weights */
} content;

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static int count(const char *folder, content *c, err *e) {
    bool config = false, weights = false;
    DIR *dir = opendir(folder);
    if (dir == NULL) return err_errno(e, folder, "cannot open");
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL; errno = 0) {
        struct stat s;
        config = config || strcmp(entry->d_name, "config.json") == 0;
        weights = weights || ends_with(entry->d_name, ".safetensors") || ends_with(entry->d_name, ".bin");
        if (!cell_folder_is_file(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &s, 0) != 0) continue;
        c->cells++;
        c->bytes += s.st_size;
    }
    int ret = errno != 0 ? err_errno(e, folder, "cannot read") : 0;
    closedir(dir);
    c->hugging_face = config && weights;
    return ret;
}

/* OUTPUT/NAME of a sweep's cells, from its real path. */
static char *sweep_of(const char *cells, err *e) {
    char *place = file_place(cells, e);
    char *slash = place != NULL ? strrchr(place, '/') : NULL;
    if (slash != NULL && slash != place && strcmp(slash, "/cells") == 0) *slash = '\0';
    return place;
}

static int print_sweep(const char *path, const char *cells, const content *c, err *e) {
    struct stat s;
    char       *sweep = sweep_of(cells, e), *results = sweep != NULL ? mem_printf(e, "%s.h5", sweep) : NULL;
    if (results != NULL) {
        bool collected = stat(results, &s) == 0;
        printf("%s\nthe folder of the sweep ", path);
        const char *name = strrchr(sweep, '/') + 1;
        inspect_text(name, strlen(name), "\\n", "\\t");
        size_t begun = cell_folder_unfinished(sweep);
        printf("\nfinished %zu cell%s, %lld bytes\nbegun    %zu cell%s, whose finished trials are kept\nresults  ",
               c->cells, plural(c->cells), c->bytes, begun, plural(begun));
        inspect_text(results, strlen(results), "\\n", "\\t");
        puts(collected ? "" : " (not there yet)");
        puts("\nharness sweep CONFIG.ini runs the cells that are missing, and harness sweep -n CONFIG.ini lists them;\n"
             "harness collect gathers those that are finished; harness tables shows what is in the results.");
    }
    free(sweep);
    free(results);
    return results != NULL ? 0 : -1;
}

int inspect_folder(const char *path, err *e) {
    content c = {0};
    char   *cells = cell_folder_of(path, e);
    int     ret = cells != NULL ? count(cells, &c, e) : -1;
    bool named = cells != NULL && (strcmp(cells, path) != 0 || ends_with(path, "/cells") || strcmp(path, "cells") == 0);
    if (ret == 0 && (c.cells > 0 || named))
        ret = print_sweep(path, cells, &c, e);
    else if (ret == 0 && c.hugging_face)
        ret = err_input(
            e,
            "%s: is a folder with a model of Hugging Face, not GGUF (convert_hf_to_gguf.py of llama.cpp makes "
            "a GGUF of it)",
            path);
    else if (ret == 0)
        ret = err_input(e, "%s: is a folder (a GGUF, HDF5 or JSONL file, or the folder OUTPUT/NAME of a sweep)", path);
    free(cells);
    return ret;
}
