#include "analysis/records.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

typedef struct {
    const sample_row *row;
    size_t            at; /* its index */
} placed_sample;

static int by_content(const void *a, const void *b) {
    const placed_sample *x = a, *y = b;
    int                  by = strcmp(x->row->dataset, y->row->dataset);
    if (by != 0) return by;
    if (x->row->content != y->row->content) return x->row->content < y->row->content ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

size_t *records_originals(const store_data *d, err *e) {
    size_t        *first = mem_new(d->n_samples, sizeof *first, e);
    placed_sample *sorted = mem_new(d->n_samples, sizeof *sorted, e);
    if (first == NULL || sorted == NULL) {
        free(first);
        free(sorted);
        return NULL;
    }
    for (size_t i = 0; i < d->n_samples; i++) sorted[i] = (placed_sample){&d->samples[i], i};
    qsort(sorted, d->n_samples, sizeof *sorted, by_content);
    for (size_t i = 0; i < d->n_samples; i++) {
        bool same = i > 0 && sorted[i].row->content == sorted[i - 1].row->content &&
                    strcmp(sorted[i].row->dataset, sorted[i - 1].row->dataset) == 0;
        first[sorted[i].at] = same ? first[sorted[i - 1].at] : sorted[i].at;
    }
    free(sorted);
    return first;
}

record_count *records_count(const store_data *d, err *e) {
    size_t       *first = records_originals(d, e);
    size_t       *seen = mem_new(d->n_samples, sizeof *seen, e); /* 1 + the last cell that a record was in */
    record_count *out = mem_new(d->n_cells, sizeof *out, e);
    if (first == NULL || seen == NULL || out == NULL) {
        free(out);
        out = NULL;
    }
    for (size_t i = 0; out != NULL && i < d->n_trials; i++) {
        const trial_row *t = &d->trials[i];
        bool             same = i > 0 && t->cell == d->trials[i - 1].cell && t->sample == d->trials[i - 1].sample;
        out[t->cell].records += !same;
        out[t->cell].distinct += seen[first[t->sample]] != 1 + (size_t)t->cell;
        seen[first[t->sample]] = 1 + (size_t)t->cell;
    }
    free(first);
    free(seen);
    return out;
}
