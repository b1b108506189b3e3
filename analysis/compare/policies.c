/* policies.c - the cells of one run: the best of each set, and those that are not told apart from it.
 *
 *     set    cells that are compared (C1)     base    the best of them, or the one that --base names
 *     rows   the base, then those that are not told apart from it, then, below a gap, the others; best first
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/compare/comparison.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"

typedef struct {
    size_t   cell;
    bool     is_base, apart;
    compared by;
    unlike   unlike;
    double   share; /* of resamples in which it is the best */
} row;

typedef struct {
    size_t *cells; /* [n] */
    size_t  n, base;
    arms    arms;
    row    *rows; /* [n] in the order in which they are printed */
    char   *setup;
} set;

typedef struct {
    set     *at;
    size_t   n, alone; /* sets; cells that nothing can be compared with */
    size_t   without;  /* sets without the requested cell */
    left_out left;
} set_list;

static void set_free(set *s) {
    arms_free(&s->arms);
    free(s->cells);
    free(s->rows);
    free(s->setup);
}

static void set_list_free(set_list *l) {
    for (size_t i = 0; l->at != NULL && i < l->n; i++) set_free(&l->at[i]);
    free(l->at);
}

/* ---- sets ---------------------------------------------------------------------------------------------- */

/* Plain decoding's cell may be in several files. */
static bool is_twin(const comparison *c, const set *s, size_t cell) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(c->v->d.cells[s->cells[i]].id, c->v->d.cells[cell].id) == 0) return true;
    return false;
}

static int make_set(const comparison *c, size_t first, bool *taken, set *out, left_out *left, err *e) {
    size_t n = c->v->d.n_cells;
    *out = (set){.cells = mem_new(n, sizeof *out->cells, e), .setup = cell_keys_setup(&c->keys, first, e)};
    if (out->cells == NULL || out->setup == NULL) return -1;
    for (size_t i = first; i < n; i++) {
        if (taken[i] || !cell_keys_same_but_policy(&c->keys, first, i)) continue;
        taken[i] = true;
        if (is_twin(c, out, i) || !comparison_takes(c, i, left)) continue;
        if (out->n > 0 && comparison_check(c, out->cells[0], i, e) != 0) return -1;
        out->cells[out->n++] = i;
    }
    return 0;
}

/* The requested cell: its place in the set, or n when there is none. */
static int find_base(const comparison *c, set *s, err *e) {
    char *fits[2] = {NULL, NULL};
    s->base = s->n;
    for (size_t i = 0; i < s->n; i++) {
        bool selects;
        if (cell_keys_selects(&c->keys, c->o->base, s->cells[i], &selects, e) != 0) return -1;
        if (!selects) continue;
        if (s->base == s->n) {
            s->base = i;
            continue;
        }
        fits[0] = cell_keys_label(&c->keys, s->cells[s->base], e);
        fits[1] = fits[0] != NULL ? cell_keys_label(&c->keys, s->cells[i], e) : NULL;
        if (fits[1] != NULL)
            err_input(e, "--base \"%.100s\" fits several cells: %.200s; %.200s (one)", c->o->base, fits[0], fits[1]);
        free(fits[0]);
        free(fits[1]);
        return -1;
    }
    return 0;
}

/* ---- one set ------------------------------------------------------------------------------------------- */

static bool comes_before(const row *a, const row *b, bool less) {
    if (a->is_base != b->is_base) return a->is_base;
    if (a->apart != b->apart) return !a->apart;
    return less ? a->by.value.value < b->by.value.value : a->by.value.value > b->by.value.value;
}

/* Stable: equal ones stay in the order of the file. */
static void sort_rows(set *s, bool less) {
    for (size_t i = 1; i < s->n; i++) {
        row    moved = s->rows[i];
        size_t at = i;
        for (; at > 0 && comes_before(&moved, &s->rows[at - 1], less); at--) s->rows[at] = s->rows[at - 1];
        s->rows[at] = moved;
    }
}

static int compare_set(const comparison *c, set *s, err *e) {
    if (arms_make(&c->v->d, &c->trials, s->cells, s->n, c->metric, &s->arms, e) != 0) return -1;
    if (s->arms.n == 0)
        return err_input(e, "%s: no record is in all of the %zu cells that would be compared", c->o->files[0], s->n);
    if (c->o->base == NULL) s->base = arms_best(&s->arms, c->metric);
    double   *shares = mem_new(s->n, sizeof *shares, e);
    compared *by = mem_new(s->n, sizeof *by, e);
    s->rows = mem_new(s->n, sizeof *s->rows, e);
    int status = shares != NULL && by != NULL && s->rows != NULL ? 0 : -1;
    if (status == 0) status = arms_best_shares(&s->arms, c->metric, c->resamples, shares, e);
    if (status == 0) status = arms_compare_all(&s->arms, s->base, c->resamples, by, e);
    for (size_t i = 0; status == 0 && i < s->n; i++) {
        s->rows[i] = (row){.cell = s->cells[i], .is_base = i == s->base, .by = by[i], .share = shares[i]};
        s->rows[i].apart = i != s->base && compared_apart(&by[i]);
        s->rows[i].unlike = comparison_unlike(c, s->cells[s->base], s->cells[i]);
    }
    free(shares);
    free(by);
    if (status == 0) sort_rows(s, c->metric->less);
    return status;
}

/* Keeps the sets in which there is something to compare. */
static int keep_set(const comparison *c, set_list *l, set *s, err *e) {
    if (c->o->base != NULL && find_base(c, s, e) != 0) {
        set_free(s);
        return -1;
    }
    if (s->n < 2 || s->base >= s->n) {
        l->alone += s->n == 1;
        l->without += s->n > 1;
        set_free(s);
        return 0;
    }
    l->at[l->n++] = *s;
    return compare_set(c, &l->at[l->n - 1], e);
}

static int list_sets(const comparison *c, set_list *out, err *e) {
    size_t n = c->v->d.n_cells;
    bool  *taken = mem_new(n, sizeof *taken, e);
    *out = (set_list){.at = mem_new(n, sizeof *out->at, e)};
    int status = taken != NULL && out->at != NULL ? 0 : -1;
    for (size_t i = 0; status == 0 && i < n; i++) {
        set s;
        if (taken[i]) continue;
        if (make_set(c, i, taken, &s, &out->left, e) != 0) {
            set_free(&s);
            status = -1;
        } else {
            status = keep_set(c, out, &s, e);
        }
    }
    free(taken);
    if (status != 0 || out->n > 0) return status;
    if (out->without > 0)
        return err_input(
            e, "--base \"%.200s\": no cell to compare with fits (NAME[:P=V,..], such as none or llma:n=1,k=20)",
            c->o->base);
    return err_input(
        e,
        "%s: no two cells can be compared: they differ in more than the policy, are unfinished or were not "
        "measured (%s)",
        c->o->files[0], c->metric->name);
}

/* ---- printing ------------------------------------------------------------------------------------------ */

static void add_columns(const comparison *c, table *t) {
    table_column(t, COLUMN_LEFT, NULL, "metric");
    comparison_column(t, NULL, c->metric->name);
    table_column(t, COLUMN_RIGHT, c->metric->title, NULL);
    comparison_column(t, "ratio", "ratio");
    comparison_column(t, NULL, "difference");
    table_column(t, COLUMN_RIGHT, "difference", NULL);
    comparison_columns_p(t);
    table_column(t, COLUMN_LEFT, NULL, "place");
    table_column(t, COLUMN_RIGHT, NULL, "best_share");
    table_column(t, COLUMN_RIGHT, NULL, "records");
    table_column(t, COLUMN_RIGHT, NULL, "trials");
    table_column(t, COLUMN_RIGHT, NULL, "outputs_differ");
}

/* In the order of add_columns. */
static void put_row(const comparison *c, const set *s, const row *r, table *t) {
    int decimals = c->metric->decimals;
    table_put_text(t, c->metric->name);
    comparison_put(t, &r->by.value, decimals);
    table_put_real(t, r->by.value.value, decimals);
    comparison_put(t, &r->by.ratio, 3);
    comparison_put(t, &r->by.difference, decimals);
    table_put_real(t, r->by.difference.value, decimals);
    comparison_put_p(t, &r->by);
    table_put_text(t, r->is_base ? "base" : r->apart ? "apart" : "tied");
    table_put_real(t, r->share, 3);
    table_put_count(t, s->arms.n);
    table_put_count(t, r->unlike.trials);
    table_put_count(t, r->unlike.ids);
}

static int put_set(comparison *c, const set *s, table *t, err *e) {
    for (size_t i = 0; i < s->n; i++) {
        const row *r = &s->rows[i];
        if (i == 0 || r->apart != s->rows[i - 1].apart) table_group(t);
        cell_keys_put(&c->keys, r->cell, t);
        put_row(c, s, r, t);
        if (c->o->base != NULL && !r->is_base && comparison_judge(c, r->cell, &r->by, s->n - 1, e) != 0) return -1;
    }
    return 0;
}

static int add_set_captions(const comparison *c, const set *s, table *t, err *e) {
    const char *base = c->o->base != NULL ? "base" : "best";
    const bool  few = s->arms.n < BOOTSTRAP_LEAST;
    size_t      tied = 0, unequal = 0;
    char        share[64] = "", *label = cell_keys_label(&c->keys, s->rows[0].cell, e);
    if (label == NULL) return -1;
    for (size_t i = 1; i < s->n; i++) {
        tied += !s->rows[i].apart;
        unequal += s->rows[i].unlike.ids > 0;
    }
    if (*s->setup != '\0') table_caption(t, "%s", s->setup);
    if (!few) snprintf(share, sizeof share, "; the best in %.1f%% of resamples", percent_of(s->rows[0].share));
    table_caption(t, "%s: %s, %s %.*f%s; not told apart from it: %zu of %zu other cell%s", base, label,
                  c->metric->title, c->metric->decimals, s->rows[0].by.value.value, share, tied, s->n - 1,
                  plural(s->n - 1));
    free(label);
    if (c->o->base == NULL)
        table_caption(t,
                      "the best was picked on the same records: its lead looks larger, and p smaller, than on others%s",
                      few ? "" : "; the truly best cell stands above the gap all the same, with 95% confidence");
    if (s->arms.left > 0)
        table_caption(t, "%zu %s %s not in all cells, and left out", s->arms.left, comparison_drawn(c, s->arms.left),
                      s->arms.left == 1 ? "is" : "are");
    table_caption(t, "ratio, difference: of the cell and the %s, paired over %zu %s%s", base, s->arms.n,
                  comparison_drawn(c, s->arms.n), few ? "" : "; the ratio with its 95% interval");
    if (few)
        table_caption(t, "no intervals: they need %d distinct %s", BOOTSTRAP_LEAST,
                      comparison_drawn(c, BOOTSTRAP_LEAST));
    comparison_caption_p(t, s->n - 1, s->arms.n);
    table_caption(t, "below the gap: told apart by both p < 0.05%s", few ? "" : " and the interval");
    if (unequal > 0)
        table_caption(t, "the outputs of %zu of %zu other cells are not all the %s's: times are per token", unequal,
                      s->n - 1, base);
    return 0;
}

/* People get a table for each set, programs one. */
static int print_for_people(comparison *c, const table_source *x, const set_list *l, table *t, err *e) {
    cell_keys_hide_setup(&c->keys);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0) {
            if ((t = table_new(e)) == NULL) return -1;
            fputc('\n', c->out);
        }
        if (add_set_captions(c, &l->at[i], t, e) != 0) {
            table_free(t);
            return -1;
        }
        cell_keys_columns(&c->keys, t);
        add_columns(c, t);
        if (put_set(c, &l->at[i], t, e) != 0) {
            table_free(t);
            return -1;
        }
        if (table_finish(x, t, e) != 0) return -1;
    }
    return 0;
}

static int print_for_programs(comparison *c, const table_source *x, const set_list *l, table *t, err *e) {
    cell_keys_columns(&c->keys, t);
    add_columns(c, t);
    for (size_t i = 0; i < l->n; i++)
        if (put_set(c, &l->at[i], t, e) != 0) {
            table_free(t);
            return -1;
        }
    return table_finish(x, t, e);
}

/* Whether there are several files, and each set is of one of them. */
static bool files_share_no_set(const comparison *c, const set_list *l) {
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 1; k < l->at[i].n; k++)
            if (c->v->file[l->at[i].cells[k]] != c->v->file[l->at[i].cells[0]]) return false;
    return c->o->n_files > 1;
}

static int print(comparison *c, const set_list *l, err *e) {
    table_source x = {.d = &c->v->d, .counts = c->counts, .keys = c->keys, .format = c->o->format, .out = c->out};
    table       *t = table_heading(&x, e);
    if (t == NULL) return -1;
    comparison_captions(c, &l->left, t);
    if (l->alone > 0)
        table_caption(t, "%zu cell%s left out: nothing to compare with", l->alone, l->alone == 1 ? " is" : "s are");
    if (l->without > 0)
        table_caption(t, "%zu set%s of cells left out: no cell there fits --base", l->without,
                      l->without == 1 ? " is" : "s are");
    if (files_share_no_set(c, l))
        table_caption(t, "no set has cells of more than one file: nothing is compared between files");
    return c->o->format->for_programs ? print_for_programs(c, &x, l, t, e) : print_for_people(c, &x, l, t, e);
}

int policies_print(comparison *c, err *e) {
    set_list l;
    int      status = list_sets(c, &l, e);
    if (status == 0 && c->o->least > 0 && c->o->base == NULL)
        status = err_input(e, "--fail-below needs two runs of the same cells, or --base (a cell to compare with)");
    if (status == 0) status = print(c, &l, e);
    set_list_free(&l);
    return status;
}
