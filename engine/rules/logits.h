/* logits.h - building blocks of rules: argmax, softmax, sampling. The same numbers on every host. */
#ifndef ENGINE_RULES_LOGITS_H
#define ENGINE_RULES_LOGITS_H

#include <stddef.h>
#include <stdint.h>

/* Index of the largest of n >= 1 finite values; ties go to the lowest index. */
int32_t logits_argmax(const float *logits, size_t n);

/* p[i] = softmax(logits / temperature), temperature > 0, in doubles. p sums to 1 within rounding. */
void logits_softmax(const float *logits, size_t n, double temperature, double *p);

/* The id at which the running sum of p first exceeds u * sum(p), for u in [0, 1): inverse-CDF sampling in
 * order of ids. Never returns an id with p = 0; -1 when all are. */
int32_t probs_sample(const double *p, size_t n, double u);

#endif
