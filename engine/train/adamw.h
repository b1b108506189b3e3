/* adamw.h - AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2) with a cosine schedule. */
#ifndef ENGINE_TRAIN_ADAMW_H
#define ENGINE_TRAIN_ADAMW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    double lr, min_lr; /* the schedule's highest rate and its last */
    double beta1, beta2, eps;
    double decay; /* of matrices, times the rate; norms do not decay */
    double clip;  /* largest norm of the gradient; 0 = any */
    size_t warmup, steps;
} adamw;

/* The rate of step 0 <= step < steps: linear up over `warmup` steps, then half a cosine down to min_lr. */
double adamw_rate(const adamw *o, size_t step);

/* Updates n parameters of one tensor with the gradient times `scale`; m and v [n] are the moments, zero before step 0.
 * The bits do not depend on `threads`. */
void adamw_update(const adamw *o, size_t step, bool decays, int threads, const float *grad, float scale, size_t n,
                  float *params, float *m, float *v);

#endif
