#include "engine/policies/index/gram_pool.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

int gram_pool_init(gram_pool *p, size_t vocab, size_t width, size_t most, err *e) {
    p->width = width;
    p->most = most;
    p->slot = mem_new(vocab, sizeof *p->slot, e);
    return p->slot != NULL ? 0 : -1;
}

void gram_pool_free(gram_pool *p) {
    free(p->slot);
    free(p->grams);
    free(p->count);
    *p = (gram_pool){0};
}

static int32_t *place_of(const gram_pool *p, size_t place) {
    return p->grams + place * p->most * p->width;
}

static int new_place(gram_pool *p, int32_t first, err *e) {
    if (mem_reserve(&p->grams, &p->cap_grams, (p->places + 1) * p->most * p->width, e) != 0 ||
        mem_reserve(&p->count, &p->cap_count, p->places + 1, e) != 0)
        return -1;
    p->count[p->places++] = 0;
    p->slot[first] = (int32_t)p->places;
    return 0;
}

int gram_pool_add(gram_pool *p, int32_t first, const int32_t *rest, err *e) {
    if (p->slot[first] == 0 && new_place(p, first, e) != 0) return -1;
    size_t   place = (size_t)p->slot[first] - 1, bytes = p->width * sizeof *rest, i = 0;
    size_t  *n = &p->count[place];
    int32_t *grams = place_of(p, place);
    while (i < *n && memcmp(grams + i * p->width, rest, bytes) != 0) i++;
    if (i == *n && *n < p->most) {
        ++*n;
    } else {
        if (i == *n) i = 0;
        memmove(grams + i * p->width, grams + (i + 1) * p->width, (*n - 1 - i) * bytes);
    }
    memcpy(grams + (*n - 1) * p->width, rest, bytes);
    return 0;
}

const int32_t *gram_pool_find(const gram_pool *p, int32_t first, size_t *n) {
    *n = 0;
    if (p->slot[first] == 0) return NULL;
    size_t place = (size_t)p->slot[first] - 1;
    *n = p->count[place];
    return place_of(p, place);
}
