/* sampler.h - what plain decoding draws from: a row's probabilities at a temperature, without unlikely ids.
 *
 * All rules that read probabilities take these parameters and mean the same by them. They act in the order of Hugging
 * Face transformers (GenerationMixin._get_logits_processor), in which papers on acceptance state their rules, too:
 *
 *   1. temperature  p = softmax(logits / temperature); at 0 the likeliest id has p = 1
 *   2. top_k        the k likeliest ids stay; 0: all
 *   3. top_p        the likeliest ids stay, as few as have a sum of at least top_p of what 2 left (an id stays while
 *                   those above it have less); at least one; 1: all
 *   4. min_p        ids stay that have at least min_p times the likeliest one's p; 0: all
 *
 * What stays is scaled to a sum of 1. llama.cpp's default order has the temperature last: its top_p and min_p look at
 * p at temperature 1. Of ids with equal logits the lowest is the likeliest, so that top_k keeps k ids; transformers
 * keeps all that equal the k-th.
 */
#ifndef ENGINE_RULES_SAMPLER_H
#define ENGINE_RULES_SAMPLER_H

#include <stddef.h>

#include "engine/base/param.h"

typedef struct {
    double temperature, top_p, min_p;
    size_t top_k;
} sampler;

/* The four parameters, as entries of a rule's table from index `at` on. */
enum { SAMPLER_PARAM_COUNT = 4 };
#define SAMPLER_PARAMS_WITH(at, top_p_)                                                                                \
    [at] = PARAM_REAL("temperature", 1, 0, 100, "softmax temperature; 0: the likeliest token alone"),                  \
    [(at) + 1] = PARAM_INTEGER("top_k", 0, 0, 1000000, "then the k likeliest tokens stay; 0: all"),                    \
    [(at) + 2] = PARAM_REAL("top_p", top_p_, 0, 1, "then the likeliest ones stay that have this sum; 1: all"),         \
    [(at) + 3] = PARAM_REAL("min_p", 0, 0, 1, "then those with this share of the likeliest one's probability; 0: all")
#define SAMPLER_PARAMS(at) SAMPLER_PARAMS_WITH(at, 1)

/* From a rule's parameters, found by their names; one that is not there has its preset. */
sampler sampler_of(const param_spec *specs, size_t n, const param_values *values);

/* Fills p[n] from n >= 1 finite logits; it sums to 1 within rounding. Time O(n): nothing is sorted. */
void sampler_probs(const sampler *s, const float *logits, size_t n, double *p);

#endif
