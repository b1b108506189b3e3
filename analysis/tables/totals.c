/* totals.c - each setting over all data sets: what a service pays that meets all of them.
 *
 *     data set    a       b       c          a setting is a cell's, without its data set and its config
 *     llma 1, 4   cell 1  cell 5  cell 9     one row
 *     pld         cell 2  cell 6  -          a row without totals: they would be of another mix
 *
 * Totals are ratios of sums over all records of all data sets. Intervals draw records within each data set.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/record_sums.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"

/* The cells of each setting, one setting after another. */
typedef struct {
    size_t *cells; /* [n_cells] */
    size_t *first; /* [n + 1] where those of each setting begin */
    size_t  n;
    size_t  sets; /* data sets of all of them */
} setting_list;

/* What bootstrap_interval_of_strata takes. */
typedef struct {
    ratio_sum *at;
    size_t    *sizes; /* [strata] */
    size_t     n, cap, strata;
    bool       missing;
} pooled;

typedef struct {
    const table_source *x;
    cell_keys           keys; /* without the data set and the config */
    placed_trials       trials;
    setting_list        settings;
    record_sums         sums; /* of one cell */
    pooled              pool;
    bootstrap          *resamples;
} totals;

static void totals_free(totals *t) {
    cell_keys_free(&t->keys);
    placed_trials_free(&t->trials);
    free(t->settings.cells);
    free(t->settings.first);
    record_sums_free(&t->sums);
    free(t->pool.at);
    free(t->pool.sizes);
    bootstrap_free(t->resamples);
}

/* Data sets of one name may be of several versions. */
static bool same_set(const cell_row *a, const cell_row *b) {
    return strcmp(a->dataset, b->dataset) == 0 && strcmp(a->dataset_sha256, b->dataset_sha256) == 0;
}

static size_t count_sets(const store_data *d) {
    size_t n = 0;
    for (size_t c = 0; c < d->n_cells; c++) {
        size_t before = 0;
        while (!same_set(&d->cells[before], &d->cells[c])) before++;
        n += before == c;
    }
    return n;
}

/* Refuses a second cell of one data set: adding both would count its records twice. */
static int refuse_twins(const store_data *d, const size_t *cells, size_t n, err *e) {
    const cell_row *last = &d->cells[cells[n - 1]];
    for (size_t i = 0; i + 1 < n; i++)
        if (same_set(&d->cells[cells[i]], last))
            return err_input(
                e,
                "cells %zu and %zu (ids %s and %s) are the same setting over the same data set %s: a total "
                "would count its records twice (--where config=NAME or build=ID leaves one)",
                cells[i], cells[n - 1], d->cells[cells[i]].id, last->id, last->dataset);
    return 0;
}

static int list_settings(const store_data *d, const cell_keys *keys, setting_list *out, err *e) {
    bool *taken = mem_new(d->n_cells, sizeof *taken, e);
    int   status = 0;
    out->cells = mem_new(d->n_cells, sizeof *out->cells, e);
    out->first = mem_new(d->n_cells + 1, sizeof *out->first, e);
    out->sets = count_sets(d);
    if (taken == NULL || out->cells == NULL || out->first == NULL) {
        free(taken);
        return -1;
    }
    size_t at = 0;
    for (size_t c = 0; status == 0 && c < d->n_cells; c++) {
        if (taken[c]) continue;
        size_t first = at;
        for (size_t other = c; status == 0 && other < d->n_cells; other++) {
            if (taken[other] || !cell_keys_same(keys, c, other)) continue;
            taken[other] = true;
            out->cells[at++] = other;
            status = refuse_twins(d, out->cells + first, at - first, e);
        }
        out->first[++out->n] = at;
    }
    free(taken);
    return status;
}

static int totals_new(const table_source *x, totals *out, err *e) {
    *out = (totals){.x = x};
    if (cell_keys_make(x->d, &out->keys, e) != 0) goto fail;
    cell_keys_drop(&out->keys, "dataset");
    cell_keys_drop(&out->keys, "dataset_sha256");
    cell_keys_drop(&out->keys, "config");
    if (placed_trials_make(x->d, x->o->pattern, &out->trials, e) != 0) goto fail;
    if ((out->resamples = bootstrap_new(e)) == NULL) goto fail;
    if ((out->pool.sizes = mem_new(x->d->n_cells, sizeof *out->pool.sizes, e)) == NULL) goto fail;
    if (list_settings(x->d, &out->keys, &out->settings, e) == 0) return 0;
fail:
    totals_free(out);
    return -1;
}

/* ---- one setting --------------------------------------------------------------------------------------- */

static const size_t *cells_of(const totals *t, size_t row, size_t *n) {
    *n = t->settings.first[row + 1] - t->settings.first[row];
    return t->settings.cells + t->settings.first[row];
}

/* A metric's sums over the records of all its data sets. */
static int pool(totals *t, size_t row, const metric *m, err *e) {
    size_t        n;
    const size_t *cells = cells_of(t, row, &n);
    pooled       *p = &t->pool;
    p->n = p->strata = 0;
    p->missing = n < t->settings.sets;
    for (size_t i = 0; i < n; i++) {
        if (placed_trials_of(&t->trials, cells[i], e) != 0) return -1;
        if (record_sums_make(&t->trials, cells[i], m, &t->sums, e) != 0) return -1;
        if (mem_reserve(&p->at, &p->cap, p->n + t->sums.n, e) != 0) return -1;
        p->missing = p->missing || t->sums.missing || t->sums.n == 0;
        if (t->sums.n > 0) memcpy(p->at + p->n, t->sums.at, t->sums.n * sizeof *p->at);
        p->n += t->sums.n;
        p->sizes[p->strata++] = t->sums.n;
    }
    return 0;
}

static int put_pooled(totals *t, size_t row, const metric *m, table *out, err *e) {
    interval ci = interval_none();
    double   value = NAN;
    if (pool(t, row, m, e) != 0) return -1;
    const pooled *p = &t->pool;
    if (!p->missing) {
        value = statistic_micro(NULL, p->n, p->at);
        if (bootstrap_interval_of_strata(t->resamples, p->sizes, p->strata, statistic_micro, p->at, &ci, e) != 0)
            return -1;
    }
    table_put_range(out, value, ci.lo, ci.hi, 2);
    table_put_real(out, ci.lo, 2);
    table_put_real(out, ci.hi, 2);
    return 0;
}

/* The mean over the data sets of each one's own ratio of sums. */
static double macro(const totals *t, size_t row) {
    size_t        n;
    const size_t *cells = cells_of(t, row, &n);
    double        sum = 0;
    for (size_t i = 0; i < n; i++) sum += tokens_per_step(t->x->counts[cells[i]].tokens, t->x->counts[cells[i]].steps);
    return n == t->settings.sets ? sum / (double)n : NAN;
}

static int put_row(totals *t, size_t row, table *out, err *e) {
    size_t        n, trials = 0, tokens = 0, steps = 0, equal = 0;
    const size_t *cells = cells_of(t, row, &n);
    for (size_t i = 0; i < n; i++) {
        const cell_counts *c = &t->x->counts[cells[i]];
        trials += c->trials;
        tokens += c->tokens;
        steps += c->steps;
        equal += c->equal;
    }
    cell_keys_put(&t->keys, cells[0], out);
    table_put_of(out, n, t->settings.sets);
    table_put_count(out, n);
    table_put_count(out, trials);
    table_put_count(out, tokens);
    table_put_count(out, steps);
    if (put_pooled(t, row, &metric_tokens_per_step, out, e) != 0) return -1;
    table_put_real(out, macro(t, row), 2);
    if (put_pooled(t, row, &metric_speedup, out, e) != 0) return -1;
    if (put_pooled(t, row, &metric_modeled_speedup, out, e) != 0) return -1;
    table_put_of(out, equal, trials);
    table_put_count(out, equal);
    return 0;
}

static bool all_complete(const totals *t) {
    for (size_t i = 0; i < t->settings.n; i++)
        if (t->settings.first[i + 1] - t->settings.first[i] < t->settings.sets) return false;
    return true;
}

static bool has_speedups(const totals *t) {
    for (size_t c = 0; c < t->x->d->n_cells; c++)
        if (t->x->d->cells[c].timed != 0) return true;
    return false;
}

static void add_columns(const totals *t, table *out) {
    bool modeled = t->x->d->costs.n > 0;
    cell_keys_columns(&t->keys, out);
    table_column(out, COLUMN_RIGHT, all_complete(t) ? NULL : "sets", NULL);
    table_column(out, COLUMN_RIGHT, NULL, "sets");
    table_column(out, COLUMN_RIGHT, NULL, "trials");
    table_column(out, COLUMN_RIGHT, NULL, "tokens");
    table_column(out, COLUMN_RIGHT, NULL, "steps");
    table_column(out, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
    table_column(out, COLUMN_RIGHT, NULL, "tokens_per_step_lo");
    table_column(out, COLUMN_RIGHT, NULL, "tokens_per_step_hi");
    table_column(out, COLUMN_RIGHT, "by set", "tokens_per_step_of_sets");
    table_column(out, COLUMN_RIGHT, has_speedups(t) ? "speed-up" : NULL, "speedup_total");
    table_column(out, COLUMN_RIGHT, NULL, "speedup_total_lo");
    table_column(out, COLUMN_RIGHT, NULL, "speedup_total_hi");
    table_column(out, COLUMN_RIGHT, modeled ? "modeled speed-up" : NULL, "modeled_speedup_total");
    table_column(out, COLUMN_RIGHT, NULL, "modeled_speedup_total_lo");
    table_column(out, COLUMN_RIGHT, NULL, "modeled_speedup_total_hi");
    table_column(out, COLUMN_RIGHT, "equal", NULL);
    table_column(out, COLUMN_RIGHT, NULL, "equal");
}

static void add_captions(const totals *t, table *out) {
    table_caption(out, "over %zu data set%s; tokens/step: of all tokens; by set: mean over the data sets of their own",
                  t->settings.sets, plural(t->settings.sets));
    if (has_speedups(t) || t->x->d->costs.n > 0)
        table_caption(out, "speed-up: plain decoding's time over all trials / the setting's");
    table_caption(out, "in brackets: 95%% intervals");
    if (!all_complete(t)) table_caption(out, "no totals of settings that not all data sets were run with");
}

static int print(const table_source *x, err *e) {
    totals t;
    if (totals_new(x, &t, e) != 0) return -1;
    table_source heading = *x;
    heading.keys = t.keys;
    table *out = table_heading(&heading, e);
    int    status = out != NULL ? 0 : -1;
    if (status == 0) {
        add_captions(&t, out);
        add_columns(&t, out);
    }
    for (size_t i = 0; status == 0 && i < t.settings.n; i++) {
        size_t n, before, cell = cells_of(&t, i, &n)[0];
        if (i > 0 && (before = cells_of(&t, i - 1, &n)[0], !cell_keys_same_but_policy(&t.keys, before, cell)))
            table_group(out);
        status = put_row(&t, i, out, e);
    }
    if (status == 0)
        status = table_finish(x, out, e);
    else
        table_free(out);
    totals_free(&t);
    return status;
}

const table_kind table_totals = {
    .name = "totals",
    .help = "each setting over all data sets: speed-up of totals, tokens per step of all tokens and by set",
    .print = print,
};
