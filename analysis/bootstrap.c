#include "analysis/bootstrap.h"

#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"

enum { BOOTSTRAP_SEED = 1 };

struct bootstrap {
    double  resampled[BOOTSTRAP_RESAMPLES]; /* the statistic of each */
    double *pool;                           /* the values of one */
    size_t  cap;
};

/* ---- groups ------------------------------------------------------------------------------------------ */

int value_groups_add(value_groups *v, size_t owner, double value, err *e) {
    if (mem_reserve(&v->at, &v->cap, v->n + 1, e) != 0 || mem_reserve(&v->start, &v->cap_start, v->groups + 2, e) != 0)
        return -1;
    if (v->groups == 0 || owner != v->last) v->start[v->groups++] = v->n;
    v->last = owner;
    v->at[v->n++] = value;
    v->start[v->groups] = v->n;
    return 0;
}

void value_groups_clear(value_groups *v) {
    v->n = v->groups = 0;
}

void value_groups_free(value_groups *v) {
    free(v->at);
    free(v->start);
    *v = (value_groups){0};
}

/* ---- resampling -------------------------------------------------------------------------------------- */

bootstrap *bootstrap_new(err *e) {
    return mem_new(1, sizeof(bootstrap), e);
}

void bootstrap_free(bootstrap *b) {
    if (b == NULL) return;
    free(b->pool);
    free(b);
}

double quantile_of_sorted(const double *sorted, size_t n, double f) {
    double at = f * (double)(n - 1);
    size_t i = (size_t)at;
    /* GSL would compute infinity minus infinity, or 0 times it. */
    if (i + 1 >= n || at == (double)i || sorted[i] == sorted[i + 1]) return sorted[i];
    return gsl_stats_quantile_from_sorted_data(sorted, 1, n, f);
}

static interval percentiles(bootstrap *b) {
    gsl_sort(b->resampled, 1, BOOTSTRAP_RESAMPLES);
    return (interval){quantile_of_sorted(b->resampled, BOOTSTRAP_RESAMPLES, 0.025),
                      quantile_of_sorted(b->resampled, BOOTSTRAP_RESAMPLES, 0.975)};
}

static gsl_rng *generator(err *e) {
    gsl_rng *r = rng_new(BOOTSTRAP_SEED, 0);
    if (r == NULL) err_run(e, "out of memory (random generator)");
    return r;
}

int bootstrap_ratio(bootstrap *b, const ratio_sum *groups, size_t n, interval *out, err *e) {
    *out = (interval){NAN, NAN};
    if (n < 2) return 0;
    gsl_rng *rng = generator(e);
    if (rng == NULL) return -1;
    size_t r = 0;
    for (; r < BOOTSTRAP_RESAMPLES; r++) {
        ratio_sum sum = {0};
        for (size_t i = 0; i < n; i++) {
            const ratio_sum *g = &groups[gsl_rng_uniform_int(rng, n)];
            sum.part += g->part;
            sum.whole += g->whole;
        }
        if (sum.whole == 0) break;
        b->resampled[r] = (double)sum.part / (double)sum.whole;
    }
    gsl_rng_free(rng);
    if (r == BOOTSTRAP_RESAMPLES) *out = percentiles(b);
    return 0;
}

static size_t longest_group(const value_groups *v) {
    size_t longest = 0;
    for (size_t g = 0; g < v->groups; g++)
        if (v->start[g + 1] - v->start[g] > longest) longest = v->start[g + 1] - v->start[g];
    return longest;
}

int bootstrap_median(bootstrap *b, const value_groups *v, interval *out, err *e) {
    *out = (interval){NAN, NAN};
    if (v->groups < 2) return 0;
    /* A resample may draw the longest group every time. */
    size_t longest = longest_group(v);
    if (longest > SIZE_MAX / v->groups) return err_run(e, "out of memory (a resample of %zu groups)", v->groups);
    if (mem_reserve(&b->pool, &b->cap, v->groups * longest, e) != 0) return -1;
    gsl_rng *rng = generator(e);
    if (rng == NULL) return -1;
    for (size_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
        size_t n = 0;
        for (size_t i = 0; i < v->groups; i++) {
            size_t g = gsl_rng_uniform_int(rng, v->groups), length = v->start[g + 1] - v->start[g];
            memcpy(b->pool + n, v->at + v->start[g], length * sizeof *b->pool);
            n += length;
        }
        b->resampled[r] = gsl_stats_median(b->pool, 1, n);
    }
    gsl_rng_free(rng);
    *out = percentiles(b);
    return 0;
}
