/* rejection.c - speculative sampling (Leviathan et al. 2023, Chen et al. 2023) for drafts that are certain.
 *
 * With a drafter that puts all its probability on d, min(1, p(d) / q(d)) is p(d), and the residual max(p - q, 0) is
 * p without d. Token x != d comes out with (1 - p(d)) * p(x) / (1 - p(d)) = p(x): the distribution is the target's.
 * The tokens are not those of plain sampling: a position spends one number on the verdict and another on the token.
 *
 * The children of a node are values that the token may take. Each has an interval as wide as its p. One number falls
 * into one of the intervals, or beyond all of them; then the rest is p without all of them. The distribution is the
 * same.
 *
 * A draft that knows plain decoding's output, as the control `oracle` does, depends on the numbers that sampled it.
 * So the rest is drawn with another number: with the same one the distribution would be biased.
 */
#include <stdbool.h>

#include "engine/rules/logits.h"
#include "engine/rules/rule.h"

enum { TEMPERATURE };
enum { DRAW_ACCEPT, DRAW_TOKEN, DRAW_REST };

static const param_spec params[] = {
    [TEMPERATURE] = PARAM_REAL("temperature", 1, 0.01, 100, "softmax temperature"),
};

/* The first child of a node that stands, or -1. The k-th one stands when u falls into its interval of
 * [0, p(1) + p(2) + ...); p loses those that do not. */
static int32_t standing_child(const draft *d, int32_t node, double *p, double u) {
    double  sum = 0;
    int32_t child = draft_next_child(d, node, node);
    for (; child >= 0; child = draft_next_child(d, node, child)) {
        double *own = &p[d->ids[child]];
        sum += *own;
        if (u < sum) break;
        *own = 0;
    }
    return child;
}

static int rejection_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                            err *e) {
    int32_t node = DRAFT_ROOT;
    for (;;) {
        uint64_t at = position + out->n;
        rule_probs(r, pass, rows_of(node), r->params.at[TEMPERATURE].real);
        bool    leaf = draft_next_child(d, node, node) < 0;
        int32_t child = leaf ? -1 : standing_child(d, node, r->p, noise_uniform(draws, at, DRAW_ACCEPT));
        if (child < 0) {
            out->next = probs_sample(r->p, pass->vocab, noise_uniform(draws, at, leaf ? DRAW_TOKEN : DRAW_REST));
            break;
        }
        out->path[out->n++] = node = child;
    }
    /* Nothing is left only if the children's p summed to 1, which no uniform number below 1 rejects. */
    return out->next >= 0 ? 0 : err_run(e, "rule %s: no probability is left after a rejection", r->ops->name);
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
