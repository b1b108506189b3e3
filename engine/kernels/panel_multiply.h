/* panel_multiply.h - matrix products over panels, a function for each instruction set.
 *
 * y[t * y_stride + r] for rows r in [row0, row1), row0 a multiple of PANEL_ROWS, and tokens t in [0, tokens):
 *
 *     isum = bias + sum over the block of (element + 128) * q         exact
 *     acc  = fma(f32(scale of the row) * scale of the token, f32(isum), acc)   blocks ascending, from +0
 */
#ifndef ENGINE_KERNELS_PANEL_MULTIPLY_H
#define ENGINE_KERNELS_PANEL_MULTIPLY_H

#include <stddef.h>

typedef void panel_multiply(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                            size_t tokens, size_t y_stride);

panel_multiply panel_multiply_portable; /* defines what the others compute */
panel_multiply panel_multiply_avx2, panel_multiply_avx512;

#endif
