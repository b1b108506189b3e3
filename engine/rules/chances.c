#include "engine/rules/chances.h"

#include "engine/rules/logits.h"

static bool is_leaf(const draft *d, int32_t node) {
    return draft_next_child(d, node, node) < 0;
}

/* The only child, which was drawn from q. p becomes max(p - q, 0) when it does not stand. */
static int32_t drawn_child(const draft *d, int32_t child, double *p, size_t vocab, double u) {
    const double *q = d->q + (size_t)child * vocab;
    int32_t       id = d->ids[child];
    if (u * q[id] < p[id]) return child;
    for (size_t i = 0; i < vocab; i++) p[i] = p[i] > q[i] ? p[i] - q[i] : 0;
    return -1;
}

/* The k-th child stands when u falls into its interval of [0, p(1) + p(2) + ...); p loses those that do not. */
static int32_t certain_child(const draft *d, int32_t node, double *p, double u, leniency l) {
    double  sum = 0;
    int32_t child = draft_next_child(d, node, node);
    for (; child >= 0; child = draft_next_child(d, node, child)) {
        double *own = &p[d->ids[child]];
        sum += *own;
        if (u < sum / l.acc || *own >= l.single) break;
        *own = 0;
    }
    return child;
}

int32_t chances_certain_child(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws,
                              leniency l) {
    rule_probs(r, pass, rows_of(node));
    return is_leaf(d, node) ? -1 : certain_child(d, node, r->p, noise_uniform(draws, at, DRAW_ACCEPT), l);
}

int32_t chances_child(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws) {
    if (d->q == NULL) return chances_certain_child(r, pass, d, node, at, draws, LENIENCY_NONE);
    rule_probs(r, pass, rows_of(node));
    return is_leaf(d, node) ? -1 : drawn_child(d, node + 1, r->p, pass->vocab, noise_uniform(draws, at, DRAW_ACCEPT));
}

int32_t chances_token(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws) {
    double  u = noise_uniform(draws, at, is_leaf(d, node) ? DRAW_TOKEN : DRAW_REST);
    int32_t id = probs_sample(r->p, pass->vocab, u);
    /* Nothing is left only where p is, but for rounding, what the children have or q; then p itself is as good. */
    return id >= 0 ? id : probs_sample(rule_probs(r, pass, rows_of(node)), pass->vocab, u);
}
