#include "experiments/sweep/cost_fit.h"

#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/mem.h"

enum { ROUNDS = 50 };

static const double HUBER = 1.345;       /* errors beyond so many standard deviations count less (F2) */
static const double NORMAL_MAD = 0.6745; /* median of |x| of the standard normal distribution */

typedef struct {
    const pass_times *times;
    double           *base;   /* [n] t(k) */
    double           *errors; /* [n_contexts * n] of T, relative */
    double           *weight; /* [n_contexts * n] of squared errors of T */
    double           *sorted; /* [n_contexts * n] scratch */
    double            u, v;
} fit;

static double context_term(const fit *f, size_t c, size_t i) {
    const pass_times *t = f->times;
    return (double)t->contexts[c] * (f->u + f->v * (double)t->m[i]);
}

/* Weighted means over the contexts of one k. */
typedef struct {
    double time, context;
} centre;

static centre centre_of(const fit *f, size_t i) {
    const pass_times *t = f->times;
    centre            m = {0, 0};
    double            sum = 0;
    for (size_t c = 0; c < t->n_contexts; c++) {
        double w = f->weight[c * t->n + i];
        m.time += w * t->ns[c * t->n + i];
        m.context += w * (double)t->contexts[c];
        sum += w;
    }
    return (centre){m.time / sum, m.context / sum};
}

/* u and v by weighted least squares, where t(k) takes the best value for them: about the centres, t(k) drops out. */
static void fit_line(fit *f) {
    const pass_times *t = f->times;
    double            uu = 0, uv = 0, vv = 0, uy = 0, vy = 0;
    for (size_t i = 0; i < t->n; i++) {
        centre m = centre_of(f, i);
        for (size_t c = 0; c < t->n_contexts; c++) {
            double w = f->weight[c * t->n + i], x = (double)t->contexts[c] - m.context, z = x * (double)t->m[i];
            double y = t->ns[c * t->n + i] - m.time;
            uu += w * x * x;
            uv += w * x * z;
            vv += w * z * z;
            uy += w * x * y;
            vy += w * z * y;
        }
    }
    if (uu == 0) return; /* a single context */
    double det = uu * vv - uv * uv;
    bool   both = t->n > 1 && det > 1e-12 * uu * vv;
    f->u = both ? (uy * vv - vy * uv) / det : uy / uu;
    f->v = both ? (vy * uu - uy * uv) / det : 0;
    if (f->v < 0) { /* F3 */
        f->v = 0;
        f->u = uy / uu;
    } else if (f->u < 0) {
        f->u = 0;
        f->v = vy / vv;
    }
    if (f->u < 0) f->u = 0;
    if (f->v < 0) f->v = 0;
}

static void fit_base(fit *f) {
    for (size_t i = 0; i < f->times->n; i++) {
        centre m = centre_of(f, i);
        f->base[i] = m.time - m.context * (f->u + f->v * (double)f->times->m[i]);
    }
}

static double fitted(const fit *f, size_t at) {
    return f->base[at % f->times->n] + context_term(f, at / f->times->n, at % f->times->n);
}

/* Huber's weights: an error beyond HUBER standard deviations counts in proportion to its size, not to its square. */
static void weigh(fit *f) {
    const pass_times *t = f->times;
    size_t            n = t->n_contexts * t->n;
    for (size_t i = 0; i < n; i++) f->sorted[i] = f->errors[i] = fabs(fitted(f, i) / t->ns[i] - 1);
    double limit = HUBER * gsl_stats_median(f->sorted, 1, n) / NORMAL_MAD;
    for (size_t i = 0; i < n; i++)
        f->weight[i] = (f->errors[i] > limit ? limit / f->errors[i] : 1) / (t->ns[i] * t->ns[i]);
}

/* Pools neighbours that fall into their mean, each weighted by 1 / T^2 (F1).
 *
 *     measured    10  14  12  20
 *     blocks     [10][14  12][20]
 *     base        10  13  13  20
 */
static int make_ascending(fit *f, err *e) {
    typedef struct {
        double mean, weight;
        size_t n;
    } block;
    const pass_times *t = f->times;
    size_t            n = 0, at = 0;
    block            *blocks = mem_new(t->n, sizeof *blocks, e);
    if (blocks == NULL) return -1;
    for (size_t i = 0; i < t->n; i++) {
        blocks[n++] = (block){f->base[i], 1 / (t->ns[i] * t->ns[i]), 1};
        for (; n > 1 && blocks[n - 1].mean < blocks[n - 2].mean; n--) {
            block *to = &blocks[n - 2], from = blocks[n - 1];
            double weight = to->weight + from.weight;
            *to = (block){(to->mean * to->weight + from.mean * from.weight) / weight, weight, to->n + from.n};
        }
    }
    for (size_t b = 0; b < n; b++)
        for (size_t i = 0; i < blocks[b].n; i++) f->base[at++] = fmax(blocks[b].mean, 1); /* F4 */
    free(blocks);
    return 0;
}

/* Least squares by turns with the weights of its errors. Weights that are all 0 (more than half of the times are met
 * exactly) end it. */
static int settle(fit *f, err *e) {
    size_t n = f->times->n_contexts * f->times->n;
    for (size_t i = 0; i < n; i++) f->weight[i] = 1 / (f->times->ns[i] * f->times->ns[i]);
    for (size_t round = 0; round < ROUNDS; round++) {
        fit_line(f);
        fit_base(f);
        weigh(f);
        for (size_t i = 0; i < n; i++)
            if (f->weight[i] == 0) return make_ascending(f, e);
    }
    return make_ascending(f, e);
}

int cost_fit(const pass_times *t, double *out, fit_errors *errors, err *e) {
    size_t n = t->n_contexts * t->n;
    fit    f = {.times = t,
                .base = mem_new(t->n, sizeof *f.base, e),
                .errors = mem_new(n, sizeof *f.errors, e),
                .weight = mem_new(n, sizeof *f.weight, e),
                .sorted = mem_new(n, sizeof *f.sorted, e)};
    int    ret = f.base != NULL && f.errors != NULL && f.weight != NULL && f.sorted != NULL ? settle(&f, e) : -1;
    *errors = (fit_errors){0};
    for (size_t i = 0; ret == 0 && i < n; i++) {
        out[i] = fitted(&f, i);
        f.errors[i] = fabs(out[i] / t->ns[i] - 1);
        if (f.errors[i] <= errors->largest) continue;
        errors->largest = f.errors[i];
        errors->at = i;
    }
    if (ret == 0) errors->median = gsl_stats_median(f.errors, 1, n);
    free(f.base);
    free(f.errors);
    free(f.weight);
    free(f.sorted);
    return ret;
}
