/* check.c - the invariants S1 to S8 of store.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "store/rows.h"
#include "store/settings.h"

static int check_cell(const cell_row *c, size_t i, err *e) {
    if (c->cell != i) return err_input(e, "cells: row %zu is numbered %" PRIu32, i, c->cell);
    if (strlen(c->id) != 16) return err_input(e, "cells: row %zu: the id \"%s\" does not have 16 characters", i, c->id);
    if (c->timed > 1) return err_input(e, "cells: row %zu: timed is %u (0 or 1)", i, c->timed);
    for (size_t k = 0; k < SETTINGS; k++) {
        const setting *s = &settings[k];
        if (s->kind == FIELD_ID && strlen(setting_text(s, c)) != 16)
            return err_input(e, "cells: row %zu: the %s \"%s\" does not have 16 characters", i, s->name,
                             setting_text(s, c));
        if (s->kind == FIELD_U8 && setting_number(s, c) > 1)
            return err_input(e, "cells: row %zu: %s is %.0f (0 or 1)", i, s->name, setting_number(s, c));
    }
    return 0;
}

/* Below zero, zero or above zero: `a` comes before `b`, is equal to it, or comes after it. */
static int trial_compare(const trial_row *a, const trial_row *b) {
    if (a->cell != b->cell) return a->cell < b->cell ? -1 : 1;
    if (a->sample != b->sample) return a->sample < b->sample ? -1 : 1;
    return (a->repeat > b->repeat) - (a->repeat < b->repeat);
}

/* S7. The cell of the last trial has no more than its row says. */
static int check_count(const store_data *d, const trials_check *k, err *e) {
    if (k->n == 0 || k->of_cell <= d->cells[k->last.cell].trials) return 0;
    return err_input(e, "cells: row %" PRIu32 ": has %" PRIu32 " trials, but the file holds %zu", k->last.cell,
                     d->cells[k->last.cell].trials, k->of_cell);
}

int store_check_trial(const store_data *d, trials_check *k, const trial_row *t, err *e) {
    size_t i = k->n;
    if (t->trial != i) return err_input(e, "trials: row %zu is numbered %" PRIu32, i, t->trial);
    if (t->cell >= d->n_cells)
        return err_input(e, "trials: row %zu: cell %" PRIu32 " does not exist (there are %zu)", i, t->cell, d->n_cells);
    if (t->sample >= d->n_samples)
        return err_input(e, "trials: row %zu: sample %" PRIu32 " does not exist (there are %zu)", i, t->sample,
                         d->n_samples);
    if (t->process >= d->n_processes)
        return err_input(e, "trials: row %zu: process %" PRIu32 " does not exist (there are %zu)", i, t->process,
                         d->n_processes);
    if (i > 0 && trial_compare(&k->last, t) >= 0)
        return err_input(e, "trials: row %zu does not follow the one before it (sorted by cell, sample, repeat)", i);
    if (t->equal > 1 || t->truncated > 1 || t->logits_equal > 2)
        return err_input(
            e, "trials: row %zu: equal, truncated or logits_equal is %u, %u, %u (0 or 1; logits_equal 0 to 2)", i,
            t->equal, t->truncated, t->logits_equal);
    if (t->steps > d->n_steps - k->steps)
        return err_input(e, "steps: end before the %" PRIu32 " steps of trial %zu do", t->steps, i);
    bool enters = i > 0 && t->cell != k->last.cell;
    if (enters && check_count(d, k, e) != 0) return -1;
    k->of_cell = enters ? 1 : k->of_cell + 1;
    k->steps += t->steps;
    k->tokens += t->tokens;
    k->last = *t;
    k->n++;
    return 0;
}

int store_check_end(const store_data *d, const trials_check *k, err *e) {
    if (check_count(d, k, e) != 0) return -1;
    if (k->steps != d->n_steps)
        return err_input(e, "steps: %" PRIu64 " rows belong to no trial", d->n_steps - k->steps);
    if (k->tokens != d->n_ids)
        return err_input(e, "tokens/ids: has %zu ids, the trials have %" PRIu64, d->n_ids, k->tokens);
    return 0;
}

int store_check_offset(const trial_row *t, size_t i, uint64_t from, uint64_t to, err *e) {
    if (i == 0 && from != 0) return err_input(e, "tokens/offset: does not begin with 0");
    if (from <= to && to - from == t->tokens) return 0;
    return err_input(e, "tokens/offset: row %zu: trial %zu does not have its %" PRIu32 " tokens", i + 1, i, t->tokens);
}

static int check_sums(const trial_row *t, const step_row *steps, size_t first, err *e) {
    size_t   i = t->trial;
    uint64_t emitted = 0, drafted = 0, testable = 0, accepted = 0;

    for (size_t j = 0; j < t->steps; j++) {
        const step_row *s = &steps[j];
        if (s->trial != i || s->step != j)
            return err_input(e, "steps: row %zu is step %" PRIu32 " of trial %" PRIu32 ", not step %zu of trial %zu",
                             first + j, s->step, s->trial, j, i);
        if (s->accepted > s->depth || s->depth > s->testable || s->testable > s->drafted ||
            (s->depth == 0) != (s->testable == 0) || s->emitted != s->accepted + 1)
            return err_input(e,
                             "steps: row %zu: drafted, testable, depth, accepted are %u, %u, %u, %u, and emitted is %u "
                             "(none is more than the one before, testable tokens have a depth; emitted = accepted + 1)",
                             first + j, s->drafted, s->testable, s->depth, s->accepted, s->emitted);
        if (s->position != emitted)
            return err_input(e, "steps: row %zu: position is %" PRIu32 ", not %" PRIu64, first + j, s->position,
                             emitted);
        if (s->testable < s->drafted && (uint64_t)s->position + s->depth + 1 != t->tokens)
            return err_input(e, "steps: row %zu: testable is %u of %u although the output goes on", first + j,
                             s->testable, s->drafted);
        if ((uint64_t)s->position + s->depth + 1 > t->tokens)
            return err_input(e, "steps: row %zu: depth is %u, past the output's last token", first + j, s->depth);
        emitted += s->emitted;
        drafted += s->drafted;
        testable += s->testable;
        accepted += s->accepted;
    }
    if (emitted != t->tokens || drafted != t->drafted || testable != t->testable || accepted != t->accepted)
        return err_input(e,
                         "trials: row %zu: tokens, drafted, testable, accepted are %" PRIu32 ", %" PRIu32 ", %" PRIu32
                         ", %" PRIu32 "; its steps sum to %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                         i, t->tokens, t->drafted, t->testable, t->accepted, emitted, drafted, testable, accepted);
    return 0;
}

/* S8 */
static int check_sameness(const trial_row *t, const step_row *s, err *e) {
    bool   equal = true;
    double margin = NAN;
    for (size_t j = 0; j < t->steps; equal = s[j++].equal) {
        if (s[j].equal > 1 || s[j].logits_equal > 2)
            return err_input(e, "steps: step %zu of trial %" PRIu32 ": equal, logits_equal are %u, %u (0 or 1; 0 to 2)",
                             j, t->trial, s[j].equal, s[j].logits_equal);
        if (s[j].equal ? !equal : t->equal)
            return err_input(e, "steps: step %zu of trial %" PRIu32 ": equal is %u, against its %s", j, t->trial,
                             s[j].equal, t->equal ? "trial" : "step before");
        if (t->logits_equal != 0 && s[j].logits_equal != t->logits_equal)
            return err_input(e, "steps: step %zu of trial %" PRIu32 ": logits_equal is %u, that of its trial %u", j,
                             t->trial, s[j].logits_equal, t->logits_equal);
        margin = margin <= s[j].margin ? margin : s[j].margin;
    }
    if (margin != t->min_margin && !(isnan(margin) && isnan(t->min_margin)))
        return err_input(e, "trials: row %" PRIu32 ": min_margin is %g, the smallest margin of its steps %g", t->trial,
                         t->min_margin, margin);
    return 0;
}

int store_check_steps(const trial_row *t, const step_row *steps, size_t first, err *e) {
    return check_sums(t, steps, first, e) != 0 ? -1 : check_sameness(t, steps, e);
}

int store_check_frame(const store_data *d, err *e) {
    for (size_t i = 0; i < d->n_cells; i++)
        if (check_cell(&d->cells[i], i, e) != 0) return -1;
    for (size_t i = 0; i < d->n_samples; i++)
        if (d->samples[i].sample != i)
            return err_input(e, "samples: row %zu is numbered %" PRIu32, i, d->samples[i].sample);
    for (size_t i = 0; i < d->n_skipped; i++)
        if (d->skipped[i].skipped != i)
            return err_input(e, "skipped: row %zu is numbered %" PRIu32, i, d->skipped[i].skipped);
    for (size_t i = 0; i < d->n_processes; i++)
        if (d->processes[i].process != i || strlen(d->processes[i].id) != 16)
            return err_input(e, "processes: row %zu is numbered %" PRIu32 ", its id is \"%s\" (16 characters)", i,
                             d->processes[i].process, d->processes[i].id);
    return 0;
}

static int check_visited(const store_trial *t, void *ctx, err *e) {
    size_t *first = ctx;
    if (store_check_steps(t->trial, t->steps, *first, e) != 0) return -1;
    *first += t->trial->steps;
    return 0;
}

static int check_rows(const store_data *d, err *e) {
    trials_check k = {0};
    for (size_t i = 0; i < d->n_trials; i++)
        if (store_check_trial(d, &k, &d->trials[i], e) != 0) return -1;
    for (size_t i = 0; d->offset != NULL && i < d->n_trials; i++)
        if (store_check_offset(&d->trials[i], i, d->offset[i], d->offset[i + 1], e) != 0) return -1;
    return store_check_end(d, &k, e);
}

int store_check(const store_data *d, err *e) {
    size_t first = 0;
    if (store_check_frame(d, e) != 0 || (d->places == NULL && check_rows(d, e) != 0)) return -1;
    return store_visit(d, VISIT_STEPS, check_visited, &first, e);
}
