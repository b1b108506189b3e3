/* gemma.h - what Gemma 2 and 3 scale by, which their files do not say. */
#ifndef ENGINE_MODEL_ARCHITECTURES_GEMMA_H
#define ENGINE_MODEL_ARCHITECTURES_GEMMA_H

#include "engine/kernels/detmath.h"
#include "engine/model/shape.h"

/* Scores of the model of 27 billion parameters, told by its layers, are scaled as if heads were dim / n_heads wide. */
static inline void gemma_scales(model_shape *s, size_t layers_of_27b) {
    s->embedding_scale = sqrtf((float)s->dim);
    if (s->n_layers == layers_of_27b) s->attention_scale = det_rsqrtf((float)(s->dim / s->n_heads));
}

#endif
