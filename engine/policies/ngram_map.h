/* ngram_map.h - what llama.cpp's drafters "ngram-map-k" and "ngram-map-k4v" share (common/ngram-map.cpp).
 *
 * A key is n tokens, a value the m tokens after it. The last n tokens are the key to look up. The original holds
 * the token that comes last apart; "the text" below is all before it.
 *
 *     H    5 6 7 5 6 8 5 6 8 1 5 6      n = 2, m = 1: the key 5 6 is at places 0, 3 and 6; its values are 7 and 8
 *          ─┬─ ^ ─┬─ ^ ─┬─ ^   ─┬─
 *
 *  K1  Nothing is drafted, nor entered, while the text has fewer than 2n + m tokens.
 *  K2  A place counts when one more token than its value follows the key in the text. So values are complete, and
 *      the last token of the text is never part of one.
 *  K3  Places are entered with the prompt and then at each draft: all that have come to count since. A key's
 *      place is the latest of those entered with the first, and stays. A key that is only at the text's very
 *      beginning has no place: index 0 means "none" in the original.
 *  K4  Drafts only get shorter. A value, of ngram_map_k a key, is drafted up to the length that was accepted of
 *      its last draft, m at first. After a draft of which nothing was accepted it drafts nothing any more.
 *  K5  Counts stop at 16380.
 *  K6  Every trial begins anew. The original's server keeps the map of a conversation, and drops what the next
 *      turn does not begin with.
 *
 * With compat = yes the original's bugs of September 2026 are there, too:
 *
 *  K7  Its index has 2^18 slots, by the low bits of the key's polynomial in 2654435761. A key whose slot is taken
 *      by another finds only places that were not entered before.
 *  K8  Of a prompt's text of L tokens, the places from L - n - m to L do not count. Those before are searched
 *      first, and those after L only when the key is not among them.
 */
#ifndef ENGINE_POLICIES_NGRAM_MAP_H
#define ENGINE_POLICIES_NGRAM_MAP_H

#include "engine/policies/history.h"
#include "engine/policies/index/pair_table.h"

enum { MAP_VALUES = 4, MAP_COUNT_MAX = 16380 };

typedef struct {
    uint32_t at;       /* index of its first token; 0 = none */
    uint16_t count;    /* how often it followed the key */
    uint16_t accepted; /* length of its next draft */
} map_value;

typedef struct {
    uint32_t  first, last; /* place; all are linked by `next` */
    uint32_t  place;       /* K3, with compat = no; 0 = none */
    uint32_t  counted;     /* with compat = yes: the place up to which values are counted; 0 = none */
    uint16_t  hits;        /* places; with compat = yes, how often the key was looked up and found */
    map_value values[MAP_VALUES];
} map_key;

typedef struct {
    history   h;
    size_t    n, m;
    bool      compat, counts; /* counts: values are counted */
    map_key  *keys;
    uint32_t *key_at; /* [entered]: where a key is first, 1 + its index in keys */
    uint32_t *next;   /* [entered]: the next place of the key at this one */
    size_t    n_keys, cap_keys, cap_key_at, cap_next, entered;

    /* compat = yes: (slot, 0) has a number, and slot_place[number] is what is there. Searches end above `searched`, and
     * places up to `filled` have been offered to slots. */
    pair_table slots;
    uint32_t  *slot_place;
    size_t     cap_slot_place, searched, filled, n_begin; /* n_begin: tokens of the prompt's text */

    bool   drafted;
    size_t last_key, last_value; /* drafted last */
} ngram_map;

/* Parameters of both policies. */
enum { MAP_N, MAP_K, MAP_MIN_HITS, MAP_COMPAT, MAP_PARAMS };
extern const param_spec ngram_map_params[MAP_PARAMS];

/* What both do but draft: policy_ops, with an ngram_map as the trial. ngram_map_begin enters the prompt; `counts`:
 * whether values are counted. */
int    ngram_map_begin(policy *p, const policy_input *in, bool counts, err *e);
int    ngram_map_observe(policy *p, const step_view *step, err *e);
size_t ngram_map_longest(const param_values *v);
void   ngram_map_end(policy *p);

/* Enters the places that have come to count. *key becomes the key to look up, and *place where it is; NULL when
 * it has no place. */
int ngram_map_find(ngram_map *x, map_key **key, size_t *place, err *e);

/* Counts the value at a place of the key. */
void ngram_map_count(const ngram_map *x, map_key *key, size_t place);

/* Drafts value number `value` of the key, from index `from` on. */
void ngram_map_draft(ngram_map *x, const map_key *key, size_t value, size_t from, size_t limit, draft *d);

#endif
