/* equality.c - outputs and logits against plain decoding's, and what a rule that changes them costs: how far outputs
 * agree, and their log-likelihood beside that of plain decoding's. */
#include <stdbool.h>
#include <string.h>

#include "analysis/tables/table_kind.h"

/* One caption: counts over the cells of a rule, or over all when `rule` is NULL. */
static void add_caption(const table_source *x, const char *rule, table *t) {
    size_t trials = 0, equal = 0, logits = 0, logits_equal = 0;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        const cell_counts *s = &x->counts[c];
        if (rule != NULL && strcmp(rule, x->d->cells[c].rule) != 0) continue;
        trials += s->trials;
        equal += s->equal;
        logits += s->trials - s->logits_none;
        logits_equal += s->logits_equal;
    }
    table_caption(t, "%s%s: outputs equal to the baseline's %zu/%zu; logits bitwise equal %zu/%zu, not applicable %zu",
                  rule != NULL ? "rule " : "all cells", rule != NULL ? rule : "", equal, trials, logits_equal, logits,
                  trials - logits);
}

/* What a rule promises differs: a lossy one must not hide in the sum, nor spoil it for the others. */
static void add_captions(const table_source *x, table *t) {
    const cell_row *cells = x->d->cells;
    bool            several = false;
    for (size_t c = 1; c < x->d->n_cells; c++) several = several || strcmp(cells[0].rule, cells[c].rule) != 0;
    add_caption(x, NULL, t);
    for (size_t c = 0; several && c < x->d->n_cells; c++) {
        size_t before = 0;
        while (strcmp(cells[before].rule, cells[c].rule) != 0) before++;
        if (before == c) add_caption(x, cells[c].rule, t);
    }
}

static void add_columns(table *t) {
    table_column(t, COLUMN_RIGHT, "trials", "trials");
    table_column(t, COLUMN_RIGHT, "equal", "equal");
    table_column(t, COLUMN_RIGHT, "equal %", "equal_share");
    table_column(t, COLUMN_RIGHT, "logits equal", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "logits_equal");
    table_column(t, COLUMN_RIGHT, NULL, "logits_none");
    table_column(t, COLUMN_RIGHT, "logits equal %", "logits_equal_share");
    table_column(t, COLUMN_RIGHT, "first divergence", "first_divergence");
    table_column(t, COLUMN_LEFT, "in sample", "divergence_sample");
    table_column(t, COLUMN_RIGHT, "agree", "agreeing_share");
    table_column(t, COLUMN_RIGHT, "log p/token", "log_likelihood_per_token");
    table_column(t, COLUMN_RIGHT, "plain's", "plain_log_likelihood_per_token");
    table_column(t, COLUMN_RIGHT, "max |logit diff|", "max_abs_logit_diff");
    table_column(t, COLUMN_RIGHT, "min margin", "min_margin");
    table_column(t, COLUMN_RIGHT, "truncated", "truncated");
}

/* In the order of add_columns. */
static void put_row(table *t, const store_data *d, const cell_counts *s) {
    size_t with_logits = s->trials - s->logits_none;
    table_put_count(t, s->trials);
    table_put_count(t, s->equal);
    table_put_share(t, s->equal, s->trials);
    table_put_of(t, s->logits_equal, with_logits);
    if (with_logits > 0)
        table_put_count(t, s->logits_equal);
    else
        table_put_missing(t);
    table_put_count(t, s->logits_none);
    table_put_share(t, s->logits_equal, with_logits);
    if (s->first_divergence >= 0) {
        table_put_count(t, (size_t)s->first_divergence);
        table_put_text(t, d->samples[s->divergence_sample].id);
    } else {
        table_put_missing(t);
        table_put_missing(t);
    }
    table_put_share(t, s->agreeing, s->plain_tokens);
    table_put_real(t, s->log_likelihood / (double)s->tokens, 3);
    table_put_real(t, s->plain_log_likelihood / (double)s->plain_tokens, 3);
    table_put_real(t, s->max_abs_logit_diff, 6);
    table_put_real(t, s->min_margin, 6);
    table_put_count(t, s->truncated);
}

static int print(const table_source *x, err *e) {
    table *t = table_begin(x, e);
    if (t == NULL) return -1;
    add_captions(x, t);
    add_columns(t);
    for (size_t c = 0; c < x->d->n_cells; c++) {
        table_begin_row(x, c, t);
        put_row(t, x->d, &x->counts[c]);
    }
    return table_finish(x, t, e);
}

const table_kind table_equality = {
    .name = "equality",
    .help = "outputs and logits against plain decoding, first divergences, log-likelihoods",
    .print = print,
};
