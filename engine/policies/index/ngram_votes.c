#include "engine/policies/index/ngram_votes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct vote {
    uint32_t at;    /* index in text of the n-gram's first token, where the follower came first */
    uint32_t count; /* of the follower */
};

static int table_init(vote_table *t, size_t slots, err *e) {
    if (tag_table_grow(&t->table, slots, e) != 0) return -1;
    return mem_reserve(&t->at, &t->cap, slots / 2, e);
}

int ngram_votes_init(ngram_votes *v, const ngram_index *x, bool across, err *e) {
    size_t lengths = x->max_n - x->min_n + 1;
    *v = (ngram_votes){.x = x, .across = across};
    if ((v->grams = mem_new(lengths, sizeof *v->grams, e)) == NULL) return -1;
    if ((v->pairs = mem_new(lengths, sizeof *v->pairs, e)) == NULL) return -1;
    for (size_t i = 0; i < lengths; i++) {
        size_t slots = x->tables[i].mask + 1; /* as many as x expects */
        if (table_init(&v->grams[i], slots, e) != 0 || table_init(&v->pairs[i], slots, e) != 0) return -1;
    }
    return 0;
}

static void tables_free(vote_table *tables, size_t n) {
    for (size_t i = 0; tables != NULL && i < n; i++) {
        tag_table_free(&tables[i].table);
        free(tables[i].at);
    }
    free(tables);
}

void ngram_votes_free(ngram_votes *v) {
    if (v->x == NULL) return;
    tables_free(v->grams, v->x->max_n - v->x->min_n + 1);
    tables_free(v->pairs, v->x->max_n - v->x->min_n + 1);
    *v = (ngram_votes){0};
}

/* The slot of the n tokens at `key`, or the free one where they would go. */
static tag_slot *find(const vote_table *t, const int32_t *text, const int32_t *key, size_t n, uint32_t tag) {
    tag_slot *s = tag_table_first(&t->table, tag);
    while (s->id != 0 && !(s->tag == tag && memcmp(text + t->at[s->id - 1].at, key, n * sizeof *key) == 0))
        s = tag_table_next(&t->table, s);
    return s;
}

/* The vote of the n tokens at text[at]; a new one has no count. NULL: no memory. */
static struct vote *enter(vote_table *t, const int32_t *text, size_t at, size_t n, uint32_t tag, err *e) {
    tag_slot *s = find(t, text, text + at, n, tag);
    if (s->id != 0) return &t->at[s->id - 1];
    if (mem_reserve(&t->at, &t->cap, t->n + 1, e) != 0) return NULL;
    t->at[t->n] = (struct vote){.at = (uint32_t)at};
    *s = (tag_slot){tag, (uint32_t)++t->n};
    return tag_table_filled(&t->table, e) == 0 ? &t->at[t->n - 1] : NULL;
}

/* text[next] follows all n-grams that end before it. */
static int count(ngram_votes *v, size_t next, err *e) {
    const ngram_index *x = v->x;
    const int32_t     *text = x->text.ids;
    if (next == 0 || (!v->across && x->owner[next] != x->owner[next - 1])) return 0;
    size_t   room = next - x->starts[x->owner[next - 1]], longest = room < x->max_n ? room : x->max_n;
    uint64_t h = ids_hash_empty;
    for (size_t n = 1; n <= longest; n++) {
        size_t at = next - n;
        h = ids_hash_extend(h, text[at]);
        if (n < x->min_n) continue;
        uint32_t     pair_tag = (uint32_t)ids_hash_extend(h, text[next]);
        struct vote *pair = enter(&v->pairs[n - x->min_n], text, at, n + 1, pair_tag, e);
        struct vote *gram = enter(&v->grams[n - x->min_n], text, at, n, (uint32_t)h, e);
        if (pair == NULL || gram == NULL) return -1;
        pair->count++;
        if (pair->count > gram->count || (pair->count == gram->count && pair->at < gram->at)) *gram = *pair; /* V2 */
    }
    return 0;
}

int ngram_votes_update(ngram_votes *v, err *e) {
    for (; v->entered < v->x->text.n; v->entered++)
        if (count(v, v->entered, e) != 0) return -1;
    return 0;
}

bool ngram_votes_best(const ngram_votes *v, const int32_t *history, size_t n_history, size_t n, ngram_place *place) {
    const ngram_index *x = v->x;
    assert(x->min_n <= n && n <= x->max_n && n <= n_history);
    const int32_t *key = history + n_history - n;
    uint64_t       h = ids_hash_empty;
    for (size_t i = n; i-- > 0;) h = ids_hash_extend(h, key[i]);
    const vote_table *t = &v->grams[n - x->min_n];
    const tag_slot   *s = find(t, x->text.ids, key, n, (uint32_t)h);
    if (s->id == 0) return false;
    size_t at = t->at[s->id - 1].at, sequence = x->owner[at];
    *place = (ngram_place){sequence, at - x->starts[sequence]};
    return true;
}
