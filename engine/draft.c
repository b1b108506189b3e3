#include "engine/draft.h"

#include <string.h>

void draft_clear(draft *d) {
    d->n = 0;
    d->match_length = 0;
    d->source = SOURCE_NONE;
    d->source_position = -1;
}

void draft_extend(draft *d, const int32_t *ids, size_t n) {
    if (n == 0) return;
    memcpy(d->ids + d->n, ids, n * sizeof *ids);
    for (size_t i = d->n; i < d->n + n; i++) d->parent[i] = (int32_t)i - 1;
    d->n += n;
}
