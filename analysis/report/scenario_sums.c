#include "analysis/report/scenario_sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/statistics.h"
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

/* The trials of one cell. */
typedef struct {
    const size_t   *of; /* [n_samples] scenarios */
    scenario_sum   *at; /* [n] the cell's */
    grouped_values *speedups;
    bool           *missing; /* some trial that decodes has no speed-up */
} cell_scenarios;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    cell_scenarios  *x = ctx;
    const trial_row *t = at->trial;
    size_t           k = x->of[t->sample];
    x->at[k].trials++;
    x->at[k].tokens += t->tokens;
    x->at[k].steps += t->steps;
    if (t->tokens < 2 || t->plain_tokens < 2) return 0;
    x->missing[k] |= isnan(t->speedup);
    return grouped_values_add(&x->speedups[k], 0, t->speedup, e);
}

static int sum_cell(const store_data *d, size_t cell, size_t n, cell_scenarios *x, err *e) {
    for (size_t k = 0; k < n; k++) {
        x->speedups[k].n = 0;
        x->missing[k] = false;
    }
    if (store_visit_cell(d, cell, 0, add_trial, x, e) != 0) return -1;
    for (size_t k = 0; k < n; k++) {
        grouped_values_sort(&x->speedups[k]);
        x->at[k].speedup = x->missing[k] ? NAN : grouped_values_quantile(&x->speedups[k], 0.5);
    }
    return 0;
}

int scenario_sums_make(const store_data *d, scenario_sums *out, err *e) {
    *out = (scenario_sums){0};
    size_t        *of = find_scenarios(d, out, e);
    cell_scenarios x = {.of = of};
    x.speedups = mem_new(out->n, sizeof *x.speedups, e);
    x.missing = mem_new(out->n, sizeof *x.missing, e);
    out->at = mem_new(d->n_cells * out->n, sizeof *out->at, e);
    int ret = of != NULL && x.speedups != NULL && x.missing != NULL && out->at != NULL ? 0 : -1;
    for (size_t c = 0; ret == 0 && c < d->n_cells; c++) {
        x.at = out->at + c * out->n;
        ret = sum_cell(d, c, out->n, &x, e);
    }
    for (size_t k = 0; x.speedups != NULL && k < out->n; k++) grouped_values_free(&x.speedups[k]);
    free(x.speedups);
    free(x.missing);
    free(of);
    if (ret != 0) scenario_sums_free(out);
    return ret;
}

void scenario_sums_free(scenario_sums *s) {
    free(s->names);
    free(s->at);
    *s = (scenario_sums){0};
}
