/* runs.c - two runs of the same cells: what the second one gained or lost, and whose outputs and logits differ. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/compare/comparison.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"

/* One cell in both files. */
typedef struct {
    size_t   a, b;
    compared by;
    unlike   unlike;
    size_t   records, left;
} cell_pair;

typedef struct {
    cell_pair *at;
    size_t     n, alone; /* cells of one file only */
} pair_list;

static bool is_plain(const cell_row *c) {
    return strcmp(c->policy, "none") == 0;
}

/* The cell of the second file with the settings of a cell of the first one; n_cells when there is none. */
static size_t partner(const comparison *c, size_t cell) {
    size_t b = 0, n = c->v->d.n_cells;
    while (b < n && (c->v->file[b] != 1 || !cell_keys_same(&c->keys, cell, b))) b++;
    return b;
}

bool runs_are(const comparison *c) {
    if (c->o->n_files != 2) return false;
    for (size_t i = 0; i < c->v->d.n_cells; i++)
        if (c->v->file[i] == 0 && !is_plain(&c->v->d.cells[i]) && partner(c, i) < c->v->d.n_cells) return true;
    return false;
}

/* ---- pairs --------------------------------------------------------------------------------------------- */

static int compare_pair(const comparison *c, cell_pair *p, size_t family, err *e) {
    arms a;
    if (arms_make(&c->v->d, &c->trials, (const size_t[]){p->a, p->b}, 2, c->metric, &a, e) != 0) return -1;
    p->records = a.n;
    p->left = a.left;
    p->unlike = comparison_unlike(c, p->a, p->b);
    p->by = compared_none();
    int status = a.n > 0 ? arms_compare(&a, 1, 0, family, c->resamples, &p->by, e) : 0;
    arms_free(&a);
    /* By anything but time plain decoding is what it is compared with: no test. */
    if (is_plain(&c->v->d.cells[p->a]) && c->metric != &metric_time) p->by.p = p->by.p_totals = NAN;
    return status;
}

/* Holm over all pairs that were compared. */
static int adjust(pair_list *l, err *e) {
    compared *by = mem_new(l->n, sizeof *by, e);
    if (by == NULL) return -1;
    for (size_t i = 0; i < l->n; i++) by[i] = l->at[i].by;
    int status = compared_adjust(by, l->n, e);
    for (size_t i = 0; i < l->n; i++) l->at[i].by = by[i];
    free(by);
    return status;
}

/* Pairs that are tests. */
static size_t count_tests(const pair_list *l) {
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) n += isnan(l->at[i].by.p) ? 0 : 1;
    return n;
}

static int list_pairs(const comparison *c, pair_list *out, left_out *left, err *e) {
    size_t n = c->v->d.n_cells, with_partner = 0;
    *out = (pair_list){.at = mem_new(n, sizeof *out->at, e)};
    if (out->at == NULL) return -1;
    for (size_t a = 0; a < n; a++) {
        size_t b = c->v->file[a] == 0 ? partner(c, a) : n;
        if (b == n) continue;
        with_partner += 2;
        if (comparison_check(c, a, b, e) != 0) return -1;
        if (!comparison_takes(c, a, left) || !comparison_takes(c, b, left)) continue;
        out->at[out->n] = (cell_pair){.a = a, .b = b};
        if (compare_pair(c, &out->at[out->n++], n, e) != 0) return -1;
    }
    out->alone = n - with_partner;
    if (out->n == 0)
        return err_input(e, "%s and %s: none of their common cells is finished and measured in both", c->o->files[0],
                         c->o->files[1]);
    return adjust(out, e);
}

/* ---- printing ------------------------------------------------------------------------------------------ */

static void add_captions(const comparison *c, const pair_list *l, const left_out *left, table *t) {
    size_t trials = 0, ids = 0, with_logits = 0, logits = 0, cells = 0, records = l->at[0].records, fewest = records;
    size_t lost = 0;
    for (size_t i = 0; i < l->n; i++) {
        const cell_pair *p = &l->at[i];
        trials += p->unlike.trials;
        ids += p->unlike.ids;
        with_logits += p->unlike.with_logits;
        logits += p->unlike.logits;
        cells += p->unlike.logits > 0;
        lost = p->left > lost ? p->left : lost;
        fewest = p->records < fewest ? p->records : fewest;
        records = p->records > records ? p->records : records;
    }
    table_caption(t, "A: %s; B: %s", c->o->files[0], c->o->files[1]);
    comparison_captions(c, left, t);
    table_caption(t, "ratio: B's / A's, paired over %zu %s%s%s", fewest, comparison_drawn(c, records),
                  fewest < records ? " or more" : "", records < BOOTSTRAP_LEAST ? "" : ", with its 95% interval");
    comparison_caption_p(t, count_tests(l), records);
    if (records < BOOTSTRAP_LEAST)
        table_caption(t, "no intervals: they need %d distinct %s", BOOTSTRAP_LEAST,
                      comparison_drawn(c, BOOTSTRAP_LEAST));
    if (lost > 0)
        table_caption(t, "up to %zu %s of a cell are in one file only, and left out", lost, comparison_drawn(c, lost));
    if (l->alone > 0)
        table_caption(t, "%zu cell%s in one file only, and left out", l->alone, l->alone == 1 ? " is" : "s are");
    table_caption(t, "outputs differ in %zu of %zu trials", ids, trials);
    if (with_logits > 0)
        table_caption(t, "logits differ in %zu of %zu trials, in %zu of %zu cells", logits, with_logits, cells, l->n);
    else
        table_caption(t, "no logits to compare in both files");
}

/* Where all are equal, the captions say it. */
static void add_columns(const comparison *c, const pair_list *l, table *t) {
    char a[80], b[80];
    bool outputs = false, logits = false;
    for (size_t i = 0; i < l->n; i++) {
        outputs = outputs || l->at[i].unlike.ids > 0;
        logits = logits || l->at[i].unlike.logits > 0;
    }
    snprintf(a, sizeof a, "%s_a", c->metric->name);
    snprintf(b, sizeof b, "%s_b", c->metric->name);
    table_column(t, COLUMN_LEFT, NULL, "metric");
    table_column(t, COLUMN_RIGHT, "A", a);
    table_column(t, COLUMN_RIGHT, "B", b);
    comparison_column(t, "ratio", "ratio");
    comparison_column(t, NULL, "difference");
    comparison_columns_p(t);
    table_column(t, COLUMN_LEFT, "apart", "apart");
    table_column(t, COLUMN_RIGHT, NULL, "records");
    table_column(t, COLUMN_RIGHT, outputs ? "other outputs" : NULL, NULL);
    table_column(t, COLUMN_RIGHT, logits ? "other logits" : NULL, NULL);
    table_column(t, COLUMN_RIGHT, NULL, "trials");
    table_column(t, COLUMN_RIGHT, NULL, "outputs_differ");
    table_column(t, COLUMN_RIGHT, NULL, "trials_with_logits");
    table_column(t, COLUMN_RIGHT, NULL, "logits_differ");
}

/* In the order of add_columns. */
static void put_row(const comparison *c, const cell_pair *p, table *t) {
    const compared *by = &p->by;
    int             decimals = c->metric->decimals;
    table_put_text(t, c->metric->name);
    table_put_real(t, p->records > 0 ? by->value.value - by->difference.value : NAN, decimals);
    table_put_real(t, p->records > 0 ? by->value.value : NAN, decimals);
    comparison_put(t, &by->ratio, 3);
    comparison_put(t, &by->difference, decimals);
    comparison_put_p(t, by);
    table_put_text(t, compared_apart(by) ? "yes" : "no");
    table_put_count(t, p->records);
    table_put_of(t, p->unlike.ids, p->unlike.trials);
    table_put_of(t, p->unlike.logits, p->unlike.with_logits);
    table_put_count(t, p->unlike.trials);
    table_put_count(t, p->unlike.ids);
    table_put_count(t, p->unlike.with_logits);
    table_put_count(t, p->unlike.logits);
}

static int print(comparison *c, const pair_list *l, const left_out *left, err *e) {
    table_source x = {.d = &c->v->d, .counts = c->counts, .keys = c->keys, .format = c->o->format, .out = c->out};
    table       *t = table_heading(&x, e);
    if (t == NULL) return -1;
    add_captions(c, l, left, t);
    cell_keys_columns(&c->keys, t);
    add_columns(c, l, t);
    for (size_t i = 0; i < l->n; i++) {
        const cell_pair *p = &l->at[i];
        if (i > 0 && !cell_keys_same_but_policy(&c->keys, l->at[i - 1].a, p->a)) table_group(t);
        cell_keys_put(&c->keys, p->a, t);
        put_row(c, p, t);
        if (comparison_judge(c, p->b, &p->by, count_tests(l), e) != 0) {
            table_free(t);
            return -1;
        }
    }
    return table_finish(&x, t, e);
}

int runs_print(comparison *c, err *e) {
    pair_list l;
    left_out  left = {0};
    int status = c->o->base != NULL ? err_input(e, "--base is for cells of one run, and %s and %s hold the same cells",
                                                c->o->files[0], c->o->files[1])
                                    : 0;
    if (status != 0) return status;
    status = list_pairs(c, &l, &left, e);
    if (status == 0) status = print(c, &l, &left, e);
    free(l.at);
    return status;
}
