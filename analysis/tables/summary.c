/* summary.c - one row for each cell. People see what decides, in 80 columns where only n and k vary; programs see all
 * that is counted and measured. */
#include <stdbool.h>

#include "analysis/captions.h"
#include "analysis/tables/table_kind.h"
#include "engine/base/number.h"

enum { SPREAD_COLUMNS = 7, ESTIMATE_COLUMNS = 3 };

static void add_columns_of(table *t, const char *title, const char *const *names, size_t n) {
    table_column(t, COLUMN_RIGHT, title, names[0]);
    for (size_t i = 1; i < n; i++) table_column(t, COLUMN_RIGHT, NULL, names[i]);
}

/* A median of some of the trials only is not shown: how many there are is. */
static void put_spread(table *t, const spread *s) {
    if (s->n > 0 && s->n < s->of)
        table_put_part(t, s->n, s->of);
    else
        table_put_range(t, s->median, s->ci.lo, s->ci.hi, 2);
    table_put_real(t, s->q1, 2);
    table_put_real(t, s->q3, 2);
    table_put_real(t, s->ci.lo, 2);
    table_put_real(t, s->ci.hi, 2);
    table_put_count(t, s->n);
    table_put_count(t, s->of);
}

static void put_estimate(table *t, const estimate *m) {
    table_put_range(t, m->value, m->ci.lo, m->ci.hi, 2);
    table_put_real(t, m->ci.lo, 2);
    table_put_real(t, m->ci.hi, 2);
}

/* Over one data set and with forced output, every cell has the same trials and tokens. */
static bool cells_are_alike(const table_source *x) {
    for (size_t c = 1; c < x->d->n_cells; c++)
        if (x->counts[c].trials != x->counts[0].trials || x->counts[c].tokens != x->counts[0].tokens) return false;
    return x->d->n_cells > 0;
}

/* Whether one column says it all: all trials have logits, and as many have plain decoding's as have its ids; or no
 * trial has logits. */
static bool equal_in_both(const table_source *x) {
    size_t trials = 0, without = 0;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        const cell_counts *n = &x->counts[c];
        trials += n->trials;
        without += n->logits_none;
        if (n->logits_none < n->trials && n->equal != n->logits_equal) return false;
    }
    return without == 0 || without == trials;
}

/* What is told of time: where it is, how tokens came about is in the table `drafting`. */
typedef struct {
    bool speedups, modeled;
} time_columns;

static time_columns timed_columns(const table_source *x) {
    time_columns has = {false, false};
    for (size_t c = 0; c < x->d->n_cells; c++) {
        has.speedups = has.speedups || x->spreads[c].speedup.n > 0;
        has.modeled = has.modeled || x->spreads[c].modeled.n > 0;
    }
    return has;
}

static bool have_intervals(const table_source *x) {
    for (size_t c = 0; c < x->d->n_cells; c++)
        if (x->spreads[c].tokens_per_step.ci.method != INTERVAL_NONE) return true;
    return false;
}

static void add_captions(const table_source *x, bool alike, table *t) {
    size_t       trials = 0, truncated = 0, without_logits = 0;
    time_columns has = timed_columns(x);
    for (size_t c = 0; c < x->d->n_cells; c++) {
        trials += x->counts[c].trials;
        truncated += x->counts[c].truncated;
        without_logits += x->counts[c].logits_none;
    }
    if (have_intervals(x))
        table_caption(t, "in brackets: 95%% intervals");
    else if (x->d->n_cells > 0)
        table_caption(t, "no 95%% intervals: fewer than %d distinct %s", BOOTSTRAP_LEAST,
                      x->o->pattern != NULL ? "groups of records" : "records");
    if (has.speedups || has.modeled)
        table_caption(t, "speed-up: median over trials; of totals: plain decoding's time over all trials / the cell's");
    if (equal_in_both(x))
        table_caption(t, "equal: trials whose ids%s are plain decoding's",
                      without_logits < trials ? " and logits" : "");
    caption_speedups(t, x->d, x->counts, x->spreads);
    if (truncated > 0)
        table_caption(t, "max_new_tokens or the context's end cut the output of %zu of %zu trials", truncated, trials);
    if (alike)
        table_caption(t, "in each cell: %zu trial%s, %zu token%s", x->counts[0].trials, plural(x->counts[0].trials),
                      x->counts[0].tokens, plural(x->counts[0].tokens));
}

static void add_time_columns(const table_source *x, table *t) {
    static const char *const speedup[SPREAD_COLUMNS] = {"speedup_median", "speedup_q1", "speedup_q3", "speedup_lo",
                                                        "speedup_hi",     "speedup_n",  "speedup_of"};
    static const char *const total[ESTIMATE_COLUMNS] = {"speedup_total", "speedup_total_lo", "speedup_total_hi"};
    static const char *const modeled[SPREAD_COLUMNS] = {
        "modeled_speedup_median", "modeled_speedup_q1", "modeled_speedup_q3", "modeled_speedup_lo",
        "modeled_speedup_hi",     "modeled_speedup_n",  "modeled_speedup_of"};
    static const char *const modeled_total[ESTIMATE_COLUMNS] = {"modeled_speedup_total", "modeled_speedup_total_lo",
                                                                "modeled_speedup_total_hi"};
    bool                     modeled_too = x->d->costs.n > 0;
    add_columns_of(t, "speed-up", speedup, SPREAD_COLUMNS);
    add_columns_of(t, timed_columns(x).speedups ? "of totals" : NULL, total, ESTIMATE_COLUMNS);
    table_column(t, COLUMN_RIGHT, NULL, "speedup_geometric");
    add_columns_of(t, modeled_too ? "modeled speed-up" : NULL, modeled, SPREAD_COLUMNS);
    add_columns_of(t, modeled_too ? "modeled, of totals" : NULL, modeled_total, ESTIMATE_COLUMNS);
}

static void add_columns(const table_source *x, bool alike, table *t) {
    time_columns has = timed_columns(x);
    bool         drafting = !has.speedups && !has.modeled;
    table_column(t, COLUMN_RIGHT, alike ? NULL : "trials", "trials");
    table_column(t, COLUMN_RIGHT, alike ? NULL : "tokens", "tokens");
    table_column(t, COLUMN_RIGHT, NULL, "steps");
    table_column(t, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step_lo");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step_hi");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step_macro");
    table_column(t, COLUMN_RIGHT, drafting ? "coverage" : NULL, "coverage");
    table_column(t, COLUMN_RIGHT, NULL, "drafted");
    table_column(t, COLUMN_RIGHT, NULL, "testable");
    table_column(t, COLUMN_RIGHT, NULL, "accepted");
    table_column(t, COLUMN_RIGHT, drafting ? "acceptance" : NULL, "acceptance");
    add_time_columns(x, t);
    table_column(t, COLUMN_RIGHT, NULL, "draft_ns_per_step");
    table_column(t, COLUMN_RIGHT, "equal", NULL);
    table_column(t, COLUMN_RIGHT, equal_in_both(x) ? NULL : "logits equal", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "equal");
    table_column(t, COLUMN_RIGHT, NULL, "logits_equal");
    table_column(t, COLUMN_RIGHT, NULL, "logits_none");
    table_column(t, COLUMN_RIGHT, NULL, "truncated");
}

/* In the order of add_columns. */
static void put_row(table *t, const cell_counts *n, const cell_spreads *s) {
    size_t with_logits = n->trials - n->logits_none;
    table_put_count(t, n->trials);
    table_put_count(t, n->tokens);
    table_put_count(t, n->steps);
    put_estimate(t, &s->tokens_per_step);
    table_put_real(t, s->tokens_per_step_macro, 2);
    table_put_share(t, n->drafting_steps, n->steps);
    table_put_count(t, n->drafted);
    table_put_count(t, n->testable);
    table_put_count(t, n->accepted);
    table_put_share(t, n->accepted, n->testable);
    put_spread(t, &s->speedup);
    put_estimate(t, &s->speedup_total);
    table_put_real(t, s->speedup_geometric, 2);
    put_spread(t, &s->modeled);
    put_estimate(t, &s->modeled_total);
    table_put_real(t, s->draft_ns_step, 0);
    table_put_of(t, n->equal, n->trials);
    table_put_of(t, n->logits_equal, with_logits);
    table_put_count(t, n->equal);
    if (with_logits > 0)
        table_put_count(t, n->logits_equal);
    else
        table_put_missing(t);
    table_put_count(t, n->logits_none);
    table_put_count(t, n->truncated);
}

static int print(const table_source *x, err *e) {
    table *t = table_begin(x, e);
    bool   alike = cells_are_alike(x);
    if (t == NULL) return -1;
    add_captions(x, alike, t);
    add_columns(x, alike, t);
    for (size_t c = 0; c < x->d->n_cells; c++) {
        table_begin_row(x, c, t);
        put_row(t, &x->counts[c], &x->spreads[c]);
    }
    return table_finish(x, t, e);
}

const table_kind table_summary = {
    .name = "summary",
    .help = "one row for each cell: tokens per step, coverage, acceptance, speed-up, equality",
    .needs = NEEDS_SPREADS,
    .print = print,
};
