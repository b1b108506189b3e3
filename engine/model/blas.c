/* blas.c - loads OpenBLAS and calls it. */
#include "engine/model/blas.h"

#include <dlfcn.h>
#include <fenv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

#define LIBRARY "libopenblas.so.0"

enum { BUFFERS = 256 << 20 }; /* more than it allocates for a thread */

static struct {
    void (*set_threads)(int);
    char *(*core_name)(void);
    void (*sgemv)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, int, int, float, const float *, int, const float *, int,
                  float, float *, int);
    void (*sgemm)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, int, int, int, float, const float *,
                  int, const float *, int, float, float *, int);
    void (*dgemm)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, int, int, int, double, const double *,
                  int, const double *, int, double, double *, int);
} blas;

/* C has no conversion from what dlsym returns to a pointer to a function. */
static bool find(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

int blas_open(err *e) {
    static bool opened;
    fenv_t      ours;
    if (opened) return 0;
    /* Without memory for its buffers, OpenBLAS would try to allocate them forever. */
    void *room = malloc(BUFFERS);
    if (room == NULL) return err_run(e, "out of memory (OpenBLAS needs %d MiB)", BUFFERS >> 20);
    free(room);
    /* One thread at first, so that it starts none: where no more threads may be started it would raise SIGINT.
     * blas_set_threads starts more when they are needed. */
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    char       *kept = threads != NULL ? mem_strdup(threads, e) : NULL;
    if (threads != NULL && kept == NULL) return -1;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    /* A library built with -ffast-math would have the processor flush subnormals from here on. */
    fegetenv(&ours);
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    fesetenv(&ours);
    if (kept != NULL)
        setenv("OPENBLAS_NUM_THREADS", kept, 1);
    else
        unsetenv("OPENBLAS_NUM_THREADS");
    free(kept);
    if (library == NULL || !find(library, "openblas_set_num_threads", &blas.set_threads) ||
        !find(library, "openblas_get_corename", &blas.core_name) || !find(library, "cblas_sgemv", &blas.sgemv) ||
        !find(library, "cblas_sgemm", &blas.sgemm) || !find(library, "cblas_dgemm", &blas.dgemm))
        return err_run(e,
                       "cannot load OpenBLAS, which training and gemm = blas need: %s (Debian's package libopenblas0)",
                       dlerror());
    opened = true;
    return 0;
}

const char *blas_kernels(void) {
    return blas.core_name();
}

void blas_set_threads(int threads) {
    blas.set_threads(threads);
}

void blas_sgemm(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha, const float *a,
                int lda, const float *b, int ldb, float beta, float *c, int ldc) {
    blas.sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void blas_dgemm(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha, const double *a,
                int lda, const double *b, int ldb, double beta, double *c, int ldc) {
    blas.dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/* One token is a matrix times a vector, as in other engines. */
void blas_multiply(const matrix *w, const float *x, size_t n, float *y) {
    int rows = (int)w->rows, cols = (int)w->cols;
    if (n == 1)
        blas.sgemv(CblasRowMajor, CblasNoTrans, rows, cols, 1, w->floats, cols, x, 1, 0, y, 1);
    else
        blas_sgemm(CblasNoTrans, CblasTrans, (int)n, rows, cols, 1, x, cols, w->floats, cols, 0, y, rows);
}
