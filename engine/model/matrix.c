#include "engine/model/matrix.h"

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/kernels/panel.h"

size_t matrix_bytes(const matrix *m) {
    return panel_count(m->rows) * panel_bytes(m->type, m->cols);
}

matrix matrix_of(dtype type, size_t rows, size_t cols, const void *stored) {
    return (matrix){.type = type, .rows = rows, .cols = cols, .stored = stored};
}

typedef struct {
    const matrix *m;
    void         *room;
} pack_job;

static void pack_range(void *ctx, size_t begin, size_t end, int thread) {
    const pack_job *job = ctx;
    const matrix   *m = job->m;
    (void)thread;
    panel_pack(m->type, m->stored, m->rows, m->cols, begin, end, job->room);
}

void matrix_pack_into(matrix *m, void *room, int threads) {
    enum { GRAIN = 4 }; /* panels that a thread takes at a time */
    if (m->panels != NULL) return;
    parallel_run_once(threads, panel_count(m->rows), GRAIN, pack_range, &(pack_job){m, room});
    m->panels = room;
}

int matrix_pack(matrix *m, int threads, err *e) {
    if (m->panels != NULL) return 0;
    if ((m->packed = mem_map(matrix_bytes(m), e)) == NULL) return -1;
    matrix_pack_into(m, m->packed, threads);
    return 0;
}

static void decode_range(void *ctx, size_t begin, size_t end, int thread) {
    const matrix *m = ctx;
    (void)thread;
    dtype_get(m->type)->decode((const char *)m->stored + begin * dtype_bytes(m->type, m->cols),
                               m->decoded + begin * m->cols, (end - begin) * m->cols);
}

int matrix_decode(matrix *m, int threads, err *e) {
    enum { GRAIN = 64 }; /* rows that a thread takes at a time */
    if (m->floats != NULL) return 0;
    if (quant_format_of(m->type) != NULL)
        return err_input(e, "gemm = blas cannot multiply %s weights (F32, F16 or BF16)", dtype_get(m->type)->name);
    if (m->type == DTYPE_F32) {
        m->floats = m->stored;
        return 0;
    }
    if ((m->decoded = mem_map(m->rows * m->cols * sizeof *m->decoded, e)) == NULL) return -1;
    parallel_run_once(threads, m->rows, GRAIN, decode_range, m);
    m->floats = m->decoded;
    return 0;
}

void matrix_close(matrix *m) {
    mem_unmap(m->decoded, m->rows * m->cols * sizeof *m->decoded);
    if (m->packed != NULL) mem_unmap(m->packed, matrix_bytes(m));
    *m = (matrix){0};
}
