/* typical.c - typical acceptance, as in Medusa (Cai et al. 2024): whatever is not too unlikely stands.
 *
 * A draft token d stands while p(d) > min(eps, alpha * exp(-H)), with the entropy H = -sum p log(p + 1e-5) as its code
 * has it; then the argmax follows. Of several children of a node, the first one that is likely enough stands. This
 * changes the output: it is here to be measured against the exact rules.
 */
#include "engine/kernels/detmath.h"
#include "engine/rules/logits.h"
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
    (void)position, (void)draws, (void)e;
    const param_value *at = r->params.at;
    int32_t            node = DRAFT_ROOT;
    for (;;) {
        int32_t child = draft_next_child(d, node, node);
        if (child < 0) break;
        const double *p = rule_probs(r, pass, rows_of(node), at[TEMPERATURE].real);
        double        least = threshold(p, pass->vocab, at[EPS].real, at[ALPHA].real);
        while (child >= 0 && !(p[d->ids[child]] > least)) child = draft_next_child(d, node, child);
        if (child < 0) break;
        out->path[out->n++] = node = child;
    }
    out->next = logits_argmax(pass->logits + rows_of(node) * pass->vocab, pass->vocab);
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
