/* Sums run over ids from 0 up, one after the other, and exp is our own: the same numbers on every host. */
#include "engine/rules/logits.h"

#include "engine/kernels/detmath.h"

int32_t logits_argmax(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

void logits_softmax(const float *logits, size_t n, double temperature, double *p) {
    double top = logits[logits_argmax(logits, n)], sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i] = det_exp((logits[i] - top) / temperature);
    for (size_t i = 0; i < n; i++) p[i] /= sum;
}

int32_t probs_sample(const double *p, size_t n, double u) {
    double  sum = 0, run = 0;
    int32_t last = -1;
    for (size_t i = 0; i < n; i++) sum += p[i];
    double bound = u * sum;
    for (size_t i = 0; i < n; i++) {
        if (p[i] <= 0) continue;
        run += p[i];
        last = (int32_t)i;
        if (run > bound) break;
    }
    return last; /* when u * sum rounds to sum: the last id with p > 0 */
}
