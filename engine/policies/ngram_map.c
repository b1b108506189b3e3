#include "engine/policies/ngram_map.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum { SLOTS = 1 << 18 };

static const uint32_t factor = 2654435761u;

const param_spec ngram_map_params[MAP_PARAMS] = {
    [MAP_N] = PARAM_INTEGER("n", 12, 1, NGRAM_MAX, "trigger length: last tokens that must match (size-n)"),
    [MAP_K] = PARAM_INTEGER("k", 48, 1, DRAFT_CAP, "most tokens drafted (size-m); none before the text has 2n + k + 1"),
    [MAP_MIN_HITS] = PARAM_INTEGER("min_hits", 1, 1, MAP_COUNT_MAX, "fewest earlier places of the trigger (min-hits)"),
    [MAP_COMPAT] = PARAM_YES_NO("compat", 0, "as the original: with its bugs"),
};

static uint16_t one_more(uint16_t count) {
    return count < MAP_COUNT_MAX ? (uint16_t)(count + 1) : count;
}

int ngram_map_observe(policy *p, const step_view *step, err *e) {
    ngram_map *x = p->trial;
    if (x->drafted && !step->foreign && step->n > 0) /* K4 */
        x->keys[x->last_key].values[x->last_value].accepted = (uint16_t)(step->n - 1 < x->m ? step->n - 1 : x->m);
    x->drafted = false;
    return history_observe(&x->h, step, e);
}

size_t ngram_map_longest(const param_values *v) {
    return (size_t)v->at[MAP_K].integer;
}

void ngram_map_end(policy *p) {
    ngram_map *x = p->trial;
    history_free(&x->h);
    pair_table_free(&x->slots);
    free(x->keys);
    free(x->key_at);
    free(x->next);
    free(x->slot_place);
}

/* ---- entering places --------------------------------------------------------------------------------- */

/* The key whose last token is before `end`, which has been entered; NULL: it has not. */
static map_key *key_before(const ngram_map *x, size_t end) {
    ngram_place    place[NGRAM_MAX];
    size_t         n;
    const int32_t *ids = history_ids(&x->h, &n);
    if (ngram_index_suffixes(&x->h.index, ids, end, place) == 0) return NULL;
    return &x->keys[x->key_at[place[0].position] - 1];
}

/* Place `at` is where its key is first: a new one. */
static map_key *key_new(ngram_map *x, size_t at) {
    map_key *key = &x->keys[x->n_keys++];
    *key = (map_key){.first = (uint32_t)at, .last = (uint32_t)at};
    for (size_t i = 0; i < MAP_VALUES; i++) key->values[i].accepted = (uint16_t)x->m;
    x->key_at[at] = (uint32_t)x->n_keys;
    return key;
}

/* Enters the next place; those from `batch` on are entered together. */
static int enter_place(ngram_map *x, size_t batch, err *e) {
    ngram_place    place[NGRAM_MAX];
    size_t         at = x->entered, n;
    const int32_t *ids = history_ids(&x->h, &n);
    if (mem_reserve(&x->keys, &x->cap_keys, x->n_keys + 1, e) != 0) return -1;
    if (mem_reserve(&x->key_at, &x->cap_key_at, at + 1, e) != 0) return -1;
    if (mem_reserve(&x->next, &x->cap_next, at + 1, e) != 0) return -1;
    ngram_index_suffixes(&x->h.index, ids, at + x->n, place);
    map_key *key = place[0].position == at ? key_new(x, at) : &x->keys[x->key_at[place[0].position] - 1];
    x->next[key->last] = (uint32_t)at;
    key->last = (uint32_t)at;
    x->entered++;
    if (x->compat) return 0;
    key->hits = one_more(key->hits);
    if (key->place == 0 || key->place >= batch) key->place = (uint32_t)at;
    if (x->counts) ngram_map_count(x, key, at);
    return 0;
}

void ngram_map_count(const ngram_map *x, map_key *key, size_t place) {
    size_t         at = place + x->n, n;
    const int32_t *ids = history_ids(&x->h, &n);
    for (size_t i = 0; i < MAP_VALUES; i++) {
        map_value *v = &key->values[i];
        if (v->at == 0) v->at = (uint32_t)at;
        if (v->at != at && memcmp(ids + v->at, ids + at, x->m * sizeof *ids) != 0) continue;
        v->count = one_more(v->count);
        return;
    }
}

/* ---- the original's index (K7, K8) ------------------------------------------------------------------- */

static uint32_t slot_of(const ngram_map *x, const int32_t *key) {
    uint32_t h = 0;
    for (size_t i = 0; i < x->n; i++) h = h * factor + (uint32_t)key[i];
    return h % SLOTS;
}

/* Puts the places down from `from` to above `above` into free slots. */
static int slots_fill(ngram_map *x, size_t from, size_t above, err *e) {
    size_t         n;
    const int32_t *ids = history_ids(&x->h, &n);
    for (size_t at = from; at > above; at--) {
        size_t   used = x->slots.n;
        uint32_t number;
        if (mem_reserve(&x->slot_place, &x->cap_slot_place, used + 1, e) != 0) return -1;
        if (pair_table_add(&x->slots, slot_of(x, ids + at), 0, &number, e) != 0) return -1;
        if (x->slots.n > used) x->slot_place[number] = (uint32_t)at;
    }
    return 0;
}

/* The last place of the key down from `from` to above `above`; 0: none. */
static size_t scan(const ngram_map *x, const int32_t *key, size_t from, size_t above) {
    size_t         n;
    const int32_t *ids = history_ids(&x->h, &n);
    for (size_t at = from; at > above; at--)
        if (memcmp(ids + at, key, x->n * sizeof *ids) == 0) return at;
    return 0;
}

/* The last place that comes before all others in the original's searches; 0: none does. */
static size_t prompt_places(const ngram_map *x) {
    return x->n_begin > x->n + x->m + 1 ? x->n_begin - x->n - x->m - 1 : 0;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Where the original finds the last n tokens; 0: nowhere. `end` is the last place that counts. Of a key that is not
 * `known` there is nothing to find. */
static int find_in_slots(ngram_map *x, size_t end, bool known, size_t *place, err *e) {
    size_t         n, prompt = prompt_places(x), above = larger(x->n_begin, x->searched);
    const int32_t *ids = history_ids(&x->h, &n), *key = ids + n - x->n;
    uint32_t       number = pair_table_find(&x->slots, slot_of(x, key), 0);
    *place = number != PAIR_NONE ? x->slot_place[number] : 0;
    if (*place > 0 && memcmp(ids + *place, key, x->n * sizeof *ids) != 0) *place = 0;
    if (*place == 0 && known) *place = scan(x, key, prompt, x->searched);
    if (*place == 0 && known) *place = scan(x, key, end, above);
    if (slots_fill(x, prompt, x->filled, e) != 0 || slots_fill(x, end, larger(above, x->filled), e) != 0) return -1;
    x->searched = x->filled = end;
    return 0;
}

/* ---- beginning --------------------------------------------------------------------------------------- */

/* The last place that counts (K2); false: there is none yet (K1). */
static bool last_place(const ngram_map *x, size_t length, size_t *end) {
    if (length < 2 * x->n + x->m + 1) return false;
    *end = length - x->n - x->m - 2;
    return true;
}

/* What comes to count together. */
static int enter(ngram_map *x, size_t end, err *e) {
    for (size_t batch = x->entered; x->entered <= end;)
        if (enter_place(x, batch, e) != 0) return -1;
    return 0;
}

int ngram_map_begin(policy *p, const policy_input *in, bool counts, err *e) {
    ngram_map          *x = p->trial;
    const param_values *v = &p->spec.params;
    x->n = (size_t)v->at[MAP_N].integer;
    x->m = (size_t)v->at[MAP_K].integer;
    x->compat = v->at[MAP_COMPAT].choice != 0;
    x->counts = counts;
    x->n_begin = in->n_prompt > 0 ? in->n_prompt - 1 : 0;
    /* K2. The last token of H is not of the text. */
    if (history_begin(&x->h, x->n, x->n, HISTORY_FIRST, x->m + 2, in, e) != 0) return -1;
    size_t end;
    if (!last_place(x, in->n_prompt, &end)) return 0;
    /* The first draft would do so, with the same result. */
    x->filled = x->compat ? end : 0;
    return enter(x, end, e) != 0 || slots_fill(x, x->filled, 0, e) != 0 ? -1 : 0;
}

/* ---- drafting ---------------------------------------------------------------------------------------- */

int ngram_map_find(ngram_map *x, map_key **key, size_t *place, err *e) {
    size_t length, end;
    *key = NULL;
    history_ids(&x->h, &length);
    if (!last_place(x, length, &end)) return 0;
    if (enter(x, end, e) != 0) return -1;
    *key = key_before(x, length);
    *place = *key != NULL ? (*key)->place : 0;
    if (x->compat && find_in_slots(x, end, *key != NULL, place, e) != 0) return -1;
    if (*place == 0) *key = NULL;
    if (*key != NULL && x->compat) (*key)->hits = one_more((*key)->hits);
    return 0;
}

void ngram_map_draft(ngram_map *x, const map_key *key, size_t value, size_t from, size_t limit, draft *d) {
    size_t most = key->values[value].accepted;
    history_copy(&x->h, from, most < limit ? most : limit, x->n, d);
    x->drafted = d->n > 0;
    x->last_key = (size_t)(key - x->keys);
    x->last_value = value;
}
