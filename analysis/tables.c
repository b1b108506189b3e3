/* Each table is one function that fills table_writer tables from the raw rows. To add one, write it and add
 * a line to TABLES at the end. What the statistics mean stands in analysis/README.md. */
#include "analysis/tables.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/captions.h"
#include "analysis/cell_keys.h"
#include "analysis/table_writer.h"
#include "engine/base/mem.h"
#include "engine/base/suggest.h"

/* What every table is made from. */
typedef struct {
    const store_data *d;
    cell_summary     *rows; /* [n_cells] */
    cell_keys         keys;
    table_format      format;
    FILE             *out;
} context;

/* A table that begins with the cells' keys; its caption holds the sweep's name and what is constant. */
static table *keyed_table(const context *x, err *e) {
    table *t = table_new(e);
    char  *constant = cell_keys_constant(&x->keys, e);
    if (t == NULL || constant == NULL) {
        table_free(t);
        free(constant);
        return NULL;
    }
    const char *sweep = x->d->sweep != NULL ? x->d->sweep : "";
    table_caption(t, "%s%s%s", sweep, *sweep != '\0' && *constant != '\0' ? ": " : "", constant);
    free(constant);
    caption_unfinished(t, x->d, x->rows);
    if (caption_records(t, x->d, e) != 0) {
        table_free(t);
        return NULL;
    }
    table_column(t, COLUMN_RIGHT, NULL, "cell");
    table_column(t, COLUMN_LEFT, x->keys.need_ids ? "id" : NULL, "id");
    cell_keys_columns(&x->keys, t);
    return t;
}

static void put_keys(const context *x, size_t cell, table *t) {
    if (cell > 0 && !cell_keys_same_but_policy(&x->keys, cell - 1, cell)) table_group(t);
    table_put_count(t, cell);
    table_put_text(t, x->d->cells[cell].id);
    cell_keys_put(&x->keys, cell, t);
}

static int finish(const context *x, table *t, err *e) {
    int status = table_write(t, x->format, x->out, e);
    table_free(t);
    return status;
}

/* ---- summary ----------------------------------------------------------------------------------------- */

enum { SPREAD_COLUMNS = 7 };

static void spread_columns(table *t, const char *title, const char *const names[SPREAD_COLUMNS]) {
    table_column(t, COLUMN_RIGHT, title, names[0]);
    for (size_t i = 1; i < SPREAD_COLUMNS; i++) table_column(t, COLUMN_RIGHT, NULL, names[i]);
}

/* A median of some of the trials only is not shown: how many there are is. */
static void put_spread(table *t, const spread *s) {
    if (s->n > 0 && s->n < s->of)
        table_put_part(t, s->n, s->of);
    else
        table_put_range(t, s->median, s->q1, s->q3, 2);
    table_put_real(t, s->q1, 2);
    table_put_real(t, s->q3, 2);
    table_put_real(t, s->lo, 2);
    table_put_real(t, s->hi, 2);
    table_put_count(t, s->n);
    table_put_count(t, s->of);
}

static int table_summary(const context *x, err *e) {
    static const char *const speedup[SPREAD_COLUMNS] = {"speedup_median", "speedup_q1", "speedup_q3", "speedup_lo",
                                                        "speedup_hi",     "speedup_n",  "speedup_of"};
    static const char *const modeled[SPREAD_COLUMNS] = {
        "modeled_speedup_median", "modeled_speedup_q1", "modeled_speedup_q3", "modeled_speedup_lo",
        "modeled_speedup_hi",     "modeled_speedup_n",  "modeled_speedup_of"};

    /* Over one data set and with forced output, every cell has the same trials and tokens. */
    bool   same = x->d->n_cells > 0;
    size_t trials = 0, truncated = 0;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        trials += x->rows[c].trials;
        truncated += x->rows[c].truncated;
    }
    for (size_t c = 1; c < x->d->n_cells; c++)
        same = same && x->rows[c].trials == x->rows[0].trials && x->rows[c].tokens == x->rows[0].tokens;
    table *t = keyed_table(x, e);
    if (t == NULL) return -1;
    caption_speedups(t, x->d, x->rows);
    if (truncated > 0)
        table_caption(t, "max_new_tokens or the context's end cut the output of %zu of %zu trials", truncated, trials);
    if (same) table_caption(t, "in each cell: %zu trials, %zu tokens", x->rows[0].trials, x->rows[0].tokens);
    table_column(t, COLUMN_RIGHT, same ? NULL : "trials", "trials");
    table_column(t, COLUMN_RIGHT, same ? NULL : "tokens", "tokens");
    table_column(t, COLUMN_RIGHT, "steps", "steps");
    table_column(t, COLUMN_RIGHT, "tokens/step [95% CI]", "tokens_per_step");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step_lo");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step_hi");
    table_column(t, COLUMN_RIGHT, "coverage", "coverage");
    table_column(t, COLUMN_RIGHT, NULL, "drafted");
    table_column(t, COLUMN_RIGHT, NULL, "testable");
    table_column(t, COLUMN_RIGHT, NULL, "accepted");
    table_column(t, COLUMN_RIGHT, "acceptance", "acceptance");
    spread_columns(t, "speed-up [q1, q3]", speedup);
    spread_columns(t, "modeled speed-up [q1, q3]", modeled);
    table_column(t, COLUMN_RIGHT, "draft ns/step", "draft_ns_per_step");
    table_column(t, COLUMN_RIGHT, "equal", NULL);
    table_column(t, COLUMN_RIGHT, "logits equal", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "equal");
    table_column(t, COLUMN_RIGHT, NULL, "logits_equal");
    table_column(t, COLUMN_RIGHT, NULL, "logits_none");
    table_column(t, COLUMN_RIGHT, NULL, "truncated");
    for (size_t c = 0; c < x->d->n_cells; c++) {
        const cell_summary *s = &x->rows[c];
        put_keys(x, c, t);
        table_put_count(t, s->trials);
        table_put_count(t, s->tokens);
        table_put_count(t, s->steps);
        table_put_range(t, s->tokens_per_step, s->tps_lo, s->tps_hi, 2);
        table_put_real(t, s->tps_lo, 2);
        table_put_real(t, s->tps_hi, 2);
        table_put_share(t, s->drafting_steps, s->steps);
        table_put_count(t, s->drafted);
        table_put_count(t, s->testable);
        table_put_count(t, s->accepted);
        table_put_share(t, s->accepted, s->testable);
        put_spread(t, &s->speedup);
        put_spread(t, &s->modeled);
        table_put_real(t, s->draft_ns_step, 0);
        table_put_of(t, s->equal, s->trials);
        table_put_of(t, s->logits_equal, s->trials - s->logits_none);
        table_put_count(t, s->equal);
        if (s->logits_none < s->trials)
            table_put_count(t, s->logits_equal);
        else
            table_put_missing(t);
        table_put_count(t, s->logits_none);
        table_put_count(t, s->truncated);
    }
    return finish(x, t, e);
}

/* ---- grid -------------------------------------------------------------------------------------------- */

/* Sums over a cell's first repeats: a grid of steps must not grow with the number of repeats. */
typedef struct {
    size_t tokens, steps;
} pass_sum;

/* The distinct values of one axis within a group, ascending. */
typedef struct {
    int32_t *at;
    size_t   n;
} axis;

static int compare_int(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static bool has_nk(const cell_row *c) {
    return c->n >= 0 && c->k >= 0;
}

/* Both lie in one grid. */
static bool same_grid(const context *x, size_t a, size_t b) {
    return has_nk(&x->d->cells[a]) && has_nk(&x->d->cells[b]) && cell_keys_same_but_nk(&x->keys, a, b);
}

static int axis_make(const context *x, size_t first, bool of_k, axis *out, err *e) {
    *out = (axis){mem_new(x->d->n_cells, sizeof *out->at, e), 0};
    if (out->at == NULL) return -1;
    for (size_t c = first; c < x->d->n_cells; c++)
        if (same_grid(x, first, c)) out->at[out->n++] = of_k ? x->d->cells[c].k : x->d->cells[c].n;
    qsort(out->at, out->n, sizeof *out->at, compare_int);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (kept == 0 || out->at[i] != out->at[kept - 1]) out->at[kept++] = out->at[i];
    out->n = kept;
    return 0;
}

/* The cell of first's group at (n, k), or n_cells. */
static size_t group_cell(const context *x, size_t first, int32_t n, int32_t k) {
    size_t c = first;
    while (c < x->d->n_cells && !(x->d->cells[c].n == n && x->d->cells[c].k == k && same_grid(x, first, c))) c++;
    return c;
}

/* One n x k matrix: steps, or tokens per step. */
static int grid_matrix(const context *x, const pass_sum *sums, size_t first, const axis *ns, const axis *ks, bool steps,
                       err *e) {
    char  *group = cell_keys_group(&x->keys, first, e);
    table *t = group != NULL ? table_new(e) : NULL;
    if (t == NULL) {
        free(group);
        return -1;
    }
    table_caption(t, "%s by n (rows) and k (columns), %s", steps ? "steps" : "tokens per step", group);
    free(group);
    table_column(t, COLUMN_RIGHT, "n", NULL);
    for (size_t j = 0; j < ks->n; j++) {
        char title[24];
        snprintf(title, sizeof title, "k = %d", ks->at[j]);
        table_column(t, COLUMN_RIGHT, title, NULL);
    }
    for (size_t i = 0; i < ns->n; i++) {
        table_put_count(t, (size_t)ns->at[i]);
        for (size_t j = 0; j < ks->n; j++) {
            size_t c = group_cell(x, first, ns->at[i], ks->at[j]);
            if (c == x->d->n_cells || sums[c].steps == 0)
                table_put_missing(t);
            else if (steps)
                table_put_count(t, sums[c].steps);
            else
                table_put_real(t, (double)sums[c].tokens / (double)sums[c].steps, 2);
        }
    }
    return finish(x, t, e);
}

static int grid_group(const context *x, const pass_sum *sums, size_t first, err *e) {
    axis ns = {0}, ks = {0};
    int  status = axis_make(x, first, false, &ns, e);
    if (status == 0) status = axis_make(x, first, true, &ks, e);
    if (status == 0) status = grid_matrix(x, sums, first, &ns, &ks, true, e);
    if (status == 0) {
        fputc('\n', x->out);
        status = grid_matrix(x, sums, first, &ns, &ks, false, e);
    }
    free(ns.at);
    free(ks.at);
    return status;
}

/* For people: two matrices for each policy, data set, ... in turn. */
static int grid_matrices(const context *x, const pass_sum *sums, err *e) {
    table *t = keyed_table(x, e); /* only its captions are printed */
    if (t == NULL) return -1;
    size_t groups = 0;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        size_t before = 0, after = c + 1;
        while (before < c && !same_grid(x, before, c)) before++;
        while (after < x->d->n_cells && !same_grid(x, c, after)) after++;
        if (before < c || after == x->d->n_cells) continue; /* in a grid already, or alone */
        if (groups++ == 0) {
            table_caption(t, "tokens and steps of one pass over the data set (the first repeat)");
            if (table_write_captions(t, x->format, x->out, e) != 0) break;
        } else
            fputc('\n', x->out);
        if (grid_group(x, sums, c, e) != 0) {
            table_free(t);
            return -1;
        }
    }
    table_free(t);
    if (groups == 0)
        return err_input(e, "no two cells differ in the trigger length n or the copy length k alone: there is no grid");
    return 0;
}

static int table_grid(const context *x, err *e) {
    pass_sum *sums = mem_new(x->d->n_cells, sizeof *sums, e);
    if (sums == NULL) return -1;
    for (size_t i = 0; i < x->d->n_trials; i++) {
        const trial_row *t = &x->d->trials[i];
        if (t->repeat > 0) continue;
        sums[t->cell].tokens += t->tokens;
        sums[t->cell].steps += t->steps;
    }
    int status;
    if (x->format != TABLE_CSV) {
        status = grid_matrices(x, sums, e);
    } else {
        table *t = keyed_table(x, e);
        if (t != NULL) {
            table_column(t, COLUMN_RIGHT, NULL, "tokens");
            table_column(t, COLUMN_RIGHT, NULL, "steps");
            table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step");
        }
        for (size_t c = 0; t != NULL && c < x->d->n_cells; c++) {
            if (!has_nk(&x->d->cells[c])) continue;
            put_keys(x, c, t);
            table_put_count(t, sums[c].tokens);
            table_put_count(t, sums[c].steps);
            table_put_real(t, sums[c].steps > 0 ? (double)sums[c].tokens / (double)sums[c].steps : NAN, 2);
        }
        status = t != NULL ? finish(x, t, e) : -1;
    }
    free(sums);
    return status;
}

/* ---- positions --------------------------------------------------------------------------------------- */

static int table_positions(const context *x, err *e) {
    cell_positions *p;
    if (positions_make(x->d, &p, e) != 0) return -1;
    table *t = keyed_table(x, e);
    if (t == NULL) {
        positions_free(p, x->d->n_cells);
        return -1;
    }
    table_column(t, COLUMN_RIGHT, "position", "position");
    table_column(t, COLUMN_RIGHT, "reached", "reached");
    table_column(t, COLUMN_RIGHT, "tested", "tested");
    table_column(t, COLUMN_RIGHT, "accepted", "accepted");
    table_column(t, COLUMN_RIGHT, "accepted/reached", "share_of_reached");
    table_column(t, COLUMN_RIGHT, "accepted/tested", "share_of_tested");
    for (size_t c = 0; c < x->d->n_cells; c++)
        for (size_t i = 0; i < p[c].n; i++) {
            const position_count *at = &p[c].at[i];
            put_keys(x, c, t);
            table_put_count(t, i + 1);
            table_put_count(t, at->reached);
            table_put_count(t, at->tested);
            table_put_count(t, at->accepted);
            table_put_share(t, at->accepted, at->reached);
            table_put_share(t, at->accepted, at->tested);
        }
    positions_free(p, x->d->n_cells);
    return finish(x, t, e);
}

/* ---- scenarios --------------------------------------------------------------------------------------- */

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

/* For people: a row for each cell, a column for each scenario. sums: [cells][scenarios] */
static void scenarios_wide(const context *x, const scenario_list *list, const scenario_sum *sums, table *t) {
    for (size_t i = 0; i < list->n; i++) table_column(t, COLUMN_RIGHT, scenario_title(list->names[i]), NULL);
    table_column(t, COLUMN_RIGHT, "all", NULL);
    for (size_t c = 0; c < x->d->n_cells; c++) {
        put_keys(x, c, t);
        for (size_t i = 0; i < list->n; i++) {
            const scenario_sum *s = &sums[c * list->n + i];
            table_put_real(t, s->steps > 0 ? (double)s->tokens / (double)s->steps : NAN, 2);
        }
        table_put_real(t, x->rows[c].tokens_per_step, 2);
    }
}

/* For programs: a row for each cell and scenario. */
static void scenarios_long(const context *x, const scenario_list *list, const scenario_sum *sums, table *t) {
    table_column(t, COLUMN_LEFT, NULL, "scenario");
    table_column(t, COLUMN_RIGHT, NULL, "trials");
    table_column(t, COLUMN_RIGHT, NULL, "tokens");
    table_column(t, COLUMN_RIGHT, NULL, "steps");
    table_column(t, COLUMN_RIGHT, NULL, "tokens_per_step");
    for (size_t c = 0; c < x->d->n_cells; c++)
        for (size_t i = 0; i < list->n; i++) {
            const scenario_sum *s = &sums[c * list->n + i];
            if (s->trials == 0) continue; /* a scenario of another data set */
            put_keys(x, c, t);
            table_put_text(t, list->names[i]);
            table_put_count(t, s->trials);
            table_put_count(t, s->tokens);
            table_put_count(t, s->steps);
            table_put_real(t, s->steps > 0 ? (double)s->tokens / (double)s->steps : NAN, 2);
        }
}

static int table_scenarios(const context *x, err *e) {
    int           status = -1;
    scenario_list list;
    scenario_sum *sums = NULL;
    table        *t = NULL;
    if (scenario_list_make(x->d, &list, e) != 0) goto out;
    if ((sums = mem_new(x->d->n_cells, list.n * sizeof *sums, e)) == NULL) goto out;
    for (size_t i = 0; i < x->d->n_trials; i++) {
        const trial_row *r = &x->d->trials[i];
        scenario_sum    *s = &sums[r->cell * list.n + list.index[r->sample]];
        s->trials++;
        s->tokens += r->tokens;
        s->steps += r->steps;
    }
    if ((t = keyed_table(x, e)) == NULL) goto out;
    table_caption(t, "tokens per step by scenario");
    if (x->format == TABLE_CSV)
        scenarios_long(x, &list, sums, t);
    else
        scenarios_wide(x, &list, sums, t);
    status = finish(x, t, e);
out:
    free(list.names);
    free(list.index);
    free(sums);
    return status;
}

/* ---- equality ---------------------------------------------------------------------------------------- */

/* One caption: counts over the cells of a rule, or over all when `rule` is NULL. */
static void equality_caption(const context *x, const char *rule, table *t) {
    size_t trials = 0, equal = 0, logits = 0, logits_equal = 0;
    for (size_t c = 0; c < x->d->n_cells; c++) {
        const cell_summary *s = &x->rows[c];
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

static int table_equality(const context *x, err *e) {
    table *t = keyed_table(x, e);
    if (t == NULL) return -1;
    equality_caption(x, NULL, t);
    /* What a rule promises differs: a lossy one must not hide in the sum, nor spoil it for the others. */
    bool several = false;
    for (size_t c = 1; c < x->d->n_cells; c++)
        several = several || strcmp(x->d->cells[0].rule, x->d->cells[c].rule) != 0;
    for (size_t c = 0; several && c < x->d->n_cells; c++) {
        size_t before = 0;
        while (strcmp(x->d->cells[before].rule, x->d->cells[c].rule) != 0) before++;
        if (before == c) equality_caption(x, x->d->cells[c].rule, t);
    }
    table_column(t, COLUMN_RIGHT, "trials", "trials");
    table_column(t, COLUMN_RIGHT, "equal", "equal");
    table_column(t, COLUMN_RIGHT, "equal %", "equal_share");
    table_column(t, COLUMN_RIGHT, "logits equal", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "logits_equal");
    table_column(t, COLUMN_RIGHT, NULL, "logits_none");
    table_column(t, COLUMN_RIGHT, "logits equal %", "logits_equal_share");
    table_column(t, COLUMN_RIGHT, "first divergence", "first_divergence");
    table_column(t, COLUMN_LEFT, "in sample", "divergence_sample");
    table_column(t, COLUMN_RIGHT, "max |logit diff|", "max_abs_logit_diff");
    table_column(t, COLUMN_RIGHT, "min margin", "min_margin");
    table_column(t, COLUMN_RIGHT, "truncated", "truncated");
    for (size_t c = 0; c < x->d->n_cells; c++) {
        const cell_summary *s = &x->rows[c];
        size_t              with_logits = s->trials - s->logits_none;
        put_keys(x, c, t);
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
            table_put_text(t, x->d->samples[s->divergence_sample].id);
        } else {
            table_put_missing(t);
            table_put_missing(t);
        }
        table_put_real(t, s->max_abs_logit_diff, 6);
        table_put_real(t, s->min_margin, 6);
        table_put_count(t, s->truncated);
    }
    return finish(x, t, e);
}

/* ---- the list ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *help;
    int (*print)(const context *x, err *e);
} TABLES[] = {
    {"summary", "one row for each cell: steps, tokens per step, coverage, acceptance, speed-up, equality",
     table_summary},
    {"grid", "steps and tokens per step by trigger length n and copy length k", table_grid},
    {"positions", "acceptance by position in the draft", table_positions},
    {"scenarios", "tokens per step by scenario", table_scenarios},
    {"equality", "outputs and logits against plain decoding, first divergences", table_equality},
};
enum { N_TABLES = sizeof TABLES / sizeof *TABLES };

size_t table_count(void) {
    return N_TABLES;
}

const char *table_name(size_t i) {
    return TABLES[i].name;
}

const char *table_help(size_t i) {
    return TABLES[i].help;
}

const char *const table_format_names[] = {"text", "md", "csv", "latex", NULL};

int table_format_parse(const char *name, table_format *out, err *e) {
    size_t n = 0;
    for (; table_format_names[n] != NULL; n++)
        if (strcmp(name, table_format_names[n]) == 0) {
            *out = (table_format)n;
            return 0;
        }
    return err_unknown(e, NULL, "table format", name, table_format_names, n);
}

int table_find(const char *name, size_t *i, err *e) {
    const char *names[N_TABLES];
    for (*i = 0; *i < N_TABLES && strcmp(name, TABLES[*i].name) != 0; ++*i) names[*i] = TABLES[*i].name;
    return *i < N_TABLES ? 0 : err_unknown(e, NULL, "table", name, names, N_TABLES);
}

int table_print(const char *name, const store_data *d, table_format f, FILE *out, err *e) {
    size_t i;
    if (table_find(name, &i, e) != 0) return -1;
    context x = {.d = d, .format = f, .out = out};
    int     status = summary_make(d, &x.rows, e);
    if (status == 0) status = cell_keys_make(d, &x.keys, e);
    if (status == 0) status = TABLES[i].print(&x, e);
    if (status == 0 && fflush(out) != 0) status = err_errno(e, name, "cannot write the table");
    cell_keys_free(&x.keys);
    free(x.rows);
    return status;
}
