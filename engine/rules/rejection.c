/* rejection.c - speculative sampling (Leviathan et al. 2023, Chen et al. 2023); chances.h has the method.
 *
 * A draft token that was copied is certain: it stands with its probability p(d). One that was drawn at random (draft.q)
 * stands with min(1, p(d) / q(d)). The tokens are not those of plain sampling: a position spends one number on the
 * verdict and another on the token.
 */
#include "engine/rules/chances.h"

static const param_spec params[] = {SAMPLER_PARAMS(0)};

static int rejection_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                            err *e) {
    (void)e;
    for (int32_t node = DRAFT_ROOT;;) {
        uint64_t at = position + out->n;
        int32_t  child = chances_child(r, pass, d, node, at, draws);
        if (child < 0) {
            out->next = chances_token(r, pass, d, node, at, draws);
            return 0;
        }
        out->path[out->n++] = node = child;
    }
}

const rule_ops rule_rejection = {
    .name = "rejection",
    .source = __FILE__,
    .help = "a draft token stands with its probability, or with min(1, p/q) when it was drawn from q; else one of the "
            "rest is drawn",
    .origin = "Leviathan et al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv 2302.01318",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = SAME_DISTRIBUTION,
    .more = "greedy decoding's tokens at temperature 0",
    .accept = rejection_accept,
};
