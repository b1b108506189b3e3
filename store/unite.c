/* unite.c - the content of several results files in one. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/rows.h"
#include "store/settings.h"

/* One cell of one part, and where its rows begin there. */
typedef struct {
    const cell_row *row;
    size_t          part, trial, step;
} place;

static int by_settings(const void *a, const void *b) {
    const place *x = a, *y = b;
    int          by = settings_compare(x->row, y->row);
    return by != 0 ? by : (x->part > y->part) - (x->part < y->part);
}

/* The places of the cells that are kept, in the order of a results file. */
static place *place_cells(const store_data *parts, size_t n, const bool *keep, size_t *kept, err *e) {
    size_t cells = 0, at = 0;
    for (size_t i = 0; i < n; i++) cells += parts[i].n_cells;
    place *out = mem_new(cells, sizeof *out, e);
    *kept = 0;
    for (size_t i = 0; out != NULL && i < n; i++) {
        const store_data *d = &parts[i];
        size_t            trial = 0, step = 0;
        for (size_t c = 0; c < d->n_cells; c++) {
            if (keep == NULL || keep[at]) out[(*kept)++] = (place){&d->cells[c], i, trial, step};
            at++;
            for (; d->trials != NULL && trial < d->n_trials && d->trials[trial].cell == c; trial++)
                step += d->trials[trial].steps;
        }
    }
    if (out != NULL && n > 1 && *kept > 0) qsort(out, *kept, sizeof *out, by_settings);
    return out;
}

/* "a, b" of the names that differ. */
static int name_sweeps(const store_data *parts, size_t n, store_data *out, err *e) {
    if ((out->sweep = mem_strdup(n > 0 ? parts[0].sweep : "", e)) == NULL) return -1;
    for (size_t i = 1; i < n; i++) {
        size_t before = 0;
        while (strcmp(parts[before].sweep, parts[i].sweep) != 0) before++;
        if (before < i) continue;
        char *longer = mem_printf(e, "%s, %s", out->sweep, parts[i].sweep);
        if (longer == NULL) return -1;
        free(out->sweep);
        out->sweep = longer;
    }
    return 0;
}

/* Samples, skipped records and cost files of all parts, one after another; sample[i] is where part i's begin. */
static int append_frames(const store_data *parts, size_t n, size_t *sample, store_data *out, err *e) {
    const char *created = "";
    for (size_t i = 0; i < n; i++) {
        const store_data *d = &parts[i];
        sample[i] = out->n_samples;
        if (d->created != NULL && strcmp(d->created, created) > 0) created = d->created;
        if (store_keep_texts(&out->costs, &d->costs, e) != 0) return -1;
        for (size_t s = 0; s < d->n_samples; s++)
            if (store_add_sample(out, &d->samples[s], e) != 0) return -1;
        for (size_t s = 0; s < d->n_skipped; s++)
            if (store_add_skipped(out, &d->skipped[s], e) != 0) return -1;
    }
    return (out->created = mem_strdup(created, e)) != NULL ? 0 : -1;
}

/* The cell, which goes by the name that its config has here. */
static int append_cell(const store_data *from, const cell_row *cell, store_data *to, err *e) {
    cell_row row = *cell;
    size_t   kept;
    for (size_t i = 0; i < from->configs.n; i++) {
        const kept_text *t = &from->configs.at[i];
        if (strcmp(t->name, cell->config) != 0) continue;
        if (store_keep_text(&to->configs, t->name, t->text, &kept, e) != 0) return -1;
        row.config = to->configs.at[kept].name;
    }
    return store_add_cell(to, &row, e);
}

/* What the processes of a part, or of a file that it has rows of, are called in the united results. */
typedef struct {
    const uint32_t *from; /* the part's own map, NULL without one */
    size_t          part;
    uint32_t       *to;
} process_map;

typedef struct {
    process_map *at;
    size_t       n, cap;
} process_maps;

/* Maps all processes of a part's file, of which there are as many as its own map names, or the part has. */
static const uint32_t *map_processes(process_maps *maps, const store_data *from, const place *p, store_data *to,
                                     err *e) {
    const store_place *at = &from->places[p->row->cell];
    for (size_t i = 0; i < maps->n; i++)
        if (maps->at[i].part == p->part && maps->at[i].from == at->process) return maps->at[i].to;
    size_t n = at->file->n_processes;
    if (mem_reserve(&maps->at, &maps->cap, maps->n + 1, e) != 0 ||
        mem_reserve(&to->process_maps, &to->cap_process_maps, to->n_process_maps + 1, e) != 0)
        return NULL;
    uint32_t *map = mem_new(n, sizeof *map, e);
    if (map == NULL) return NULL;
    to->process_maps[to->n_process_maps++] = map;
    for (size_t i = 0; i < n; i++) {
        size_t own = at->process != NULL ? at->process[i] : i;
        if (store_add_process(to, &from->processes[own], &map[i], e) != 0) return NULL;
    }
    maps->at[maps->n++] = (process_map){at->process, p->part, map};
    return map;
}

/* A cell whose rows stay where they are. */
static int append_place(process_maps *maps, const store_data *from, const place *p, size_t sample, store_data *to,
                        err *e) {
    store_place *at = &to->places[to->n_cells - 1];
    *at = from->places[p->row->cell];
    store_file_use(at->file, at);
    at->sample += sample;
    if ((at->process = map_processes(maps, from, p, to, e)) == NULL) return -1;
    to->n_trials += at->trials;
    to->n_steps += at->steps;
    to->n_ids += at->ids;
    return 0;
}

static int append_trials(const store_data *from, const place *p, size_t sample, store_data *to, err *e) {
    size_t step = p->step;
    for (size_t i = p->trial; i < from->n_trials && from->trials[i].cell == p->row->cell; i++) {
        trial_row t = from->trials[i];
        t.cell = (uint32_t)(to->n_cells - 1);
        t.sample += (uint32_t)sample;
        if (store_add_process(to, &from->processes[t.process], &t.process, e) != 0) return -1;
        if (store_add_trial(to, &t, from->steps + step, t.steps, from->ids + from->offset[i], t.tokens, NULL, e) != 0)
            return -1;
        step += t.steps;
    }
    return 0;
}

int store_unite(const store_data *parts, size_t n, const bool *keep, store_data *out, size_t **part, err *e) {
    int          ret = -1;
    size_t       kept = 0;
    place       *cells = place_cells(parts, n, keep, &kept, e);
    size_t      *sample = mem_new(n, sizeof *sample, e), *from = mem_new(kept, sizeof *from, e);
    bool         filed = n > 0 && parts->places != NULL;
    process_maps maps = {0};
    *out = (store_data){0};
    if (cells == NULL || sample == NULL || from == NULL || name_sweeps(parts, n, out, e) != 0 ||
        append_frames(parts, n, sample, out, e) != 0)
        goto out;
    if (filed && (out->places = mem_new(kept, sizeof *out->places, e)) == NULL) goto out;
    for (size_t c = 0; c < kept; c++) {
        size_t i = cells[c].part;
        from[c] = i;
        if (append_cell(&parts[i], cells[c].row, out, e) != 0) goto out;
        if ((filed ? append_place(&maps, &parts[i], &cells[c], sample[i], out, e)
                   : append_trials(&parts[i], &cells[c], sample[i], out, e)) != 0)
            goto out;
    }
    ret = 0;
    if (part != NULL) {
        *part = from;
        from = NULL;
    }
out:
    free(cells);
    free(sample);
    free(from);
    free(maps.at);
    if (ret != 0) store_free(out);
    return ret;
}
