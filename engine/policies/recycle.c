/* recycle.c - token recycling (Luo et al. 2024, arXiv 2408.08696), as in Spec-Bench (model/recycling).
 *
 * A pass computes the logits of every token that it checks, and most of them are thrown away. Here each token's eight
 * likeliest successors are kept, those of the last place where it was checked. They are what is drafted next: a tree of
 * a fixed shape below the last token, in which the children of a node are successors of its token, likeliest first.
 *
 *     last ──┬── 1st ──┬── its 1st ── ...       more of the likely ones, and deeper below them
 *            │         └── its 2nd ── ...
 *            ├── 2nd ───── its 1st
 *            └── 8th
 *
 *  Y1  All rows of a pass count: that of the last token, and those of draft tokens, accepted or not. A prompt's other
 *      tokens do not: their logits are not computed.
 *  Y2  Of a token's rows in one pass the last one in the order of the tree counts. (The original leaves this to the
 *      order in which a GPU writes.)
 *  Y3  Of equal logits the lowest id comes first.
 *  Y4  A node whose token was never checked has no children. In the original all successors are id 0 at first, so it
 *      drafts that id below such a node, down to the tree's end: compat = yes.
 *  Y5  The tree of 80 nodes is the original's (its version 2.2.2, in the paper's appendix). That of 60 is the one of
 *      SAM-Decoding for the same method. With room for fewer tokens, the first ones in breadth-first order are drafted.
 *  Y6  What was learned is kept for a whole run in the original: memory = cell. Its last pass of an output, which has
 *      the token that ends it, teaches it nothing; here all do.
 *
 * The memory is eight ids for each token of the vocabulary.
 */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/policies/policy.h"
#include "engine/rules/logits.h"
#include "engine/target/rows.h"

enum { TREE, COMPAT, MEMORY };

static const char *const trees[] = {"80", "60", NULL};

static const param_spec params[] = {
    [TREE] = PARAM_CHOICE("tree", trees, 0, "nodes of the tree: Spec-Bench's (tree_version 2.2.2) or SAM-Decoding's"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: id 0 is drafted where no successors are known"),
    [MEMORY] = PARAM_MEMORY,
};

enum { WIDTH = 8, NODES = 80, NONE = -2 };

/* How many children each node has, in breadth-first order from the root on; a digit each. */
static const char *const shapes[] = {
    "884321111832111112100100101100521110001001000000100110031100100001010020010000000",
    "7653221132211032110110101010210100000200100010000201010000000",
};

typedef struct {
    int32_t *successors; /* [vocab, WIDTH]: id + 1, likeliest first; 0 = none */
} recycle_memory;

typedef struct {
    int32_t last; /* token of the context, -1 = none */
} recycle_trial;

static int recycle_begin(policy *p, const policy_input *in, err *e) {
    recycle_memory *m = p->memory;
    ((recycle_trial *)p->trial)->last = in->n_prompt > 0 ? in->prompt[in->n_prompt - 1] : -1;
    if (m->successors == NULL) m->successors = mem_new(p->spec.vocab, WIDTH * sizeof *m->successors, e);
    return m->successors != NULL ? 0 : -1;
}

/* The token of a row: the last one of the context, then the draft's. */
static int32_t row_token(const policy *p, const draft *d, size_t row) {
    return row > 0 ? d->ids[row - 1] : ((const recycle_trial *)p->trial)->last;
}

static bool comes_again(const policy *p, const draft *d, size_t row) {
    for (size_t i = row; i < d->n; i++)
        if (d->ids[i] == row_token(p, d, row)) return true;
    return false;
}

static int recycle_observe(policy *p, const step_view *step, err *e) {
    (void)e;
    const recycle_memory *m = p->memory;
    const rows           *r = step->rows;
    for (size_t row = 0; row < r->n; row++) {
        int32_t token = row_token(p, step->draft, row), top[WIDTH];
        if (token < 0 || comes_again(p, step->draft, row)) continue; /* Y2 */
        size_t   n = logits_top(r->logits + row * r->vocab, r->vocab, WIDTH, top);
        int32_t *known = m->successors + (size_t)token * WIDTH;
        for (size_t i = 0; i < n; i++) known[i] = top[i] + 1;
    }
    ((recycle_trial *)p->trial)->last = step->emitted[step->n - 1];
    return 0;
}

static int recycle_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)e;
    const recycle_memory *m = p->memory;
    const char           *shape = shapes[p->spec.params.at[TREE].choice];
    bool                  compat = p->spec.params.at[COMPAT].choice != 0;
    int32_t               token[NODES + 1] = {((const recycle_trial *)p->trial)->last};
    int32_t               node[NODES + 1] = {token[0] >= 0 ? DRAFT_ROOT : NONE}; /* NONE: not drafted */
    size_t                end = 1;                                               /* nodes of the shape so far */
    for (size_t i = 0; i < end; i++)
        for (int c = 0; c < shape[i] - '0'; c++, end++) {
            int32_t next = node[i] != NONE ? m->successors[(size_t)token[i] * WIDTH + (size_t)c] : 0;
            bool    drafted = node[i] != NONE && (next > 0 || compat) && d->n < limit;
            token[end] = next > 0 ? next - 1 : 0;
            node[end] = drafted ? draft_add(d, node[i], token[end]) : NONE;
        }
    if (d->n == 0) return 0;
    d->match_length = 1;
    d->source = SOURCE_OTHER;
    return 0;
}

static size_t recycle_longest(const param_values *v) {
    return v->at[TREE].choice == 0 ? 80 : 60;
}

static void recycle_forget(policy *p) {
    free(((recycle_memory *)p->memory)->successors);
}

const policy_ops policy_recycle = {
    .name = "recycle",
    .source = __FILE__,
    .help = "drafts a tree of the successors that the target found likeliest when it last checked each token",
    .origin = "token recycling: Luo et al. 2024, arXiv 2408.08696; behaves as Spec-Bench model/recycling",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = READS_LOGITS,
    .trial_bytes = sizeof(recycle_trial),
    .memory_bytes = sizeof(recycle_memory),
    .begin = recycle_begin,
    .observe = recycle_observe,
    .propose = recycle_propose,
    .longest = recycle_longest,
    .forget = recycle_forget,
};
