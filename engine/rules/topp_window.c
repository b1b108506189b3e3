/* topp_window.c - top-p with a window, as in PaddleNLP: a draft token stands while it is one of few likely ones.
 *
 *  1. The candidates at a node are the ids that the sampler leaves, at most the max_candidate_len likeliest of them.
 *  2. A draft token that is a candidate stands.
 *  3. One that is not, but is the second likeliest id, stands if verify_window draft tokens follow and each is the
 *     argmax where it is. They stand with it, and the step ends there. (The second likeliest is no candidate when the
 *     sampler leaves one id.) Not with max_candidate_len = 1.
 *  4. Then a token is drawn from the candidates at the last node.
 *
 * The source (speculate_verify_and_update.cu) checks chains. In a tree, of several children that are candidates the
 * likeliest stands, and a window follows the argmax down.
 *
 * Other than the source: the number falls into an interval of the candidates' own sum. There it falls into [0, top_p),
 * and where the candidates have less than that the likeliest takes what is missing. And its kernel for candidates
 * (top_p_candidates.cu) writes no second one when the first has top_p, and no length when all of them have less than
 * top_p; then 2 never, and 3 seldom applies. The rule here is what its documentation describes, with 3 as the kernel
 * has it. SPECULATE_VERIFY_USE_TOPK is max_candidate_len = 1, except for the last token, which then is the argmax, too.
 */
#include "engine/rules/chances.h"
#include "engine/rules/logits.h"

enum { CANDIDATES, WINDOW, SAMPLER };

static const param_spec params[] = {
    [CANDIDATES] = PARAM_INTEGER("max_candidate_len", 5, 1, LOGITS_TOP,
                                 "most tokens that stand at a place (speculate_max_candidate_len)"),
    [WINDOW] = PARAM_INTEGER("verify_window", 2, 1, DRAFT_CAP,
                             "argmaxes that must follow the second likeliest token (speculate_verify_window)"),
    SAMPLER_PARAMS(SAMPLER),
};

typedef struct {
    int32_t ids[LOGITS_TOP]; /* the likeliest first */
    size_t  n, ranked;       /* candidates, and ids: more when the sampler leaves one */
} candidates;

/* Leaves in r->p the candidates only. */
static void find_candidates(rule *r, const rows *pass, int32_t node, candidates *c) {
    size_t most = (size_t)r->params.at[CANDIDATES].integer;
    c->ranked = logits_top(rule_logits(pass, rows_of(node)), pass->vocab, most, c->ids);
    rule_probs(r, pass, rows_of(node));
    double own[LOGITS_TOP] = {0};
    for (c->n = 0; c->n < c->ranked && r->p[c->ids[c->n]] > 0; c->n++) own[c->n] = r->p[c->ids[c->n]];
    for (size_t i = 0; i < pass->vocab; i++) r->p[i] = 0;
    for (size_t i = 0; i < c->n; i++) r->p[c->ids[i]] = own[i];
}

static int32_t candidate_child(const draft *d, int32_t node, const candidates *c) {
    int32_t child = -1;
    for (size_t i = 0; i < c->n && child < 0; i++) child = draft_child(d, node, c->ids[i]);
    return child;
}

/* Adds the second likeliest and its window to the path; false when they do not stand. */
static bool window_stands(const rule *r, const rows *pass, const draft *d, int32_t node, const candidates *c,
                          verdict *out) {
    size_t window = (size_t)r->params.at[WINDOW].integer, n = out->n;
    if (c->ranked < 2 || (node = draft_child(d, node, c->ids[1])) < 0) return false;
    out->path[n++] = node;
    for (size_t i = 0; i < window; i++) {
        node = draft_child(d, node, logits_argmax(rule_logits(pass, rows_of(node)), pass->vocab));
        if (node < 0) return false;
        out->path[n++] = node;
    }
    out->n = n;
    return true;
}

static int topp_window_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                              err *e) {
    (void)e;
    candidates c;
    int32_t    node = DRAFT_ROOT, child;
    find_candidates(r, pass, node, &c);
    while ((child = candidate_child(d, node, &c)) >= 0) {
        out->path[out->n++] = node = child;
        find_candidates(r, pass, node, &c);
    }
    if (window_stands(r, pass, d, node, &c, out)) find_candidates(r, pass, out->path[out->n - 1], &c);
    out->next = probs_sample(r->p, pass->vocab, noise_uniform(draws, position + out->n, DRAW_TOKEN));
    return 0;
}

const rule_ops rule_topp_window = {
    .name = "topp_window",
    .source = __FILE__,
    .help =
        "a draft token stands while it is one of the few likeliest, or the second and what follows is certain; then "
        "one of the likeliest is drawn",
    .origin = "PaddleNLP, TopP + window verify: csrc/gpu/append_attn/speculate_verify_and_update.cu",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .more = "greedy decoding's tokens with max_candidate_len = 1",
    .accept = topp_window_accept,
};
