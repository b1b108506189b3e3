/* scenarios.c - tokens per step of the samples of each scenario. */
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

/* Of one cell's trials of one scenario. They are kept cell by cell, [cells][scenarios]:
 *
 *     cell 0: rag, edit | cell 1: rag, edit | ... */
typedef struct {
    size_t trials, tokens, steps;
} scenario_sum;

/* Distinct scenarios in order of appearance; index[s] is sample s's. */
typedef struct {
    const char **names;
    size_t      *index;
    size_t       n;
} scenario_list;

static int scenario_list_make(const store_data *d, scenario_list *out, err *e) {
    *out =
        (scenario_list){mem_new(d->n_samples, sizeof *out->names, e), mem_new(d->n_samples, sizeof *out->index, e), 0};
    if (out->names == NULL || out->index == NULL) return -1;
    for (size_t s = 0; s < d->n_samples; s++) {
        size_t i = 0;
        while (i < out->n && strcmp(out->names[i], d->samples[s].scenario) != 0) i++;
        if (i == out->n) out->names[out->n++] = d->samples[s].scenario;
        out->index[s] = i;
    }
    return 0;
}

static const char *scenario_title(const char *name) {
    return *name != '\0' ? name : "(no scenario)";
}

/* For people: a row for each cell, a column for each scenario. */
static void fill_wide(const table_source *x, const scenario_list *list, const scenario_sum *sums, table *t) {
    for (size_t i = 0; i < list->n; i++) table_column(t, COLUMN_RIGHT, scenario_title(list->names[i]), NULL);
    table_column(t, COLUMN_RIGHT, "all", NULL);
    for (size_t c = 0; c < x->d->n_cells; c++) {
        table_begin_row(x, c, t);
        for (size_t i = 0; i < list->n; i++) {
            const scenario_sum *s = &sums[c * list->n + i];
            table_put_real(t, tokens_per_step(s->tokens, s->steps), 2);
        }
        table_put_real(t, tokens_per_step(x->counts[c].tokens, x->counts[c].steps), 2);
    }
}

/* For programs: a row for each cell and scenario. */
static void fill_long(const table_source *x, const scenario_list *list, const scenario_sum *sums, table *t) {
    table_column(t, COLUMN_LEFT, NULL, "scenario");
    table_column(t, COLUMN_RIGHT, NULL, "trials");
    table_column(t, COLUMN_RIGHT, NULL, "tokens");
    table_column(t, COLUMN_RIGHT, NULL, "steps");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step");
    for (size_t c = 0; c < x->d->n_cells; c++)
        for (size_t i = 0; i < list->n; i++) {
            const scenario_sum *s = &sums[c * list->n + i];
            if (s->trials == 0) continue; /* a scenario of another data set */
            table_begin_row(x, c, t);
            table_put_text(t, list->names[i]);
            table_put_count(t, s->trials);
            table_put_count(t, s->tokens);
            table_put_count(t, s->steps);
            table_put_real(t, tokens_per_step(s->tokens, s->steps), 2);
        }
}

typedef struct {
    const scenario_list *list;
    scenario_sum        *sums; /* [n_cells, list->n] */
} summing;

static int add_trial(const store_trial *t, void *ctx, err *e) {
    const summing   *x = ctx;
    const trial_row *r = t->trial;
    scenario_sum    *s = &x->sums[r->cell * x->list->n + x->list->index[r->sample]];
    (void)e;
    s->trials++;
    s->tokens += r->tokens;
    s->steps += r->steps;
    return 0;
}

static int print(const table_source *x, err *e) {
    int           status = -1;
    scenario_list list;
    scenario_sum *sums = NULL;
    table        *t = NULL;
    if (scenario_list_make(x->d, &list, e) != 0) goto out;
    if ((sums = mem_new(x->d->n_cells, list.n * sizeof *sums, e)) == NULL) goto out;
    if (store_visit(x->d, 0, add_trial, &(summing){&list, sums}, e) != 0) goto out;
    if ((t = table_begin(x, e)) == NULL) goto out;
    table_caption(t, "tokens per step by scenario");
    if (x->format->for_programs)
        fill_long(x, &list, sums, t);
    else
        fill_wide(x, &list, sums, t);
    status = table_finish(x, t, e);
out:
    free(list.names);
    free(list.index);
    free(sums);
    return status;
}

const table_kind table_scenarios = {
    .name = "scenarios",
    .help = "tokens per step by scenario",
    .print = print,
};
