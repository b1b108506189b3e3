/* gguf_parts.c - a model in one file, or in the several that llama.cpp's gguf-split makes of it.
 *
 * The parts are whole GGUF files NAME-00001-of-00003.gguf, ..., in one folder. Each says which part it is (split.no,
 * from 0) of how many (split.count); the first holds the metadata, and how many tensors there are in all
 * (split.tensors.count). Opening the first opens all: the metadata are its own, the tensors are those of every part, in
 * order. The first may be opened by a link, with any name: parts that are not beside it are beside what it leads to.
 *
 * Refused: another part than the first, parts that are missing or say that they are others, tensors that two parts
 * hold, and another number of tensors than the first part says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/gguf/gguf_impl.h"

enum { MOST_PARTS = 65535, SUFFIX = 64 };

/* What a file says of itself. A file that was not split is part 0 of 1. */
typedef struct {
    uint32_t no, count;
} place;

static int read_place(const gguf *g, place *p, err *e) {
    if (gguf_u32_or(g, "split.count", 1, &p->count, e) != 0 || gguf_u32_or(g, "split.no", 0, &p->no, e) != 0) return -1;
    if (p->count < 1 || p->count > MOST_PARTS)
        return err_input(e, "%s: split.count is %" PRIu32 " (1 to %d)", g->path, p->count, MOST_PARTS);
    if (p->no >= p->count)
        return err_input(e, "%s: split.no is %" PRIu32 " (0 to %" PRIu32 ", as split.count is %" PRIu32 ")", g->path,
                         p->no, p->count - 1, p->count);
    return 0;
}

static void suffix_of(place p, char out[SUFFIX]) {
    snprintf(out, SUFFIX, "-%05" PRIu32 "-of-%05" PRIu32 ".gguf", p.no + 1, p.count);
}

/* The path of another part beside the part `own` at `path`; NULL when the name does not say that it is this part. */
static int path_beside(const char *path, place own, uint32_t no, char **out, err *e) {
    char   suffix[SUFFIX], wanted[SUFFIX];
    size_t n = strlen(path);
    suffix_of(own, suffix);
    suffix_of((place){no, own.count}, wanted);
    *out = NULL;
    if (n < strlen(suffix) || strcmp(path + n - strlen(suffix), suffix) != 0) return 0;
    *out = mem_printf(e, "%.*s%s", (int)(n - strlen(suffix)), path, wanted);
    return *out != NULL ? 0 : -1;
}

/* The path of another part of the model that `g` is a part of: beside it, and where it is a link, beside each file that
 * the link leads to. The first place that has the part; if none has, the first that could. */
static char *path_of(const gguf *g, place own, uint32_t no, err *e) {
    char *at = mem_strdup(g->path, e), *found = NULL, suffix[SUFFIX];
    int   ret = at != NULL ? 0 : -1;
    while (ret == 0 && at != NULL && (found == NULL || access(found, F_OK) != 0)) {
        char *path = NULL, *target = NULL;
        ret = path_beside(at, own, no, &path, e) != 0 || file_link(at, &target, e) != 0 ? -1 : 0;
        bool better = path != NULL && (found == NULL || access(path, F_OK) == 0);
        free(better ? found : path);
        if (better) found = path;
        free(at);
        at = target;
    }
    free(at);
    if (ret == 0 && found != NULL) return found;
    free(found);
    suffix_of(own, suffix);
    if (ret == 0)
        err_input(e, "%s: is part %" PRIu32 " of %" PRIu32 " of a model, but has another name (NAME%s)", g->path,
                  own.no + 1, own.count, suffix);
    return NULL;
}

/* Part `no` of what `first` begins. */
static gguf *open_part(const gguf *first, place own, uint32_t no, err *e) {
    place its;
    char *path = path_of(first, own, no, e);
    gguf *g = path != NULL ? gguf_open_file(path, e) : NULL;
    if (path != NULL && g == NULL && access(path, F_OK) != 0)
        err_advise(e, "the model is in several parts, which must lie in one folder");
    if (g != NULL && read_place(g, &its, e) != 0) {
        gguf_close_file(g);
        g = NULL;
    } else if (g != NULL && (its.no != no || its.count != own.count)) {
        err_input(e,
                  "%s: says that it is part %" PRIu32 " of %" PRIu32 " (part %" PRIu32 " of %" PRIu32 ", as %s says)",
                  path, its.no + 1, its.count, no + 1, own.count, first->path);
        gguf_close_file(g);
        g = NULL;
    }
    free(path);
    return g;
}

/* Joins the tensors of all parts. */
static int join_tensors(gguf *g, err *e) {
    uint32_t said;
    size_t   n = g->n_tensors, at = g->n_tensors;
    for (size_t i = 0; i < g->n_others; i++) n += g->others[i]->n_tensors;
    gguf_tensor *all = mem_new(n, sizeof *all, e);
    if (all == NULL) return -1;
    if (g->n_tensors > 0) memcpy(all, g->tensors, g->n_tensors * sizeof *all);
    for (size_t i = 0; i < g->n_others; i++) {
        for (size_t j = 0; j < g->others[i]->n_tensors; j++, at++) {
            all[at] = g->others[i]->tensors[j];
            all[at].part = i + 1;
        }
    }
    free(g->tensors);
    free(g->by_name);
    g->by_name = NULL;
    g->tensors = all;
    g->n_tensors = n;
    if (gguf_index_names(g, g->tensors, n, sizeof *g->tensors, "tensor", &g->by_name, e) != 0) return -1;
    if (gguf_u32_or(g, "split.tensors.count", n <= UINT32_MAX ? (uint32_t)n : 0, &said, e) != 0) return -1;
    if (said == n) return 0;
    return err_input(e, "%s: split.tensors.count is %" PRIu32 ", but the parts hold %zu tensors (as many)", g->path,
                     said, n);
}

static int open_others(gguf *g, err *e) {
    place own;
    if (read_place(g, &own, e) != 0) return -1;
    if (own.count == 1) return 0;
    if (own.no > 0) {
        char *first = path_of(g, own, 0, e);
        if (first != NULL)
            err_input(e, "%s: is part %" PRIu32 " of %" PRIu32 " of a model (the first part opens all: %s)", g->path,
                      own.no + 1, own.count, first);
        free(first);
        return -1;
    }
    g->others = mem_new(own.count - 1, sizeof(gguf *), e);
    if (g->others == NULL) return -1;
    for (; g->n_others < own.count - 1; g->n_others++)
        if ((g->others[g->n_others] = open_part(g, own, (uint32_t)g->n_others + 1, e)) == NULL) return -1;
    return join_tensors(g, e);
}

gguf *gguf_open(const char *path, err *e) {
    gguf *g = gguf_open_file(path, e);
    if (g == NULL || open_others(g, e) == 0) return g;
    gguf_close(g);
    return NULL;
}

void gguf_close(gguf *g) {
    if (g == NULL) return;
    for (size_t i = 0; i < g->n_others; i++) gguf_close_file(g->others[i]);
    free(g->others);
    gguf_close_file(g);
}

static const gguf *part_at(const gguf *g, size_t i) {
    return i == 0 ? g : g->others[i - 1];
}

size_t gguf_part_count(const gguf *g) {
    return 1 + g->n_others;
}

const char *gguf_part_path(const gguf *g, size_t i) {
    return part_at(g, i)->path;
}

size_t gguf_part_size(const gguf *g, size_t i) {
    return part_at(g, i)->size;
}

size_t gguf_size(const gguf *g) {
    size_t n = 0;
    for (size_t i = 0; i < gguf_part_count(g); i++) n += gguf_part_size(g, i);
    return n;
}

void gguf_unload(const gguf *g, const void *data, size_t n) {
    for (size_t i = 0; i < gguf_part_count(g); i++) {
        const gguf *part = part_at(g, i);
        const char *at = data;
        if (at >= part->base && at < part->base + part->size) gguf_unload_file(part, data, n);
    }
}

int gguf_check_output(const gguf *g, const char *output, err *e) {
    for (size_t i = 0; i < gguf_part_count(g); i++)
        if (file_check_output(output, gguf_part_path(g, i), e) != 0) return -1;
    return 0;
}

int gguf_sha256(const gguf *g, char hex[DIGEST_HEX], err *e) {
    size_t       n = gguf_part_count(g);
    const char **paths = mem_new(n, sizeof(const char *), e);
    if (paths == NULL) return -1;
    for (size_t i = 0; i < n; i++) paths[i] = gguf_part_path(g, i);
    int ret = digest_sha256_files(paths, n, hex, e);
    free(paths);
    return ret;
}
