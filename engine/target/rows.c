#include "engine/target/rows.h"

size_t rows_of(int32_t node) {
    return (size_t)node + 1; /* -1 wraps to 0 */
}

size_t rows_deciding(const verdict *v, size_t i) {
    return rows_of(i > 0 ? v->path[i - 1] : DRAFT_ROOT);
}

void rows_forced(const int32_t *forced, size_t n_forced, size_t position, size_t n, int32_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = position + i < n_forced ? forced[position + i] : -1;
}
