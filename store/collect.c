/* collect.c - merges many cell files into one results file. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/settings.h"
#include "store/tables.h"

typedef struct {
    const char *path;
    store_data  data; /* one cell */
    size_t      block;
} source;

/* A run of samples in the collected table. */
typedef struct {
    const source *longest; /* the source of these samples: the block's cell with the most of them */
    uint32_t      first;   /* their index in the table */
} block;

typedef struct {
    source *sources;
    size_t  n_sources;
    block  *blocks;
    size_t  n_blocks, cap_blocks;
    bool    named; /* each file must be named after its cell */
} collection;

static int compare_sources(const void *a, const void *b) {
    return settings_compare(((const source *)a)->data.cells, ((const source *)b)->data.cells);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static int compare_paths(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether the file is ID.h5. */
static bool is_named(const char *path, const char *id) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    size_t      n = strlen(id);
    return strncmp(name, id, n) == 0 && strcmp(name + n, ".h5") == 0;
}

static int read_source(collection *c, const char *path, err *e) {
    source       *s = &c->sources[c->n_sources];
    const source *first = &c->sources[0];
    s->path = path;
    if (store_read(path, &s->data, e) != 0) return -1;
    c->n_sources++;
    if (s->data.n_cells != 1) return err_input(e, "%s: holds %zu cells (a cell file holds one)", path, s->data.n_cells);
    if (c->named && !is_named(path, s->data.cells->id))
        return err_input(e, "%s: holds the cell %s, whose file has another name", path, s->data.cells->id);
    if (s->data.n_trials != s->data.cells->trials)
        return err_input(e, "%s: holds %zu of %" PRIu32 " trials: the cell is not finished", path, s->data.n_trials,
                         s->data.cells->trials);
    if (strcmp(s->data.sweep, first->data.sweep) != 0)
        return err_input(e, "%s: belongs to the sweep \"%s\", but %s to \"%s\" (one sweep)", path, s->data.sweep,
                         first->path, first->data.sweep);
    return 0;
}

/* Reads each file once, even if a grid names a cell, and so its file, twice. */
static int read_sources(collection *c, const char *const *paths, size_t n, err *e) {
    int          ret = 0;
    const char **sorted = mem_new(n, sizeof *sorted, e);
    if (sorted == NULL || (c->sources = mem_new(n, sizeof *c->sources, e)) == NULL) {
        free(sorted);
        return -1;
    }
    memcpy(sorted, paths, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_paths);
    for (size_t i = 0; ret == 0 && i < n; i++)
        if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0) ret = read_source(c, sorted[i], e);
    free(sorted);
    return ret;
}

typedef struct {
    const char *id, *path;
} named_cell;

static int compare_ids(const void *a, const void *b) {
    return strcmp(((const named_cell *)a)->id, ((const named_cell *)b)->id);
}

static int refuse_twins(const collection *c, err *e) {
    int         ret = 0;
    named_cell *cells = mem_new(c->n_sources, sizeof *cells, e);
    if (cells == NULL) return -1;
    for (size_t i = 0; i < c->n_sources; i++) cells[i] = (named_cell){c->sources[i].data.cells->id, c->sources[i].path};
    qsort(cells, c->n_sources, sizeof *cells, compare_ids);
    for (size_t i = 1; ret == 0 && i < c->n_sources; i++)
        if (strcmp(cells[i - 1].id, cells[i].id) == 0)
            ret = err_input(e, "%s: holds the same cell as %s", cells[i].path, cells[i - 1].path);
    free(cells);
    return ret;
}

/* ---- configs -------------------------------------------------------------------------------------------- */

static int name_config(cell_row *cell, const char *name, err *e) {
    char *copy = mem_strdup(name, e);
    if (copy == NULL) return -1;
    free(cell->config);
    cell->config = copy;
    return 0;
}

/* Merges the texts. Two texts with the same name get different names, and each cell refers to its own. If a text is
 * given, every cell gets that one. */
static int unite_configs(collection *c, const kept_text *given, store_data *out, err *e) {
    size_t kept;
    if (given != NULL && store_keep_text(&out->configs, given->name, given->text, NULL, e) != 0) return -1;
    for (size_t i = 0; i < c->n_sources; i++) {
        store_data *d = &c->sources[i].data;
        bool        named = given != NULL;
        if (given != NULL && name_config(d->cells, given->name, e) != 0) return -1;
        for (size_t k = 0; given == NULL && k < d->configs.n; k++) {
            const kept_text *t = &d->configs.at[k];
            if (store_keep_text(&out->configs, t->name, t->text, &kept, e) != 0) return -1;
            if (named || strcmp(t->name, d->cells->config) != 0) continue;
            if (name_config(d->cells, out->configs.at[kept].name, e) != 0) return -1;
            named = true;
        }
        if (store_keep_texts(&out->costs, &d->costs, e) != 0) return -1;
    }
    return 0;
}

/* ---- samples -------------------------------------------------------------------------------------------- */

/* True when one cell's samples are the first ones of the other's, of the same dataset and model. */
static bool share_samples(const source *a, const source *b) {
    const cell_row *x = a->data.cells, *y = b->data.cells;
    size_t          n = a->data.n_samples < b->data.n_samples ? a->data.n_samples : b->data.n_samples;
    if (strcmp(x->dataset, y->dataset) != 0 || strcmp(x->model, y->model) != 0) return false;
    for (size_t i = 0; i < n; i++)
        if (!compound_row_equal(&store_tables[TABLE_SAMPLES].form, &a->data.samples[i], &b->data.samples[i]))
            return false;
    return true;
}

/* Finds or adds the block of every source, then gives each block its place in the table. */
static int place_samples(collection *c, store_data *out, err *e) {
    for (size_t i = 0; i < c->n_sources; i++) {
        source *s = &c->sources[i];
        size_t  b = 0;
        while (b < c->n_blocks && !share_samples(c->blocks[b].longest, s)) b++;
        if (b == c->n_blocks) {
            if (mem_reserve(&c->blocks, &c->cap_blocks, c->n_blocks + 1, e) != 0) return -1;
            c->blocks[c->n_blocks++].longest = s;
        } else if (s->data.n_samples > c->blocks[b].longest->data.n_samples) {
            c->blocks[b].longest = s;
        }
        s->block = b;
    }
    for (size_t b = 0; b < c->n_blocks; b++) {
        const store_data *from = &c->blocks[b].longest->data;
        c->blocks[b].first = (uint32_t)out->n_samples;
        for (size_t i = 0; i < from->n_samples; i++)
            if (store_add_sample(out, &from->samples[i], e) != 0) return -1;
    }
    return 0;
}

/* ---- skipped records ------------------------------------------------------------------------------------ */

static bool same_skipped(const store_data *a, const store_data *b) {
    if (a->n_skipped != b->n_skipped) return false;
    for (size_t i = 0; i < a->n_skipped; i++)
        if (!compound_row_equal(&store_tables[TABLE_SKIPPED].form, &a->skipped[i], &b->skipped[i])) return false;
    return true;
}

/* The records skipped in one dataset for one model are in the file of each of its cells; they are kept once. */
static int unite_skipped(collection *c, store_data *out, err *e) {
    const store_data **kept = mem_new(c->n_sources, sizeof *kept, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    size_t             n = 0;
    int                ret = kept != NULL ? 0 : -1;
    for (size_t i = 0; ret == 0 && i < c->n_sources; i++) {
        const store_data *d = &c->sources[i].data;
        size_t            k = 0;
        while (k < n && !same_skipped(kept[k], d)) k++;
        if (k < n) continue;
        kept[n++] = d;
        for (size_t r = 0; ret == 0 && r < d->n_skipped; r++) ret = store_add_skipped(out, &d->skipped[r], e);
    }
    free(kept);
    return ret;
}

/* ---- merging -------------------------------------------------------------------------------------------- */

/* Makes room for everything at once: growing step by step would need more memory at the end. */
static int reserve_all(const collection *c, store_data *out, err *e) {
    size_t trials = 0, steps = 0, ids = 0;
    for (size_t i = 0; i < c->n_sources; i++) {
        trials += c->sources[i].data.n_trials;
        steps += c->sources[i].data.n_steps;
        ids += c->sources[i].data.n_ids;
    }
    if (mem_reserve(&out->trials, &out->cap_trials, trials, e) != 0) return -1;
    if (mem_reserve(&out->offset, &out->cap_offset, trials + 1, e) != 0) return -1;
    if (mem_reserve(&out->steps, &out->cap_steps, steps, e) != 0) return -1;
    return mem_reserve(&out->ids, &out->cap_ids, ids, e);
}

/* Sets the sweep's name, and the time when its latest cell was finished. */
static int add_attributes(const store_data *d, store_data *out, err *e) {
    if (out->sweep == NULL && (out->sweep = mem_strdup(d->sweep, e)) == NULL) return -1;
    if (out->created != NULL && strcmp(d->created, out->created) <= 0) return 0;
    char *latest = mem_strdup(d->created, e);
    if (latest == NULL) return -1;
    free(out->created);
    out->created = latest;
    return 0;
}

static int add_source(const collection *c, const source *s, store_data *out, err *e) {
    const store_data *d = &s->data;
    size_t            step = 0;

    if (add_attributes(d, out, e) != 0 || store_add_cell(out, d->cells, e) != 0) return -1;
    for (size_t i = 0; i < d->n_trials; i++) {
        trial_row t = d->trials[i];
        size_t    steps = t.steps;
        if (store_add_process(out, &d->processes[t.process], &t.process, e) != 0) return -1;
        t.cell = (uint32_t)out->n_cells - 1;
        t.sample += c->blocks[s->block].first;
        if (store_add_trial(out, &t, d->steps + step, steps, d->ids + d->offset[i], t.tokens, NULL, e) != 0) return -1;
        step += steps;
    }
    return 0;
}

int store_collect(const char *const *paths, size_t n, const kept_text *config, store_data *out, err *e) {
    int        ret = -1;
    collection c = {.named = config != NULL};

    *out = (store_data){0};
    if (n == 0) return err_input(e, "no cell files to collect");
    if (read_sources(&c, paths, n, e) != 0 || refuse_twins(&c, e) != 0) goto out;
    if (unite_configs(&c, config, out, e) != 0) goto out;
    qsort(c.sources, c.n_sources, sizeof *c.sources, compare_sources);
    if (place_samples(&c, out, e) != 0 || unite_skipped(&c, out, e) != 0 || reserve_all(&c, out, e) != 0) goto out;
    for (size_t i = 0; i < c.n_sources; i++) {
        if (add_source(&c, &c.sources[i], out, e) != 0) goto out;
        store_free(&c.sources[i].data);
    }
    ret = 0;
out:
    for (size_t i = 0; i < c.n_sources; i++) store_free(&c.sources[i].data);
    free(c.sources);
    free(c.blocks);
    if (ret != 0) store_free(out);
    return ret;
}
