/* best_set.c - how often the cells that `harness compare` does not tell apart from the best one hold the one that is
 * truly the best, though the best was selected by the same records.
 *
 *     make build/release/bench_best_set && build/release/bench_best_set [EXPERIMENTS]
 *
 * Each experiment draws the records of ARMS policies: plain decoding's time is lognormal (sigma 0.6), how easy a record
 * is to all policies too (sigma 0.3), and each policy's own factor (sigma 0.15). Policy 0 is one of the best:
 *
 *     all equal     nothing differs but by chance: whichever is selected looks best by chance alone
 *     two best      the others are 10% slower
 *     skewed        as all equal in total time, but the odd policies gain on most records and lose on long ones
 *
 * Printed is the table of analysis/README.md: the share of experiments in which policy 0 is in the set, and how many
 * policies are. 1000 experiments tell a share near 95% to within 1.5%.
 */
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/compare/arms.h"
#include "engine/base/rng.h"

enum { MOST = 100, ARMS = 12, SEED = 21 };
typedef enum { ALL_EQUAL, TWO_BEST, SKEWED, CASES } null_case;
static const char *const names[CASES] = {"all equal", "two best", "skewed"};
static const double      own_sigma = 0.15;

typedef struct {
    ratio_sum of[ARMS][MOST], *arm[ARMS];
} experiment;

/* The factor of a policy's time. Skewed: the time 1.1 times as long on the long tenth of the records, which have 0.3
 * of all time where sigma is 0.6, is gained back on the others. */
static double factor(null_case kind, size_t arm, double plain) {
    const double longest = exp(1.2816 * 0.6), part = 0.2468; /* of time, beyond that quantile: Q(1.2816 - 0.6) */
    if (kind == TWO_BEST) return arm < 2 ? 1 : 1.1;
    if (kind != SKEWED || arm % 2 == 0) return 1;
    return plain > longest ? 1.1 : 1 - 0.1 * part / (1 - part);
}

static void draw(gsl_rng *rng, null_case kind, size_t n, experiment *x) {
    for (size_t i = 0; i < n; i++) {
        double plain = gsl_ran_lognormal(rng, 0, 0.6), easy = gsl_ran_lognormal(rng, log(2), 0.3);
        for (size_t k = 0; k < ARMS; k++) {
            double own = gsl_ran_lognormal(rng, 0, own_sigma) * factor(kind, k, plain);
            x->of[k][i] = (ratio_sum){plain, plain / easy * own};
        }
    }
}

/* Whether policy 0 is in the set, and how many are; -1 when memory is out. */
static int count(bootstrap *b, experiment *x, size_t n, size_t *held, size_t *members, err *e) {
    arms     a = {x->arm, ARMS, n, 0};
    compared by[ARMS];
    for (size_t k = 0; k < ARMS; k++) x->arm[k] = x->of[k];
    if (arms_compare_all(&a, arms_best(&a, &metric_speedup), b, by, e) != 0) return -1;
    *held += !compared_apart(&by[0]);
    for (size_t k = 0; k < ARMS; k++) *members += !compared_apart(&by[k]);
    return 0;
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {5, 10, 20, 50, 100};
    static experiment   x;
    size_t              experiments = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    err                 e = {0};
    bootstrap          *b = bootstrap_new(&e);
    gsl_rng            *rng = rng_new(SEED, 0);
    if (b == NULL || rng == NULL) return 1;
    printf("| records |");
    for (int kind = 0; kind < CASES; kind++) printf(" %s | size |", names[kind]);
    printf("\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        printf("| %zu |", sizes[s]);
        for (int kind = 0; kind < CASES; kind++) {
            size_t held = 0, members = 0;
            for (size_t i = 0; i < experiments; i++) {
                draw(rng, (null_case)kind, sizes[s], &x);
                if (count(b, &x, sizes[s], &held, &members, &e) != 0) goto fail;
            }
            printf(" %.1f%% | %.1f |", 100 * (double)held / (double)experiments, (double)members / (double)experiments);
            fflush(stdout);
        }
        printf("\n");
    }
    gsl_rng_free(rng);
    bootstrap_free(b);
    return 0;
fail:
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
