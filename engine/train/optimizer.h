/* optimizer.h - one step over all tensors: clipping, then AdamW or Muon for each. */
#ifndef ENGINE_TRAIN_OPTIMIZER_H
#define ENGINE_TRAIN_OPTIMIZER_H

#include "engine/train/adamw.h"
#include "engine/train/net.h"

typedef struct {
    adamw  adamw;
    double muon_lr; /* highest rate of what Muon takes, on AdamW's schedule; 0 = AdamW takes all */
    double muon_momentum;
} optimizer;

/* Floats of scratch that a step needs. */
size_t optimizer_scratch(const optimizer *o, const net_shape *s, int threads);

/* One step with the gradient times `scale`. m and v [net_params] are the moments, zero before step 0; Muon uses m
 * alone. Returns the norm of the gradient (scaled, before clipping); when that is not finite, nothing has changed. The
 * bits do not depend on `threads`, as long as BLAS runs with one of its own (trainer_open sees to it). */
double optimizer_step(const optimizer *o, const net_shape *s, size_t step, int threads, const float *grad, double scale,
                      float *params, float *m, float *v, float *scratch);

#endif
