/* greedy.c - a draft token stands while it is the target's own choice.
 *
 * The output is plain greedy decoding's, whatever was drafted, as long as a row's logits do not depend on the other
 * rows of its pass; the engine's kernels see to that. In forced decoding the choice is the recorded token.
 */
#include "engine/rules/rule.h"

static int greedy_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                         err *e) {
    (void)r, (void)position, (void)draws, (void)e;
    for (int32_t node = DRAFT_ROOT;;) {
        out->next = rule_choice(pass, rows_of(node));
        if ((node = draft_child(d, node, out->next)) < 0) return 0;
        out->path[out->n++] = node;
    }
}

const rule_ops rule_greedy = {
    .name = "greedy",
    .source = __FILE__,
    .help = "a draft token stands while it is the argmax; ties go to the lowest id",
    .origin = "Stern et al. 2018, arXiv 1811.03115",
    .needs = GIVES_CHOICES,
    .keeps = SAME_TOKENS,
    .accept = greedy_accept,
};
