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
    cr_assert_eq(spreads_make(d, counts, NULL, &rows, &e), 0, "%s", e.text);
    free(counts);
    return rows;
}

/* The statistic of n values, each from a different record; NaNs are missing. */
static spread spread_values(const double *values, size_t n) {
    grouped_values v = {0};
    spread         out;
    size_t         groups = 0;
    err            e = {0};
    bootstrap     *b = bootstrap_new(&e);
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i])) cr_assert_eq(grouped_values_add(&v, groups++, values[i], &e), 0, "%s", e.text);
    cr_assert_eq(spread_of(b, &v, groups, n, &out, &e), 0, "%s", e.text);
    grouped_values_free(&v);
    bootstrap_free(b);
    return out;
}

/* One cell over `records` records with `repeats` trials each, of which those after the first `distinct` are duplicates
 * of them. Speed-ups are 1.0, 1.2, ... in turn; steps and tokens vary, too. */
enum { MOST_RECORDS = 40, MOST_TRIALS = 120, MOST_STEPS = 9 * MOST_TRIALS };
static void many_records(store_data *d, uint32_t records, uint32_t repeats, uint32_t distinct) {
    static sample_row samples[MOST_RECORDS];
    static trial_row  trials[MOST_TRIALS];
    static step_row   steps[MOST_STEPS]; /* what is in them does not matter */
    results_sample(d);
    for (uint32_t s = 0; s < records; s++)
        samples[s] = (sample_row){.sample = s, .dataset = "demo", .id = "x", .content = s % distinct};
    for (uint32_t i = 0; i < records * repeats; i++) {
        uint32_t s = i / repeats, like = s % distinct;
        trials[i] = (trial_row){.sample = s,
                                .repeat = i % repeats,
                                .tokens = 10 + like % 7,
                                .plain_tokens = 10 + like % 7,
                                .steps = 4 + like % 5,
                                .plain_ns = 1000 + 100 * (like % 3),
                                .decode_ns = 500 + 40 * (like % 11),
                                .equal = 1,
                                .logits_equal = 2,
                                .first_divergence = -1,
                                .modeled_speedup = NAN};
        trials[i].speedup = (double)trials[i].plain_ns / (double)trials[i].decode_ns;
    }
    d->n_cells = 1;
    d->samples = samples;
    d->n_samples = records;
    d->trials = trials;
    d->n_trials = records * repeats;
    d->steps = steps;
    d->n_steps = MOST_STEPS;
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

Test(counts, what_outputs_cost_is_summed_where_all_trials_know_it) {
    static trial_row trials[12];
    store_data       d;
    results_sample(&d);
    memcpy(trials, d.trials, sizeof trials);
    d.trials = trials;
    for (size_t i = 4; i < 12; i++) trials[i].log_likelihood = trials[i].plain_log_likelihood = -(double)i;
    trials[9].plain_log_likelihood = NAN;
    cell_counts *rows = count(&d);
    cr_assert(isnan(rows[0].log_likelihood) && isnan(rows[0].plain_log_likelihood));
    cr_assert_eq(rows[1].log_likelihood, -22.0);
    cr_assert_eq(rows[1].plain_log_likelihood, -22.0);
    cr_assert_eq(rows[2].log_likelihood, -38.0);
    cr_assert(isnan(rows[2].plain_log_likelihood));
    cr_assert_eq(rows[1].plain_tokens, 20);
    cr_assert_eq(rows[1].agreeing, 19, "one output of 4 differs from index 3 on");
    cr_assert_eq(rows[2].agreeing, 20);
    free(rows);
}

/* Whatever the order of the trials. */
Test(counts, the_first_sample_that_diverges_is_named) {
    static trial_row trials[12];
    store_data       d;
    results_sample(&d);
    for (size_t i = 0; i < 12; i++) trials[i] = d.trials[11 - i];
    d.trials = trials;
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
    free(rows);

    samples[1].dataset = "another"; /* where it is no duplicate */
    n = records_count(&d, &e);
    cr_assert_eq(n[1].distinct, 2);
    free(n);
}

/* All of an output was said in the prompt's pass: no time at all is left in the model of the passes. */
Test(spreads, infinite_ratios_keep_their_place) {
    const double v[] = {INFINITY, 2, 1, INFINITY, 3, 1, 2, 3, 4, 5, INFINITY};
    spread       s = spread_values(v, 11);
    cr_assert_eq(s.median, 3.0);
    cr_assert_eq(s.q1, 2.0);
    cr_assert(isinf(s.q3) && isinf(s.ci.hi) && !isnan(s.ci.lo));
    cr_assert_eq(s.ci.method, INTERVAL_PERCENTILE, "BCa cannot be had");
}

/* Counting them as more data would narrow intervals. */
Test(spreads, neither_repeats_nor_duplicates_are_more_data) {
    store_data d;
    many_records(&d, 20, 1, 20);
    cell_spreads *once = spreads(&d);
    many_records(&d, 20, 3, 20);
    cell_spreads *thrice = spreads(&d);
    many_records(&d, 40, 1, 20);
    cell_spreads *twice = spreads(&d);
    cr_assert_eq(once[0].tokens_per_step.ci.method, INTERVAL_BCA);
    for (size_t i = 0; i < 2; i++) {
        const cell_spreads *again = i == 0 ? thrice : twice;
        cr_assert_eq(once[0].tokens_per_step.ci.lo, again[0].tokens_per_step.ci.lo);
        cr_assert_eq(once[0].tokens_per_step.ci.hi, again[0].tokens_per_step.ci.hi);
        cr_assert_eq(once[0].speedup_total.ci.hi, again[0].speedup_total.ci.hi);
        cr_assert_eq(once[0].speedup.ci.lo, again[0].speedup.ci.lo);
        cr_assert_float_eq(once[0].tokens_per_step_macro, again[0].tokens_per_step_macro, 1e-12);
    }
    free(once);
    free(thrice);
    free(twice);
}

Test(spreads, totals_are_ratios_of_sums_and_means_say_which) {
    store_data d;
    many_records(&d, 2, 1, 2);
    d.trials[0] = (trial_row){.tokens = 11, .plain_tokens = 11, .steps = 2, .plain_ns = 900, .decode_ns = 300};
    d.trials[1] = (trial_row){.tokens = 3, .plain_tokens = 3, .steps = 3, .plain_ns = 100, .decode_ns = 200};
    d.trials[1].sample = 1;
    d.trials[0].speedup = 3;
    d.trials[1].speedup = 0.5;
    d.trials[0].modeled_speedup = d.trials[1].modeled_speedup = NAN;
    d.trials[0].plain_modeled_ns = 700;
    d.trials[1].plain_modeled_ns = 100;
    d.trials[0].modeled_ns = 150;
    d.trials[1].modeled_ns = 50;
    cell_spreads *rows = spreads(&d);
    cr_assert_eq(rows[0].tokens_per_step.value, 14.0 / 5);
    cr_assert_eq(rows[0].tokens_per_step_macro, (5.5 + 1) / 2);
    cr_assert_eq(rows[0].speedup_total.value, 1000.0 / 500);
    cr_assert_float_eq(rows[0].speedup_geometric, sqrt(1.5), 1e-12);
    cr_assert_eq(rows[0].speedup.median, 1.75);
    cr_assert_eq(rows[0].modeled_total.value, 800.0 / 200, "of what passes take by a cost file");
    free(rows);
    d.trials[1].modeled_ns = NAN;
    d.trials[1].plain_ns = 0;
    d.trials[1].speedup = NAN;
    rows = spreads(&d);
    cr_assert(isnan(rows[0].speedup_total.value) && isnan(rows[0].speedup_geometric), "not of some trials only");
    cr_assert(isnan(rows[0].modeled_total.value));
    free(rows);
}

Test(spreads, few_records_have_no_interval) {
    store_data d;
    many_records(&d, BOOTSTRAP_LEAST - 1, 3, BOOTSTRAP_LEAST - 1);
    cell_spreads *rows = spreads(&d);
    cr_assert(isnan(rows[0].tokens_per_step.ci.lo) && isnan(rows[0].tokens_per_step.ci.hi));
    cr_assert(isnan(rows[0].speedup.ci.lo) && isnan(rows[0].speedup_total.ci.lo));
    cr_assert(!isnan(rows[0].speedup.median) && !isnan(rows[0].speedup_total.value));
    free(rows);
}

Test(spreads, does_not_depend_on_the_order_of_trials) {
    store_data d;
    many_records(&d, 20, 2, 17);
    cell_spreads *rows = spreads(&d);
    trial_row     turned[40];
    for (size_t i = 0; i < d.n_trials; i++) turned[i] = d.trials[d.n_trials - 1 - i];
    d.trials = turned;
    cell_spreads *again = spreads(&d);
    cr_assert_eq(rows[0].tokens_per_step.ci.lo, again[0].tokens_per_step.ci.lo);
    cr_assert_eq(rows[0].speedup_total.ci.hi, again[0].speedup_total.ci.hi);
    cr_assert_eq(rows[0].speedup.ci.hi, again[0].speedup.ci.hi);
    cr_assert_eq(rows[0].speedup.median, again[0].speedup.median);
    free(rows);
    free(again);
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
    bad.steps = (uint32_t)d.n_steps + 1;
    cr_assert_eq(counts_make(&d, &rows, &e), -1);
    cr_assert(strstr(e.text, "more than there are") != NULL, "%s", e.text);
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
        int status = spreads_make(&d, counts, NULL, &rows, &e);
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
    spread again = spread_values(whole, 5);
    cr_assert_eq(memcmp(&s, &again, sizeof s), 0);

    s = spread_values(v + 1, 1);
    cr_assert(s.n == 0 && isnan(s.median) && isnan(s.q1) && isnan(s.q3) && isnan(s.ci.lo) && isnan(s.ci.hi));
    s = spread_values(v, 1);
    cr_assert(s.n == 1 && s.median == 4 && s.q1 == 4 && s.q3 == 4 && isnan(s.ci.lo));
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
        cr_assert_eq(around[c].tokens_per_step.value, ratio);
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
