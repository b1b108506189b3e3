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
    const void *weights; /* what kernels read: one of the two */
} matrix;

/* `stored` must outlive the matrix; with panels it is read here and no more, unless the caller reads it. */
int  matrix_open(matrix *m, dtype type, size_t rows, size_t cols, const void *stored, err *e);
void matrix_close(matrix *m);

#endif
