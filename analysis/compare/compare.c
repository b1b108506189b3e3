#include "analysis/compare/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/captions.h"
#include "analysis/compare/comparison.h"
#include "analysis/stats/holm.h"
#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/quote.h"

/* ---- what is compared ---------------------------------------------------------------------------------- */

bool comparison_takes(const comparison *c, size_t cell, left_out *left) {
    ratio_sum sum = {0, 0};
    if (c->counts[cell].trials < c->v->d.cells[cell].trials) {
        left->unfinished++;
        return false;
    }
    for (size_t i = c->trials.first[cell]; i < c->trials.first[cell + 1]; i++)
        if (!c->metric->add(c->trials.at[i].row, &sum)) {
            left->unmeasured++;
            return false;
        }
    left->unmeasured += sum.part == 0 && sum.whole == 0;
    return sum.part != 0 || sum.whole != 0;
}

/* The trials of two cells side by side, group by group. */
typedef struct {
    const placed_trial *x, *y, *x_end, *y_end;
} trial_walk;

static trial_walk walk_begin(const comparison *c, size_t a, size_t b) {
    const placed_trial *at = c->trials.at;
    const size_t       *first = c->trials.first;
    return (trial_walk){at + first[a], at + first[b], at + first[a + 1], at + first[b + 1]};
}

/* The next two of one group; false when there are no more. */
static bool walk_next(trial_walk *w, const trial_row **s, const trial_row **t) {
    while (w->x < w->x_end && w->y < w->y_end) {
        if (w->x->group == w->y->group) {
            *s = (w->x++)->row;
            *t = (w->y++)->row;
            return true;
        }
        if (w->x->group < w->y->group)
            w->x++;
        else
            w->y++;
    }
    return false;
}

/* Outputs of a record that are cut are equally long, and no other one is longer, where limits are the same. */
static bool cut_elsewhere(const store_data *d, const trial_row *s, const trial_row *t) {
    if (d->samples[s->sample].content != d->samples[t->sample].content) return false;
    return (s->truncated && t->tokens > s->tokens) || (t->truncated && s->tokens > t->tokens);
}

static int check_limits(const comparison *c, size_t a, size_t b, err *e) {
    const store_data *d = &c->v->d;
    trial_walk        w = walk_begin(c, a, b);
    const trial_row  *s, *t;
    char              id[100];
    while (walk_next(&w, &s, &t)) {
        if (!cut_elsewhere(d, s, t)) continue;
        const trial_row  *cut = s->truncated && t->tokens > s->tokens ? s : t, *other = cut == s ? t : s;
        const sample_row *r = &d->samples[cut->sample];
        return err_input(
            e,
            "%s: cell %s cuts the output of %s after %u tokens, and cell %s of %s lets it have %u (the same "
            "max_new_tokens and context; --where leaves cells out)",
            c->o->files[c->v->file[cut->cell]], d->cells[cut->cell].id, quote(id, sizeof id, r->id, strlen(r->id)),
            cut->tokens, d->cells[other->cell].id, c->o->files[c->v->file[other->cell]], other->tokens);
    }
    return 0;
}

int comparison_check(const comparison *c, size_t a, size_t b, err *e) {
    const cell_row *x = &c->v->d.cells[a], *y = &c->v->d.cells[b];
    const char     *file[] = {c->o->files[c->v->file[a]], c->o->files[c->v->file[b]]};
    if (strcmp(x->dataset_sha256, y->dataset_sha256) != 0)
        return err_input(e, "%s: its data set %s has other content than that of %s (the same records)", file[1],
                         y->dataset, file[0]);
    if (strcmp(x->model_sha256, y->model_sha256) != 0)
        return err_input(e, "%s: its model %s has other weights than that of %s (the same model)", file[1], y->model,
                         file[0]);
    return check_limits(c, a, b, e);
}

unlike comparison_unlike(const comparison *c, size_t a, size_t b) {
    trial_walk       w = walk_begin(c, a, b);
    const trial_row *s, *t;
    unlike           out = {0};
    while (walk_next(&w, &s, &t)) {
        bool known = s->logits_hash != 0 && t->logits_hash != 0;
        out.trials++;
        out.ids += s->tokens != t->tokens || c->outputs[s->trial] != c->outputs[t->trial];
        out.with_logits += known;
        out.logits += known && s->logits_hash != t->logits_hash;
    }
    return out;
}

/* ---- the metric ---------------------------------------------------------------------------------------- */

/* Two processors that cells ran on, or a list of several that one ran on; false when all ran on one. */
static bool several_machines(const store_data *d, const char **one, const char **other) {
    for (size_t c = 0; c < d->n_cells; c++) {
        *one = d->cells[0].cpu;
        *other = d->cells[c].cpu;
        if (strcmp(*one, *other) != 0) return true;
    }
    for (size_t i = 1; i < d->n_processes; i++) {
        *one = d->processes[0].cpu;
        *other = d->processes[i].cpu;
        if (strcmp(*one, *other) != 0) return true;
    }
    return false;
}

/* Whether all trials of finished cells have the metric. */
static bool all_have(const comparison *c, const metric *m) {
    const store_data *d = &c->v->d;
    for (size_t i = 0; i < c->trials.n; i++) {
        const trial_row *t = &c->trials.rows[i];
        ratio_sum        sum = {0, 0};
        if (d->cells[t->cell].timed == 0) return false;
        if (c->counts[t->cell].trials == d->cells[t->cell].trials && !m->add(t, &sum)) return false;
    }
    return d->n_trials > 0;
}

static bool any_modeled(const comparison *c) {
    for (size_t i = 0; i < c->trials.n; i++)
        if (!isnan(c->trials.rows[i].modeled_speedup)) return true;
    return false;
}

/* Speed-ups of totals compare total times: where plain decoding was timed once, all cells share its times; where it was
 * timed beside each trial, what loaded the machine meanwhile cancels. */
static const metric *preset_metric(const comparison *c, bool several) {
    if (all_have(c, &metric_speedup)) return &metric_speedup;
    if (!several && all_have(c, &metric_time)) return &metric_time;
    return any_modeled(c) ? &metric_modeled_speedup : &metric_tokens_per_step;
}

static int choose_metric(comparison *c, err *e) {
    const store_data *d = &c->v->d;
    const char       *one = "", *other = "";
    bool              several = several_machines(d, &one, &other);
    c->metric = c->o->metric != NULL ? c->o->metric : preset_metric(c, several);
    if (!c->metric->timed || !several) return 0;
    return err_input(
        e,
        "cells ran on several processors (%.100s; %.100s), and times of one cannot be paired with times of "
        "another (--metric speedup pairs what each gained there; tokens_per_step needs no clock)",
        one, other);
}

/* ---- printing ------------------------------------------------------------------------------------------ */

const char *comparison_drawn(const comparison *c, size_t n) {
    if (c->o->pattern != NULL) return n == 1 ? "group of records" : "groups of records";
    return n == 1 ? "record" : "records";
}

void comparison_captions(const comparison *c, const left_out *left, table *t) {
    size_t processes = c->v->d.n_processes;
    caption_groups(t, c->o->pattern);
    table_caption(t, "%s: %s", c->metric->title, c->metric->help);
    if (c->metric->timed && processes > 1)
        table_caption(t, "times are of %zu processes, which may have run under different loads (speedup is paired)",
                      processes);
    if (left->unfinished > 0)
        table_caption(t, "%zu unfinished cell%s left out", left->unfinished, left->unfinished == 1 ? " is" : "s are");
    if (left->unmeasured > 0)
        table_caption(t, "%zu cell%s left out: not all of their trials have a %s", left->unmeasured,
                      left->unmeasured == 1 ? " is" : "s are", c->metric->title);
}

void comparison_column(table *t, const char *title, const char *name) {
    char lo[80], hi[80];
    snprintf(lo, sizeof lo, "%s_lo", name);
    snprintf(hi, sizeof hi, "%s_hi", name);
    table_column(t, COLUMN_RIGHT, title, name);
    table_column(t, COLUMN_RIGHT, NULL, lo);
    table_column(t, COLUMN_RIGHT, NULL, hi);
}

void comparison_put(table *t, const estimate *m, int decimals) {
    table_put_range(t, m->value, m->ci.lo, m->ci.hi, decimals);
    table_put_real(t, m->ci.lo, decimals);
    table_put_real(t, m->ci.hi, decimals);
}

void comparison_columns_p(table *t) {
    table_column(t, COLUMN_RIGHT, NULL, "p");
    table_column(t, COLUMN_RIGHT, "p ranks", "p_holm");
    table_column(t, COLUMN_RIGHT, NULL, "p_totals");
    table_column(t, COLUMN_RIGHT, "p totals", "p_totals_holm");
}

void comparison_put_p(table *t, const compared *by) {
    table_put_real(t, by->p, 3);
    table_put_at_least(t, by->adjusted, 0.001, 3);
    table_put_real(t, by->p_totals, 3);
    table_put_at_least(t, by->adjusted_totals, 0.001, 3);
}

void comparison_caption_p(table *t, size_t family, size_t records) {
    size_t needed = holm_records(family);
    table_caption(t,
                  "p ranks: signed-rank test of the records' own ratios; p totals: of the ratio, by swapping records "
                  "at random; both by Holm");
    if (family > 0 && records < needed)
        table_caption(t,
                      "NOTHING can be told apart here: with %zu comparison%s p < 0.05 takes %zu records, and there %s "
                      "%zu (p is %zu x 2/2^%zu or more)",
                      family, plural(family), needed, records == 1 ? "is" : "are", records, family, records);
}

int comparison_judge(comparison *c, size_t cell, const compared *by, size_t family, err *e) {
    double           high = c->metric->less ? 1 / by->ratio.ci.lo : by->ratio.ci.hi;
    compare_verdict *v = c->verdict;
    if (c->o->least == 0 || by->ratio.ci.method == INTERVAL_NONE) return 0;
    if (by->groups < holm_records(family)) return 0; /* no p could be small enough */
    v->tested++;
    if (high >= c->o->least || !compared_apart(by)) return 0;
    if (v->below++ > 0) return 0;
    char *label = cell_keys_label(&c->keys, cell, e);
    if (label == NULL) return -1;
    double value = c->metric->less ? 1 / by->ratio.value : by->ratio.value;
    snprintf(v->first, sizeof v->first, "%.200s at %.3f, at most %.3f", label, value, high);
    free(label);
    return 0;
}

int compare_judge(const compare_options *o, const compare_verdict *v, err *e) {
    if (o->least == 0) return 0;
    if (v->tested == 0)
        return err_input(e,
                         "--fail-below needs intervals and p < 0.05, which so few records cannot give (%d distinct "
                         "records or more; harness compare without it says how many)",
                         BOOTSTRAP_LEAST);
    if (v->below == 0) return 0;
    return err_run(e, "%zu of %zu cell%s %s below %g beyond doubt, the first: %s", v->below, v->tested,
                   plural(v->tested), v->below == 1 ? "is" : "are", o->least, v->first);
}

static int digest_output(const store_trial *t, void *ctx, err *e) {
    (void)e;
    ((uint64_t *)ctx)[t->trial->trial] = digest64(t->ids, t->trial->tokens * sizeof *t->ids);
    return 0;
}

static int compare(comparison *c, err *e) {
    const store_data *d = &c->v->d;
    if ((c->outputs = mem_new(d->n_trials, sizeof *c->outputs, e)) == NULL) return -1;
    if (store_visit(d, VISIT_OUTPUTS, digest_output, c->outputs, e) != 0) return -1;
    if (counts_make(&c->v->d, &c->counts, e) != 0) return -1;
    if (cell_keys_make(&c->v->d, &c->keys, e) != 0) return -1;
    cell_keys_drop(&c->keys, "config");
    if (placed_trials_make(&c->v->d, c->o->pattern, &c->trials, e) != 0) return -1;
    if (placed_trials_all(&c->trials, e) != 0) return -1;
    if ((c->resamples = bootstrap_new(e)) == NULL || choose_metric(c, e) != 0) return -1;
    return runs_are(c) ? runs_print(c, e) : policies_print(c, e);
}

int compare_print(const view *v, const compare_options *o, FILE *out, compare_verdict *verdict, err *e) {
    comparison c = {.v = v, .o = o, .verdict = verdict, .out = out};
    *verdict = (compare_verdict){0};
    int status = compare(&c, e);
    if (status == 0 && fflush(out) != 0) status = err_errno(e, "compare", "cannot write the table");
    bootstrap_free(c.resamples);
    placed_trials_free(&c.trials);
    cell_keys_free(&c.keys);
    free(c.counts);
    free(c.outputs);
    return status;
}
