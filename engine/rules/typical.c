/* typical.c - typical acceptance, as in Medusa (Cai et al. 2024): whatever is not too unlikely stands.
 *
 * A draft token d stands while p(d) > min(eps, alpha * exp(-H)), with the entropy H = -sum p log(p + 1e-5) as its code
 * has it; then the argmax follows. This changes the output: it is here to be measured against the exact rules.
 */
#include "engine/kernels/detmath.h"
#include "engine/rules/rule.h"

enum { EPS, ALPHA, TEMPERATURE };

static const param_spec params[] = {
    [EPS] = PARAM_REAL("eps", 0.09, 0, 1, "probability that is always enough (posterior_threshold)"),
    [ALPHA] = PARAM_REAL("alpha", 0.3, 0, 1, "share of exp(-entropy) that is enough (posterior_alpha)"),
    [TEMPERATURE] = PARAM_REAL("temperature", 1, 0.01, 100, "softmax temperature"),
};

static double threshold(const double *p, size_t n, double eps, double alpha) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i] * det_log(p[i] + 1e-5);
    double by_entropy = alpha * det_exp(sum);
    return by_entropy < eps ? by_entropy : eps;
}

static int typical_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                          err *e) {
    (void)position, (void)draws;
    const param_value *at = r->params.at;
    size_t             i = 0;
    if (rule_check(r, pass, d, e) != 0) return -1;
    for (; i < d->n; i++) {
        const double *p = rule_probs(r, pass, i, at[TEMPERATURE].real);
        if (!(p[d->ids[i]] > threshold(p, pass->vocab, at[EPS].real, at[ALPHA].real))) break;
    }
    *out = (verdict){.accepted = i, .next = logits_argmax(pass->logits + i * pass->vocab, pass->vocab)};
    return 0;
}

const rule_ops rule_typical = {
    .name = "typical",
    .source = __FILE__,
    .help = "a draft token stands while its probability is high for the entropy; then the argmax",
    .origin = "Medusa: Cai et al. 2024, arXiv 2401.10774",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .accept = typical_accept,
};
