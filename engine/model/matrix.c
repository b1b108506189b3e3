#include "engine/model/matrix.h"

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/kernels/panel.h"

int matrix_open(matrix *m, dtype type, size_t rows, size_t cols, const void *stored, err *e) {
    size_t bytes = panel_bytes(type, cols), n = panel_count(rows);
    *m = (matrix){.type = type, .rows = rows, .cols = cols, .stored = stored, .weights = stored};
    if (bytes == 0) return 0;
    if ((m->panels = mem_new_aligned(n, bytes, 64, e)) == NULL) return -1;
    panel_pack(type, stored, rows, cols, 0, n, m->panels);
    m->weights = m->panels;
    return 0;
}

void matrix_close(matrix *m) {
    free(m->panels);
    *m = (matrix){0};
}
