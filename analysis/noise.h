/* noise.h - how far another engine's logits are from exact ones, told from its greedy tokens alone.
 *
 * Where the engine chose the exact logits' likeliest token, its error had not bridged the gap to the second; where it
 * chose another one, its error had bridged the gap to that one. So the share of other choices at each gap g is the
 * chance that the error of a difference of two logits exceeds g. With a normal error of mean 0 this is probit
 * regression through the origin with one coefficient, 1 / scale:
 *
 *     P(other choice at gap g) = (1 - outliers) * Q(g / scale) + outliers,    Q: the normal distribution's upper tail
 *
 * `outliers` is for choices that no rounding explains (a bug, sampling, another prompt): without it, a single one would
 * widen the scale until it fits. Both are fitted by maximum likelihood.
 */
#ifndef ANALYSIS_NOISE_H
#define ANALYSIS_NOISE_H

#include <stddef.h>

#include "engine/base/err.h"

/* One token of the engine's. */
typedef struct {
    double margin; /* between the two largest exact logits */
    double below;  /* how far the token is below the largest; 0: it is the likeliest, or as likely */
} noise_point;

typedef struct {
    noise_point *at;
    size_t       n, cap;
} noise_points;

int  noise_add(noise_points *p, double margin, double below, err *e);
void noise_free(noise_points *p);

typedef struct {
    size_t positions, departures;
    double scale; /* standard deviation of the error of a difference of two logits; 0 when nothing departs */
    double upper; /* the scale's one-sided upper 95% limit, by the likelihood; infinite when there is too little data */
    double outliers; /* share of positions, 0 to 1 */
} noise_fit;

/* All NaN but the counts when there are no points. */
int noise_fit_points(const noise_points *p, noise_fit *out, err *e);

/* The gap that errors of this noise exceed at none of n positions, with a chance of 1 - risk. */
double noise_tolerance(const noise_fit *f, size_t n, double risk);

/* The share of positions whose likeliest and second token are no farther apart than `gap`: there a wrong token passes
 * for rounding. */
double noise_within(const noise_points *p, double gap);

#endif
