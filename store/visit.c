/* visit.c - trials with their steps and outputs, one after another, from memory or from files. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "store/h5.h"
#include "store/rows.h"

/* ---- open files --------------------------------------------------------------------------------------------- */

void store_file_use(struct store_file *f, store_place *place) {
    place->file = f;
    f->uses++;
}

void store_file_leave(struct store_file *f) {
    if (f == NULL || --f->uses > 0) return;
    h5_file_close(&f->h5, -1, NULL); /* nothing was written */
    free(f->path);
    free(f);
}

/* ---- in files ----------------------------------------------------------------------------------------------- */

static int fails(const struct store_file *f, err *e) {
    if (f->checked) err_prefix(e, "%s", f->path);
    return h5_file_fails(&f->h5, e);
}

static int close_lists(store_cursor *v, int ret, err *e) {
    ret = compound_close(&v->trial_rows, ret, e);
    ret = compound_close(&v->step_rows, ret, e);
    ret = h5_rows_close(&v->id_rows, ret, e);
    return h5_rows_close(&v->hash_rows, ret, e);
}

static bool has_hashes(const store_cursor *v) {
    return v->hash_rows.buf != NULL;
}

static int open_lists(store_cursor *v, const struct store_file *f, err *e) {
    int ret = close_lists(v, 0, e);
    v->file = f;
    if (ret == 0) ret = compound_open(f->h5.id, &store_tables[TABLE_TRIALS].form, f->most, &v->trial_rows, e);
    if (ret == 0 && (v->parts & VISIT_STEPS) != 0)
        ret = compound_open(f->h5.id, &store_tables[TABLE_STEPS].form, f->most, &v->step_rows, e);
    if (ret == 0 && (v->parts & VISIT_OUTPUTS) != 0)
        ret = numbers_open(f->h5.id, "tokens/ids", FIELD_I32, f->most, &v->id_rows, e);
    if (ret == 0 && (v->parts & VISIT_HASHES) != 0 && f->hashed)
        ret = numbers_open(f->h5.id, "tokens/logits_hash", FIELD_U64, f->most, &v->hash_rows, e);
    return ret;
}

/* Goes to where a cell's rows begin. */
static int enter_cell(store_cursor *v, const store_place *p, err *e) {
    if (v->file != p->file && open_lists(v, p->file, e) != 0) return -1;
    h5_rows_seek(&v->trial_rows.rows, p->trial);
    if ((v->parts & VISIT_STEPS) != 0) h5_rows_seek(&v->step_rows.rows, p->step);
    if ((v->parts & VISIT_OUTPUTS) != 0) h5_rows_seek(&v->id_rows, p->id);
    if (has_hashes(v)) h5_rows_seek(&v->hash_rows, p->id);
    return 0;
}

/* The next trial of the cell; rows get the numbers that they have in v->d. */
static int read_trial(store_cursor *v, store_trial *out, err *e) {
    const store_place *p = &v->d->places[v->cell];
    trial_row         *t = &v->row;
    if (compound_get(&v->trial_rows, t, e) != 0) return -1;
    if (t->process >= p->file->n_processes || t->sample >= p->file->n_samples)
        return err_run(e, "has changed while it was being read");
    uint32_t shift = (uint32_t)v->trial - t->trial;
    t->trial = (uint32_t)v->trial;
    t->cell = (uint32_t)v->cell;
    t->sample += (uint32_t)p->sample;
    if (p->process != NULL) t->process = p->process[t->process];
    *out = (store_trial){.trial = t};
    if ((v->parts & VISIT_STEPS) != 0) {
        if (mem_reserve(&v->steps, &v->cap_steps, t->steps, e) != 0) return -1;
        for (size_t k = 0; k < t->steps; k++) {
            if (compound_get(&v->step_rows, &v->steps[k], e) != 0) return -1;
            v->steps[k].trial += shift;
        }
        out->steps = v->steps;
    }
    if ((v->parts & VISIT_OUTPUTS) != 0) {
        if (mem_reserve(&v->ids, &v->cap_ids, t->tokens, e) != 0) return -1;
        if (h5_rows_take(&v->id_rows, v->ids, t->tokens, e) != 0) return -1;
        out->ids = v->ids;
    }
    if (has_hashes(v)) {
        if (mem_reserve(&v->hash, &v->cap_hash, t->tokens, e) != 0) return -1;
        if (h5_rows_take(&v->hash_rows, v->hash, t->tokens, e) != 0) return -1;
        out->hash = v->hash;
    }
    return 0;
}

void store_cursor_begin(store_cursor *v, const store_data *d, size_t from, size_t to, unsigned parts) {
    *v = (store_cursor){.d = d, .parts = parts, .cell = from, .to = to};
    for (size_t c = 0; c < from; c++) v->trial += d->places[c].trials;
}

int store_cursor_next(store_cursor *v, store_trial *t, err *e) {
    while (v->cell < v->to && v->of_cell == v->d->places[v->cell].trials) {
        v->cell++;
        v->of_cell = 0;
    }
    if (v->cell == v->to) return 0;
    const store_place *p = &v->d->places[v->cell];
    if ((v->of_cell == 0 && enter_cell(v, p, e) != 0) || read_trial(v, t, e) != 0) return fails(p->file, e);
    v->trial++;
    v->of_cell++;
    return 1;
}

int store_cursor_end(store_cursor *v, int ret, err *e) {
    ret = close_lists(v, ret, e);
    free(v->steps);
    free(v->ids);
    free(v->hash);
    *v = (store_cursor){0};
    return ret;
}

static int visit_files(const store_data *d, size_t from, size_t to, unsigned parts, store_visitor *call, void *ctx,
                       err *e) {
    store_cursor v;
    store_trial  t;
    int          got;
    store_cursor_begin(&v, d, from, to, parts);
    while ((got = store_cursor_next(&v, &t, e)) > 0 && call(&t, ctx, e) == 0) {}
    return store_cursor_end(&v, got == 0 ? 0 : -1, e);
}

/* ---- in memory ---------------------------------------------------------------------------------------------- */

#define EVERY_CELL SIZE_MAX

static int visit_memory(const store_data *d, size_t cell, unsigned parts, store_visitor *call, void *ctx, err *e) {
    bool   steps = (parts & VISIT_STEPS) != 0, outputs = (parts & (VISIT_OUTPUTS | VISIT_HASHES)) != 0;
    bool   hashes = (parts & VISIT_HASHES) != 0 && d->logits_hash != NULL;
    size_t step = 0, id = 0;
    for (size_t i = 0; i < d->n_trials; i++) {
        const trial_row *t = &d->trials[i];
        store_trial      at = {.trial = t};
        if ((steps && t->steps > d->n_steps - step) || (outputs && t->tokens > d->n_ids - id))
            return err_input(e, "trial %zu has %" PRIu32 " steps and %" PRIu32 " tokens, more than there are", i,
                             t->steps, t->tokens);
        if (steps && t->steps > 0) at.steps = d->steps + step;
        if ((parts & VISIT_OUTPUTS) != 0 && t->tokens > 0) at.ids = d->ids + id;
        if (hashes && t->tokens > 0) at.hash = d->logits_hash + id;
        if ((cell == EVERY_CELL || t->cell == cell) && call(&at, ctx, e) != 0) return -1;
        step += steps ? t->steps : 0;
        id += outputs ? t->tokens : 0;
    }
    return 0;
}

/* ---- both --------------------------------------------------------------------------------------------------- */

int store_visit(const store_data *d, unsigned parts, store_visitor *call, void *ctx, err *e) {
    if (d->places == NULL) return visit_memory(d, EVERY_CELL, parts, call, ctx, e);
    return visit_files(d, 0, d->n_cells, parts, call, ctx, e);
}

int store_visit_cell(const store_data *d, size_t cell, unsigned parts, store_visitor *call, void *ctx, err *e) {
    if (d->places == NULL) return visit_memory(d, cell, parts, call, ctx, e);
    return visit_files(d, cell, cell + 1, parts, call, ctx, e);
}
