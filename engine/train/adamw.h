/* adamw.h - AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2) with clipping and a cosine schedule. */
#ifndef ENGINE_TRAIN_ADAMW_H
#define ENGINE_TRAIN_ADAMW_H

#include <stddef.h>

#include "engine/train/net.h"

typedef struct {
    double lr, min_lr; /* the schedule's highest rate and its last */
    double beta1, beta2, eps;
    double decay; /* of matrices, times the rate; norms do not decay */
    double clip;  /* largest norm of the gradient; 0 = any */
    size_t warmup, steps;
} adamw;

/* The rate of step 0 <= step < steps: linear up over `warmup` steps, then half a cosine down to min_lr. */
double adamw_rate(const adamw *o, size_t step);

/* One step with the gradient times `scale`. m and v [net_params] are the moments, zero before step 0. Returns the norm
 * of the gradient (scaled, before clipping); when that is not finite, nothing has changed. The bits do not depend on
 * `threads`. */
double adamw_step(const adamw *o, const net_shape *s, size_t step, int threads, const float *grad, double scale,
                  float *params, float *m, float *v);

#endif
