/* blas.h - products of f32 matrices through CBLAS, as other engines do them: sums run in whatever order is fastest for
 * so many tokens. */
#ifndef ENGINE_MODEL_BLAS_H
#define ENGINE_MODEL_BLAS_H

#include <stddef.h>

#include "engine/model/matrix.h"

/* Threads of every product from now on, in the whole process. */
void blas_set_threads(int threads);

/* y[n, w->rows] = x[n, w->cols] W^T; w has been through matrix_decode. */
void blas_multiply(const matrix *w, const float *x, size_t n, float *y);

#endif
