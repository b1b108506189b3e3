/* fly.c - FLy, as in vLLM: a rejection is overridden where the target hesitates and what follows is accepted.
 *
 *  1. Draft tokens stand as with `rejection`; at temperature 0 that is greedy.
 *  2. A token that does not is let through when all of this holds: the entropy of the entropy_top_k likeliest tokens,
 *     -sum p log p without scaling their p, is at least entropy_threshold; the token has some probability; and
 *     window_size more draft tokens follow, each of which stands by 1.
 *  3. Otherwise a token is drawn from the rest, as with `rejection`.
 *
 * p comes from the sampler, at temperature 1 when decoding is greedy. The source (vLLM, pull request 53987)
 * checks chains. In a tree, 2 tries the children in their order, and a window follows those that stand.
 * With a window longer than every draft the rule is `rejection`, number for number.
 *
 * The source presets the window to 6 or, if that is less, to one token less than it drafts, and refuses a longer one. A
 * rule does not know what policies draft: with drafts of up to 6 tokens, set window_size to one less than that.
 */
#include "engine/kernels/detmath.h"
#include "engine/rules/chances.h"
#include "engine/rules/logits.h"

enum { ENTROPY, WINDOW, TOP, SAMPLER };

static const param_spec params[] = {
    [ENTROPY] = PARAM_REAL("entropy_threshold", 0.3, 0, 10, "least entropy, in nats (fly_entropy_threshold)"),
    [WINDOW] = PARAM_INTEGER("window_size", 6, 1, DRAFT_CAP,
                             "tokens that must stand after it, fewer than are drafted (fly_window_size)"),
    [TOP] = PARAM_INTEGER("entropy_top_k", 3, 1, LOGITS_TOP,
                          "the entropy is over so many likeliest tokens (fly_entropy_top_k)"),
    SAMPLER_PARAMS(SAMPLER),
};

static double top_entropy(const float *logits, const double *p, size_t vocab, size_t most) {
    int32_t ids[LOGITS_TOP];
    double  sum = 0;
    most = logits_top(logits, vocab, most, ids);
    for (size_t i = 0; i < most && p[ids[i]] > 0; i++) sum -= p[ids[i]] * det_log(p[ids[i]]);
    return sum;
}

/* The probabilities at a node, in r->p; at temperature 1 when decoding is greedy. */
static const double *soft_probs(rule *r, const rows *pass, int32_t node) {
    sampler s = r->sampler;
    if (s.temperature == 0) s.temperature = 1;
    sampler_probs(&s, rule_logits(pass, rows_of(node)), pass->vocab, r->p);
    return r->p;
}

static bool window_stands(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws) {
    for (int64_t i = 1; i <= r->params.at[WINDOW].integer && node >= 0; i++)
        node = chances_child(r, pass, d, node, at + (uint64_t)i, draws);
    return node >= 0;
}

/* The first child that is let through, or -1. */
static int32_t passing_child(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws) {
    int32_t       possible[DRAFT_CAP], child = draft_next_child(d, node, node);
    size_t        n = 0;
    const double *p = soft_probs(r, pass, node);
    if (top_entropy(rule_logits(pass, rows_of(node)), p, pass->vocab, (size_t)r->params.at[TOP].integer) <
        r->params.at[ENTROPY].real)
        return -1;
    for (; child >= 0; child = draft_next_child(d, node, child))
        if (p[d->ids[child]] > 0) possible[n++] = child;
    for (size_t i = 0; i < n; i++)
        if (window_stands(r, pass, d, possible[i], at, draws)) return possible[i];
    return -1;
}

static int fly_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out, err *e) {
    (void)e;
    for (int32_t node = DRAFT_ROOT;;) {
        uint64_t at = position + out->n;
        int32_t  child = chances_child(r, pass, d, node, at, draws);
        if (child < 0 && draft_next_child(d, node, node) >= 0) {
            child = passing_child(r, pass, d, node, at, draws);
            if (child < 0) chances_child(r, pass, d, node, at, draws); /* r->p again */
        }
        if (child < 0) {
            out->next = chances_token(r, pass, d, node, at, draws);
            return 0;
        }
        out->path[out->n++] = node = child;
    }
}

const rule_ops rule_fly = {
    .name = "fly",
    .source = __FILE__,
    .help =
        "as rejection, but one that does not stand is let through where the entropy is high and what follows stands",
    .origin = "FLy, arXiv 2511.22972, as in vLLM (rejection_sample_method = fly)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .accept = fly_accept,
};
