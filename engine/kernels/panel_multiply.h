/* panel_multiply.h - matrix products over panels, a function for each type and instruction set.
 *
 * y[t * y_stride + r] for rows r in [row0, row1), row0 a multiple of PANEL_ROWS, and tokens t in [0, tokens). For 32
 * columns, v what the codes stand for, q and dx the token's integers and scale, ascending from acc = +0:
 *
 *     SCALE      acc = fma(d * dx, f32(sum of v q), acc)
 *     POWER      the same with d = 2^(x - 128)
 *     SCALE_MIN  acc = fma(d * dx, f32(sum of v q), acc);         acc = fma(m, dx * f32(sum of q), acc)
 *     K          acc = fma((d * s) * dx, f32(sum of v q), acc);   acc = fma(-(e * m), dx * f32(sum of q), acc)
 *     K_PAIRS    acc = fma(d * dx, f32(sum of s v q), acc);       acc = fma(-(e * dx), f32(sum of m q), acc)
 *     K_SIGNED   acc = fma((d * s) * dx, f32(sum of v q), acc)    for the first 16 columns, then the others
 *     K_LEVELS   acc = fma((d * s) * dx, f32(sum of v q), acc)
 */
#ifndef ENGINE_KERNELS_PANEL_MULTIPLY_H
#define ENGINE_KERNELS_PANEL_MULTIPLY_H

#include "engine/kernels/panel.h"
#include "engine/kernels/simd.h"
#include "engine/kernels/tiles.h"

/* A type's parameters: constants in inlined functions. */
typedef struct {
    quant_family   family;
    int            bits, zero;
    size_t         cols; /* of a block */
    const uint8_t *levels;
} panel_format;

/* One or more panels, a group of tokens, and what to prefetch. */
typedef struct {
    const uint8_t    *panel;
    size_t            bytes;  /* to the next panel */
    size_t            blocks; /* of 32 columns */
    panel_activations a;
    uintptr_t         next;       /* what is prefetched from here on; may point past the end */
    size_t            next_bytes; /* of it at each block */
} panel_input;

/* The share of block b. */
INLINE void panel_prefetch(const panel_input *in, size_t b) {
    for (uintptr_t at = in->next + b * in->next_bytes, end = at + in->next_bytes; at < end; at += TILE_LINE)
        prefetch(at);
}

typedef void panel_multiply(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                            size_t tokens, size_t y_stride);

/* panel_portable.c defines what the others compute. */
#define PANEL_DECLARE(name, ...)                                                                                       \
    extern panel_multiply panel_##name##_portable, panel_##name##_avx2, panel_##name##_avx512, panel_##name##_neon;
QUANT_TYPES(PANEL_DECLARE)
#undef PANEL_DECLARE

#endif
