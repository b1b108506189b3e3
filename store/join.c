/* join.c - writes one cell from its trials, which are in memory or in the files of several processes.
 *
 *     rows in memory, sorted  --+
 *     file, sorted            --+--> the smallest (sample, repeat), once --> file
 *     file, sorted            --+
 *
 * This is done twice: first with rows of trials alone, to count them and to name the processes, which the cell's own
 * row lists; then to write.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/mem.h"
#include "store/rows.h"

/* A trial in memory. */
typedef struct {
    store_trial at;
    size_t      step; /* row of its first */
} row_in_memory;

/* What gives trials of the cell in order. */
typedef struct {
    const char       *path;  /* of its file; NULL: in memory */
    store_data        file;  /* as it is open */
    const store_data *d;     /* where its trials and processes are */
    row_in_memory    *order; /* [d->n_trials] in memory */
    store_cursor      cursor;
    uint32_t         *process; /* [d->n_processes] in the cell's file; UINT32_MAX: not there */
    store_trial       at;      /* its next one */
    size_t            n, step; /* which one that is; row of its first step */
    bool              has_next;
} source;

typedef struct {
    store_data   frame; /* all but trials */
    source       of[1 + STORE_JOINED];
    size_t       n;
    store_counts want;
    trials_check k;
    store_writer w;
    bool         unwritten; /* what failed was writing */
} joining;

/* ---- sources ------------------------------------------------------------------------------------------------ */

static int compare_trials(const trial_row *a, const trial_row *b) {
    if (a->sample != b->sample) return a->sample < b->sample ? -1 : 1;
    return (a->repeat > b->repeat) - (a->repeat < b->repeat);
}

static int compare_rows(const void *a, const void *b) {
    return compare_trials(((const row_in_memory *)a)->at.trial, ((const row_in_memory *)b)->at.trial);
}

static int open_memory(source *s, const store_data *rows, err *e) {
    size_t step = 0;
    s->d = rows;
    if ((s->order = mem_new(rows->n_trials, sizeof *s->order, e)) == NULL) return -1;
    for (size_t i = 0; i < rows->n_trials; step += rows->trials[i++].steps) {
        const trial_row *t = &rows->trials[i];
        size_t           id = (size_t)rows->offset[i];
        if (step + t->steps > rows->n_steps || id + t->tokens > rows->n_ids)
            return err_run(e, "trial %zu is there without its steps or its output", i);
        s->order[i] = (row_in_memory){
            {t, rows->steps + step, rows->ids + id, rows->logits_hash != NULL ? rows->logits_hash + id : NULL}, step};
    }
    if (rows->n_trials > 0) qsort(s->order, rows->n_trials, sizeof *s->order, compare_rows);
    return 0;
}

static int open_file(source *s, const char *path, const store_data *rows, err *e) {
    s->path = path;
    s->d = &s->file;
    if (store_open_tables(path, &s->file, e) != 0) return -1;
    if (s->file.n_cells == 1 && strcmp(s->file.cells->id, rows->cells->id) == 0 && s->file.n_samples == rows->n_samples)
        return 0;
    return err_input(e, "%s: does not hold trials of the cell %s and its %zu samples", path, rows->cells->id,
                     rows->n_samples);
}

static bool is_hashed(const source *s) {
    return s->path != NULL ? s->d->places->file->hashed : s->d->logits_hash != NULL;
}

static int open_source(joining *x, const char *path, const store_data *rows, err *e) {
    source *s = &x->of[x->n++];
    if ((path != NULL ? open_file(s, path, rows, e) : open_memory(s, rows, e)) != 0) return -1;
    if ((s->process = mem_new(s->d->n_processes, sizeof *s->process, e)) == NULL) return -1;
    for (size_t i = 0; i < s->d->n_processes; i++) s->process[i] = UINT32_MAX;
    if (s->d->n_ids == 0) return 0;
    if (x->want.ids > 0 && is_hashed(s) != x->want.hashed)
        return err_input(e, "%s: has %s list logits_hash, unlike other trials of the cell", path,
                         is_hashed(s) ? "a" : "no");
    x->want.hashed = is_hashed(s);
    x->want.ids += s->d->n_ids;
    return 0;
}

static void close_sources(joining *x) {
    for (size_t i = 0; i < x->n; i++) {
        store_cursor_end(&x->of[i].cursor, 0, NULL);
        store_free(&x->of[i].file);
        free(x->of[i].order);
        free(x->of[i].process);
    }
    store_free(&x->frame);
}

/* Goes on to the next trial. */
static int advance(source *s, err *e) {
    if (s->path == NULL) {
        if ((s->has_next = s->n < s->d->n_trials)) {
            s->at = s->order[s->n].at;
            s->step = s->order[s->n++].step;
        }
        return 0;
    }
    s->step += s->n++ > 0 ? s->at.trial->steps : 0;
    int got = store_cursor_next(&s->cursor, &s->at, e);
    if (got < 0) err_prefix(e, "%s", s->path);
    if (got < 0) return h5_file_fails(&s->d->places->file->h5, e);
    s->has_next = got > 0;
    return 0;
}

static source *smallest(joining *x) {
    source *least = NULL;
    for (source *s = x->of; s < x->of + x->n; s++)
        if (s->has_next && (least == NULL || compare_trials(s->at.trial, least->at.trial) < 0)) least = s;
    return least;
}

typedef int each_trial(joining *x, source *s, err *e);

static int in_order(joining *x, unsigned parts, each_trial *each, err *e) {
    trial_row last;
    bool      any = false;
    source   *s;
    for (size_t i = 0; i < x->n; i++) {
        s = &x->of[i];
        s->n = s->step = 0;
        if (s->path != NULL && store_cursor_end(&s->cursor, 0, e) != 0) return -1;
        if (s->path != NULL) store_cursor_begin(&s->cursor, s->d, 0, 1, parts);
        if (advance(s, e) != 0) return -1;
    }
    while ((s = smallest(x)) != NULL) {
        if ((!any || compare_trials(s->at.trial, &last) != 0) && each(x, s, e) != 0) return -1;
        last = *s->at.trial;
        any = true;
        if (advance(s, e) != 0) return -1;
    }
    return 0;
}

/* ---- the cell's row ----------------------------------------------------------------------------------------- */

static int set_text(char **text, const char *to, err *e) {
    char *copy = mem_strdup(to != NULL ? to : "", e);
    if (copy == NULL) return -1;
    free(*text);
    *text = copy;
    return 0;
}

/* Everything except trials and processes. */
static int copy_frame(const store_data *from, store_data *to, const char *created, err *e) {
    if (set_text(&to->sweep, from->sweep, e) != 0 || set_text(&to->created, created, e) != 0) return -1;
    if (store_keep_texts(&to->configs, &from->configs, e) != 0) return -1;
    if (store_keep_texts(&to->costs, &from->costs, e) != 0) return -1;
    if (store_add_cell(to, from->cells, e) != 0 || set_text(&to->cells->created, created, e) != 0) return -1;
    for (size_t i = 0; i < from->n_samples; i++)
        if (store_add_sample(to, &from->samples[i], e) != 0) return -1;
    for (size_t i = 0; i < from->n_skipped; i++)
        if (store_add_skipped(to, &from->skipped[i], e) != 0) return -1;
    return 0;
}

/* True when the list "a, b, c" has this entry. */
static bool has_entry(const char *list, const char *entry) {
    size_t n = strlen(entry);
    for (const char *at = list; (at = strstr(at, entry)) != NULL; at++) {
        bool starts = at == list || (at - list >= 2 && memcmp(at - 2, ", ", 2) == 0);
        bool ends = at[n] == '\0' || strncmp(at + n, ", ", 2) == 0;
        if (starts && ends) return true;
        if (*at == '\0') return false;
    }
    return false;
}

static int add_entry(char **list, const char *entry, bool first, err *e) {
    if (!first && has_entry(*list, entry)) return 0;
    char *longer = first ? mem_strdup(entry, e) : mem_printf(e, "%s, %s", *list, entry);
    if (longer == NULL) return -1;
    free(*list);
    *list = longer;
    return 0;
}

/* The cell's own columns list the values of its processes. */
static int describe_cell(store_data *d, err *e) {
    cell_row *c = d->cells;
    for (size_t i = 0; i < d->n_processes; i++) {
        const process_row *p = &d->processes[i];
#define ORIGIN_FIELDS
#define FIELD(kind, name)                                                                                              \
    if (add_entry(&c->name, p->name, i == 0, e) != 0) return -1;
#include "store/fields.def"
#undef ORIGIN_FIELDS
    }
    return 0;
}

/* Processes are named in the order in which trials have them. */
static int count_trial(joining *x, source *s, err *e) {
    const trial_row *t = s->at.trial;
    x->want.trials++;
    x->want.steps += t->steps;
    x->want.ids += t->tokens;
    if (s->process[t->process] != UINT32_MAX) return 0;
    return store_add_process(&x->frame, &s->d->processes[t->process], &s->process[t->process], e);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static int write_trial(joining *x, source *s, err *e) {
    store_trial at = s->at;
    trial_row   row = *at.trial;
    if (store_check_steps(&row, at.steps, s->step, e) != 0) {
        if (s->path != NULL) return err_prefix(e, "%s", s->path);
        x->unwritten = true;
        return -1;
    }
    row.trial = (uint32_t)x->w.n.trials;
    row.process = s->process[row.process];
    at.trial = &row;
    x->unwritten = store_check_trial(&x->frame, &x->k, &row, e) != 0 || store_writer_add(&x->w, &at, e) != 0;
    return x->unwritten ? -1 : 0;
}

static int write_all(joining *x, hid_t file, err *e) {
    x->unwritten = true;
    x->frame.n_steps = x->want.steps; /* for store_check_end */
    x->frame.n_ids = x->want.ids;
    if (store_check_frame(&x->frame, e) != 0 || store_writer_open(&x->w, file, &x->frame, x->want, e) != 0) return -1;
    x->unwritten = false;
    if (in_order(x, VISIT_ALL, write_trial, e) != 0) return -1;
    x->unwritten = true;
    return store_check_end(&x->frame, &x->k, e) != 0 ? -1 : store_writer_finish(&x->w, &x->frame, e);
}

static int write_file(joining *x, const char *path, bool finished, err *e) {
    h5_output out;
    x->w = (store_writer){.tokens = H5I_INVALID_HID};
    int ret = h5_output_open(&out, path, e);
    if (ret == 0 && (ret = write_all(x, out.id, e)) != 0 && x->unwritten) h5_output_fails(&out, e);
    if (store_writer_close(&x->w, ret, e) != ret) ret = h5_output_fails(&out, e);
    return h5_output_close(&out, finished, ret, e);
}

int store_write_cell(const char *path, const store_data *rows, const char *const *files, size_t n, const char *created,
                     bool finished, err *e) {
    struct stat is;
    joining    *x;
    if (finished && stat(path, &is) == 0 && S_ISREG(is.st_mode)) return 0;
    if ((x = mem_new(1, sizeof *x, e)) == NULL) return -1;
    int ret = copy_frame(rows, &x->frame, created, e);
    if (ret == 0) ret = open_source(x, NULL, rows, e);
    for (size_t i = 0; ret == 0 && i < n; i++) ret = open_source(x, files[i], rows, e);
    x->want.ids = 0;
    if (ret == 0) ret = in_order(x, 0, count_trial, e);
    if (ret == 0 && finished && x->want.trials != rows->cells->trials)
        ret = err_run(e, "%s: cannot write: %zu of %" PRIu32 " trials are there", path, x->want.trials,
                      rows->cells->trials);
    if (ret == 0) ret = describe_cell(&x->frame, e);
    if (ret == 0) ret = write_file(x, path, finished, e);
    close_sources(x);
    free(x);
    return ret;
}
