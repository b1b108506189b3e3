/* matrix.h - a weight matrix as it is stored and as kernels read it. */
#ifndef ENGINE_MODEL_MATRIX_H
#define ENGINE_MODEL_MATRIX_H

#include <stddef.h>

#include "engine/base/err.h"
#include "engine/kernels/dtype.h"

/* rows x cols: y[rows] = W x[cols]. */
typedef struct {
    dtype        type;
    size_t       rows, cols;
    const void  *stored;  /* row-major; borrowed */
    void        *panels;  /* what kernels read (kernels/panel.h); NULL until matrix_lay_out */
    const float *floats;  /* what BLAS reads; NULL until matrix_decode */
    float       *decoded; /* the same when it is ours */
} matrix;

/* `stored` must outlive laying out and decoding; when F32 is decoded, the matrix. */
matrix matrix_of(dtype type, size_t rows, size_t cols, const void *stored);

/* Lays out the panels, once, with threads that have ended when it returns. ERR_RUN without memory. */
int  matrix_lay_out(matrix *m, int threads, err *e);
void matrix_close(matrix *m);

/* Gives BLAS an F32, F16 or BF16 matrix as f32: a copy unless it is that already. ERR_INPUT for blocks. */
int matrix_decode(matrix *m, int threads, err *e);

/* y[n, w->rows] = x[n, w->cols] W^T, by other code than the kernels. */
typedef void matrix_product(const matrix *w, const float *x, size_t n, float *y);

/* What a product reads of it: the panels. */
size_t matrix_bytes(const matrix *m);

#endif
