/* muon.h - Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): the momentum of a matrix, made
 * orthogonal, is its update, so that rare directions move as far as common ones.
 */
#ifndef ENGINE_TRAIN_MUON_H
#define ENGINE_TRAIN_MUON_H

#include <stddef.h>

#include "engine/train/net.h"

/* Whether Muon may move a tensor: a matrix between layers. The embedding, which is the output matrix too, and norms
 * stay with AdamW. */
bool muon_takes(const net_shape *s, size_t tensor);

/* Floats of scratch that one call of muon_update needs. */
size_t muon_scratch(const net_shape *s);

/* One update of a matrix [rows, cols]: m := momentum m + g, and w := keep w - rate 0.2 sqrt(max(rows, cols)) O with O
 * near the orthogonal factor of g + momentum m (Nesterov), by five Newton-Schulz steps. The factor gives the update the
 * size that AdamW's has, so that one rate serves both (Liu et al., arXiv 2502.16982, equation 4). A gradient of 0
 * with no momentum moves nothing. BLAS is open (blas_open). */
void muon_update(const float *grad, float scale, size_t rows, size_t cols, float momentum, float rate, float keep,
                 float *w, float *m, float *scratch);

#endif
