#include "analysis/report/scenario_sums.h"

#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/quantile.h"
#include "engine/base/mem.h"

/* [n_samples] the scenario of each, in new memory. */
static size_t *find_scenarios(const store_data *d, scenario_sums *s, err *e) {
    size_t *of = mem_new(d->n_samples, sizeof *of, e);
    for (size_t i = 0; of != NULL && i < d->n_samples; i++) {
        size_t k = 0;
        while (k < s->n && strcmp(s->names[k], d->samples[i].scenario) != 0) k++;
        if (k == s->n) {
            if (mem_reserve(&s->names, &s->cap, s->n + 1, e) != 0) {
                free(of);
                return NULL;
            }
            s->names[s->n++] = d->samples[i].scenario;
        }
        of[i] = k;
    }
    return of;
}

/* The median over the trials from `from` on, all of one cell, that are of scenario k; values: room for them. */
static double median_speedup(const store_data *d, const size_t *of, size_t from, size_t to, size_t k, double *values) {
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        const trial_row *t = &d->trials[i];
        if (of[t->sample] != k || t->tokens < 2 || t->plain_tokens < 2) continue;
        if (isnan(t->speedup)) return NAN;
        values[n++] = t->speedup;
    }
    if (n == 0) return NAN;
    gsl_sort(values, 1, n);
    return quantile_of_sorted(values, n, 0.5);
}

int scenario_sums_make(const store_data *d, scenario_sums *out, err *e) {
    *out = (scenario_sums){0};
    size_t *of = find_scenarios(d, out, e);
    double *values = mem_new(d->n_trials, sizeof *values, e);
    int     ret = of != NULL && values != NULL && (out->at = mem_new(d->n_cells * out->n, sizeof *out->at, e)) ? 0 : -1;
    for (size_t from = 0, to = 0; ret == 0 && from < d->n_trials; from = to) {
        scenario_sum *at = out->at + d->trials[from].cell * out->n;
        for (; to < d->n_trials && d->trials[to].cell == d->trials[from].cell; to++) {
            scenario_sum *s = &at[of[d->trials[to].sample]];
            s->trials++;
            s->tokens += d->trials[to].tokens;
            s->steps += d->trials[to].steps;
        }
        for (size_t k = 0; k < out->n; k++) at[k].speedup = median_speedup(d, of, from, to, k, values);
    }
    free(of);
    free(values);
    if (ret != 0) scenario_sums_free(out);
    return ret;
}

void scenario_sums_free(scenario_sums *s) {
    free(s->names);
    free(s->at);
    *s = (scenario_sums){0};
}
