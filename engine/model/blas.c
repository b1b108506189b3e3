/* blas.c - what blas.h says. */
#include "engine/model/blas.h"

#include <gsl/gsl_cblas.h>

void openblas_set_num_threads(int threads); /* cblas.h of OpenBLAS cannot stand beside GSL's */

void blas_set_threads(int threads) {
    openblas_set_num_threads(threads);
}

/* One token is a matrix times a vector there, as it is elsewhere. */
void blas_multiply(const matrix *w, const float *x, size_t n, float *y) {
    int rows = (int)w->rows, cols = (int)w->cols;
    if (n == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, cols, 1, w->floats, cols, x, 1, 0, y, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, rows, cols, 1, x, cols, w->floats, cols, 0, y,
                    rows);
}
