/* coverage.c - how often the intervals of analysis/stats/ hold what they are of.
 *
 *     make build/release/bench_coverage && build/release/bench_coverage [EXPERIMENTS]
 *
 * Each experiment draws n records whose plain decoding takes a lognormal time (sigma 0.6) and whose speed-up is
 * lognormal around 2 (sigma 0.4), and asks whether the 95% interval holds the true value. Printed is the table of
 * analysis/README.md: the share of experiments in which it does. 2000 experiments tell a share near 95% to within 1%.
 */
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/stats/bootstrap.h"
#include "engine/base/rng.h"

enum { MOST = 100, SEED = 20 };
static const double median = 2, sigma_speedup = 0.4, sigma_time = 0.6;

typedef struct {
    ratio_sum      sums[MOST];
    grouped_values speedups;
} experiment;

/* False when memory is out. */
static bool draw(gsl_rng *rng, size_t n, experiment *x, err *e) {
    x->speedups.n = 0;
    for (size_t i = 0; i < n; i++) {
        double plain = gsl_ran_lognormal(rng, 0, sigma_time);
        double speedup = gsl_ran_lognormal(rng, log(median), sigma_speedup);
        x->sums[i] = (ratio_sum){plain, plain / speedup};
        if (grouped_values_add(&x->speedups, i, speedup, e) != 0) return false;
    }
    grouped_values_sort(&x->speedups);
    return true;
}

typedef struct {
    statistic *f;
    double     truth;
    size_t     held, there;
} measured;

static int count(bootstrap *b, size_t n, const experiment *x, measured *m, err *e) {
    interval    i;
    const void *data = m->f == statistic_median ? (const void *)&x->speedups : x->sums;
    if (bootstrap_interval(b, n, m->f, data, &i, e) != 0) return -1;
    if (i.method == INTERVAL_NONE) return 0;
    m->there++;
    m->held += i.lo <= m->truth && m->truth <= i.hi;
    return 0;
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {2, 5, 10, 20, 50, 100};
    size_t              experiments = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
    experiment          x = {0};
    err                 e = {0};
    bootstrap          *b = bootstrap_new(&e);
    gsl_rng            *rng = rng_new(SEED, 0);
    if (b == NULL || rng == NULL) return 1;
    bootstrap_of_any_number(b);
    printf("| records | speed-up of totals | median | geometric mean |\n| ---: | ---: | ---: | ---: |\n");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        measured of[] = {{statistic_micro, median * exp(-sigma_speedup * sigma_speedup / 2), 0, 0},
                         {statistic_median, median, 0, 0},
                         {statistic_geometric, median, 0, 0}};
        printf("| %zu |", sizes[s]);
        for (size_t k = 0; k < experiments; k++) {
            if (!draw(rng, sizes[s], &x, &e)) goto fail;
            for (size_t i = 0; i < sizeof of / sizeof *of; i++)
                if (count(b, sizes[s], &x, &of[i], &e) != 0) goto fail;
        }
        for (size_t i = 0; i < sizeof of / sizeof *of; i++)
            printf(" %.1f%% |", 100 * (double)of[i].held / (double)of[i].there);
        printf("\n");
        fflush(stdout);
    }
    gsl_rng_free(rng);
    bootstrap_free(b);
    grouped_values_free(&x.speedups);
    return 0;
fail:
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
