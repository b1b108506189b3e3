/* blas.h - OpenBLAS, for training and for `gemm = blas`: products as other engines compute them, with sums in whatever
 * order is fastest.
 *
 * It is not linked but loaded when it is first needed, because it starts a thread for each processor when it is loaded.
 * Where threads or memory are limited, commands that do not need it would not start.
 */
#ifndef ENGINE_MODEL_BLAS_H
#define ENGINE_MODEL_BLAS_H

#include <gsl/gsl_cblas.h> /* enum CBLAS_TRANSPOSE; its functions are slow ones of the same names */
#include <stddef.h>

#include "engine/base/err.h"
#include "engine/model/matrix.h"

/* Loads it, once, before anything below and before threads use it. ERR_RUN when it is not there. */
int blas_open(err *e);

/* Which kernels it chose for this machine; its sums depend on them. After blas_open. */
const char *blas_kernels(void);

/* Threads of every product from now on, in the whole process. */
void blas_set_threads(int threads);

/* Row-major c[m, n] = alpha op(a)[m, k] op(b)[k, n] + beta c; lda, ldb, ldc: from one row to the next, as stored. */
void blas_sgemm(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha, const float *a,
                int lda, const float *b, int ldb, float beta, float *c, int ldc);
void blas_dgemm(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha, const double *a,
                int lda, const double *b, int ldb, double beta, double *c, int ldc);

/* y[n, w->rows] = x[n, w->cols] W^T; w has been through matrix_decode. */
void blas_multiply(const matrix *w, const float *x, size_t n, float *y);

#endif
