#include "analysis/spreads.h"

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/records.h"
#include "engine/base/mem.h"

/* Memory for one cell at a time. */
typedef struct {
    value_groups speedup, modeled;
    double      *draft_ns; /* [trials of the file] */
    ratio_sum   *sums;     /* [trials of the file] tokens and steps of each record with its duplicates */
    bootstrap   *resamples;
} scratch;

static void scratch_free(scratch *s) {
    value_groups_free(&s->speedup);
    value_groups_free(&s->modeled);
    free(s->draft_ns);
    free(s->sums);
    bootstrap_free(s->resamples);
}

static int scratch_new(scratch *s, size_t trials, err *e) {
    *s = (scratch){0};
    s->draft_ns = mem_new(trials, sizeof *s->draft_ns, e);
    s->sums = mem_new(trials, sizeof *s->sums, e);
    s->resamples = bootstrap_new(e);
    if (s->draft_ns != NULL && s->sums != NULL && s->resamples != NULL) return 0;
    scratch_free(s);
    return -1;
}

int spread_of(bootstrap *b, value_groups *v, size_t of, spread *out, err *e) {
    *out = (spread){NAN, NAN, NAN, {NAN, NAN}, v->n, of};
    if (v->n == 0 || v->n < of) return 0;
    if (bootstrap_median(b, v, &out->ci, e) != 0) return -1;
    gsl_sort(v->at, 1, v->n); /* the groups are no longer needed */
    out->median = gsl_stats_median_from_sorted_data(v->at, 1, v->n);
    out->q1 = quantile_of_sorted(v->at, v->n, 0.25);
    out->q3 = quantile_of_sorted(v->at, v->n, 0.75);
    return 0;
}

/* ---- trials by cell and record ------------------------------------------------------------------------- */

typedef struct {
    const trial_row *row;
    size_t           record; /* the first sample with the same content */
} placed_trial;

static int by_cell_and_record(const void *a, const void *b) {
    const placed_trial *x = a, *y = b;
    const trial_row    *s = x->row, *t = y->row;
    if (s->cell != t->cell) return s->cell < t->cell ? -1 : 1;
    if (x->record != y->record) return x->record < y->record ? -1 : 1;
    if (s->sample != t->sample) return s->sample < t->sample ? -1 : 1;
    return (s->repeat > t->repeat) - (s->repeat < t->repeat);
}

/* All trials, sorted by cell, record, sample and repeat, in new memory. */
static placed_trial *place_trials(const store_data *d, err *e) {
    size_t       *original = records_originals(d, e);
    placed_trial *sorted = original != NULL ? mem_new(d->n_trials, sizeof *sorted, e) : NULL;
    for (size_t i = 0; sorted != NULL && i < d->n_trials; i++)
        sorted[i] = (placed_trial){&d->trials[i], original[d->trials[i].sample]};
    if (sorted != NULL) qsort(sorted, d->n_trials, sizeof *sorted, by_cell_and_record);
    free(original);
    return sorted;
}

/* A value that is missing leaves no trace, not even an empty group. */
static int add_measured(value_groups *v, size_t record, double value, err *e) {
    return isnan(value) ? 0 : value_groups_add(v, record, value, e);
}

/* One cell's trials. */
static int spread_cell(scratch *s, const placed_trial *trials, size_t n, size_t timed, cell_spreads *out, err *e) {
    size_t records = 0, drafting = 0;
    value_groups_clear(&s->speedup);
    value_groups_clear(&s->modeled);
    for (size_t i = 0; i < n; i++) {
        const trial_row *t = trials[i].row;
        size_t           record = trials[i].record;
        if (i == 0 || record != trials[i - 1].record) s->sums[records++] = (ratio_sum){0};
        s->sums[records - 1].part += t->tokens;
        s->sums[records - 1].whole += t->steps;
        if (add_measured(&s->speedup, record, t->speedup, e) != 0) return -1;
        if (add_measured(&s->modeled, record, t->modeled_speedup, e) != 0) return -1;
        if (t->steps > 0) s->draft_ns[drafting++] = (double)t->draft_ns / (double)t->steps;
    }
    out->draft_ns_step = drafting > 0 ? gsl_stats_median(s->draft_ns, 1, drafting) : NAN;
    if (bootstrap_ratio(s->resamples, s->sums, records, &out->tokens_per_step, e) != 0) return -1;
    if (spread_of(s->resamples, &s->speedup, timed, &out->speedup, e) != 0) return -1;
    return spread_of(s->resamples, &s->modeled, timed, &out->modeled, e);
}

int spreads_make(const store_data *d, const cell_counts *counts, cell_spreads **out, err *e) {
    scratch       s;
    placed_trial *trials = NULL;
    cell_spreads *spreads = NULL;
    int           status = -1;
    *out = NULL;
    if (scratch_new(&s, d->n_trials, e) != 0) return -1;
    if ((trials = place_trials(d, e)) == NULL) goto out;
    if ((spreads = mem_new(d->n_cells, sizeof *spreads, e)) == NULL) goto out;
    status = 0;
    for (size_t c = 0, at = 0; status == 0 && c < d->n_cells; at += counts[c++].trials)
        status = spread_cell(&s, trials + at, counts[c].trials, counts[c].timed, &spreads[c], e);
    if (status == 0) {
        *out = spreads;
        spreads = NULL;
    }
out:
    free(spreads);
    free(trials);
    scratch_free(&s);
    return status;
}
