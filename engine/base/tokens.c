#include "engine/base/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

int tokens_reserve(tokens *t, size_t cap, err *e) {
    return mem_reserve(&t->ids, &t->cap, cap, e);
}

int tokens_push(tokens *t, int32_t id, err *e) {
    return tokens_append(t, &id, 1, e);
}

int tokens_append(tokens *t, const int32_t *ids, size_t n, err *e) {
    if (n == 0) return 0;
    if (tokens_reserve(t, t->n + n, e) != 0) return -1;
    memcpy(t->ids + t->n, ids, n * sizeof *ids);
    t->n += n;
    return 0;
}

bool tokens_equal(const tokens *a, const tokens *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0);
}

void tokens_free(tokens *t) {
    free(t->ids);
    *t = (tokens){0};
}
