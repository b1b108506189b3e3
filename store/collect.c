/* collect.c - merges many cell files into one results file (collection.h). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/mem.h"
#include "store/collection.h"
#include "store/rows.h"
#include "store/settings.h"

enum { TOLD_EVERY = 256 }; /* trials */

/* What is kept of a cell file between the steps. */
typedef struct {
    const char  *path;
    cell_row    *cell;
    store_counts n;
    struct stat  as; /* when it was opened */
    size_t       samples, skipped, block;
} source;

/* Rows of one table, as they were in one or more files; the cell is that of the first one. */
typedef struct {
    const cell_row *cell;
    store_data      rows;
} list;

typedef struct {
    list  *at;
    size_t n, cap;
} lists;

/* A run of samples in the collected table. */
typedef struct {
    const source *longest; /* the source of these samples: the block's cell with the most of them */
    uint32_t      first;   /* their index in the table */
} block;

struct collection {
    source      *sources;
    size_t       n_sources;
    lists        samples, skipped;
    block       *blocks;
    size_t       n_blocks, cap_blocks;
    store_data   out;     /* all except trials, steps and outputs */
    store_counts n;       /* of these */
    size_t       written; /* trials */
    bool         named;   /* each file must be named after its cell */

    store_progress *told;
    void           *told_ctx;
};

static int compare_sources(const void *a, const void *b) {
    return settings_compare(((const source *)a)->cell, ((const source *)b)->cell);
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

static int check_source(const collection *c, const char *path, const store_data *d, err *e) {
    if (d->n_cells != 1) return err_input(e, "%s: holds %zu cells (a cell file holds one)", path, d->n_cells);
    if (c->named && !is_named(path, d->cells->id))
        return err_input(e, "%s: holds the cell %s, whose file has another name", path, d->cells->id);
    if (d->n_trials != d->cells->trials)
        return err_input(e, "%s: holds %zu of %" PRIu32 " trials: the cell is not finished", path, d->n_trials,
                         d->cells->trials);
    if (c->n_sources > 0 && strcmp(d->sweep, c->out.sweep) != 0)
        return err_input(e, "%s: belongs to the sweep \"%s\", but %s to \"%s\" (one sweep)", path, d->sweep,
                         c->sources->path, c->out.sweep);
    return 0;
}

static size_t *count_in(store_data *d, int table) {
    return table == TABLE_SAMPLES ? &d->n_samples : &d->n_skipped;
}

static const char *row_in(const store_data *d, int table, size_t i) {
    const char *rows = table == TABLE_SAMPLES ? (const char *)d->samples : (const char *)d->skipped;
    return rows + i * store_tables[table].form.row_size;
}

/* Whether the first n rows of a table are the same. */
static bool same_rows(const store_data *a, const store_data *b, int table, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!compound_row_equal(&store_tables[table].form, row_in(a, table, i), row_in(b, table, i))) return false;
    return true;
}

static bool same_data(const cell_row *a, const cell_row *b) {
    return strcmp(a->dataset, b->dataset) == 0 && strcmp(a->model, b->model) == 0;
}

/* The index of the list that has a file's rows of this table, which is kept if it is a new one. */
static int keep_list(lists *in, int table, const cell_row *cell, store_data *d, size_t *at, err *e) {
    size_t n = *count_in(d, table);
    for (*at = 0; *at < in->n; ++*at) {
        list *l = &in->at[*at];
        if (table == TABLE_SAMPLES && !same_data(cell, l->cell)) continue;
        if (*count_in(&l->rows, table) == n && same_rows(&l->rows, d, table, n)) return 0;
    }
    if (mem_reserve(&in->at, &in->cap, in->n + 1, e) != 0) return -1;
    list *l = &in->at[in->n++];
    *l = (list){.cell = cell};
    if (table == TABLE_SAMPLES) {
        l->rows.samples = d->samples;
        d->samples = NULL;
    } else {
        l->rows.skipped = d->skipped;
        d->skipped = NULL;
    }
    *count_in(&l->rows, table) = n;
    *count_in(d, table) = 0;
    return 0;
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

static int name_config(cell_row *cell, const char *name, err *e) {
    char *copy = mem_strdup(name, e);
    if (copy == NULL) return -1;
    free(cell->config);
    cell->config = copy;
    return 0;
}

/* Merges the texts. Two texts with the same name get different names, and each cell refers to its own. If a text is
 * given, every cell gets that one. */
static int add_texts(const store_data *d, const kept_text *given, cell_row *cell, store_data *out, err *e) {
    size_t kept;
    bool   named = given != NULL;
    if (given != NULL && (store_keep_text(&out->configs, given->name, given->text, NULL, e) != 0 ||
                          name_config(cell, given->name, e) != 0))
        return -1;
    for (size_t k = 0; given == NULL && k < d->configs.n; k++) {
        const kept_text *t = &d->configs.at[k];
        if (store_keep_text(&out->configs, t->name, t->text, &kept, e) != 0) return -1;
        if (named || strcmp(t->name, cell->config) != 0) continue;
        if (name_config(cell, out->configs.at[kept].name, e) != 0) return -1;
        named = true;
    }
    return store_keep_texts(&out->costs, &d->costs, e);
}

/* Adds what is kept of a file. */
static int add_source(collection *c, const char *path, const kept_text *given, store_data *d, err *e) {
    source *s = &c->sources[c->n_sources];
    *s = (source){.path = path, .n = {d->n_trials, d->n_steps, d->n_ids, false}};
    if (fstat(d->places->file->h5.disk.fd, &s->as) != 0) return err_unreadable(e, path);
    s->cell = d->cells; /* the only one */
    c->n_sources++;
    d->cells = NULL;
    c->n.trials += s->n.trials;
    c->n.steps += s->n.steps;
    c->n.ids += s->n.ids;
    if (add_attributes(d, &c->out, e) != 0 || add_texts(d, given, s->cell, &c->out, e) != 0) return -1;
    return keep_list(&c->samples, TABLE_SAMPLES, s->cell, d, &s->samples, e) != 0
               ? -1
               : keep_list(&c->skipped, TABLE_SKIPPED, s->cell, d, &s->skipped, e);
}

static int read_source(collection *c, const char *path, const kept_text *given, err *e) {
    store_data d;
    if (store_open_tables(path, &d, e) != 0) return -1;
    int ret = check_source(c, path, &d, e);
    if (ret == 0) ret = add_source(c, path, given, &d, e);
    store_free(&d);
    return ret;
}

/* Reads each file once, even if a grid names a cell, and so its file, twice. */
static int read_sources(collection *c, const char *const *paths, size_t n, const kept_text *given, err *e) {
    int          ret = 0;
    const char **sorted = mem_new(n, sizeof *sorted, e);
    if (sorted == NULL || (c->sources = mem_new(n, sizeof *c->sources, e)) == NULL) {
        free(sorted);
        return -1;
    }
    memcpy(sorted, paths, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_paths);
    for (size_t i = 0; ret == 0 && i < n; i++)
        if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0) ret = read_source(c, sorted[i], given, e);
    free(sorted);
    return ret;
}

static int compare_ids(const void *a, const void *b) {
    return strcmp((*(const source *const *)a)->cell->id, (*(const source *const *)b)->cell->id);
}

static int refuse_twins(const collection *c, err *e) {
    int            ret = 0;
    const source **by_id = mem_new(c->n_sources, sizeof *by_id, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    if (by_id == NULL) return -1;
    for (size_t i = 0; i < c->n_sources; i++) by_id[i] = &c->sources[i];
    qsort(by_id, c->n_sources, sizeof *by_id, compare_ids); /* NOLINT(bugprone-sizeof-expression) */
    for (size_t i = 1; ret == 0 && i < c->n_sources; i++)
        if (strcmp(by_id[i - 1]->cell->id, by_id[i]->cell->id) == 0)
            ret = err_input(e, "%s: holds the same cell as %s", by_id[i]->path, by_id[i - 1]->path);
    free(by_id);
    return ret;
}

/* ---- samples and skipped records ------------------------------------------------------------------------ */

static const store_data *samples_of(const collection *c, const source *s) {
    return &c->samples.at[s->samples].rows;
}

/* True when one cell's samples are the first ones of the other's, of the same dataset and model. */
static bool share_samples(const collection *c, const source *a, const source *b) {
    const store_data *x = samples_of(c, a), *y = samples_of(c, b);
    if (a->samples == b->samples) return true;
    return same_data(a->cell, b->cell) &&
           same_rows(x, y, TABLE_SAMPLES, x->n_samples < y->n_samples ? x->n_samples : y->n_samples);
}

/* Finds or adds the block of every source, then gives each block its place in the table. */
static int place_samples(collection *c, err *e) {
    for (size_t i = 0; i < c->n_sources; i++) {
        source *s = &c->sources[i];
        size_t  b = 0;
        while (b < c->n_blocks && !share_samples(c, c->blocks[b].longest, s)) b++;
        if (b == c->n_blocks) {
            if (mem_reserve(&c->blocks, &c->cap_blocks, c->n_blocks + 1, e) != 0) return -1;
            c->blocks[c->n_blocks++].longest = s;
        } else if (samples_of(c, s)->n_samples > samples_of(c, c->blocks[b].longest)->n_samples) {
            c->blocks[b].longest = s;
        }
        s->block = b;
    }
    for (size_t b = 0; b < c->n_blocks; b++) {
        const store_data *from = samples_of(c, c->blocks[b].longest);
        c->blocks[b].first = (uint32_t)c->out.n_samples;
        for (size_t i = 0; i < from->n_samples; i++)
            if (store_add_sample(&c->out, &from->samples[i], e) != 0) return -1;
    }
    return 0;
}

/* The records skipped in one dataset for one model are in the file of each of its cells; they are kept once. */
static int place_skipped(collection *c, err *e) {
    bool *done = mem_new(c->skipped.n, sizeof *done, e);
    int   ret = done != NULL ? 0 : -1;
    for (size_t i = 0; ret == 0 && i < c->n_sources; i++) {
        size_t            at = c->sources[i].skipped;
        const store_data *d = &c->skipped.at[at].rows;
        for (size_t r = 0; ret == 0 && !done[at] && r < d->n_skipped; r++)
            ret = store_add_skipped(&c->out, &d->skipped[r], e);
        done[at] = true;
    }
    free(done);
    return ret;
}

static int place_cells(collection *c, err *e) {
    for (size_t i = 0; i < c->n_sources; i++)
        if (store_add_cell(&c->out, c->sources[i].cell, e) != 0) return -1;
    return store_table_check(&store_tables[TABLE_TRIALS], c->n.trials, e);
}

collection *collection_open(const char *const *paths, size_t n, const kept_text *config, err *e) {
    collection *c = mem_new(1, sizeof *c, e);
    if (c == NULL) return NULL;
    c->named = config != NULL;
    int ret = n > 0 ? 0 : err_input(e, "no cell files to collect");
    if (ret == 0) ret = read_sources(c, paths, n, config, e);
    if (ret == 0) ret = refuse_twins(c, e);
    if (ret == 0) {
        qsort(c->sources, c->n_sources, sizeof *c->sources, compare_sources);
        ret = place_samples(c, e);
    }
    if (ret == 0 && place_skipped(c, e) == 0 && place_cells(c, e) == 0) return c;
    collection_close(c);
    return NULL;
}

static void free_lists(lists *l) {
    for (size_t i = 0; i < l->n; i++) store_free(&l->at[i].rows);
    free(l->at);
}

void collection_close(collection *c) {
    for (size_t i = 0; i < c->n_sources; i++) {
        compound_row_free(&store_tables[TABLE_CELLS].form, c->sources[i].cell);
        free(c->sources[i].cell);
    }
    free_lists(&c->samples);
    free_lists(&c->skipped);
    free(c->sources);
    free(c->blocks);
    store_free(&c->out);
    free(c);
}

/* ---- writing -------------------------------------------------------------------------------------------- */

/* The trials of one source on their way into the file. */
typedef struct {
    collection       *c;
    const store_data *from;
    store_writer     *w;
    uint32_t          cell, sample; /* its cell; its first sample */
    uint32_t         *process;      /* [from->n_processes] in c->out; UINT32_MAX: not there yet */
    size_t            step;         /* row of the next trial's first */
    bool              unwritten;    /* what failed was writing */
} copying;

static int copy_trial(const store_trial *t, void *ctx, err *e) {
    copying  *x = ctx;
    trial_row row = *t->trial;
    if (store_check_steps(&row, t->steps, x->step, e) != 0) return -1;
    x->step += row.steps;
    uint32_t *process = &x->process[row.process];
    if (*process == UINT32_MAX && store_add_process(&x->c->out, &x->from->processes[row.process], process, e) != 0)
        return -1;
    row.process = *process;
    row.cell = x->cell;
    row.sample += x->sample;
    x->unwritten = store_writer_add(x->w, &(store_trial){&row, t->steps, t->ids, NULL}, e) != 0;
    if (x->unwritten) return -1;
    if (++x->c->written % TOLD_EVERY == 0 && x->c->told != NULL)
        x->c->told(x->c->told_ctx, x->c->written, x->c->n.trials);
    return 0;
}

/* Not by the time of its last change of state: its writer may yet take away the temporary name (atomic.c). */
static bool is_as_before(const source *s, const struct stat *now, const store_data *d) {
    const struct stat *was = &s->as;
    return was->st_dev == now->st_dev && was->st_ino == now->st_ino && was->st_size == now->st_size &&
           was->st_mtim.tv_sec == now->st_mtim.tv_sec && was->st_mtim.tv_nsec == now->st_mtim.tv_nsec &&
           d->n_cells == 1 && d->n_trials == s->n.trials && d->n_steps == s->n.steps && d->n_ids == s->n.ids;
}

static int copy_source(collection *c, size_t i, const h5_output *out, store_writer *w, err *e) {
    const source *s = &c->sources[i];
    struct stat   now;
    store_data    d;
    if (store_open_tables(s->path, &d, e) != 0) return -1;
    copying x = {.c = c, .from = &d, .w = w, .cell = (uint32_t)i, .sample = c->blocks[s->block].first};
    x.process = mem_new(d.n_processes, sizeof *x.process, e);
    for (size_t k = 0; x.process != NULL && k < d.n_processes; k++) x.process[k] = UINT32_MAX;
    int ret = x.process != NULL ? 0 : -1;
    if (ret == 0 && d.n_cells > 0 && fstat(d.places->file->h5.disk.fd, &now) != 0)
        ret = err_errno(e, s->path, "cannot look at it");
    if (ret == 0 && (d.n_cells == 0 || !is_as_before(s, &now, &d)))
        ret = err_run(e, "%s: has changed while it was being collected", s->path);
    if (ret == 0 && store_visit(&d, VISIT_STEPS | VISIT_OUTPUTS, copy_trial, &x, e) != 0) {
        if (x.unwritten) {
            ret = h5_output_fails(out, e);
        } else {
            err_prefix(e, "%s", s->path);
            ret = h5_file_fails(&d.places->file->h5, e);
        }
    }
    free(x.process);
    store_free(&d);
    return ret;
}

int collection_write(collection *c, const char *to, store_progress *told, void *ctx, err *e) {
    h5_output    out;
    store_writer w = {.tokens = H5I_INVALID_HID};
    int          ret = h5_output_open(&out, to, e);
    c->told = told;
    c->told_ctx = ctx;
    if (ret == 0 && store_writer_open(&w, out.id, &c->out, c->n, e) != 0) ret = h5_output_fails(&out, e);
    for (size_t i = 0; ret == 0 && i < c->n_sources; i++) ret = copy_source(c, i, &out, &w, e);
    if (ret == 0 && store_writer_finish(&w, &c->out, e) != 0) ret = h5_output_fails(&out, e);
    if (store_writer_close(&w, ret, e) != ret) ret = h5_output_fails(&out, e);
    return h5_output_close(&out, false, ret, e);
}

int store_collect(const char *const *paths, size_t n, const kept_text *config, const char *to, store_progress *told,
                  void *ctx, store_data *out, err *e) {
    collection *c = collection_open(paths, n, config, e);
    *out = (store_data){0};
    if (c == NULL) return -1;
    int ret = collection_write(c, to, told, ctx, e);
    collection_close(c); /* before the file's own tables come into memory */
    return ret == 0 ? store_open_trials(to, out, e) : -1;
}
