#include "analysis/stats/bootstrap.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/bca.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

/* Resamples are kept for the next statistic of as many groups while they take no more numbers than this. */
enum { KEPT_MOST = 8 << 20 };

struct bootstrap {
    size_t    least;
    double    resampled[BOOTSTRAP_RESAMPLES]; /* the statistic of each */
    double   *left_out;                       /* [blocks] without each */
    size_t   *sample;                         /* [blocks] its stratum */
    uint32_t *times;                          /* [kept ? BOOTSTRAP_RESAMPLES : 1][groups] */
    size_t   *strata;                         /* [n_strata] that `times` holds the resamples of, when they are kept */
    size_t    cap_left, cap_sample, cap_times, cap_strata, n_strata;
};

bootstrap *bootstrap_new(err *e) {
    bootstrap *b = mem_new(1, sizeof *b, e);
    if (b != NULL) b->least = BOOTSTRAP_LEAST;
    return b;
}

void bootstrap_free(bootstrap *b) {
    if (b == NULL) return;
    free(b->left_out);
    free(b->sample);
    free(b->times);
    free(b->strata);
    free(b);
}

void bootstrap_of_any_number(bootstrap *b) {
    b->least = 2;
}

/* ---- drawing ------------------------------------------------------------------------------------------- */

typedef struct {
    const size_t *sizes; /* [n] groups of each */
    size_t        n, groups;
} strata;

static void draw(gsl_rng *rng, const strata *s, uint32_t *times) {
    memset(times, 0, s->groups * sizeof *times);
    for (size_t i = 0, first = 0; i < s->n; first += s->sizes[i++])
        for (size_t k = 0; k < s->sizes[i]; k++) times[first + gsl_rng_uniform_int(rng, s->sizes[i])]++;
}

static bool is_kept(const strata *s) {
    return s->groups <= KEPT_MOST / BOOTSTRAP_RESAMPLES;
}

static bool holds(const bootstrap *b, const strata *s) {
    return is_kept(s) && b->n_strata == s->n && memcmp(b->strata, s->sizes, s->n * sizeof *s->sizes) == 0;
}

/* Room for the resamples, or for one at a time; the generator at its beginning. */
static int begin(bootstrap *b, const strata *s, gsl_rng **rng, err *e) {
    b->n_strata = 0; /* until all are drawn */
    if (mem_reserve(&b->times, &b->cap_times, s->groups * (is_kept(s) ? BOOTSTRAP_RESAMPLES : 1), e) != 0 ||
        mem_reserve(&b->strata, &b->cap_strata, s->n, e) != 0)
        return -1;
    *rng = rng_new(BOOTSTRAP_SEED, 0);
    return *rng != NULL ? 0 : err_run(e, "out of memory (random generator)");
}

static int each(bootstrap *b, const strata *s, resample_seen *see, void *ctx, err *e) {
    bool     kept = is_kept(s), there = holds(b, s);
    gsl_rng *rng = NULL;
    if (!there && begin(b, s, &rng, e) != 0) return -1;
    for (size_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
        uint32_t *times = b->times + (kept ? r * s->groups : 0);
        if (!there) draw(rng, s, times);
        see(times, s->groups, ctx);
    }
    if (there) return 0;
    gsl_rng_free(rng);
    memcpy(b->strata, s->sizes, s->n * sizeof *s->sizes);
    b->n_strata = s->n;
    return 0;
}

int bootstrap_each(bootstrap *b, size_t groups, resample_seen *see, void *ctx, err *e) {
    return each(b, &(strata){&groups, 1, groups}, see, ctx, e);
}

/* 5%, corrected for few groups (B2). */
static double alpha_for(const strata *s) {
    double n = (double)s->groups, free = n - (double)s->n;
    return 2 * gsl_cdf_ugaussian_Q(gsl_cdf_tdist_Qinv(0.025, free) * sqrt(n / free));
}

/* ---- intervals ----------------------------------------------------------------------------------------- */

typedef struct {
    bootstrap  *b;
    statistic  *f;
    const void *data;
    size_t      n; /* resamples seen */
    bool        missing;
} evaluation;

static void evaluate(const uint32_t *times, size_t groups, void *ctx) {
    evaluation *v = ctx;
    if (v->missing) return;
    double x = v->f(times, groups, v->data);
    v->missing = isnan(x);
    v->b->resampled[v->n++] = x;
}

static void fill(uint32_t *times, size_t n, uint32_t value) {
    for (size_t i = 0; i < n; i++) times[i] = value;
}

/* The jackknife (B2), in as many blocks in each stratum as it has its share of them. False when a statistic is missing.
 */
static bool leave_out(bootstrap *b, const strata *s, statistic *f, const void *data, uint32_t *times, jackknife *j) {
    *j = (jackknife){b->left_out, b->sample, 0};
    fill(times, s->groups, 1);
    for (size_t i = 0, first = 0; i < s->n; first += s->sizes[i++]) {
        size_t size = s->sizes[i], blocks = size;
        if (s->groups > BOOTSTRAP_BLOCKS) blocks = 1 + (size - 1) * (BOOTSTRAP_BLOCKS - 1) / (s->groups - 1);
        if (blocks < 2) blocks = 2;
        for (size_t k = 0; k < blocks; k++) {
            size_t from = first + k * size / blocks, to = first + (k + 1) * size / blocks;
            fill(times + from, to - from, 0);
            b->sample[j->n] = i;
            b->left_out[j->n] = f(times, s->groups, data);
            fill(times + from, to - from, 1);
            if (isnan(b->left_out[j->n++])) return false;
        }
    }
    return true;
}

static bool has_interval(const bootstrap *b, const strata *s) {
    for (size_t i = 0; i < s->n; i++)
        if (s->sizes[i] < 2) return false;
    return s->groups >= b->least;
}

static int interval_of(bootstrap *b, const strata *s, statistic *f, const void *data, interval *out, err *e) {
    evaluation v = {.b = b, .f = f, .data = data};
    jackknife  j;
    *out = interval_none();
    if (!has_interval(b, s)) return 0;
    size_t most = s->groups < BOOTSTRAP_BLOCKS ? s->groups : BOOTSTRAP_BLOCKS + 2 * s->n;
    if (mem_reserve(&b->left_out, &b->cap_left, most, e) != 0 || mem_reserve(&b->sample, &b->cap_sample, most, e) != 0)
        return -1;
    uint32_t *times = mem_new(s->groups, sizeof *times, e);
    if (times == NULL) return -1;
    double estimate = f(NULL, s->groups, data);
    bool   missing = isnan(estimate) || !leave_out(b, s, f, data, times, &j);
    free(times);
    if (missing) return 0;
    if (each(b, s, evaluate, &v, e) != 0) return -1;
    if (v.missing) return 0;
    double bias = bca_bias(b->resampled, BOOTSTRAP_RESAMPLES, estimate);
    gsl_sort(b->resampled, 1, BOOTSTRAP_RESAMPLES);
    *out = bca_interval(b->resampled, BOOTSTRAP_RESAMPLES, bias, bca_acceleration(&j), alpha_for(s));
    return 0;
}

int bootstrap_interval(bootstrap *b, size_t groups, statistic *f, const void *data, interval *out, err *e) {
    return interval_of(b, &(strata){&groups, 1, groups}, f, data, out, e);
}

int bootstrap_interval_of_strata(bootstrap *b, const size_t *sizes, size_t n, statistic *f, const void *data,
                                 interval *out, err *e) {
    strata s = {sizes, n, 0};
    for (size_t i = 0; i < n; i++) s.groups += sizes[i];
    return interval_of(b, &s, f, data, out, e);
}
