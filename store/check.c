/* check.c - the invariants S1 to S7 of store.h. */
#include <inttypes.h>
#include <string.h>

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

static int check_trial(const store_data *d, size_t i, err *e) {
    const trial_row *t = &d->trials[i];
    if (t->trial != i) return err_input(e, "trials: row %zu is numbered %" PRIu32, i, t->trial);
    if (t->cell >= d->n_cells)
        return err_input(e, "trials: row %zu: cell %" PRIu32 " does not exist (there are %zu)", i, t->cell, d->n_cells);
    if (t->sample >= d->n_samples)
        return err_input(e, "trials: row %zu: sample %" PRIu32 " does not exist (there are %zu)", i, t->sample,
                         d->n_samples);
    if (t->process >= d->n_processes)
        return err_input(e, "trials: row %zu: process %" PRIu32 " does not exist (there are %zu)", i, t->process,
                         d->n_processes);
    if (i > 0 && trial_compare(&d->trials[i - 1], t) >= 0)
        return err_input(e, "trials: row %zu does not follow the one before it (sorted by cell, sample, repeat)", i);
    if (t->equal > 1 || t->truncated > 1 || t->logits_equal > 2)
        return err_input(
            e, "trials: row %zu: equal, truncated or logits_equal is %u, %u, %u (0 or 1; logits_equal 0 to 2)", i,
            t->equal, t->truncated, t->logits_equal);
    if (d->offset[i] > d->offset[i + 1] || d->offset[i + 1] - d->offset[i] != t->tokens)
        return err_input(e, "tokens/offset: row %zu: trial %zu does not have its %" PRIu32 " tokens", i + 1, i,
                         t->tokens);
    return 0;
}

/* The steps of trial i, which begin at row `first`. */
static int check_steps(const store_data *d, size_t i, size_t first, err *e) {
    const trial_row *t = &d->trials[i];
    uint64_t         emitted = 0, drafted = 0, testable = 0, accepted = 0;

    if (t->steps > d->n_steps - first)
        return err_input(e, "steps: end before the %" PRIu32 " steps of trial %zu do", t->steps, i);
    for (size_t j = 0; j < t->steps; j++) {
        const step_row *s = &d->steps[first + j];
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

/* S7. Trials are sorted by cell. */
static int check_counts(const store_data *d, err *e) {
    size_t i = 0;
    for (size_t c = 0; c < d->n_cells; c++) {
        size_t n = 0;
        for (; i < d->n_trials && d->trials[i].cell == c; i++) n++;
        if (n > d->cells[c].trials)
            return err_input(e, "cells: row %zu: has %" PRIu32 " trials, but the file holds %zu", c, d->cells[c].trials,
                             n);
    }
    return 0;
}

int store_check(const store_data *d, err *e) {
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

    if (d->n_trials > 0 && d->offset[0] != 0) return err_input(e, "tokens/offset: does not begin with 0");
    size_t first = 0;
    for (size_t i = 0; i < d->n_trials; i++) {
        if (check_trial(d, i, e) != 0 || check_steps(d, i, first, e) != 0) return -1;
        first += d->trials[i].steps;
    }
    if (first != d->n_steps) return err_input(e, "steps: %zu rows belong to no trial", d->n_steps - first);
    uint64_t end = d->n_trials > 0 ? d->offset[d->n_trials] : 0;
    if (end != d->n_ids) return err_input(e, "tokens/ids: has %zu ids, the trials have %" PRIu64, d->n_ids, end);
    return check_counts(d, e);
}
