/* coupled.c - sample and match: each row is sampled, and a draft token stands while it equals the sample.
 *
 * A sample takes one uniform number, which depends only on the seed and the output position. So the sequence is that of
 * plain sampling with the same seed, token for token, whatever was drafted and however decoding was split into passes.
 */
#include "engine/rules/logits.h"
#include "engine/rules/rule.h"

enum { DRAW_TOKEN };

static const param_spec params[] = {SAMPLER_PARAMS(0)};

static int coupled_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                          err *e) {
    (void)e;
    for (int32_t node = DRAFT_ROOT;;) {
        const double *p = rule_probs(r, pass, rows_of(node));
        out->next = probs_sample(p, pass->vocab, noise_uniform(draws, position + out->n, DRAW_TOKEN));
        if ((node = draft_child(d, node, out->next)) < 0) return 0;
        out->path[out->n++] = node;
    }
}

const rule_ops rule_coupled = {
    .name = "coupled",
    .source = __FILE__,
    .help = "samples at each position; a draft token stands while it equals the sample",
    .origin = "sample and match: assisted generation in Hugging Face transformers, lookup decoding in llama.cpp",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = SAME_TOKENS,
    .accept = coupled_accept,
};
