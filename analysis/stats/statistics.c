#include "analysis/stats/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/stats/quantile.h"
#include "engine/base/mem.h"

static double weight(const uint32_t *times, size_t i) {
    return times != NULL ? (double)times[i] : 1;
}

/* ---- ratios -------------------------------------------------------------------------------------------- */

double statistic_micro(const uint32_t *times, size_t groups, const void *data) {
    const ratio_sum *r = data;
    double           part = 0, whole = 0;
    for (size_t i = 0; i < groups; i++) {
        part += weight(times, i) * r[i].part;
        whole += weight(times, i) * r[i].whole;
    }
    return whole > 0 ? part / whole : NAN;
}

/* The mean over the groups of what `of` makes of each one's ratio. */
static double mean(const uint32_t *times, size_t groups, const ratio_sum *r, double (*of)(double)) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < groups; i++) {
        double w = weight(times, i);
        if (w == 0) continue;
        sum += w * of(r[i].part / r[i].whole);
        n += w;
    }
    return sum / n; /* NaN without groups */
}

static double itself(double x) {
    return x;
}

double statistic_macro(const uint32_t *times, size_t groups, const void *data) {
    return mean(times, groups, data, itself);
}

double statistic_geometric(const uint32_t *times, size_t groups, const void *data) {
    return exp(mean(times, groups, data, log));
}

/* ---- medians ------------------------------------------------------------------------------------------- */

int grouped_values_add(grouped_values *v, size_t group, double value, err *e) {
    if (mem_reserve(&v->at, &v->cap, v->n + 1, e) != 0) return -1;
    v->at[v->n++] = (grouped_value){value, group};
    return 0;
}

static int compare_values(const void *a, const void *b) {
    double x = ((const grouped_value *)a)->value, y = ((const grouped_value *)b)->value;
    return (x > y) - (x < y);
}

void grouped_values_sort(grouped_values *v) {
    if (v->n > 0) qsort(v->at, v->n, sizeof *v->at, compare_values);
}

void grouped_values_free(grouped_values *v) {
    free(v->at);
    *v = (grouped_values){0};
}

/* The value at place `at`, from 0, when each is there as often as its group. */
static double value_at(const grouped_values *v, const uint32_t *times, uint64_t at) {
    size_t i = 0;
    for (uint64_t passed = 0; i < v->n; i++) {
        passed += times != NULL ? times[v->at[i].group] : 1;
        if (passed > at) break;
    }
    return v->at[i].value;
}

double statistic_median(const uint32_t *times, size_t groups, const void *data) {
    const grouped_values *v = data;
    uint64_t              n = 0;
    (void)groups;
    for (size_t i = 0; i < v->n; i++) n += times != NULL ? times[v->at[i].group] : 1;
    if (n == 0) return NAN;
    double above = value_at(v, times, n / 2);
    return n % 2 == 1 ? above : quantile_between(value_at(v, times, n / 2 - 1), above);
}

double grouped_values_quantile(const grouped_values *v, double f) {
    if (v->n == 0) return NAN;
    double at = f * (double)(v->n - 1);
    size_t i = (size_t)at;
    double low = v->at[i].value, part = at - (double)i;
    if (i + 1 >= v->n || part == 0 || low == v->at[i + 1].value) return low;
    return (1 - part) * low + part * v->at[i + 1].value;
}

/* ---- contrasts ----------------------------------------------------------------------------------------- */

double statistic_difference(const uint32_t *times, size_t groups, const void *data) {
    const contrast *c = data;
    return c->f(times, groups, c->a) - c->f(times, groups, c->b);
}

double statistic_quotient(const uint32_t *times, size_t groups, const void *data) {
    const contrast *c = data;
    return c->f(times, groups, c->a) / c->f(times, groups, c->b);
}
