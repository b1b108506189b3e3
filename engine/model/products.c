/* products.c - matrices times the activations of a pass, shared by threads. */
#include <string.h>

#include "engine/model/transformer_impl.h"

typedef struct {
    const matmul_ops *ops;
    const output     *outputs; /* [count] of one weight type and one input */
    size_t            count, tokens;
    const void       *prepared;
} multiply_job;

/* Panels [begin, end) of all outputs' panels taken together. */
static void multiply_panels(void *ctx, size_t begin, size_t end, int thread) {
    const multiply_job *job = ctx;
    (void)thread;
    for (size_t i = 0, first = 0; i < job->count; i++) {
        const matrix *w = job->outputs[i].w;
        size_t        n = panel_count(w->rows);
        size_t        from = begin > first ? begin - first : 0;
        size_t        to = end > first ? end - first : 0;
        if (to > n) to = n;
        size_t row1 = to * PANEL_ROWS < w->rows ? to * PANEL_ROWS : w->rows;
        if (from < to)
            job->ops->multiply(w->panels, job->prepared, job->outputs[i].y, w->cols, from * PANEL_ROWS, row1,
                               job->tokens, w->rows);
        first += n;
    }
}

typedef struct {
    const matmul_ops *ops;
    const float      *x;
    size_t            cols, tokens;
    void             *prepared;
} prepare_job;

static void prepare_columns(void *ctx, size_t begin, size_t end, int thread) {
    const prepare_job *j = ctx;
    (void)thread;
    j->ops->prepare(j->x, j->prepared, j->cols, j->tokens, begin, end);
}

/* Those of the same weight type run together. */
void products_run(transformer *t, const float *x, size_t n, const output *outputs, size_t count) {
    for (size_t i = 0; t->product != NULL && i < count; i++) t->product(outputs[i].w, x, n, outputs[i].y);
    if (t->product != NULL) return;
    for (size_t from = 0, to; from < count; from = to) {
        const matrix     *w = outputs[from].w;
        const matmul_ops *ops = &t->kernels->matmul[w->type];
        size_t            panels = 0;
        for (to = from; to < count && outputs[to].w->type == w->type; to++) panels += panel_count(outputs[to].w->rows);
        prepare_job prepare = {ops, x, w->cols, n, t->prepared};
        parallel_run(t->threads, (w->cols + PANEL_COLS - 1) / PANEL_COLS, THREAD_WORK / (16 * PANEL_COLS * n) + 1,
                     prepare_columns, &prepare);

        multiply_job job = {ops, outputs + from, to - from, n, t->prepared};
        size_t       grain = THREAD_WORK / (PANEL_ROWS * w->cols * n);
        parallel_run(t->threads, panels, grain > 1 ? grain : 1, multiply_panels, &job);
    }
}

void bias_add(const transformer *t, float *rows, size_t n, const float *bias, size_t width) {
    for (size_t i = 0; bias != NULL && i < n; i++) t->kernels->add(rows + i * width, bias, width);
}

void rows_normalize(const transformer *t, const float *x, const float *weight, float *out, size_t n, size_t width) {
    if (weight == NULL) memcpy(out, x, n * width * sizeof *x);
    for (size_t i = 0; weight != NULL && i < n; i++)
        t->kernels->rmsnorm(x + i * width, weight, out + i * width, width, t->m->shape.rms_eps);
}
