/* The share of a sweep's time that is spent, against sweeps whose costs are made up. No time is measured. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "experiments/sweep/pace.h"

enum { GROUPS = 4, POLICIES = 9, CELLS = GROUPS * POLICIES, SAMPLES = 10, REPEATS = 5 };

/* A sweep in which a trial of group g, policy p and sample s takes group[g] * policy[p] * length, with some noise. */
typedef struct {
    double group[GROUPS], policy[POLICIES], hidden[GROUPS]; /* hidden: of a group's time, what its work does not say */
    double noise;
} made_up;

static uint64_t state = 1;

static double draw(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 40) / (double)(1u << 24);
}

static double length_of(size_t s) {
    return 0.5 + (double)(s * 7 % SAMPLES) / SAMPLES;
}

/* Runs it cell by cell, as sweeps do, and gives the largest error of the remaining time once `from` of all time is
 * spent and until `to` is. */
static double worst_error(const made_up *m, double from, double to) {
    static double ns[CELLS][REPEATS][SAMPLES];
    pace_cell     cells[CELLS];
    pace          p;
    err           e = {0};
    double        all = 0, spent = 0, worst = 0;
    for (size_t c = 0; c < CELLS; c++) {
        size_t g = c / POLICIES, q = c % POLICIES;
        cells[c] = (pace_cell){.group = g, .policy = q, .family = (q + 2) / 3, .trials = SAMPLES * REPEATS};
        for (size_t s = 0; s < SAMPLES; s++) cells[c].work += floor(1000 * m->group[g] * length_of(s)) / SAMPLES;
        for (size_t r = 0; r < REPEATS; r++)
            for (size_t s = 0; s < SAMPLES; s++) {
                ns[c][r][s] = 1e6 * m->group[g] * m->hidden[g] * m->policy[q] * length_of(s) * (1 + m->noise * draw());
                all += ns[c][r][s];
            }
    }
    cr_assert_eq(pace_open(&p, cells, CELLS, &e), 0, "%s", e.text);
    cr_assert_eq(pace_done(&p), 0);
    for (size_t c = 0; c < CELLS; c++)
        for (size_t r = 0; r < REPEATS; r++)
            for (size_t s = 0; s < SAMPLES; s++) {
                pace_add(&p, c, (uint64_t)(1000 * m->group[c / POLICIES] * length_of(s)), (uint64_t)ns[c][r][s]);
                spent += ns[c][r][s];
                if (spent < from * all || spent > to * all) continue;
                double share = pace_done(&p), left = spent * (1 - share) / share;
                worst = fmax(worst, fabs(left - (all - spent)) / (all - spent));
            }
    cr_assert_float_eq(pace_done(&p), 1, 1e-9);
    pace_close(&p);
    return worst;
}

static const double alike[GROUPS] = {1, 1, 1, 1};

/* Trials say how long they are; plain decoding takes thrice as long as some policies. */
Test(pace, the_rest_is_known_from_a_third_on) {
    const double  policies[POLICIES] = {1, 0.55, 0.5, 0.45, 0.35, 0.3, 0.3, 0.6, 0.5};
    const made_up sweeps[] = {{.group = {1, 4, 16, 2}, .noise = 0.3},
                              {.group = {16, 4, 1, 2}, .noise = 0.3},
                              {.group = {1, 1, 1, 1}},
                              {.group = {1, 1, 30, 1}, .noise = 0.5},
                              {.group = {3, 1, 2, 40}, .noise = 0.1}};
    for (size_t i = 0; i < sizeof sweeps / sizeof *sweeps; i++) {
        made_up m = sweeps[i];
        for (size_t g = 0; g < GROUPS; g++) m.hidden[g] = alike[g];
        for (size_t q = 0; q < POLICIES; q++) m.policy[q] = policies[q];
        double worst = worst_error(&m, 1.0 / 3, 0.97);
        cr_assert_leq(worst, 0.2, "sweep %zu: %g", i, worst);
    }
}

/* Nobody can know beforehand that one dataset, here the last one, takes thrice as long for its tokens; a few
 * of its trials tell. */
Test(pace, a_group_is_learned_from_its_first_trials) {
    const made_up m = {.group = {1, 1, 1, 2},
                       .policy = {1, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.6, 0.6},
                       .hidden = {1, 1, 1, 3},
                       .noise = 0.2};
    cr_assert_gt(worst_error(&m, 0.2, 0.3), 0.3);
    cr_assert_leq(worst_error(&m, 0.4, 0.97), 0.2);
}

Test(pace, what_others_run_is_time_as_well) {
    const pace_cell cells[] = {{.policy = 0, .trials = 10, .work = 100},
                               {.policy = 1, .family = 1, .trials = 10, .work = 100}};
    pace            p;
    err             e = {0};
    cr_assert_eq(pace_open(&p, cells, 2, &e), 0, "%s", e.text);
    for (int i = 0; i < 10; i++) pace_add(&p, 0, 100, 1000);
    for (int i = 0; i < 2; i++) pace_add(&p, 1, 100, 500);
    double alone = pace_done(&p);
    pace_add_others(&p, 1, 8);
    cr_assert(alone > 0.6 && alone < 0.85, "%g", alone);
    cr_assert_float_eq(pace_done(&p), 1, 1e-9);
    pace_close(&p);
}

Test(pace, without_cells_nothing_is_known) {
    pace p;
    err  e = {0};
    cr_assert_eq(pace_open(&p, NULL, 0, &e), 0, "%s", e.text);
    cr_assert_eq(pace_done(&p), 0);
    pace_close(&p);
}
