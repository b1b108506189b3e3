#include "analysis/report/shown_trials.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* What the choice has to know of a trial: of very many, little is kept. */
typedef struct {
    uint32_t cell, sample, bytes;
    bool     diverges, taken;
} candidate;

typedef struct {
    const store_data *d;
    const size_t     *group;
    size_t            n_groups;
    size_t           *first; /* [n_cells + 1] where each cell's trials begin */
    size_t           *model; /* [n_groups] the cell whose records stand for the group's: the one with the most trials */
    candidate        *all;   /* [n_trials] */
    size_t            n_trials;
    size_t            bytes; /* of those that are taken */
} chooser;

size_t shown_trials_bytes(const trial_row *t) {
    return 80 + 6 * (size_t)t->tokens + 50 * (size_t)t->steps + 6 * (size_t)(t->drafted - t->accepted);
}

static int see_trial(const store_trial *at, void *ctx, err *e) {
    chooser         *c = ctx;
    const trial_row *t = at->trial;
    size_t           bytes = shown_trials_bytes(t);
    (void)e;
    c->all[c->n_trials++] = (candidate){.cell = t->cell,
                                        .sample = t->sample,
                                        .bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX,
                                        .diverges = t->equal == 0 || t->logits_equal == 0};
    return 0;
}

static bool is_plain(const store_data *d, size_t cell) {
    return strcmp(d->cells[cell].policy, "none") == 0;
}

static void take(chooser *c, size_t trial) {
    if (c->all[trial].taken) return;
    c->all[trial].taken = true;
    c->bytes += c->all[trial].bytes;
}

static size_t cell_trials_of(const chooser *c, size_t cell) {
    return c->first[cell + 1] - c->first[cell];
}

/* The cell's first trial of this sample; n_trials when there is none. */
static size_t find_trial(const chooser *c, size_t cell, uint32_t sample) {
    size_t lo = c->first[cell], hi = c->first[cell + 1];
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->all[mid].sample < sample)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->first[cell + 1] && c->all[lo].sample == sample ? lo : c->n_trials;
}

/* Plain decoding of the trial's sample, in its group. */
static void take_plain(chooser *c, const candidate *t) {
    for (size_t cell = 0; cell < c->d->n_cells; cell++) {
        if (c->group[cell] != c->group[t->cell] || !is_plain(c->d, cell)) continue;
        size_t found = find_trial(c, cell, t->sample);
        if (found < c->n_trials) take(c, found);
    }
}

/* C1 */
static void take_diverging(chooser *c, size_t budget, shown_trials *out) {
    for (size_t i = 0; i < c->n_trials; i++) {
        const candidate *t = &c->all[i];
        if (!t->diverges) continue;
        out->diverge++;
        if (out->diverging == DIVERGING_MOST || c->bytes + t->bytes > budget / 2) continue;
        out->diverging++;
        take(c, i);
        take_plain(c, t);
    }
}

/* The sample of the i-th of `of` records spread over those of a cell; the trials of a sample lie side by side. */
static uint32_t spread_sample(const chooser *c, size_t cell, size_t i, size_t of) {
    size_t n = cell_trials_of(c, cell);
    return c->all[c->first[cell] + (2 * i + 1) * n / (2 * of)].sample;
}

/* Takes, or only counts the bytes of, `records` records in every stride-th cell of each group (C2, C3). */
static size_t take_spread(chooser *c, size_t records, size_t stride, bool really) {
    size_t bytes = 0, at = 0;
    for (size_t cell = 0; cell < c->d->n_cells; cell++) {
        size_t model = c->model[c->group[cell]], last = c->n_trials;
        bool   plain = is_plain(c->d, cell);
        if (cell_trials_of(c, model) == 0 || (!plain && at++ % stride != 0)) continue;
        for (size_t i = 0; i < records; i++) {
            size_t t = find_trial(c, cell, spread_sample(c, model, i, records));
            if (t == c->n_trials || t == last) continue;
            last = t;
            if (really)
                take(c, t);
            else if (!c->all[t].taken)
                bytes += c->all[t].bytes;
        }
    }
    return bytes;
}

static void choose(chooser *c, size_t budget, shown_trials *out) {
    take_diverging(c, budget, out);
    size_t room = budget > c->bytes ? budget - c->bytes : 0;
    for (out->records = RECORDS_MOST, out->stride = 1;;) {
        if (take_spread(c, out->records, out->stride, false) <= room || out->stride > c->d->n_cells) break;
        if (out->records > 1)
            out->records--;
        else
            out->stride *= 2;
    }
    take_spread(c, out->records, out->stride, true);
}

/* Records of a cell. */
static size_t count_records(const chooser *c, size_t cell) {
    size_t n = 0;
    for (size_t i = c->first[cell]; i < c->first[cell + 1]; i++)
        n += i == c->first[cell] || c->all[i].sample != c->all[i - 1].sample;
    return n;
}

static int index_cells(chooser *c, err *e) {
    const store_data *d = c->d;
    c->first = mem_new(d->n_cells + 1, sizeof *c->first, e);
    c->model = mem_new(c->n_groups, sizeof *c->model, e);
    c->all = mem_new(d->n_trials, sizeof *c->all, e);
    if (c->first == NULL || c->model == NULL || c->all == NULL) return -1;
    if (store_visit(d, 0, see_trial, c, e) != 0) return -1;
    for (size_t i = 0; i < c->n_trials; i++) c->first[c->all[i].cell + 1]++;
    for (size_t cell = 0; cell < d->n_cells; cell++) c->first[cell + 1] += c->first[cell];
    for (size_t g = 0; g < c->n_groups; g++) c->model[g] = d->n_cells;
    for (size_t cell = 0; cell < d->n_cells; cell++) {
        size_t *model = &c->model[c->group[cell]];
        if (*model == d->n_cells || cell_trials_of(c, cell) > cell_trials_of(c, *model)) *model = cell;
    }
    return 0;
}

/* Copies one that is taken; cells are visited in order. */
typedef struct {
    const chooser *c;
    shown_trials  *out;
    size_t         at; /* of c->all */
} keeping;

static int keep_trial(const store_trial *t, void *ctx, err *e) {
    keeping      *k = ctx;
    shown_trials *out = k->out;
    if (!k->c->all[k->at++].taken) return 0;
    if (store_add_trial(&out->rows, t->trial, t->steps, t->steps != NULL ? t->trial->steps : 0, t->ids,
                        t->ids != NULL ? t->trial->tokens : 0, NULL, e) != 0)
        return -1;
    out->trials[out->n++] = k->at - 1;
    return 0;
}

static int keep_taken(const chooser *c, shown_trials *out, err *e) {
    size_t n = 0;
    for (size_t i = 0; i < c->n_trials; i++) n += c->all[i].taken;
    if ((out->trials = mem_new(n, sizeof *out->trials, e)) == NULL) return -1;
    for (size_t cell = 0; cell < c->d->n_cells; cell++) {
        keeping k = {c, out, c->first[cell]};
        bool    any = false;
        for (size_t i = c->first[cell]; i < c->first[cell + 1]; i++) any = any || c->all[i].taken;
        if (any && store_visit_cell(c->d, cell, VISIT_STEPS | VISIT_OUTPUTS, keep_trial, &k, e) != 0) return -1;
    }
    return 0;
}

int shown_trials_make(const store_data *d, const size_t *group, size_t n_groups, size_t budget, shown_trials *out,
                      err *e) {
    chooser c = {.d = d, .group = group, .n_groups = n_groups};
    *out = (shown_trials){.stride = 1};
    int ret = index_cells(&c, e);
    if (ret == 0) {
        choose(&c, budget, out);
        for (size_t g = 0; g < n_groups; g++) {
            size_t n = c.model[g] < d->n_cells ? count_records(&c, c.model[g]) : 0;
            if (n > out->longest) out->longest = n;
        }
        ret = keep_taken(&c, out, e);
    }
    free(c.first);
    free(c.model);
    free(c.all);
    return ret;
}

void shown_trials_free(shown_trials *c) {
    store_free(&c->rows);
    free(c->trials);
    *c = (shown_trials){0};
}
