/* relaxed.c - relaxed acceptance, as in TensorRT-LLM: a draft token stands while it is nearly as likely as the argmax.
 *
 *  1. A draft token d stands while it is among the relaxed_topk likeliest and p(d) >= p(argmax) - relaxed_delta. The
 *     argmax always stands.
 *  2. After the last one the argmax follows; nothing is drawn. So plain decoding with this rule is greedy.
 *  3. TensorRT-LLM is lenient only while a model thinks. With begin_thinking and end_thinking, ids of tokens, the rule
 *     is lenient after the first and strict after the second; what a step emits counts from the next step on. With
 *     begin_thinking = -1 it is lenient from the start. (DeepSeek-R1's ids are 128798 and 128799.)
 *
 * The source (mtpRelaxedAcceptanceKernel in mtpKernels.cu) checks chains. In a tree, of several children that may
 * stand, the likeliest does.
 *
 * Other than the source: p comes from the sampler, and d must have some of it, so that at temperature 0 only the argmax
 * stands; in a prompt, the last of the two tokens decides, where the source only looks for the first; and of equal
 * logits the lower id is the likelier one.
 */
#include <inttypes.h>

#include "engine/rules/logits.h"
#include "engine/rules/rule.h"

enum { TOPK, DELTA, BEGIN, END, SAMPLER };

static const param_spec params[] = {
    [TOPK] = PARAM_INTEGER("relaxed_topk", 1, 1, 1000000, "a draft token must be among so many likeliest"),
    [DELTA] = PARAM_REAL("relaxed_delta", 0, 0, 1, "and have at most so much less probability than the likeliest"),
    [BEGIN] = PARAM_INTEGER("begin_thinking", -1, -1, INT32_MAX,
                            "id of a token that makes the rule lenient (begin_thinking_phase_token); -1: it begins so"),
    [END] = PARAM_INTEGER("end_thinking", -1, -1, INT32_MAX,
                          "id of a token that makes it strict (end_thinking_phase_token); -1: none"),
    SAMPLER_PARAMS(SAMPLER),
};

static int relaxed_check(const rule *r, err *e) {
    int64_t begin = r->params.at[BEGIN].integer, end = r->params.at[END].integer;
    for (size_t i = BEGIN; i <= END; i++)
        if (r->params.at[i].integer >= (int64_t)r->vocab)
            return err_input(e, "%s = %" PRId64 " is no id of this vocabulary (0 to %zu, or -1)", params[i].name,
                             r->params.at[i].integer, r->vocab - 1);
    if (begin < 0 || begin != end) return 0;
    return err_input(e, "begin_thinking and end_thinking are both %" PRId64 " (two ids, or -1)", begin);
}

static void relaxed_observe(rule *r, const int32_t *emitted, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (emitted[i] == r->params.at[BEGIN].integer) r->inside = true;
        if (emitted[i] == r->params.at[END].integer) r->inside = false;
    }
}

static void relaxed_begin(rule *r, const int32_t *prompt, size_t n) {
    r->inside = r->params.at[BEGIN].integer < 0;
    relaxed_observe(r, prompt, n);
}

static bool is_likelier(const float *logits, int32_t a, int32_t b) {
    return logits[a] > logits[b] || (a < b && logits[a] == logits[b]);
}

static bool is_among(const float *logits, size_t vocab, int32_t id, int64_t most) {
    int64_t before = 0;
    for (size_t i = 0; i < vocab && before < most; i++) before += is_likelier(logits, (int32_t)i, id);
    return before < most;
}

/* The likeliest child that may stand, or -1. */
static int32_t relaxed_child(rule *r, const rows *pass, const draft *d, int32_t node, int32_t top) {
    const float  *logits = rule_logits(pass, rows_of(node));
    const double *p = rule_probs(r, pass, rows_of(node));
    double        least = p[top] - r->params.at[DELTA].real;
    int32_t       best = -1, child = draft_next_child(d, node, node);
    for (; child >= 0; child = draft_next_child(d, node, child)) {
        int32_t id = d->ids[child];
        if (best >= 0 && !is_likelier(logits, id, d->ids[best])) continue;
        if (p[id] > 0 && p[id] >= least && is_among(logits, pass->vocab, id, r->params.at[TOPK].integer)) best = child;
    }
    return best;
}

static int relaxed_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out,
                          err *e) {
    (void)position, (void)draws, (void)e;
    for (int32_t node = DRAFT_ROOT;;) {
        out->next = logits_argmax(rule_logits(pass, rows_of(node)), pass->vocab);
        node = r->inside ? relaxed_child(r, pass, d, node, out->next) : draft_child(d, node, out->next);
        if (node < 0) return 0;
        out->path[out->n++] = node;
    }
}

const rule_ops rule_relaxed = {
    .name = "relaxed",
    .source = __FILE__,
    .help = "a draft token stands while it is nearly as likely as the argmax, always or while a model thinks; then the "
            "argmax",
    .origin = "TensorRT-LLM, relaxed acceptance: mtpRelaxedAcceptanceKernel in mtpKernels.cu",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .needs = GIVES_LOGITS,
    .keeps = LOSSY,
    .more = "greedy decoding's tokens with relaxed_topk = 1, or at temperature 0",
    .check = relaxed_check,
    .begin = relaxed_begin,
    .observe = relaxed_observe,
    .accept = relaxed_accept,
};
