#include "analysis/noise.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

int noise_add(noise_points *p, double margin, double below, err *e) {
    if (mem_reserve(&p->at, &p->cap, p->n + 1, e) != 0) return -1;
    p->at[p->n++] = (noise_point){margin, below};
    return 0;
}

void noise_free(noise_points *p) {
    free(p->at);
    *p = (noise_points){0};
}

/* ---- the likelihood ---------------------------------------------------------------------------------- */

/* The gap that an error had to bridge, or did not. */
static double gap_of(const noise_point *x) {
    return x->below > 0 ? x->below : x->margin;
}

/* A fit under way. `bridged` has the chances of the other choices at the scale in hand. */
typedef struct {
    const noise_points *p;
    double             *bridged;
    size_t              n_bridged;
} fitting;

/* Given the scale, the likeliest share of outliers, by expectation and maximization. */
static double best_outliers(const fitting *f) {
    double share = 0.01, before = 0;
    for (int round = 0; round < 200 && share > 1e-12 && fabs(share - before) > 1e-6 * share; round++) {
        double sum = 0;
        for (size_t i = 0; i < f->n_bridged; i++) sum += share / ((1 - share) * f->bridged[i] + share);
        before = share;
        share = sum / (double)f->p->n;
    }
    return share > 1e-12 ? share : 0;
}

/* The log-likelihood of a scale with its best share of outliers. */
static double profile(fitting *f, double scale, double *outliers) {
    double sum = 0;
    f->n_bridged = 0;
    for (size_t i = 0; i < f->p->n; i++) {
        double q = gsl_cdf_gaussian_Q(gap_of(&f->p->at[i]), scale);
        if (f->p->at[i].below > 0)
            f->bridged[f->n_bridged++] = q;
        else
            sum += log1p(-q);
    }
    double share = best_outliers(f);
    for (size_t i = 0; i < f->n_bridged; i++) sum += log((1 - share) * f->bridged[i] + share);
    if (outliers != NULL) *outliers = share;
    return sum + (double)(f->p->n - f->n_bridged) * log1p(-share);
}

/* ---- the fit ----------------------------------------------------------------------------------------- */

enum { GRID = 150 };

/* Smallest and largest gap, for where to look for the scale. */
static void gap_range(const noise_points *p, double *least, double *most) {
    *least = INFINITY;
    *most = 0;
    for (size_t i = 0; i < p->n; i++) {
        double gap = gap_of(&p->at[i]);
        if (gap > 0 && gap < *least) *least = gap;
        if (gap > *most) *most = gap;
    }
}

/* The maximum between lo and hi on a logarithmic scale: the grid's best point, then golden sections around it. There
 * may be two maxima, one of them with many outliers. */
static double best_scale(fitting *f, double lo, double hi) {
    double step = pow(hi / lo, 1.0 / GRID), best = lo, most = -INFINITY;
    for (int i = 0; i <= GRID; i++) {
        double s = lo * pow(step, i), l = profile(f, s, NULL);
        if (l > most) {
            most = l;
            best = s;
        }
    }
    const double ratio = 0.61803398874989485;
    double       a = log(best / step), b = log(best * step);
    for (int i = 0; i < 30; i++) {
        double c = b - ratio * (b - a), d = a + ratio * (b - a);
        if (profile(f, exp(c), NULL) > profile(f, exp(d), NULL))
            b = d;
        else
            a = c;
    }
    return exp((a + b) / 2);
}

/* The scale above `scale` at which the likelihood has fallen by half the square of 1.645. */
static double upper_limit(fitting *f, double scale, double hi) {
    double floor = profile(f, scale, NULL) - 1.6448536269514722 * 1.6448536269514722 / 2, lo = scale;
    if (profile(f, hi, NULL) > floor) return INFINITY;
    for (int i = 0; i < 60; i++) {
        double middle = sqrt(lo * hi);
        if (profile(f, middle, NULL) > floor)
            lo = middle;
        else
            hi = middle;
    }
    return hi;
}

int noise_fit_points(const noise_points *p, noise_fit *out, err *e) {
    double  least, most;
    fitting f = {.p = p};
    *out = (noise_fit){.positions = p->n, .scale = NAN, .upper = NAN, .outliers = NAN};
    for (size_t i = 0; i < p->n; i++) out->departures += p->at[i].below > 0;
    if (p->n == 0) return 0;
    gap_range(p, &least, &most);
    if (most == 0) { /* ties everywhere tell nothing */
        *out = (noise_fit){.positions = p->n, .upper = INFINITY};
        return 0;
    }
    if ((f.bridged = mem_new(out->departures, sizeof *f.bridged, e)) == NULL) return -1;
    double lo = least / 100, hi = most * 100, best = best_scale(&f, lo, hi);
    out->upper = upper_limit(&f, best, hi);
    profile(&f, best, &out->outliers);
    out->scale = out->departures > 0 ? best : 0;
    free(f.bridged);
    return 0;
}

double noise_tolerance(const noise_fit *f, size_t n, double risk) {
    double each = -expm1(log1p(-risk) / (double)(n > 0 ? n : 1)); /* 1 - (1 - risk)^(1/n) */
    return f->upper * gsl_cdf_ugaussian_Qinv(each);
}

double noise_within(const noise_points *p, double gap) {
    size_t within = 0;
    for (size_t i = 0; i < p->n; i++) within += p->at[i].margin <= gap;
    return p->n > 0 ? (double)within / (double)p->n : NAN;
}
