#include "analysis/record_sums.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/records.h"
#include "engine/base/mem.h"

static int by_cell_and_group(const void *a, const void *b) {
    const placed_trial *x = a, *y = b;
    const trial_row    *s = x->row, *t = y->row;
    if (s->cell != t->cell) return s->cell < t->cell ? -1 : 1;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (s->sample != t->sample) return s->sample < t->sample ? -1 : 1;
    return (s->repeat > t->repeat) - (s->repeat < t->repeat);
}

int placed_trials_make(const store_data *d, const char *pattern, placed_trials *out, err *e) {
    *out = (placed_trials){.d = d, .cell = PLACED_NONE};
    if ((out->group = records_groups(d, pattern, e)) == NULL) return -1;
    if ((out->first = mem_new(d->n_cells + 1, sizeof *out->first, e)) != NULL) return 0;
    placed_trials_free(out);
    return -1;
}

void placed_trials_free(placed_trials *p) {
    free(p->group);
    free(p->at);
    free(p->rows);
    free(p->first);
    *p = (placed_trials){0};
}

static int keep_trial(const store_trial *t, void *ctx, err *e) {
    placed_trials *p = ctx;
    if (mem_reserve(&p->rows, &p->cap_rows, p->n + 1, e) != 0) return -1;
    p->rows[p->n++] = *t->trial;
    p->first[t->trial->cell + 1]++;
    return 0;
}

/* Sorts the rows that were kept. */
static int place(placed_trials *p, err *e) {
    if (mem_reserve(&p->at, &p->cap, p->n, e) != 0) return -1;
    for (size_t i = 0; i < p->n; i++) p->at[i] = (placed_trial){&p->rows[i], p->group[p->rows[i].sample]};
    for (size_t c = 0; c < p->d->n_cells; c++) p->first[c + 1] += p->first[c];
    if (p->n > 0) qsort(p->at, p->n, sizeof *p->at, by_cell_and_group);
    return 0;
}

static void forget(placed_trials *p) {
    p->n = 0;
    p->cell = PLACED_NONE;
    memset(p->first, 0, (p->d->n_cells + 1) * sizeof *p->first);
}

int placed_trials_of(placed_trials *p, size_t cell, err *e) {
    if (p->cell == PLACED_ALL || p->cell == cell) return 0;
    forget(p);
    if (store_visit_cell(p->d, cell, 0, keep_trial, p, e) != 0 || place(p, e) != 0) return -1;
    p->cell = cell;
    return 0;
}

int placed_trials_all(placed_trials *p, err *e) {
    forget(p);
    if (store_visit(p->d, 0, keep_trial, p, e) != 0 || place(p, e) != 0) return -1;
    p->cell = PLACED_ALL;
    return 0;
}

size_t placed_trials_end(const placed_trials *p, size_t first, size_t n) {
    size_t i = first + 1;
    while (i < n && p->at[i].group == p->at[first].group) i++;
    return i;
}

int record_sums_make(const placed_trials *p, size_t cell, const metric *m, record_sums *out, err *e) {
    size_t n = p->first[cell + 1];
    out->n = 0;
    out->missing = false;
    for (size_t i = p->first[cell], end; i < n; i = end) {
        ratio_sum sum = {0, 0};
        end = placed_trials_end(p, i, n);
        for (size_t k = i; k < end; k++)
            if (!m->add(p->at[k].row, &sum)) out->missing = true;
        if (sum.part == 0 && sum.whole == 0) continue;
        if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0 ||
            mem_reserve(&out->group, &out->cap_group, out->n + 1, e) != 0 ||
            mem_reserve(&out->trials, &out->cap_trials, out->n + 1, e) != 0)
            return -1;
        out->trials[out->n] = end - i;
        out->at[out->n] = sum;
        out->group[out->n++] = p->at[i].group;
    }
    return 0;
}

void record_sums_free(record_sums *r) {
    free(r->at);
    free(r->group);
    free(r->trials);
    *r = (record_sums){0};
}
