/* divergence.c - where outputs part from plain decoding's, and by how much the logits were apart there.
 *
 * A trial's first divergence lies in the first step whose ids are not plain decoding's. That step's margin is the
 * smallest gap between the two likeliest tokens over its positions: next to nothing where rounding decided, and
 * anything where a rule chose or something is broken.
 */
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/quantile.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

/* One cell's trials that diverge. */
typedef struct {
    double *at, *margin; /* [trials of the cell] index of the first divergence; gap there */
    size_t  n, n_margin;
    size_t  shorter; /* end where plain decoding goes on */
} partings;

static void partings_free(partings *p, size_t n_cells) {
    for (size_t c = 0; p != NULL && c < n_cells; c++) {
        free(p[c].at);
        free(p[c].margin);
    }
    free(p);
}

static partings *partings_new(const table_source *x, err *e) {
    partings *p = mem_new(x->d->n_cells, sizeof *p, e);
    for (size_t c = 0; p != NULL && c < x->d->n_cells; c++) {
        p[c].at = mem_new(x->counts[c].trials, sizeof(double), e);
        p[c].margin = mem_new(x->counts[c].trials, sizeof(double), e);
        if (p[c].at != NULL && p[c].margin != NULL) continue;
        partings_free(p, x->d->n_cells);
        return NULL;
    }
    return p;
}

static int add_trial(const store_trial *at, void *ctx, err *e) {
    const trial_row *t = at->trial;
    partings        *c = (partings *)ctx + t->cell;
    bool             before = true; /* the step before has plain decoding's ids */
    (void)e;
    if (t->first_divergence >= 0) {
        c->at[c->n++] = (double)t->first_divergence;
        c->shorter += t->first_divergence >= t->tokens;
    }
    for (size_t i = 0; i < t->steps; before = at->steps[i++].equal == 1)
        if (at->steps[i].equal == 0 && before && !isnan(at->steps[i].margin))
            c->margin[c->n_margin++] = at->steps[i].margin;
    return 0;
}

static void put_quantile(table *t, const double *sorted, size_t n, double f, int decimals) {
    table_put_real(t, quantile_of_sorted(sorted, n, f), decimals);
}

static void add_columns(table *t) {
    table_column(t, COLUMN_RIGHT, "trials", "trials");
    table_column(t, COLUMN_RIGHT, "diverge", "diverging");
    table_column(t, COLUMN_RIGHT, NULL, "diverging_share");
    table_column(t, COLUMN_RIGHT, "earliest", "at_min");
    table_column(t, COLUMN_LEFT, "in sample", "sample_of_min");
    table_column(t, COLUMN_RIGHT, "quartile", "at_q1");
    table_column(t, COLUMN_RIGHT, "median", "at_median");
    table_column(t, COLUMN_RIGHT, NULL, "at_q3");
    table_column(t, COLUMN_RIGHT, NULL, "ending_early");
    table_column(t, COLUMN_RIGHT, "agree", "agreeing_share");
    table_column(t, COLUMN_RIGHT, "median gap", "margin_median");
    table_column(t, COLUMN_RIGHT, "largest gap", "margin_max");
    table_column(t, COLUMN_RIGHT, "max |logit diff|", "max_abs_logit_diff");
}

/* In the order of add_columns. */
static void put_row(const table_source *x, const cell_counts *n, partings *p, table *t) {
    gsl_sort(p->at, 1, p->n);
    gsl_sort(p->margin, 1, p->n_margin);
    table_put_count(t, n->trials);
    table_put_count(t, p->n);
    table_put_share(t, p->n, n->trials);
    put_quantile(t, p->at, p->n, 0, 0);
    table_put_text(t, p->n > 0 ? x->d->samples[n->divergence_sample].id : NULL);
    put_quantile(t, p->at, p->n, 0.25, 0);
    put_quantile(t, p->at, p->n, 0.5, 0);
    put_quantile(t, p->at, p->n, 0.75, 0);
    table_put_count(t, p->shorter);
    table_put_share(t, n->agreeing, n->plain_tokens);
    put_quantile(t, p->margin, p->n_margin, 0.5, 6);
    put_quantile(t, p->margin, p->n_margin, 1, 6);
    table_put_real(t, n->max_abs_logit_diff, 6);
}

static int print(const table_source *x, err *e) {
    size_t    diverging = 0, trials = 0;
    partings *p = partings_new(x, e);
    table    *t = NULL;
    if (p != NULL && store_visit(x->d, VISIT_STEPS, add_trial, p, e) == 0) t = table_begin(x, e);
    if (t == NULL) {
        partings_free(p, x->d->n_cells);
        return -1;
    }
    for (size_t c = 0; c < x->d->n_cells; c++) {
        diverging += p[c].n;
        trials += x->counts[c].trials;
    }
    table_caption(t, "the outputs of %zu of %zu trials are not plain decoding's", diverging, trials);
    if (diverging > 0) {
        table_caption(t, "earliest, quartile, median: index of the first token that is another");
        table_caption(t, "gap: between the logits of the two likeliest tokens in that step");
    }
    add_columns(t);
    for (size_t c = 0; c < x->d->n_cells; c++) {
        table_begin_row(x, c, t);
        put_row(x, &x->counts[c], &p[c], t);
    }
    partings_free(p, x->d->n_cells);
    return table_finish(x, t, e);
}

const table_kind table_divergence = {
    .name = "divergence",
    .help = "where outputs part from plain decoding's, and the gap of logits there",
    .print = print,
};
