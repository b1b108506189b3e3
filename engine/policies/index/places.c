#include "engine/policies/index/places.h"

#include <stdlib.h>

#include "engine/base/mem.h"

int places_init(places *x, size_t n, size_t expected, err *e) {
    *x = (places){0};
    return ngram_index_init(&x->index, n, n, expected, e);
}

void places_free(places *x) {
    ngram_index_free(&x->index);
    free(x->groups);
    free(x->at);
    *x = (places){0};
}

/* Where an n-gram occurs first; false: nowhere. */
static bool first_place(const places *x, const int32_t *key, size_t *at) {
    ngram_place first[NGRAM_MAX];
    if (ngram_index_suffixes(&x->index, key, x->index.max_n, first) == 0) return false;
    *at = x->index.starts[first[0].sequence] + first[0].position;
    return true;
}

int places_group(places *x, err *e) {
    const ngram_index *index = &x->index;
    size_t             n = index->text.n, last = index->max_n - 1, first;
    x->groups = mem_new(n + 2, sizeof *x->groups, e);
    x->at = mem_new(n, sizeof *x->at, e);
    if (x->groups == NULL || x->at == NULL) return -1;
    /* Sorted by counting: groups[i + 2] counts group i, then groups[i + 1] is where its next place goes. */
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i + last < n; i++) {
            if (index->owner[i] != index->owner[i + last] || !first_place(x, index->text.ids + i, &first)) continue;
            if (pass == 0)
                x->groups[first + 2]++;
            else
                x->at[x->groups[first + 1]++] = (uint32_t)i;
        }
        for (size_t i = 2; i < n + 2 && pass == 0; i++) x->groups[i] += x->groups[i - 1];
    }
    return 0;
}

size_t places_find(const places *x, const int32_t *key, const uint32_t **at) {
    size_t first;
    if (!first_place(x, key, &first)) return 0;
    *at = x->at + x->groups[first];
    return x->groups[first + 1] - x->groups[first];
}
