/* coupled.c - sample and match: each row is sampled, and a draft token stands while it is what was sampled.
 *
 * The one uniform number behind a sample belongs to its output position, so the sampled sequence is that of plain
 * sampling with the same seed, token for token, whatever was drafted and however decoding was split into passes.
 */
#include "engine/rules/rule.h"

enum { TEMPERATURE };
enum { DRAW_TOKEN };

static const param_spec params[] = {
    [TEMPERATURE] = PARAM_REAL("temperature", 1, 0.01, 100, "softmax temperature"),
};

static int coupled_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                          err *e) {
    if (rule_check(r, pass, d, e) != 0) return -1;
    for (size_t i = 0;; i++) {
        const double *p = rule_probs(r, pass, i, r->params.at[TEMPERATURE].real);
        int32_t       sampled = probs_sample(p, pass->vocab, noise_uniform(draws, position + i, DRAW_TOKEN));
        if (i < d->n && d->ids[i] == sampled) continue;
        *out = (verdict){.accepted = i, .next = sampled};
        return 0;
    }
}

const rule_ops rule_coupled = {
    .name = "coupled",
    .source = __FILE__,
    .help = "samples at each position; a draft token stands while it is what was sampled",
    .origin = "sample and match: assisted generation in Hugging Face transformers, lookup decoding in llama.cpp",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = SAME_TOKENS,
    .accept = coupled_accept,
};
