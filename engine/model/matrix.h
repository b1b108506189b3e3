/* matrix.h - a weight matrix as it is stored and as kernels read it. */
#ifndef ENGINE_MODEL_MATRIX_H
#define ENGINE_MODEL_MATRIX_H

#include <stddef.h>

#include "engine/base/err.h"
#include "engine/kernels/dtype.h"

/* rows x cols: y[rows] = W x[cols]. */
typedef struct {
    dtype       type;
    size_t      rows, cols;
    const void *stored;  /* row-major; borrowed */
    void       *panels;  /* kernels/panel.h; NULL for types that kernels read as they are stored */
    const void *weights; /* what kernels read: one of the two; NULL until it is laid out */
} matrix;

/* `stored` must outlive the matrix, or, with panels, its laying out. */
matrix matrix_of(dtype type, size_t rows, size_t cols, const void *stored);

/* Lays out the panels, if the type has them, once, with threads that have ended when it returns. */
int  matrix_lay_out(matrix *m, int threads, err *e);
void matrix_close(matrix *m);

/* What a product reads of it. */
size_t matrix_bytes(const matrix *m);

#endif
