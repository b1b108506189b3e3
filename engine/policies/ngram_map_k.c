/* ngram_map_k.c - llama.cpp's drafter "ngram-map-k", from prompt and output (common/ngram-map.cpp, September 2026).
 *
 * What followed an earlier place of the last n tokens is drafted, up to k tokens of it. Rules K1 to K8 are in
 * ngram_map.h: which place that is, and how drafts get shorter.
 *
 *  K9  A key with fewer than min_hits places drafts nothing. The original does not look at min_hits here,
 *      contrary to its documentation; nor do we with compat = yes.
 */
#include "engine/policies/ngram_map.h"

static int map_begin(policy *p, const policy_input *in, err *e) {
    return ngram_map_begin(p, in, false, e);
}

static int map_propose(policy *p, size_t limit, draft *d, err *e) {
    ngram_map *x = p->trial;
    map_key   *key;
    size_t     place;
    if (ngram_map_find(x, &key, &place, e) != 0) return -1;
    if (key == NULL || (!x->compat && key->hits < p->spec.params.at[MAP_MIN_HITS].integer)) return 0;
    ngram_map_draft(x, key, 0, place + x->n, limit, d);
    return 0;
}

const policy_ops policy_ngram_map_k = {
    .name = "ngram_map_k",
    .source = __FILE__,
    .help = "copies what followed an earlier place of the last n tokens, as much as was accepted there before",
    .origin = "llama.cpp, common/ngram-map.cpp (ngram-map-k)",
    .params = ngram_map_params,
    .n_params = MAP_PARAMS,
    .trial_bytes = sizeof(ngram_map),
    .begin = map_begin,
    .observe = ngram_map_observe,
    .propose = map_propose,
    .longest = ngram_map_longest,
    .end = ngram_map_end,
};
