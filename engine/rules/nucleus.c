/* nucleus.c - nucleus acceptance, as in REST (He et al. 2023): biased, and here to show how much.
 *
 *  1. Along each path of the draft, from the root to a leaf, a token is drawn at every node, anew for each path. The
 *     path stands while its tokens equal those drawn. The path that stands longest is taken, the first of equals.
 *  2. Then another token is drawn at its last node, whatever was drawn there before.
 *
 * At temperature 0 this is greedy decoding. Otherwise a draft token has two chances: it comes out with p + (1 - p) p in
 * a chain, and with more in a tree, where paths that begin with the same token draw for it more than once.
 *
 * The source is evaluate_posterior in rest/model/utils.py; its top_p is 0.8, here the sampler's.
 */
#include "engine/base/digest.h"
#include "engine/rules/chances.h"
#include "engine/rules/logits.h"

static const param_spec params[] = {SAMPLER_PARAMS_WITH(0, 0.8)};

/* How much of the path to `leaf` stands; its nodes go to path. */
static size_t path_stands(rule *r, const rows *pass, const draft *d, int32_t leaf, uint64_t position, noise draws,
                          int32_t path[DRAFT_CAP]) {
    size_t depth = draft_depth(d, leaf), n = 0;
    for (size_t i = depth; i-- > 0; leaf = d->parent[leaf]) path[i] = leaf;
    for (int32_t node = DRAFT_ROOT; n < depth; node = path[n++]) {
        double u = noise_uniform(draws, position + n, DRAW_ACCEPT);
        if (probs_sample(rule_probs(r, pass, rows_of(node)), pass->vocab, u) != d->ids[path[n]]) break;
    }
    return n;
}

static int nucleus_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                          err *e) {
    (void)e;
    int32_t path[DRAFT_CAP];
    for (int32_t node = 0; node < (int32_t)d->n; node++) {
        if (draft_next_child(d, node, node) >= 0) continue;
        uint64_t key[] = {draws.stream, (uint64_t)node};
        noise    own = {draws.seed, digest64(key, sizeof key)};
        size_t   n = path_stands(r, pass, d, node, position, own, path);
        if (n <= out->n) continue;
        for (size_t i = 0; i < n; i++) out->path[i] = path[i];
        out->n = n;
    }
    int32_t last = out->n > 0 ? out->path[out->n - 1] : DRAFT_ROOT;
    double  u = noise_uniform(draws, position + out->n, DRAW_TOKEN);
    out->next = probs_sample(rule_probs(r, pass, rows_of(last)), pass->vocab, u);
    return 0;
}

const rule_ops rule_nucleus = {
    .name = "nucleus",
    .source = __FILE__,
    .help = "a draft token stands while it equals one drawn for its path; then another one is drawn. Biased",
    .origin = "REST: He et al. 2023, arXiv 2311.08252; rest/model/utils.py",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .more = "greedy decoding's tokens at temperature 0",
    .accept = nucleus_accept,
};
