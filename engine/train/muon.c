/* muon.c - the orthogonal factor from products only. */
#include "engine/train/muon.h"

#include <math.h>
#include <string.h>

#include "engine/model/blas.h"

enum { NEWTON_SCHULZ_STEPS = 5 };

bool muon_takes(const net_shape *s, size_t tensor) {
    return tensor > 0 && !net_tensor_at(s, tensor).norm;
}

size_t muon_scratch(const net_shape *s) {
    size_t big = 0, square = 0;
    for (size_t i = 1; i < net_tensor_count(s); i++) {
        net_tensor t = net_tensor_at(s, i);
        size_t     shorter = t.rows < t.cols ? t.rows : t.cols;
        big = t.rows * t.cols > big ? t.rows * t.cols : big;
        square = shorter * shorter > square ? shorter * shorter : square;
    }
    return 2 * big + 2 * square;
}

/* x[n, k], n <= k, towards the orthogonal factor of what it is: its singular values s go to a s + b s^3 + c s^5, which
 * takes all of (0, 1] to about 1 (Jordan's coefficients: between 0.7 and 1.2 after five steps). */
static float *newton_schulz(float *x, float *other, float *gram, float *mix, size_t n, size_t k) {
    const float a = 3.4445F, b = -4.7750F, c = 2.0315F;
    for (int step = 0; step < NEWTON_SCHULZ_STEPS; step++) {
        blas_sgemm(CblasNoTrans, CblasTrans, (int)n, (int)n, (int)k, 1, x, (int)k, x, (int)k, 0, gram, (int)n);
        memcpy(mix, gram, n * n * sizeof *mix);
        blas_sgemm(CblasNoTrans, CblasNoTrans, (int)n, (int)n, (int)n, c, gram, (int)n, gram, (int)n, b, mix, (int)n);
        memcpy(other, x, n * k * sizeof *other);
        blas_sgemm(CblasNoTrans, CblasNoTrans, (int)n, (int)k, (int)n, 1, mix, (int)n, x, (int)k, a, other, (int)k);
        float *swap = x;
        x = other;
        other = swap;
    }
    return x;
}

void muon_update(const float *grad, float scale, size_t rows, size_t cols, float momentum, float rate, float keep,
                 float *w, float *m, float *scratch) {
    size_t n = rows < cols ? rows : cols, k = rows < cols ? cols : rows, size = n * k;
    float *x = scratch, *other = x + size, *gram = other + size, *mix = gram + n * n;
    double norm = 0;
    bool   tall = rows > cols; /* then its transpose is worked on */
    for (size_t i = 0; i < size; i++) {
        float g = grad[i] * scale;
        m[i] = momentum * m[i] + g;
        float look_ahead = g + momentum * m[i];
        norm += (double)look_ahead * (double)look_ahead;
        x[tall ? i % cols * k + i / cols : i] = look_ahead;
    }
    if (norm < 1e-60) return; /* its inverse would overflow a float */
    float inverse = (float)(1 / sqrt(norm)), step = rate * 0.2F * sqrtf((float)k);
    for (size_t i = 0; i < size; i++) x[i] *= inverse;
    const float *o = newton_schulz(x, other, gram, mix, n, k);
    for (size_t i = 0; i < size; i++) w[i] = keep * w[i] - step * o[tall ? i % cols * k + i / cols : i];
}
