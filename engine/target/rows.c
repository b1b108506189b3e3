#include "engine/target/rows.h"

size_t rows_of(int32_t node) {
    return (size_t)node + 1; /* -1 wraps to 0 */
}

size_t rows_deciding(const verdict *v, size_t i) {
    return rows_of(i > 0 ? v->path[i - 1] : DRAFT_ROOT);
}

void rows_forced(const int32_t *forced, size_t n_forced, size_t position, const draft *d, int32_t *out) {
    size_t after[DRAFT_CAP + 1]; /* by row */
    after[0] = position;
    for (size_t i = 0; i < d->n; i++) after[i + 1] = after[rows_of(d->parent[i])] + 1;
    for (size_t i = 0; i <= d->n; i++) out[i] = after[i] < n_forced ? forced[after[i]] : -1;
}
