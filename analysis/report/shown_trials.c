#include "analysis/report/shown_trials.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

typedef struct {
    const store_data *d;
    const size_t     *group;
    size_t            n_groups;
    size_t           *first; /* [n_cells + 1] where each cell's trials begin */
    size_t           *model; /* [n_groups] the cell whose records stand for the group's: the one with the most trials */
    bool             *taken; /* [n_trials] */
    size_t            bytes; /* of these */
} chooser;

size_t shown_trials_bytes(const trial_row *t) {
    return 80 + 6 * (size_t)t->tokens + 50 * (size_t)t->steps + 6 * (size_t)(t->drafted - t->accepted);
}

static bool diverges(const trial_row *t) {
    return t->equal == 0 || t->logits_equal == 0;
}

static bool is_plain(const store_data *d, size_t cell) {
    return strcmp(d->cells[cell].policy, "none") == 0;
}

static void take(chooser *c, size_t trial) {
    if (c->taken[trial]) return;
    c->taken[trial] = true;
    c->bytes += shown_trials_bytes(&c->d->trials[trial]);
}

static size_t cell_trials_of(const chooser *c, size_t cell) {
    return c->first[cell + 1] - c->first[cell];
}

/* The cell's first trial of this sample; n_trials when there is none. */
static size_t find_trial(const chooser *c, size_t cell, uint32_t sample) {
    size_t lo = c->first[cell], hi = c->first[cell + 1];
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->d->trials[mid].sample < sample)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->first[cell + 1] && c->d->trials[lo].sample == sample ? lo : c->d->n_trials;
}

/* Plain decoding of the trial's sample, in its group. */
static void take_plain(chooser *c, const trial_row *t) {
    for (size_t cell = 0; cell < c->d->n_cells; cell++) {
        if (c->group[cell] != c->group[t->cell] || !is_plain(c->d, cell)) continue;
        size_t found = find_trial(c, cell, t->sample);
        if (found < c->d->n_trials) take(c, found);
    }
}

/* C1 */
static void take_diverging(chooser *c, size_t budget, shown_trials *out) {
    for (size_t i = 0; i < c->d->n_trials; i++) {
        const trial_row *t = &c->d->trials[i];
        if (!diverges(t)) continue;
        out->diverge++;
        if (out->diverging == DIVERGING_MOST || c->bytes + shown_trials_bytes(t) > budget / 2) continue;
        out->diverging++;
        take(c, i);
        take_plain(c, t);
    }
}

/* The sample of the i-th of `of` records spread over those of a cell; the trials of a sample lie side by side. */
static uint32_t spread_sample(const chooser *c, size_t cell, size_t i, size_t of) {
    size_t n = cell_trials_of(c, cell);
    return c->d->trials[c->first[cell] + (2 * i + 1) * n / (2 * of)].sample;
}

/* Takes, or only counts the bytes of, `records` records in every stride-th cell of each group (C2, C3). */
static size_t take_spread(chooser *c, size_t records, size_t stride, bool really) {
    size_t bytes = 0, at = 0;
    for (size_t cell = 0; cell < c->d->n_cells; cell++) {
        size_t model = c->model[c->group[cell]], last = c->d->n_trials;
        bool   plain = is_plain(c->d, cell);
        if (cell_trials_of(c, model) == 0 || (!plain && at++ % stride != 0)) continue;
        for (size_t i = 0; i < records; i++) {
            size_t t = find_trial(c, cell, spread_sample(c, model, i, records));
            if (t == c->d->n_trials || t == last) continue;
            last = t;
            if (really)
                take(c, t);
            else if (!c->taken[t])
                bytes += shown_trials_bytes(&c->d->trials[t]);
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
        n += i == c->first[cell] || c->d->trials[i].sample != c->d->trials[i - 1].sample;
    return n;
}

static int index_cells(chooser *c, err *e) {
    const store_data *d = c->d;
    c->first = mem_new(d->n_cells + 1, sizeof *c->first, e);
    c->model = mem_new(c->n_groups, sizeof *c->model, e);
    c->taken = mem_new(d->n_trials, sizeof *c->taken, e);
    if (c->first == NULL || c->model == NULL || c->taken == NULL) return -1;
    for (size_t i = 0; i < d->n_trials; i++) c->first[d->trials[i].cell + 1]++;
    for (size_t cell = 0; cell < d->n_cells; cell++) c->first[cell + 1] += c->first[cell];
    for (size_t g = 0; g < c->n_groups; g++) c->model[g] = d->n_cells;
    for (size_t cell = 0; cell < d->n_cells; cell++) {
        size_t *model = &c->model[c->group[cell]];
        if (*model == d->n_cells || cell_trials_of(c, cell) > cell_trials_of(c, *model)) *model = cell;
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
        for (size_t i = 0; i < d->n_trials; i++) out->n += c.taken[i];
        out->trials = mem_new(out->n, sizeof *out->trials, e);
        ret = out->trials != NULL ? 0 : -1;
        for (size_t i = 0, at = 0; ret == 0 && i < d->n_trials; i++)
            if (c.taken[i]) out->trials[at++] = i;
    }
    free(c.first);
    free(c.model);
    free(c.taken);
    return ret;
}

void shown_trials_free(shown_trials *c) {
    free(c->trials);
    *c = (shown_trials){0};
}
