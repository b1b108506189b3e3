/* threshold.c - speculative sampling that can be made lenient by two thresholds, as in SGLang.
 *
 *  1. A number u is drawn at each node. Its children are looked at in the draft's order: one stands while
 *     u < (sum of the children's p up to it) / threshold_acc, or while its own p is at least threshold_single.
 *  2. When none stands, a token is drawn from p without the children.
 *
 * With 1 and 1 this is `rejection`, number for number. A lower threshold lets more stand, and changes the output. The
 * source (TreeSpeculativeSamplingTargetOnly in sgl-kernel's speculative_sampling.cuh) is for trees; a chain is a tree.
 *
 *  3. At temperature 0 the thresholds say nothing, and decoding is greedy: SGLang checks such requests by comparing
 *     with the argmax.
 *  4. As in the source, threshold_acc counts as at least 1e-9, and q of a draft drawn at random is not used.
 *
 * Other than the source: u must be below its bound, not at most the bound, so that a token with p = 0 does not stand
 * when u is 0; and a second child with the same id adds nothing to the sum (its trees have none).
 */
#include "engine/rules/chances.h"

enum { SINGLE, ACC, SAMPLER };

static const param_spec params[] = {
    [SINGLE] = PARAM_REAL("threshold_single", 1, 0, 1,
                          "probability that is always enough (speculative_accept_threshold_single)"),
    [ACC] = PARAM_REAL("threshold_acc", 1, 0, 1,
                       "divides the probability of the tokens so far (speculative_accept_threshold_acc)"),
    SAMPLER_PARAMS(SAMPLER),
};

static int threshold_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                            err *e) {
    (void)e;
    leniency lenient = {r->params.at[SINGLE].real, r->params.at[ACC].real};
    if (lenient.acc < 1e-9) lenient.acc = 1e-9;
    if (r->sampler.temperature == 0) lenient = LENIENCY_NONE;
    for (int32_t node = DRAFT_ROOT;;) {
        uint64_t at = position + out->n;
        int32_t  child = chances_certain_child(r, pass, d, node, at, draws, lenient);
        if (child < 0) {
            out->next = chances_token(r, pass, d, node, at, draws);
            return 0;
        }
        out->path[out->n++] = node = child;
    }
}

const rule_ops rule_threshold = {
    .name = "threshold",
    .source = __FILE__,
    .help = "a draft token stands with its probability over a threshold, or when its probability is high; else one of "
            "the rest is drawn",
    .origin = "SGLang, sgl-kernel/csrc/speculative/speculative_sampling.cuh",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .more =
        "plain decoding's distribution with threshold_single = 1 and threshold_acc = 1, greedy decoding's tokens at "
        "temperature 0",
    .accept = threshold_accept,
};
