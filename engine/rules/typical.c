/* typical.c - typical acceptance, as in Medusa (Cai et al. 2024): whatever is not too unlikely stands.
 *
 *  1. A draft token d may stand when p(d) > min(eps, alpha * exp(-H)), with the entropy H = -sum p log(p + 1e-5) as
 *     Medusa's code has it. p comes from the sampler (sampler.h).
 *  2. Of the paths whose tokens all may, the longest one stands; of equally long ones the likeliest, by its sum of
 *     log p; of equally likely ones the one whose last node comes first.
 *  3. Then the argmax follows.
 *
 * This changes the output: it is here to be measured against the exact rules.
 */
#include "engine/kernels/detmath.h"
#include "engine/rules/logits.h"
#include "engine/rules/rule.h"

enum { EPS, ALPHA, SAMPLER };

static const param_spec params[] = {
    [EPS] = PARAM_REAL("eps", 0.09, 0, 1, "probability that is always enough (posterior_threshold)"),
    [ALPHA] = PARAM_REAL("alpha", 0.3, 0, 1, "share of exp(-entropy) that is enough (posterior_alpha)"),
    SAMPLER_PARAMS(SAMPLER),
};

static double threshold(const double *p, size_t n, double eps, double alpha) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i] * det_log(p[i] + 1e-5);
    double by_entropy = alpha * det_exp(sum);
    return by_entropy < eps ? by_entropy : eps;
}

/* A path from the root, by its last node. */
typedef struct {
    size_t n;          /* tokens */
    double likelihood; /* the sum of their log p */
} path;

/* Fills paths[rows_of(node)] of the children of a node that stands: n = 0 for those that do not. */
static void extend(rule *r, const rows *pass, const draft *d, int32_t node, path *paths) {
    int32_t child = draft_next_child(d, node, node);
    if (child < 0) return;
    path          above = paths[rows_of(node)];
    const double *p = rule_probs(r, pass, rows_of(node));
    double        least = threshold(p, pass->vocab, r->params.at[EPS].real, r->params.at[ALPHA].real);
    for (; child >= 0; child = draft_next_child(d, node, child)) {
        double own = p[d->ids[child]];
        paths[rows_of(child)] = own > least ? (path){above.n + 1, above.likelihood + det_log(own)} : (path){0};
    }
}

static bool is_better(path a, path b) {
    return a.n > b.n || (a.n == b.n && a.likelihood > b.likelihood);
}

static int typical_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                          err *e) {
    (void)position, (void)draws, (void)e;
    path    paths[DRAFT_CAP + 1] = {0};
    int32_t best = DRAFT_ROOT;
    extend(r, pass, d, DRAFT_ROOT, paths);
    for (int32_t node = 0; node < (int32_t)d->n; node++) {
        if (paths[rows_of(node)].n == 0) continue;
        extend(r, pass, d, node, paths);
        if (is_better(paths[rows_of(node)], paths[rows_of(best)])) best = node;
    }
    out->next = logits_argmax(rule_logits(pass, rows_of(best)), pass->vocab);
    out->n = paths[rows_of(best)].n;
    for (size_t i = out->n; i-- > 0; best = d->parent[best]) out->path[i] = best;
    return 0;
}

const rule_ops rule_typical = {
    .name = "typical",
    .source = __FILE__,
    .help = "the longest path of draft tokens stands whose probabilities are high for the entropy; then the argmax",
    .origin = "Medusa: Cai et al. 2024, arXiv 2401.10774",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .more = "greedy decoding's tokens at temperature 0",
    .accept = typical_accept,
};
