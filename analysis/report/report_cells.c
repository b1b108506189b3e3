/* report_cells.c - settings, cells and their groups, as the page's data. */
#include <math.h>

#include "analysis/report/report_parts.h"

static void put_spread(json_out *j, const char *name, const spread *s) {
    if (s->n == 0) return;
    json_out_begin(j, name, '{');
    json_out_real(j, "median", s->median, 6);
    json_out_real(j, "q1", s->q1, 6);
    json_out_real(j, "q3", s->q3, 6);
    json_out_real(j, "lo", s->ci.lo, 6);
    json_out_real(j, "hi", s->ci.hi, 6);
    json_out_count(j, "n", s->n);
    json_out_count(j, "of", s->of);
    json_out_end(j, '}');
}

/* Value, lower and upper end. */
static void put_estimate(json_out *j, const char *name, double value, const interval *ci) {
    json_out_begin(j, name, '[');
    json_out_real(j, NULL, value, 6);
    json_out_real(j, NULL, ci->lo, 6);
    json_out_real(j, NULL, ci->hi, 6);
    json_out_end(j, ']');
}

static void put_sum(json_out *j, const step_sum *s) {
    json_out_begin(j, NULL, '[');
    json_out_count(j, NULL, s->steps);
    json_out_count(j, NULL, s->drafted);
    json_out_count(j, NULL, s->testable);
    json_out_count(j, NULL, s->accepted);
    json_out_count(j, NULL, s->emitted);
    json_out_count(j, NULL, s->compared);
    json_out_count(j, NULL, s->ns);
    json_out_count(j, NULL, s->plain_ns);
    json_out_end(j, ']');
}

static void put_sums(json_out *j, const char *name, const step_sum *sums, size_t n) {
    json_out_begin(j, name, '[');
    for (size_t i = 0; i < n; i++) put_sum(j, &sums[i]);
    json_out_end(j, ']');
}

static void put_counts(json_out *j, const cell_counts *n) {
    json_out_count(j, "trials", n->trials);
    json_out_count(j, "tokens", n->tokens);
    json_out_count(j, "steps", n->steps);
    json_out_count(j, "drafting_steps", n->drafting_steps);
    json_out_count(j, "drafted", n->drafted);
    json_out_count(j, "testable", n->testable);
    json_out_count(j, "accepted", n->accepted);
    json_out_count(j, "equal", n->equal);
    json_out_count(j, "logits_equal", n->logits_equal);
    json_out_count(j, "logits_none", n->logits_none);
    json_out_count(j, "truncated", n->truncated);
    json_out_integer(j, "first_divergence", n->first_divergence);
    json_out_real(j, "max_abs_logit_diff", n->max_abs_logit_diff, 4);
    json_out_real(j, "min_margin", n->min_margin, 4);
}

static void put_times(json_out *j, const cell_sums *s) {
    if (s->timed == 0) return;
    json_out_begin(j, "time", '{');
    json_out_count(j, "tokens", s->tokens);
    json_out_count(j, "draft_ns", s->draft_ns);
    json_out_count(j, "verify_ns", s->verify_ns);
    json_out_count(j, "other_ns", s->other_ns);
    json_out_count(j, "plain_ns", s->plain_ns);
    json_out_count(j, "plain_tokens", s->plain_tokens);
    json_out_end(j, '}');
}

/* reached, tested, accepted of each position, one after another. */
static void put_positions(json_out *j, const cell_positions *p, size_t most) {
    json_out_begin(j, "positions", '[');
    for (size_t i = 0; i < p->n && i < most; i++) {
        json_out_count(j, NULL, p->at[i].reached);
        json_out_count(j, NULL, p->at[i].tested);
        json_out_count(j, NULL, p->at[i].accepted);
    }
    json_out_end(j, ']');
}

static void put_scenarios(const report_data *r, size_t cell, json_out *j) {
    const scenario_sum *at = r->scenarios.at + cell * r->scenarios.n;
    json_out_begin(j, "scenarios", '[');
    for (size_t i = 0; i < r->scenarios.n; i++) {
        json_out_begin(j, NULL, '[');
        json_out_count(j, NULL, at[i].trials);
        json_out_count(j, NULL, at[i].tokens);
        json_out_count(j, NULL, at[i].steps);
        json_out_real(j, NULL, at[i].speedup, 6);
        json_out_end(j, ']');
    }
    json_out_end(j, ']');
}

static void put_cell(const report_data *r, size_t c, size_t positions, json_out *j) {
    const cell_row     *row = &r->d->cells[c];
    const cell_spreads *s = &r->spreads[c];
    json_out_begin(j, NULL, '{');
    json_out_text(j, "id", row->id);
    json_out_count(j, "group", r->group[c]);
    json_out_begin(j, "settings", '[');
    for (size_t i = 0; i < r->keys.n; i++) json_out_text(j, NULL, r->keys.keys[i].at[c]);
    json_out_end(j, ']');
    json_out_count(j, "wanted", row->trials);
    json_out_count(j, "timed", row->timed);
    json_out_text(j, "cpu", row->cpu);
    json_out_text(j, "isa", row->isa);
    json_out_text(j, "program", row->harness_version);
    put_counts(j, &r->counts[c]);
    put_estimate(j, "tokens_per_step", s->tokens_per_step.value, &s->tokens_per_step.ci);
    json_out_real(j, "tokens_per_step_macro", s->tokens_per_step_macro, 6);
    put_estimate(j, "speedup_total", s->speedup_total.value, &s->speedup_total.ci);
    put_estimate(j, "modeled_total", s->modeled_total.value, &s->modeled_total.ci);
    json_out_real(j, "speedup_geometric", s->speedup_geometric, 6);
    put_spread(j, "speedup", &s->speedup);
    put_spread(j, "modeled", &s->modeled);
    json_out_real(j, "draft_ns_step", s->draft_ns_step, 6);
    put_times(j, &r->sums[c]);
    put_positions(j, &r->positions[c], positions);
    put_sums(j, "from", r->sums[c].from, FROM_KINDS);
    put_sums(j, "match", r->sums[c].match, MATCH_BINS);
    if (r->scenarios.n > 1) put_scenarios(r, c, j);
    json_out_end(j, '}');
}

/* The most positions of each cell with which all of them are at most REPORT_POSITIONS. */
static size_t position_limit(const report_data *r) {
    size_t longest = 0;
    for (size_t c = 0; c < r->d->n_cells; c++)
        if (r->positions[c].n > longest) longest = r->positions[c].n;
    for (size_t most = longest;; most = most / 2) {
        size_t sum = 0;
        for (size_t c = 0; c < r->d->n_cells; c++) sum += r->positions[c].n < most ? r->positions[c].n : most;
        if (sum <= REPORT_POSITIONS || most == 0) return most;
    }
}

static void put_keys(const report_data *r, json_out *j) {
    json_out_begin(j, "keys", '[');
    for (size_t i = 0; i < r->keys.n; i++) {
        const cell_key *k = &r->keys.keys[i];
        json_out_begin(j, NULL, '{');
        json_out_text(j, "name", k->name);
        json_out_text(j, "column", k->column);
        json_out_text(j, "role", setting_role_name(k->role));
        json_out_text(j, "owner", k->owner);
        json_out_flag(j, "parameter", k->setting == NULL);
        json_out_flag(j, "number", k->number);
        json_out_flag(j, "varies", k->varies && !k->hidden);
        json_out_end(j, '}');
    }
    json_out_end(j, ']');
}

static void put_names(json_out *j, const char *name, const char *const *names, size_t n) {
    json_out_begin(j, name, '[');
    for (size_t i = 0; i < n; i++) json_out_text(j, NULL, names[i]);
    json_out_end(j, ']');
}

static void put_passes(const report_data *r, json_out *j) {
    json_out_begin(j, "passes", '[');
    for (size_t i = 0; i < r->n_passes; i++) {
        const pass_time *p = &r->passes[i];
        json_out_begin(j, NULL, '[');
        json_out_count(j, NULL, p->group);
        json_out_count(j, NULL, p->tokens);
        json_out_count(j, NULL, p->n);
        json_out_real(j, NULL, p->q1, 5);
        json_out_real(j, NULL, p->median, 5);
        json_out_real(j, NULL, p->q3, 5);
        json_out_end(j, ']');
    }
    json_out_end(j, ']');
}

void report_cells(const report_data *r, json_out *j) {
    size_t positions = position_limit(r), cut = 0;
    for (size_t c = 0; c < r->d->n_cells; c++) cut += r->positions[c].n > positions;
    json_out_count(j, "groups", r->n_groups);
    json_out_count(j, "position_limit", positions);
    json_out_count(j, "positions_cut", cut);
    put_keys(r, j);
    put_names(j, "from_names", draft_from_names, FROM_KINDS);
    put_names(j, "match_names", match_bin_names, MATCH_BINS);
    put_names(j, "scenario_names", r->scenarios.names, r->scenarios.n);
    json_out_begin(j, "costs", '[');
    for (size_t i = 0; i < r->d->costs.n; i++) {
        json_out_begin(j, NULL, '{');
        json_out_text(j, "name", r->d->costs.at[i].name);
        json_out_text(j, "text", r->d->costs.at[i].text);
        json_out_end(j, '}');
    }
    json_out_end(j, ']');
    put_passes(r, j);
    json_out_begin(j, "cells", '[');
    for (size_t c = 0; c < r->d->n_cells; c++) put_cell(r, c, positions, j);
    json_out_end(j, ']');
}
