/* rules.c - each acceptance rule over all its cells: how much of plain decoding's output it keeps, and what it gains.
 *
 * A row adds up the cells of one rule with its parameters and temperature, those of plain decoding left out: its own
 * outputs are what the others are compared with.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/record_sums.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

typedef struct {
    size_t    first, cells; /* the first of its cells; how many they are */
    size_t    trials, equal, tokens, steps, testable, accepted, plain_tokens, agreeing;
    double    log_likelihood, plain_log_likelihood; /* NaN unless all cells have one */
    ratio_sum times;
    bool      untimed;
} rule_sum;

static bool is_plain(const cell_row *c) {
    return strcmp(c->policy, "none") == 0;
}

/* Cells agree in the rule and all of its parameters. */
static bool same_rule(const cell_keys *k, size_t a, size_t b) {
    for (size_t i = 0; i < k->n; i++) {
        const char *x = k->keys[i].at[a], *y = k->keys[i].at[b];
        if (k->keys[i].role != SETTING_RULE) continue;
        if (x == NULL || y == NULL ? x != y : strcmp(x, y) != 0) return false;
    }
    return true;
}

static void add_cell(rule_sum *r, const cell_counts *n) {
    r->cells++;
    r->trials += n->trials;
    r->equal += n->equal;
    r->tokens += n->tokens;
    r->steps += n->steps;
    r->testable += n->testable;
    r->accepted += n->accepted;
    r->plain_tokens += n->plain_tokens;
    r->agreeing += n->agreeing;
    r->log_likelihood += n->log_likelihood;
    r->plain_log_likelihood += n->plain_log_likelihood;
}

typedef struct {
    const store_data *d;
    const size_t     *of; /* [d->n_cells] which sum */
    rule_sum         *sums;
} timing;

static int add_time(const store_trial *t, void *ctx, err *e) {
    const timing *x = ctx;
    (void)e;
    if (is_plain(&x->d->cells[t->trial->cell])) return 0;
    rule_sum *r = &x->sums[x->of[t->trial->cell]];
    if (!metric_speedup.add(t->trial, &r->times)) r->untimed = true;
    return 0;
}

/* In new memory, in the order of the cells. */
static rule_sum *sum_rules(const table_source *x, size_t *n, err *e) {
    const store_data *d = x->d;
    rule_sum         *sums = mem_new(d->n_cells, sizeof *sums, e);
    size_t           *of = mem_new(d->n_cells, sizeof *of, e); /* each cell's sum */
    *n = 0;
    if (sums == NULL || of == NULL) {
        free(sums);
        free(of);
        return NULL;
    }
    for (size_t c = 0; c < d->n_cells; c++) {
        if (is_plain(&d->cells[c])) continue;
        size_t i = 0;
        while (i < *n && !same_rule(&x->keys, sums[i].first, c)) i++;
        if (i == *n) sums[(*n)++].first = c;
        add_cell(&sums[i], &x->counts[c]);
        of[c] = i;
    }
    if (store_visit(d, 0, add_time, &(timing){d, of, sums}, e) != 0) {
        free(sums);
        sums = NULL;
    }
    free(of);
    return sums;
}

static void add_columns(table *t) {
    table_column(t, COLUMN_RIGHT, "cells", "cells");
    table_column(t, COLUMN_RIGHT, "trials", "trials");
    table_column(t, COLUMN_RIGHT, "equal", "equal_share");
    table_column(t, COLUMN_RIGHT, "agree", "agreeing_share");
    table_column(t, COLUMN_RIGHT, "acceptance", "acceptance");
    table_column(t, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
    table_column(t, COLUMN_RIGHT, "speed-up", "speedup_total");
    table_column(t, COLUMN_RIGHT, "log p/token", "log_likelihood_per_token");
    table_column(t, COLUMN_RIGHT, "plain's", "plain_log_likelihood_per_token");
}

/* In the order of add_columns. */
static void put_row(const rule_sum *r, table *t) {
    table_put_count(t, r->cells);
    table_put_count(t, r->trials);
    table_put_share(t, r->equal, r->trials);
    table_put_share(t, r->agreeing, r->plain_tokens);
    table_put_share(t, r->accepted, r->testable);
    table_put_real(t, tokens_per_step(r->tokens, r->steps), 2);
    table_put_real(t, r->untimed || r->times.whole == 0 ? NAN : r->times.part / r->times.whole, 2);
    table_put_real(t, r->log_likelihood / (double)r->tokens, 3);
    table_put_real(t, r->plain_log_likelihood / (double)r->plain_tokens, 3);
}

/* Keys of cells that a row adds up over. */
static int keys_of_rules(const table_source *x, cell_keys *out, err *e) {
    if (cell_keys_make(x->d, out, e) != 0) return -1;
    for (size_t i = 0; i < out->n; i++)
        if (out->keys[i].role != SETTING_RULE) cell_keys_drop(out, out->keys[i].column);
    return 0;
}

static int print(const table_source *x, err *e) {
    size_t    n;
    cell_keys keys;
    if (keys_of_rules(x, &keys, e) != 0) return -1;
    rule_sum *sums = sum_rules(x, &n, e);
    table    *t = sums != NULL ? table_heading(x, e) : NULL;
    int       status = -1;
    if (t != NULL) {
        table_caption(t, "each rule over all cells of policies with it");
        table_caption(t, "equal, agree: outputs, and tokens, that are plain decoding's with the same rule and seed");
        cell_keys_columns(&keys, t);
        add_columns(t);
        for (size_t i = 0; i < n; i++) {
            cell_keys_put(&keys, sums[i].first, t);
            put_row(&sums[i], t);
        }
        status = table_finish(x, t, e);
    }
    free(sums);
    cell_keys_free(&keys);
    return status;
}

const table_kind table_rules = {
    .name = "rules",
    .help = "each acceptance rule over all its cells: what it keeps of plain decoding, what it gains",
    .print = print,
};
