/* sampler.c - top_k and top_p in a few passes over a row.
 *
 * Both keep the likeliest ids whose masses reach a target: top_k with mass 1 for each and target k, top_p with their
 * weights and a share of the sum. A radix search finds the last id that stays: logits become integers of the same
 * order, and a histogram of masses over their upper bits says in which bucket the target is reached; then one over the
 * next bits in that bucket, and so on. Masses are integers. So their sums are exact, no order of summation matters, and
 * the same ids stay on every host.
 *
 * exp is our own, and the sum that scales the result runs over ids from 0 up.
 */
#include "engine/rules/sampler.h"

#include <math.h>
#include <stdbool.h>

#include "engine/base/bits.h"
#include "engine/rules/logits.h"

sampler sampler_of(const param_spec *specs, size_t n, const param_values *values) {
    int     temperature = param_find(specs, n, "temperature"), top_k = param_find(specs, n, "top_k");
    int     top_p = param_find(specs, n, "top_p"), min_p = param_find(specs, n, "min_p");
    sampler s = {.temperature = 1, .top_p = 1};
    if (temperature >= 0) s.temperature = values->at[temperature].real;
    if (top_k >= 0) s.top_k = (size_t)values->at[top_k].integer;
    if (top_p >= 0) s.top_p = values->at[top_p].real;
    if (min_p >= 0) s.min_p = values->at[min_p].real;
    return s;
}

/* ---- the likeliest ids ---------------------------------------------------------------------------------- */

/* Integers in the order of finite floats; -0 is 0. */
static uint32_t rank_of(float logit) {
    uint32_t bits = float_bits(logit + 0.0f), negative = bits >> 31;
    return bits ^ ((0u - negative) | 0x80000000u);
}

/* Weights are at most 1. In units of 2^-42 the sum over 2^21 ids fits into 64 bits, and what is lost below the unit is
 * less than 2^-20 of the likeliest id's weight over all of them. A signed number is converted in one instruction. */
static uint64_t mass_of(const double *weights, size_t i) {
    return weights == NULL ? 1 : (uint64_t)(int64_t)(weights[i] * 0x1p42);
}

/* The last rank that stays, and the mass of all ranks above it. */
typedef struct {
    uint32_t rank;
    uint64_t above;
} cut;

/* An id stays while the mass above it is less than target, which is > 0 and at most the sum of all masses. weights
 * NULL: each id's mass is 1. */
static cut find_cut(const float *logits, const double *weights, size_t n, uint64_t target) {
    enum { BITS = 8, BUCKETS = 1 << BITS, LAST = BUCKETS - 1 };
    cut c = {0};
    for (unsigned shift = 32; shift > 0;) {
        uint64_t mass[BUCKETS] = {0};
        uint32_t bucket = LAST;
        bool     first = shift == 32;
        shift -= BITS;
        for (size_t i = 0; i < n; i++) {
            uint32_t rank = rank_of(logits[i]) >> shift;
            if (first || rank >> BITS == c.rank) mass[rank & LAST] += mass_of(weights, i);
        }
        for (; bucket > 0 && c.above + mass[bucket] < target; bucket--) c.above += mass[bucket];
        c.rank = c.rank << BITS | bucket;
    }
    return c;
}

/* Sets weights to 0 where the id does not stay. `by` are the masses, which may be the weights. */
static void keep_likeliest(const float *logits, const double *by, size_t n, uint64_t target, double *weights) {
    cut c = find_cut(logits, by, n, target);
    for (size_t i = 0; i < n; i++) {
        uint32_t rank = rank_of(logits[i]);
        if (rank > c.rank) continue;
        uint64_t own = mass_of(by, i);
        bool     stays = rank == c.rank && c.above < target;
        if (stays)
            c.above += own;
        else
            weights[i] = 0;
    }
}

/* ---- all in their order --------------------------------------------------------------------------------- */

/* weights[i] = exp((logit - largest) / temperature), or 0 beyond the top_k likeliest. */
static void weigh(const sampler *s, const float *logits, size_t n, double *weights) {
    logits_exps(logits, n, logits[logits_argmax(logits, n)], s->temperature, weights);
    if (s->top_k > 0 && s->top_k < n) keep_likeliest(logits, NULL, n, s->top_k, weights);
}

static void keep_top_p(const sampler *s, const float *logits, size_t n, double *weights) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += mass_of(weights, i);
    uint64_t target = (uint64_t)ceil(s->top_p * (double)sum);
    keep_likeliest(logits, weights, n, target > 0 ? target : 1, weights);
}

void sampler_probs(const sampler *s, const float *logits, size_t n, double *p) {
    if (s->temperature == 0) {
        for (size_t i = 0; i < n; i++) p[i] = 0;
        p[logits_argmax(logits, n)] = 1;
        return;
    }
    if (s->top_k == 0 && s->top_p >= 1 && s->min_p <= 0) {
        logits_softmax(logits, n, s->temperature, p);
        return;
    }
    double sum = 0;
    weigh(s, logits, n, p);
    if (s->top_p < 1) keep_top_p(s, logits, n, p);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < s->min_p) p[i] = 0;
        sum += p[i];
    }
    for (size_t i = 0; i < n; i++) p[i] /= sum;
}
