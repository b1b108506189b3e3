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
    const void  *panels;  /* what kernels read (kernels/panel.h); NULL until matrix_pack */
    void        *packed;  /* the same when it is ours */
    const float *floats;  /* what BLAS reads; NULL until matrix_decode */
    float       *decoded; /* the same when it is ours */
} matrix;

/* `stored` must outlive packing and decoding; when F32 is decoded, the matrix. */
matrix matrix_of(dtype type, size_t rows, size_t cols, const void *stored);

/* Packs the rows into panels, once, with threads that have ended when it returns: into `room`, which has matrix_bytes,
 * is 64-byte aligned and must outlive the matrix; or into memory of its own. ERR_RUN without memory. */
void matrix_pack_into(matrix *m, void *room, int threads);
int  matrix_pack(matrix *m, int threads, err *e);
void matrix_close(matrix *m);

/* Makes `floats` of an F32, F16 or BF16 matrix: a copy unless it is F32. ERR_INPUT for blocks. */
int matrix_decode(matrix *m, int threads, err *e);

/* Computes y[n, w->rows] = x[n, w->cols] W^T with other code than the kernels. */
typedef void matrix_product(const matrix *w, const float *x, size_t n, float *y);

/* Bytes that a product reads: those of the panels. */
size_t matrix_bytes(const matrix *m);

#endif
