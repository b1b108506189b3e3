/* logits.c - what rules are made of: argmax, softmax, sampling.
 *
 * Sums run over ids from 0 up, one after the other, and exp is our own: the same numbers on every host.
 */
#include <stdbool.h>

#include "engine/kernels/detmath.h"
#include "engine/rules/rule.h"

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
    return last; /* when u * sum rounds to sum: the last id that has a chance */
}

int32_t rows_choice(const rows *r, size_t i) {
    return r->forced != NULL ? r->forced[i] : logits_argmax(r->logits + i * r->vocab, r->vocab);
}

int rule_check(const rule *r, const rows *pass, const draft *d, err *e) {
    const char *name = r->ops->name;
    if (pass->n != d->n + 1)
        return err_run(e, "rule %s: a draft of %zu tokens needs %zu rows, not %zu", name, d->n, d->n + 1, pass->n);
    bool logits = pass->logits != NULL && pass->vocab == r->vocab;
    if ((r->ops->needs & GIVES_LOGITS) != 0 && !logits)
        return err_run(e, "rule %s needs logits over %zu ids, which the target does not give", name, r->vocab);
    if (pass->forced == NULL && !logits)
        return err_run(e, "rule %s: the target gives neither choices nor logits", name);
    return 0;
}

const double *rule_probs(rule *r, const rows *pass, size_t i, double temperature) {
    logits_softmax(pass->logits + i * pass->vocab, pass->vocab, temperature, r->p);
    return r->p;
}
