/* logits.h - what rules, policies and targets do with logits: argmax, the largest few, softmax, log-likelihood,
 * sampling. The same numbers on every host. */
#ifndef ENGINE_RULES_LOGITS_H
#define ENGINE_RULES_LOGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index of the largest of n >= 1 finite values; ties go to the lowest index. */
int32_t logits_argmax(const float *logits, size_t n);

enum { LOGITS_TOP = 16 };

/* The indices of the k largest of n values (k <= LOGITS_TOP), largest first; ties go to the lowest index. Returns how
 * many there are: n, when that is less than k. About as fast as reading them. */
size_t logits_top(const float *logits, size_t n, size_t k, int32_t *ids);

/* The softmax of these logits only, of n >= 1 ids with the largest logit first: the first one's share. */
double logits_share(const float *logits, const int32_t *ids, size_t n);

/* Whether none is infinite or NaN. */
bool logits_finite(const float *logits, size_t n);

/* out[i] = e^((logits[i] - top) / temperature), temperature > 0. */
void logits_exps(const float *logits, size_t n, double top, double temperature, double *out);

/* p[i] = softmax(logits / temperature), temperature > 0, in doubles. p sums to 1 within rounding. */
void logits_softmax(const float *logits, size_t n, double temperature, double *p);

/* log softmax(logits)[id] at temperature 1: at most 0, and finite. */
double logits_log_prob(const float *logits, size_t n, int32_t id);

/* The id at which the running sum of p first exceeds u * sum(p), for u in [0, 1): inverse-CDF sampling in
 * order of ids. Never returns an id with p = 0; -1 when all are. */
int32_t probs_sample(const double *p, size_t n, double u);

#endif
