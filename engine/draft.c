#include "engine/draft.h"

void draft_clear(draft *d) {
    d->n = 0;
    d->branches = false;
    d->match_length = 0;
    d->source = SOURCE_NONE;
    d->source_position = -1;
    d->stage = 0;
    d->q = NULL;
}

int32_t draft_add(draft *d, int32_t parent, int32_t id) {
    if (d->n == DRAFT_CAP) return -1;
    int32_t node = (int32_t)d->n++;
    d->ids[node] = id;
    d->parent[node] = parent;
    if (parent != node - 1) d->branches = true;
    return node;
}

void draft_extend(draft *d, const int32_t *ids, size_t n) {
    int32_t last = (int32_t)d->n - 1;
    for (size_t i = 0; i < n; i++) {
        last = draft_add(d, last, ids[i]);
        if (last < 0) break;
    }
}

int32_t draft_next_child(const draft *d, int32_t parent, int32_t after) {
    size_t i = (size_t)after + 1; /* -1 wraps to 0 */
    if (!d->branches) return after == parent && i < d->n ? (int32_t)i : -1;
    for (; i < d->n; i++)
        if (d->parent[i] == parent) return (int32_t)i;
    return -1;
}

int32_t draft_child(const draft *d, int32_t parent, int32_t id) {
    int32_t node = draft_next_child(d, parent, parent);
    while (node >= 0 && d->ids[node] != id) node = draft_next_child(d, parent, node);
    return node;
}

size_t draft_depth(const draft *d, int32_t node) {
    size_t n = 0;
    for (; node != DRAFT_ROOT; node = d->parent[node]) n++;
    return n;
}

size_t draft_levels(const draft *d, uint16_t levels[DRAFT_CAP]) {
    uint16_t level[DRAFT_CAP];
    size_t   n = 0;
    for (size_t i = 0; i < d->n; i++) {
        level[i] = d->parent[i] == DRAFT_ROOT ? 0 : (uint16_t)(level[d->parent[i]] + 1);
        if (level[i] == n) levels[n++] = 0;
        levels[level[i]]++;
    }
    return n;
}
