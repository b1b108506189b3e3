/* ngram_map_k4v.c - llama.cpp's drafter "ngram-map-k4v", from prompt and output (common/ngram-map.cpp, September 2026).
 *
 * For the last n tokens, the key, up to four different texts of k tokens that followed are counted, and one that is
 * much more frequent than the others is drafted. Rules K1 to K8 are in ngram_map.h: which places of the key count, and
 * how drafts get shorter.
 *
 *  V1  The first four values that differ are counted; others are passed over. The key's place at index 0 counts,
 *      too.
 *  V2  A value is drafted if it is at least twice as frequent as the others together.
 *  V3  A key with fewer than min_hits places drafts nothing.
 *
 * With compat = yes, as the original:
 *
 *  V4  Values are counted when the key is looked up, at its places up to the one that was found, and there each
 *      time. As that one stays (K3), no later place is counted.
 *  V5  The tokens after the place that was found are drafted, whichever value they are. The length of the draft
 *      is the winner's.
 *  V6  min_hits is about how often the key was looked up and found.
 */
#include "engine/policies/ngram_map.h"

static int map_begin(policy *p, const policy_input *in, err *e) {
    return ngram_map_begin(p, in, true, e);
}

/* V4. */
static void count_up_to(const ngram_map *x, map_key *key, size_t place) {
    uint32_t at = key->counted > 0 ? key->counted : key->first;
    for (; at < place; at = x->next[at]) ngram_map_count(x, key, at);
    ngram_map_count(x, key, place);
    key->counted = (uint32_t)place;
}

/* V2. The value's number; MAP_VALUES: none. */
static size_t winner(const map_key *key) {
    size_t best = 0, sum = 0;
    for (size_t i = 0; i < MAP_VALUES; i++) {
        sum += key->values[i].count;
        if (key->values[i].count > key->values[best].count) best = i;
    }
    size_t others = sum - key->values[best].count;
    return key->values[best].count >= 2 * others ? best : MAP_VALUES;
}

static int map_propose(policy *p, size_t limit, draft *d, err *e) {
    ngram_map *x = p->trial;
    map_key   *key;
    size_t     place;
    if (ngram_map_find(x, &key, &place, e) != 0) return -1;
    if (key == NULL || key->hits < p->spec.params.at[MAP_MIN_HITS].integer) return 0;
    if (x->compat) count_up_to(x, key, place);
    size_t value = winner(key);
    if (value == MAP_VALUES) return 0;
    ngram_map_draft(x, key, value, x->compat ? place + x->n : key->values[value].at, limit, d);
    return 0;
}

const policy_ops policy_ngram_map_k4v = {
    .name = "ngram_map_k4v",
    .source = __FILE__,
    .help = "copies what mostly followed the last n tokens, of up to four texts, as much as was accepted before",
    .origin = "llama.cpp, common/ngram-map.cpp (ngram-map-k4v)",
    .params = ngram_map_params,
    .n_params = MAP_PARAMS,
    .trial_bytes = sizeof(ngram_map),
    .begin = map_begin,
    .observe = ngram_map_observe,
    .propose = map_propose,
    .longest = ngram_map_longest,
    .end = ngram_map_end,
};
