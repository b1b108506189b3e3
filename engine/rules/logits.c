/* Sums run over ids from 0 up, one after the other, and exp is our own: the same numbers on every host, and with the
 * kernels of every instruction set. */
#include "engine/rules/logits.h"

#include "engine/base/bits.h"
#include "engine/kernels/detmath.h"
#include "engine/kernels/kernels.h"

int32_t logits_argmax(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

enum { BLOCK = 64 }; /* values looked at together */

/* Without a branch, so that it vectorizes. */
static bool block_has_above(const float *x, float bound) {
    int above = 0;
    for (size_t i = 0; i < BLOCK; i++) above |= x[i] > bound;
    return above != 0;
}

size_t logits_top(const float *logits, size_t n, size_t k, int32_t *ids) {
    size_t found = 0;
    for (size_t from = 0; k > 0 && from < n; from += BLOCK) {
        size_t end = from + BLOCK < n ? from + BLOCK : n;
        if (found == k && end == from + BLOCK && !block_has_above(logits + from, logits[ids[k - 1]])) continue;
        for (size_t i = from; i < end; i++) {
            if (found == k && !(logits[i] > logits[ids[k - 1]])) continue;
            size_t at = found < k ? found++ : k - 1;
            for (; at > 0 && logits[ids[at - 1]] < logits[i]; at--) ids[at] = ids[at - 1];
            ids[at] = (int32_t)i;
        }
    }
    return found;
}

double logits_share(const float *logits, const int32_t *ids, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += det_exp((double)logits[ids[i]] - (double)logits[ids[0]]);
    return 1 / sum;
}

/* No exponent is all ones. Branch-free, so that it vectorizes. */
bool logits_finite(const float *logits, size_t n) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t magnitude = float_bits(logits[i]) & 0x7fffffff;
        most = magnitude > most ? magnitude : most;
    }
    return most < 0x7f800000;
}

void logits_exps(const float *logits, size_t n, double top, double temperature, double *out) {
    const kernel_table *k = kernels_get(NULL);
    if (k == NULL) k = kernels_by_name("portable"); /* whoever runs a model is told why */
    k->exps(logits, out, n, top, temperature);
}

void logits_softmax(const float *logits, size_t n, double temperature, double *p) {
    double top = logits[logits_argmax(logits, n)], sum = 0;
    logits_exps(logits, n, top, temperature, p);
    for (size_t i = 0; i < n; i++) sum += p[i];
    for (size_t i = 0; i < n; i++) p[i] /= sum;
}

double logits_log_prob(const float *logits, size_t n, int32_t id) {
    enum { PART = 256 };
    double top = logits[logits_argmax(logits, n)], sum = 0, part[PART];
    for (size_t i = 0; i < n; i += PART) {
        size_t m = n - i < PART ? n - i : PART;
        logits_exps(logits + i, m, top, 1, part);
        for (size_t k = 0; k < m; k++) sum += part[k];
    }
    return logits[id] - top - det_log(sum);
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
