/* train_state.c - the checkpoint's bytes. Little-endian: magic, header, parameters, moments, curve, then the XXH3-64 of
 * everything before. */
#include "experiments/training/train_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

typedef struct {
    char     magic[8]; /* "HTRAIN\0\2" */
    char     config[64], vocabulary[64];
    uint64_t step, n_params, n_points;
} header;

static const char magic[8] = "HTRAIN\0\2";

int curve_add(curve *c, curve_point p, err *e) {
    if (mem_reserve(&c->points, &c->cap, c->n + 1, e) != 0) return -1;
    c->points[c->n++] = p;
    return 0;
}

static size_t size_of(const header *h) {
    return sizeof *h + (size_t)h->n_params * 3 * sizeof(float) + (size_t)h->n_points * sizeof(curve_point) +
           sizeof(uint64_t);
}

int checkpoint_write(const char *path, const train_config *c, const trainer *t, const curve *v, err *e) {
    size_t n = net_params(&t->o.shape), floats = n * sizeof(float);
    header h = {.step = t->step, .n_params = n, .n_points = v->n};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.config, c->digest, sizeof h.config);
    memcpy(h.vocabulary, c->vocabulary, sizeof h.vocabulary);
    char *bytes = mem_new(size_of(&h), 1, e), *at = bytes;
    if (bytes == NULL) return -1;
    const struct {
        const void *from;
        size_t      n;
    } parts[] = {
        {&h, sizeof h}, {t->params, floats}, {t->m, floats}, {t->v, floats}, {v->points, v->n * sizeof *v->points}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].n > 0) memcpy(at, parts[i].from, parts[i].n);
        at += parts[i].n;
    }
    uint64_t hash = digest64(bytes, (size_t)(at - bytes));
    memcpy(at, &hash, sizeof hash);
    int ret = atomic_write(path, bytes, size_of(&h), false, e);
    free(bytes);
    return ret;
}

/* Checks the first n bytes. */
static int check_header(const char *path, const char *bytes, size_t n, const train_config *c, header *h, err *e) {
    if (n < sizeof *h) return err_input(e, "%s: %zu bytes are not a checkpoint (move it away to begin again)", path, n);
    memcpy(h, bytes, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        return err_input(e, "%s: this is not a checkpoint of this version (give the training another name)", path);
    if (memcmp(h->config, c->digest, sizeof h->config) != 0)
        return err_input(
            e,
            "%s: the checkpoint belongs to another config than %s (give the training another name, or move the "
            "checkpoint away to begin again)",
            path, c->path);
    return 0;
}

static int check(const char *path, const char *bytes, size_t n, const train_config *c, const trainer *t, header *h,
                 err *e) {
    uint64_t hash;
    if (check_header(path, bytes, n, c, h, e) != 0) return -1;
    memcpy(&hash, bytes + n - sizeof hash, sizeof hash);
    if (hash != digest64(bytes, n - sizeof hash))
        return err_input(e, "%s: the checkpoint is damaged (its hash does not fit; move it away to begin again)", path);
    if (memcmp(h->vocabulary, c->vocabulary, sizeof h->vocabulary) != 0)
        return err_input(
            e,
            "%s: the checkpoint was made by a program that trained another tokenizer (that program, or move "
            "the checkpoint away to begin again)",
            path);
    if (h->n_params != net_params(&t->o.shape) || h->n_points > n || size_of(h) != n ||
        h->step > t->o.optimizer.adamw.steps)
        return err_input(e, "%s: the checkpoint has other sizes than the config", path);
    return 0;
}

/* A hash says that the points are as they were written, not by whom: their sources are looked up later. */
static int check_points(const char *path, const curve *v, const train_config *c, err *e) {
    for (size_t i = 0; i < v->n; i++)
        if (v->points[i].source < -1 || v->points[i].source >= (int64_t)c->n_sources)
            return err_input(e, "%s: point %zu of the checkpoint's curve is of source %" PRId64 " (-1 to %lld)", path,
                             i, v->points[i].source, (long long)c->n_sources - 1);
    return 0;
}

int checkpoint_check_place(const char *path, const train_config *c, err *e) {
    header h;
    char   bytes[sizeof h];
    size_t n;
    if (access(path, F_OK) != 0) return errno == ENOENT ? 0 : err_unreadable(e, path);
    if (file_begin(path, bytes, sizeof bytes, &n, e) != 0) return -1;
    return check_header(path, bytes, n, c, &h, e);
}

int checkpoint_read(const char *path, const train_config *c, trainer *t, curve *v, err *e) {
    if (access(path, F_OK) != 0) return errno == ENOENT ? 0 : err_unreadable(e, path);
    size_t n, floats = net_params(&t->o.shape) * sizeof(float);
    header h = {0};
    char  *bytes = file_read(path, SIZE_MAX / 2, &n, e);
    if (bytes == NULL) return -1;
    int ret = check(path, bytes, n, c, t, &h, e);
    if (ret == 0) ret = mem_reserve(&v->points, &v->cap, (size_t)h.n_points, e);
    if (ret == 0) {
        v->n = (size_t)h.n_points;
        if (v->n > 0) memcpy(v->points, bytes + sizeof h + 3 * floats, v->n * sizeof *v->points);
        ret = check_points(path, v, c, e);
    }
    if (ret == 0) {
        const char *at = bytes + sizeof h;
        memcpy(t->params, at, floats);
        memcpy(t->m, at + floats, floats);
        memcpy(t->v, at + 2 * floats, floats);
        t->step = (size_t)h.step;
        ret = 1;
    }
    free(bytes);
    return ret;
}
