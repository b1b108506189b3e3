/* rejection.c - speculative sampling (Leviathan et al. 2023, Chen et al. 2023) for drafts that are certain.
 *
 * With a drafter that puts all its probability on d, min(1, p(d) / q(d)) is p(d), and the residual max(p - q, 0) is
 * p without d. Token x != d comes out with (1 - p(d)) * p(x) / (1 - p(d)) = p(x): the law is the target's. The tokens
 * are not those of plain sampling, for a position spends one number on the verdict and another on the token.
 *
 * A draft that knows plain decoding's output, as the control `oracle` does, depends on the numbers that sampled it.
 * So the rest is drawn with a number of its own: with the same one the law would bend.
 */
#include "engine/rules/rule.h"

enum { TEMPERATURE };
enum { DRAW_ACCEPT, DRAW_TOKEN, DRAW_REST };

static const param_spec params[] = {
    [TEMPERATURE] = PARAM_REAL("temperature", 1, 0.01, 100, "softmax temperature"),
};

static int rejection_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                            err *e) {
    if (rule_check(r, pass, d, e) != 0) return -1;
    size_t   i = 0;
    unsigned draw = DRAW_TOKEN;
    for (;; i++) {
        rule_probs(r, pass, i, r->params.at[TEMPERATURE].real);
        if (i == d->n) break;
        double *p = &r->p[d->ids[i]];
        if (noise_uniform(draws, position + i, DRAW_ACCEPT) < *p) continue;
        *p = 0;
        draw = DRAW_REST;
        break;
    }
    int32_t next = probs_sample(r->p, pass->vocab, noise_uniform(draws, position + i, draw));
    /* Nothing is left only if p(d) was 1, which no uniform number below 1 rejects. */
    if (next < 0) return err_run(e, "rule %s: no probability is left after a rejection", r->ops->name);
    *out = (verdict){.accepted = i, .next = next};
    return 0;
}

const rule_ops rule_rejection = {
    .name = "rejection",
    .source = __FILE__,
    .help = "a draft token stands with its probability; else one of the others is drawn",
    .origin = "Leviathan et al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv 2302.01318",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = SAME_DISTRIBUTION,
    .accept = rejection_accept,
};
