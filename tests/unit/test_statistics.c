/* Statistics of a results file, on data small enough to do in the head. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/counts.h"
#include "analysis/positions.h"
#include "analysis/records.h"
#include "analysis/spreads.h"
#include "engine/base/mem.h"
#include "tests/unit/results_sample.h"

static cell_counts *count(const store_data *d) {
    cell_counts *counts;
    err          e = {0};
    cr_assert_eq(counts_make(d, &counts, &e), 0, "%s", e.text);
    return counts;
}

static cell_spreads *spreads(const store_data *d) {
    cell_counts  *counts = count(d);
    cell_spreads *rows;
    err           e = {0};
    cr_assert_eq(spreads_make(d, counts, &rows, &e), 0, "%s", e.text);
    free(counts);
    return rows;
}

/* The statistic of n values, each from a different record; NaNs are missing. */
static spread spread_values(const double *values, size_t n) {
    value_groups v = {0};
    spread       out;
    err          e = {0};
    bootstrap   *b = bootstrap_new(&e);
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i])) cr_assert_eq(value_groups_add(&v, i, values[i], &e), 0, "%s", e.text);
    cr_assert_eq(spread_of(b, &v, n, &out, &e), 0, "%s", e.text);
    value_groups_free(&v);
    bootstrap_free(b);
    return out;
}

Test(counts, what_a_cell_adds_up_to) {
    store_data d;
    results_sample(&d);
    cell_counts *rows = count(&d), *c = &rows[1];
    cr_assert_eq(c->trials, 4);
    cr_assert_eq(c->tokens, 20);
    cr_assert_eq(c->steps, 10);
    cr_assert_eq(c->drafting_steps, 8);
    cr_assert_eq(c->drafted, 18);
    cr_assert_eq(c->testable, 14);
    cr_assert_eq(c->accepted, 10);
    cr_assert_eq(tokens_per_step(c->tokens, c->steps), 2.0);
    cr_assert(isnan(tokens_per_step(0, 0)));
    cr_assert_eq(c->timed, 4);
    cr_assert_eq(c->unequal, 1);
    cr_assert_eq(c->equal, 3);
    cr_assert_eq(c->logits_none, 4);
    cr_assert_eq(c->first_divergence, 3);
    cr_assert_eq(c->divergence_sample, 1);
    free(rows);
    cell_spreads *s = spreads(&d);
    cr_assert_eq(s[1].draft_ns_step, 250.0); /* median of 100, 200, 300, 300 */
    free(s);
}

/* results_sample with a speed-up of 1 where one is missing: {2, 3} and {1, 1}. */
static void complete_sample(store_data *d) {
    static trial_row trials[12];
    results_sample(d);
    memcpy(trials, d->trials, sizeof trials);
    trials[7].speedup = 1;
    d->trials = trials;
}

Test(spreads, a_statistic_of_some_trials_is_not_passed_off_as_that_of_all) {
    store_data d;
    results_sample(&d);
    cell_spreads *rows = spreads(&d);
    cr_assert_eq(rows[1].speedup.n, 3); /* 2, 3, 1 */
    cr_assert_eq(rows[1].speedup.of, 4);
    cr_assert(isnan(rows[1].speedup.median) && isnan(rows[1].speedup.q1) && isnan(rows[1].speedup.ci.lo));
    cr_assert_eq(rows[2].speedup.n, 4);
    cr_assert_eq(rows[2].speedup.median, 0.5);
    cr_assert_eq(rows[1].modeled.n, 0);
    cr_assert(isnan(rows[1].modeled.median) && isnan(rows[1].modeled.q1) && isnan(rows[1].modeled.ci.lo));
    free(rows);
}

Test(spreads, quartiles_of_all_trials) {
    store_data d;
    complete_sample(&d);
    cell_spreads *rows = spreads(&d);
    cr_assert_eq(rows[1].speedup.n, 4);
    cr_assert_eq(rows[1].speedup.median, 1.5);
    cr_assert_eq(rows[1].speedup.q1, 1.0);
    cr_assert_eq(rows[1].speedup.q3, 2.25);
    free(rows);
}

/* Half of the trials have logits: neither their largest difference nor their smallest margin is the cell's. */
Test(counts, extremes_of_some_trials_are_missing) {
    static trial_row trials[12];
    store_data       d;
    results_sample(&d);
    memcpy(trials, d.trials, sizeof trials);
    d.trials = trials;
    for (size_t i = 4; i < 8; i++) trials[i].max_abs_logit_diff = trials[i].min_margin = i < 6 ? 0.5 : (double)NAN;
    for (size_t i = 8; i < 12; i++) trials[i].max_abs_logit_diff = trials[i].min_margin = (double)i;
    cell_counts *rows = count(&d);
    cr_assert(isnan(rows[1].max_abs_logit_diff) && isnan(rows[1].min_margin));
    cr_assert_eq(rows[2].max_abs_logit_diff, 11.0);
    cr_assert_eq(rows[2].min_margin, 8.0);
    free(rows);
}

/* Whatever the order of the trials. */
Test(counts, the_first_sample_that_diverges_is_named) {
    static trial_row trials[12];
    store_data       d;
    results_sample(&d);
    for (size_t i = 0; i < 12; i++) trials[i] = d.trials[11 - i];
    d.trials = trials;
    d.n_steps = 0;
    for (size_t i = 0; i < 12; i++) trials[i].first_divergence = 2;
    cell_counts *rows = count(&d);
    cr_assert_eq(rows[1].first_divergence, 2);
    cr_assert_eq(rows[1].divergence_sample, 0);
    free(rows);
}

/* A trial that ends with the prompt's pass has no time per token, and lowers no count of those that have. */
Test(spreads, trials_without_anything_to_decode_are_not_missing_ones) {
    static trial_row trials[12];
    store_data       d;
    results_sample(&d);
    memcpy(trials, d.trials, sizeof trials);
    d.trials = trials;
    trials[7].plain_tokens = 1;
    cell_spreads *rows = spreads(&d);
    cr_assert_eq(rows[1].speedup.of, 3);
    cr_assert_eq(rows[1].speedup.median, 2.0);
    free(rows);
}

Test(spreads, duplicates_of_a_record_count_as_one) {
    static sample_row samples[2];
    store_data        d;
    err               e = {0};
    complete_sample(&d);
    memcpy(samples, d.samples, sizeof samples);
    samples[1].content = samples[0].content;
    d.samples = samples;
    record_count *n = records_count(&d, &e);
    cr_assert_eq(n[1].records, 2);
    cr_assert_eq(n[1].distinct, 1);
    free(n);
    cell_spreads *rows = spreads(&d);
    cr_assert_eq(rows[1].speedup.median, 1.5);
    cr_assert(isnan(rows[1].tokens_per_step.lo) && isnan(rows[1].speedup.ci.lo)); /* one record has no interval */
    free(rows);

    samples[1].dataset = "another"; /* where it is no duplicate */
    n = records_count(&d, &e);
    cr_assert_eq(n[1].distinct, 2);
    free(n);
    rows = spreads(&d);
    cr_assert_eq(rows[1].tokens_per_step.hi, 3.0);
    free(rows);
}

/* All of an output was said in the prompt's pass: no time at all is left in the model of the passes. */
Test(spreads, infinite_ratios_keep_their_place) {
    const double v[] = {INFINITY, 2, 1, INFINITY, 3};
    spread       s = spread_values(v, 5);
    cr_assert_eq(s.median, 3.0);
    cr_assert_eq(s.q1, 2.0);
    cr_assert(isinf(s.q3) && isinf(s.ci.hi) && !isnan(s.ci.lo));
}

Test(spreads, every_resample_of_equal_ratios_is_the_same) {
    store_data d;
    results_sample(&d);
    cell_counts *n = count(&d);
    cr_assert_eq(n[2].testable, 0);
    cr_assert_eq(n[2].drafting_steps, 0);
    free(n);
    cell_spreads *rows = spreads(&d);
    cr_assert_eq(rows[2].tokens_per_step.lo, 1.0);
    cr_assert_eq(rows[2].tokens_per_step.hi, 1.0);
    free(rows);
}

Test(spreads, the_interval_resamples_whole_samples) {
    store_data d;
    complete_sample(&d);
    cell_spreads *rows = spreads(&d);
    /* Two samples give three resamples: aa 12/4, ab 20/10, bb 8/6; 95% covers all of them. */
    cr_assert_eq(rows[1].tokens_per_step.lo, 4.0 / 3.0);
    cr_assert_eq(rows[1].tokens_per_step.hi, 3.0);
    /* Speed-ups: {2, 3} and {1, 1}; medians of the resamples 2.5, 1.5, 1. */
    cr_assert_eq(rows[1].speedup.ci.lo, 1.0);
    cr_assert_eq(rows[1].speedup.ci.hi, 2.5);
    free(rows);
}

Test(spreads, one_sample_has_no_interval) {
    store_data d;
    results_sample(&d);
    trial_row one[2] = {d.trials[4], d.trials[5]};
    d.trials = one;
    d.n_trials = 2;
    d.n_steps = 0;
    cell_spreads *rows = spreads(&d);
    cr_assert(isnan(rows[1].tokens_per_step.lo) && isnan(rows[1].tokens_per_step.hi));
    cr_assert(isnan(rows[1].speedup.ci.lo));
    cr_assert_eq(rows[1].speedup.median, 2.5);
    cr_assert(isnan(rows[0].tokens_per_step.lo) && isnan(rows[0].speedup.median) && isnan(rows[0].draft_ns_step));
    free(rows);
}

Test(spreads, does_not_depend_on_the_order_of_trials_or_other_cells) {
    store_data d;
    complete_sample(&d);
    cell_spreads *rows = spreads(&d);
    trial_row     turned[12];
    for (size_t i = 0; i < d.n_trials; i++) turned[i] = d.trials[d.n_trials - 1 - i];
    store_data other = d;
    other.trials = turned;
    other.n_steps = 0;
    cell_spreads *again = spreads(&other);
    for (size_t c = 0; c < d.n_cells; c++) {
        cr_assert_eq(rows[c].tokens_per_step.lo, again[c].tokens_per_step.lo);
        cr_assert_eq(rows[c].tokens_per_step.hi, again[c].tokens_per_step.hi);
        cr_assert_eq(rows[c].speedup.ci.lo, again[c].speedup.ci.lo);
        cr_assert_eq(rows[c].speedup.ci.hi, again[c].speedup.ci.hi);
        cr_assert_eq(rows[c].speedup.median, again[c].speedup.median);
    }
    other.n_trials = 8; /* the trials of cell 2 and 1, reversed; none of cell 0's */
    cell_spreads *fewer = spreads(&other);
    cr_assert_eq(rows[1].tokens_per_step.lo, fewer[1].tokens_per_step.lo);
    cr_assert_eq(rows[1].speedup.ci.hi, fewer[1].speedup.ci.hi);
    free(rows);
    free(again);
    free(fewer);
}

Test(counts, indices_that_lead_nowhere_are_input_errors) {
    store_data   d;
    cell_counts *rows;
    err          e = {0};
    results_sample(&d);
    trial_row bad = d.trials[0];
    bad.cell = 3;
    d.trials = &bad;
    d.n_trials = 1;
    cr_assert_eq(counts_make(&d, &rows, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    bad.cell = 0;
    bad.sample = 2;
    cr_assert_eq(counts_make(&d, &rows, &e), -1);
    bad.sample = 0;
    d.steps[0].trial = 1;
    cr_assert_eq(counts_make(&d, &rows, &e), -1);
    cr_assert(strstr(e.text, "trial 1 of 1") != NULL, "%s", e.text);
    cr_assert_null(rows);
}

Test(spreads, an_empty_file_has_no_rows) {
    store_data d = {0};
    free(count(&d));
    free(spreads(&d));
    cell_positions *p;
    err             e = {0};
    cr_assert_eq(positions_make(&d, &p, &e), 0);
    positions_free(p, 0);
}

Test(spreads, every_allocation_may_fail) {
    store_data d;
    complete_sample(&d);
    cell_counts *counts = count(&d);
    for (size_t k = 1;; k++) {
        cell_spreads *rows;
        err           e = {0};
        mem_fail_at(k);
        int status = spreads_make(&d, counts, &rows, &e);
        mem_fail_at(0);
        if (status == 0) {
            cr_assert_gt(k, 10);
            free(rows);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN);
        cr_assert_null(rows);
    }
    free(counts);
}

Test(spreads, of_values_without_holes) {
    const double v[] = {4, NAN, 1, 3, 2, NAN, 5}, whole[] = {4, 1, 3, 2, 5};
    spread       s = spread_values(v, 7);
    cr_assert(s.n == 5 && s.of == 7 && isnan(s.median) && isnan(s.ci.lo));
    s = spread_values(whole, 5);
    cr_assert(s.n == 5 && s.of == 5);
    cr_assert_eq(s.median, 3.0);
    cr_assert_eq(s.q1, 2.0);
    cr_assert_eq(s.q3, 4.0);
    cr_assert(s.ci.lo >= 1 && s.ci.lo <= s.median && s.ci.hi >= s.median && s.ci.hi <= 5);
    spread again = spread_values(whole, 5);
    cr_assert_eq(memcmp(&s, &again, sizeof s), 0);

    s = spread_values(v + 1, 1);
    cr_assert(s.n == 0 && isnan(s.median) && isnan(s.q1) && isnan(s.q3) && isnan(s.ci.lo) && isnan(s.ci.hi));
    s = spread_values(v, 1);
    cr_assert(s.n == 1 && s.median == 4 && s.q1 == 4 && s.q3 == 4 && isnan(s.ci.lo));
}

/* Seed and draws are part of the published numbers: no others give these. */
Test(bootstrap, the_same_groups_give_the_same_interval_for_ever) {
    err             e = {0};
    bootstrap      *b = bootstrap_new(&e);
    value_groups    v = {0};
    interval        of_ratio, of_median;
    const ratio_sum sums[] = {{7, 2}, {5, 5}, {11, 4}, {1, 1}, {13, 3}};
    cr_assert_eq(bootstrap_ratio(b, sums, 5, &of_ratio, &e), 0, "%s", e.text);
    for (size_t i = 0; i < 12; i++) cr_assert_eq(value_groups_add(&v, i / 2, (double)(i * i) / 8, &e), 0);
    cr_assert_eq(v.groups, 6);
    cr_assert_eq(bootstrap_median(b, &v, &of_median, &e), 0, "%s", e.text);
    cr_assert_eq(of_ratio.lo, 19.0 / 14);
    cr_assert_eq(of_ratio.hi, 41.0 / 11);
    cr_assert_eq(of_median.lo, 0.8125);
    cr_assert_eq(of_median.hi, 11.3125);
    value_groups_free(&v);
    bootstrap_free(b);
}

/* A resample may draw only records without steps. */
Test(bootstrap, no_interval_where_a_resample_has_no_denominator) {
    err             e = {0};
    bootstrap      *b = bootstrap_new(&e);
    interval        of;
    const ratio_sum sums[] = {{7, 2}, {0, 0}};
    cr_assert_eq(bootstrap_ratio(b, sums, 2, &of, &e), 0);
    cr_assert(isnan(of.lo) && isnan(of.hi));
    cr_assert_eq(bootstrap_ratio(b, sums, 1, &of, &e), 0);
    cr_assert(isnan(of.lo) && isnan(of.hi));
    bootstrap_free(b);
}

Test(positions, count_reached_tested_accepted) {
    store_data      d;
    cell_positions *p;
    err             e = {0};
    results_sample(&d);
    cr_assert_eq(positions_make(&d, &p, &e), 0);
    cr_assert_eq(p[0].n, 0);
    cr_assert_eq(p[2].n, 0);
    cr_assert_eq(p[1].n, 3);
    /* Drafts {testable, accepted}, twice each: {3,3} {1,1} {2,0} {1,1} */
    const position_count want[] = {{8, 8, 6}, {4, 2, 2}, {2, 2, 2}};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(p[1].at[i].reached, want[i].reached);
        cr_assert_eq(p[1].at[i].tested, want[i].tested);
        cr_assert_eq(p[1].at[i].accepted, want[i].accepted);
    }
    positions_free(p, d.n_cells);
}

/* The table must agree with the steps, whatever the data. */
Test(counts, agree_with_a_recount_from_the_steps) {
    enum { CELLS = 5, SAMPLES = 7, REPEATS = 3, TRIALS = CELLS * SAMPLES * REPEATS };
    static cell_row   cells[CELLS];
    static sample_row samples[SAMPLES];
    static trial_row  trials[TRIALS];
    static step_row   steps[TRIALS * 9];
    uint32_t          noise_state = 12345;
    size_t            n = 0, tokens[CELLS] = {0}, passes[CELLS] = {0}, drafting[CELLS] = {0};
    for (uint32_t t = 0; t < TRIALS; t++) {
        trial_row *r = &trials[t];
        *r = (trial_row){.trial = t,
                         .cell = t / (SAMPLES * REPEATS),
                         .sample = t / REPEATS % SAMPLES,
                         .repeat = t % REPEATS,
                         .speedup = NAN,
                         .modeled_speedup = NAN,
                         .first_divergence = -1};
        noise_state = noise_state * 1664525 + 1013904223;
        r->steps = 1 + (noise_state >> 16) % 9;
        for (uint32_t s = 0; s < r->steps; s++) {
            noise_state = noise_state * 1664525 + 1013904223;
            uint16_t drafted = (uint16_t)((noise_state >> 20) % 5),
                     accepted = (uint16_t)((noise_state >> 12) % (drafted + 1u));
            steps[n++] = (step_row){.trial = t,
                                    .step = s,
                                    .drafted = drafted,
                                    .testable = drafted,
                                    .depth = drafted,
                                    .accepted = accepted,
                                    .emitted = (uint16_t)(accepted + 1)};
            r->tokens += accepted + 1u;
            r->drafted += drafted;
            r->testable += drafted;
            r->accepted += accepted;
            tokens[r->cell] += accepted + 1u;
            passes[r->cell]++;
            drafting[r->cell] += drafted > 0;
        }
    }
    for (uint32_t s = 0; s < SAMPLES; s++) samples[s] = (sample_row){.sample = s, .dataset = "", .content = s};
    store_data      d = {.cells = cells,
                         .n_cells = CELLS,
                         .samples = samples,
                         .n_samples = SAMPLES,
                         .trials = trials,
                         .n_trials = TRIALS,
                         .steps = steps,
                         .n_steps = n};
    cell_counts    *rows = count(&d);
    cell_spreads   *around = spreads(&d);
    cell_positions *p;
    err             e = {0};
    cr_assert_eq(positions_make(&d, &p, &e), 0);
    for (size_t c = 0; c < CELLS; c++) {
        double ratio = (double)tokens[c] / (double)passes[c];
        cr_assert_eq(tokens_per_step(rows[c].tokens, rows[c].steps), ratio);
        cr_assert_eq(rows[c].drafting_steps, drafting[c]);
        cr_assert(around[c].tokens_per_step.lo <= ratio && around[c].tokens_per_step.hi >= ratio);
        size_t drafted = 0, accepted = 0;
        for (size_t i = 0; i < p[c].n; i++) {
            drafted += p[c].at[i].reached;
            accepted += p[c].at[i].accepted;
        }
        cr_assert_eq(drafted, rows[c].drafted);
        cr_assert_eq(accepted, rows[c].accepted);
        cr_assert_eq(p[c].at[0].reached, drafting[c]);
        cr_assert_eq(p[c].at[0].tested, drafting[c]);
    }
    positions_free(p, CELLS);
    free(around);
    free(rows);
}
