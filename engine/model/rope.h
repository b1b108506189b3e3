/* rope.h - rotary positions (Su et al. 2021, arXiv 2104.09864): the angles, however a model scales them.
 *
 * numerics.md, "Rotation", says what is computed. Rows are filled when a sequence reaches their position: a context of
 * 131072 tokens costs nothing while it is empty.
 */
#ifndef ENGINE_MODEL_ROPE_H
#define ENGINE_MODEL_ROPE_H

#include "engine/base/err.h"
#include "engine/model/shape.h"

typedef struct {
    size_t  pairs, filled; /* positions [0, filled) are there */
    double  amplitude;
    double *frequencies;   /* [pairs] */
    float  *cosine, *sine; /* [context, pairs] */
} rope;

/* The rotation of layers with a window (`local`), or of the others. factors: [rope_dim / 2], frequencies are divided by
 * them; NULL: none. */
int  rope_open(rope *r, const model_shape *s, bool local, const float *factors, size_t context, err *e);
void rope_close(rope *r);

/* Fills rows up to position `length` - 1. */
void rope_extend(rope *r, size_t length);

#endif
