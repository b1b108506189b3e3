#include "analysis/spreads.h"

#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/record_sums.h"
#include "engine/base/mem.h"

/* Memory for one cell at a time. */
typedef struct {
    placed_trials  trials;
    grouped_values values;
    record_sums    sums;
    double        *draft_ns; /* of a cell's trials */
    size_t         cap;
    bootstrap     *resamples;
} scratch;

static void scratch_free(scratch *s) {
    placed_trials_free(&s->trials);
    grouped_values_free(&s->values);
    record_sums_free(&s->sums);
    free(s->draft_ns);
    bootstrap_free(s->resamples);
}

static int scratch_new(scratch *s, const store_data *d, const char *pattern, err *e) {
    *s = (scratch){0};
    if (placed_trials_make(d, pattern, &s->trials, e) != 0) return -1;
    if ((s->resamples = bootstrap_new(e)) != NULL) return 0;
    scratch_free(s);
    return -1;
}

int spread_of(bootstrap *b, grouped_values *v, size_t groups, size_t of, spread *out, err *e) {
    *out = (spread){NAN, NAN, NAN, interval_none(), v->n, of};
    if (v->n == 0 || v->n < of) return 0;
    grouped_values_sort(v);
    out->median = statistic_median(NULL, groups, v);
    out->q1 = grouped_values_quantile(v, 0.25);
    out->q3 = grouped_values_quantile(v, 0.75);
    return bootstrap_interval(b, groups, statistic_median, v, &out->ci, e);
}

/* A metric's micro mean, from the sums that stay in s. */
static int estimate_of(scratch *s, size_t cell, const metric *m, estimate *out, err *e) {
    *out = (estimate){NAN, interval_none()};
    if (record_sums_make(&s->trials, cell, m, &s->sums, e) != 0) return -1;
    if (s->sums.missing || s->sums.n == 0) return 0;
    out->value = statistic_micro(NULL, s->sums.n, s->sums.at);
    return bootstrap_interval(s->resamples, s->sums.n, statistic_micro, s->sums.at, &out->ci, e);
}

static double speedup(const trial_row *t) {
    return t->speedup;
}

static double modeled_speedup(const trial_row *t) {
    return t->modeled_speedup;
}

/* Of a cell's trials. Values that are missing leave no trace, not even an empty group. */
static int spread_trials(scratch *s, size_t cell, double (*value)(const trial_row *), size_t of, spread *out, err *e) {
    size_t n = s->trials.first[cell + 1], groups = 0;
    s->values.n = 0;
    for (size_t i = s->trials.first[cell], end; i < n; i = end) {
        size_t before = s->values.n;
        end = placed_trials_end(&s->trials, i, n);
        for (size_t k = i; k < end; k++) {
            double x = value(s->trials.at[k].row);
            if (!isnan(x) && grouped_values_add(&s->values, groups, x, e) != 0) return -1;
        }
        groups += s->values.n > before;
    }
    return spread_of(s->resamples, &s->values, groups, of, out, e);
}

static int draft_ns_step(scratch *s, size_t cell, double *out, err *e) {
    size_t drafting = 0, from = s->trials.first[cell], to = s->trials.first[cell + 1];
    if (mem_reserve(&s->draft_ns, &s->cap, to - from, e) != 0) return -1;
    for (size_t i = from; i < to; i++) {
        const trial_row *t = s->trials.at[i].row;
        if (t->steps > 0) s->draft_ns[drafting++] = (double)t->draft_ns / (double)t->steps;
    }
    *out = drafting > 0 ? gsl_stats_median(s->draft_ns, 1, drafting) : NAN;
    return 0;
}

static int spread_cell(scratch *s, size_t cell, size_t timed, cell_spreads *out, err *e) {
    const record_sums *sums = &s->sums;
    if (placed_trials_of(&s->trials, cell, e) != 0) return -1;
    if (draft_ns_step(s, cell, &out->draft_ns_step, e) != 0) return -1;
    if (estimate_of(s, cell, &metric_tokens_per_step, &out->tokens_per_step, e) != 0) return -1;
    out->tokens_per_step_macro = statistic_macro(NULL, sums->n, sums->at);
    if (estimate_of(s, cell, &metric_speedup, &out->speedup_total, e) != 0) return -1;
    out->speedup_geometric = sums->missing ? NAN : statistic_geometric(NULL, sums->n, sums->at);
    if (estimate_of(s, cell, &metric_modeled_speedup, &out->modeled_total, e) != 0) return -1;
    if (spread_trials(s, cell, speedup, timed, &out->speedup, e) != 0) return -1;
    return spread_trials(s, cell, modeled_speedup, timed, &out->modeled, e);
}

int spreads_make(const store_data *d, const cell_counts *counts, const char *pattern, cell_spreads **out, err *e) {
    scratch s;
    int     status = 0;
    *out = NULL;
    if (scratch_new(&s, d, pattern, e) != 0) return -1;
    cell_spreads *spreads = mem_new(d->n_cells, sizeof *spreads, e);
    if (spreads == NULL) status = -1;
    for (size_t c = 0; status == 0 && c < d->n_cells; c++) status = spread_cell(&s, c, counts[c].timed, &spreads[c], e);
    scratch_free(&s);
    if (status != 0)
        free(spreads);
    else
        *out = spreads;
    return status;
}
