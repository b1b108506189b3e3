/* suffix_tree.c - SuffixDecoding (Oliaro et al. 2024, arXiv 2411.04975), as Arctic Inference does it, and vLLM with it.
 *
 * All suffixes of the text so far vote on what comes next, by how often each continuation followed them. Two indexes
 * count: a local one, of the request's prompt and output, and a global one, of outputs only, this one's and those of
 * earlier requests. The original counts in a path-compressed suffix tree; ours (index/suffix_index.h) has the same
 * counts and the same order, and so the same drafts.
 *
 *  T1  The context is the last max_tree_depth tokens, and its suffixes are tried up to one less than it has.
 *  T2  A match of n tokens drafts at most k, and at most factor * n + offset.
 *  T3  Scores, paths and trees are those of suffix_draft.h. Of equal scores the longer match counts, and the local
 *      index before the global one.
 *  T4  The context is itself in the index and counts: what followed once before has the probability 1/2, not 1. In an
 *      earlier request's output it has 1.
 *  T5  Of each finished request the output stays in the global index, until more than `requests` are there, the running
 *      one included: then the oldest one goes, when the next request begins. With 0 there is no global index.
 *  T6  Near the end k is what may still come, as in vLLM: the match is chosen for that length.
 *
 * vLLM presets max_depth = 24 and requests = 10000, and drafts paths only. The original also replaces the match of a
 * draft by a longer one that drafts nothing, when both score 0; that shows in its statistics only, and is left out.
 */
#include "engine/policies/policy.h"
#include "engine/policies/suffix_draft.h"
#include "engine/policies/suffix_outputs.h"

enum { K, DEPTH, FACTOR, OFFSET, MIN_PROB, REQUESTS, FORM, MEMORY };
enum { PATH, TREE };

static const char *const forms[] = {[PATH] = "path", [TREE] = "tree", NULL};

static const param_spec params[] = {
    [K] = PARAM_INTEGER("k", 64, 1, DRAFT_CAP, "most tokens drafted (max_spec_tokens)"),
    [DEPTH] = PARAM_INTEGER("max_depth", 64, 2, SUFFIX_DEPTH_MAX, "longest match with its draft (max_tree_depth)"),
    [FACTOR] = PARAM_REAL("factor", 1, 0, 1024, "tokens drafted for each one matched (max_spec_factor)"),
    [OFFSET] = PARAM_REAL("offset", 0, -1024, 1024, "tokens drafted more than that (max_spec_offset)"),
    [MIN_PROB] = PARAM_REAL("min_prob", 0.1, 0, 1, "least probability of a drafted token (min_token_prob)"),
    [REQUESTS] = PARAM_INTEGER("requests", 100000, 0, INT32_MAX, "outputs that are kept (max_cached_requests)"),
    [FORM] = PARAM_CHOICE("form", forms, PATH, "shape of a draft (use_tree_spec)"),
    [MEMORY] = PARAM_MEMORY,
};

typedef struct {
    suffix_rules rules;
} setting;

typedef struct {
    suffix_index   local;
    suffix_match   global; /* the context's longest suffix among the outputs */
    size_t         length; /* of prompt and output */
    suffix_scratch scratch;
    suffix_best    best;
} request;

/* T2. */
static int tree_open(policy *p, err *e) {
    setting           *s = p->cell;
    const param_value *v = p->spec.params.at;
    size_t             depth = (size_t)v[DEPTH].integer, k = (size_t)v[K].integer;
    bool               any = false;
    s->rules = (suffix_rules){.min_length = 1, .min_prob = (float)v[MIN_PROB].real, .tree = v[FORM].choice == TREE};
    for (size_t n = 1; n < depth; n++) {
        double most = (double)((float)n * (float)v[FACTOR].real + (float)v[OFFSET].real) + 1e-6;
        s->rules.allowed[n] = (uint16_t)(most < 1 ? 0 : most < (double)k ? (size_t)most : k);
        any = any || s->rules.allowed[n] > 0;
    }
    if (any) return 0;
    return err_input(e,
                     "factor = %g and offset = %g draft nothing: a match of n tokens, at most max_depth - 1 = %zu,"
                     " gives factor * n + offset",
                     v[FACTOR].real, v[OFFSET].real, depth - 1);
}

static int tree_begin(policy *p, const policy_input *in, err *e) {
    request        *r = p->trial;
    suffix_outputs *o = p->memory;
    size_t depth = (size_t)p->spec.params.at[DEPTH].integer, kept = (size_t)p->spec.params.at[REQUESTS].integer;
    r->length = in->n_prompt;
    if (suffix_index_init(&r->local, depth, in->n_prompt, e) != 0) return -1;
    for (size_t i = 0; i < in->n_prompt; i++)
        if (suffix_index_append(&r->local, in->prompt[i], e) != 0) return -1;
    if (kept == 0) return 0;
    if (suffix_outputs_begin(o, depth, kept, e) != 0) return -1;
    for (size_t i = in->n_prompt < depth ? 0 : in->n_prompt - depth; i < in->n_prompt; i++)
        suffix_match_step(&o->index, &r->global, in->prompt[i]);
    return 0;
}

static int tree_observe(policy *p, const step_view *step, err *e) {
    request        *r = p->trial;
    suffix_outputs *o = p->memory;
    r->length += step->n;
    for (size_t i = 0; i < step->n; i++) {
        if (suffix_index_append(&r->local, step->emitted[i], e) != 0) return -1;
        if (p->spec.params.at[REQUESTS].integer == 0) continue;
        if (suffix_outputs_append(o, step->emitted + i, 1, e) != 0) return -1;
        suffix_match_step(&o->index, &r->global, step->emitted[i]);
    }
    return 0;
}

/* Where the first token drafted occurred first. */
static void name_source(const policy *p, bool global, draft *d) {
    const request        *r = p->trial;
    const suffix_outputs *o = p->memory;
    size_t                at = r->best.at, own = global ? o->appended : p->in.n_prompt;
    d->source = at >= own ? SOURCE_OUTPUT : global ? SOURCE_OTHER : SOURCE_PROMPT;
    if (d->source != SOURCE_OTHER) d->source_position = (int32_t)(at >= own ? at - own : at);
}

static int tree_propose(policy *p, size_t limit, draft *d, err *e) {
    request              *r = p->trial;
    const suffix_outputs *o = p->memory;
    const suffix_rules   *rules = &((const setting *)p->cell)->rules;
    if (r->length < 2) return 0;
    size_t       most = limit > 0 ? limit : 1; /* that there is a match is said in any case */
    suffix_match local = suffix_index_end(&r->local), global = r->global;
    r->best.score = 0;
    r->best.n = 0;
    suffix_match_shorten(&r->local, &local, local.length - 1); /* T1 */
    if (suffix_draft_best(&r->local, rules, local, most, &r->scratch, &r->best, e) != 0) return -1;
    float score = r->best.score;
    if (p->spec.params.at[REQUESTS].integer > 0) {
        suffix_match_shorten(&o->index, &global, r->length - 1); /* T1 */
        if (suffix_draft_best(&o->index, rules, global, most, &r->scratch, &r->best, e) != 0) return -1;
    }
    if (r->best.n == 0) return 0;
    if (r->best.n > limit) r->best.n = limit;
    suffix_draft_add(&r->best, d);
    name_source(p, r->best.score > score, d);
    return 0;
}

static size_t tree_longest(const param_values *v) {
    int64_t k = v->at[K].integer, depth = v->at[DEPTH].integer;
    return (size_t)(v->at[FORM].choice == TREE || k < depth ? k : depth - 1);
}

static void tree_end(policy *p) {
    request *r = p->trial;
    suffix_index_free(&r->local);
    suffix_scratch_free(&r->scratch);
}

static void tree_forget(policy *p) {
    suffix_outputs_free(p->memory);
}

const policy_ops policy_suffix_tree = {
    .name = "suffix_tree",
    .source = __FILE__,
    .help = "drafts what followed the last tokens most often, in prompt, output or earlier outputs",
    .origin = "Oliaro et al. 2024, arXiv 2411.04975 (SuffixDecoding); behaves as Arctic Inference's suffix tree",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .cell_bytes = sizeof(setting),
    .trial_bytes = sizeof(request),
    .memory_bytes = sizeof(suffix_outputs),
    .open = tree_open,
    .begin = tree_begin,
    .observe = tree_observe,
    .propose = tree_propose,
    .longest = tree_longest,
    .end = tree_end,
    .forget = tree_forget,
};
