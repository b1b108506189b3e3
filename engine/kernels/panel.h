/* panel.h - block-quantized weights in the order in which kernels read them.
 *
 * Kernels compute 16 rows at a time, one to a lane, and a register holds 4 columns of each. So the rows of a matrix are
 * laid out as panels of 16, the last filled up with rows of zeros, and memory is read once from front to back:
 *
 *     block of 32 columns:  [8 groups of 4 columns] [16 rows] [4 columns]   bytes, the element + 128
 *     next block ...
 *     scales:               [blocks] [16 rows]                              f16
 *     padding to 64 bytes
 *
 * Elements are stored with 128 added because that is what `vpdpbusd` multiplies: unsigned by signed bytes. The layout
 * is the same for every instruction set; kernels.h says which types have it.
 */
#ifndef ENGINE_KERNELS_PANEL_H
#define ENGINE_KERNELS_PANEL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/dtype.h"

enum {
    PANEL_ROWS = 16,
    PANEL_COLS = 32, /* of a block */
    PANEL_GROUP = 4, /* columns that lie side by side */
    PANEL_GROUPS = PANEL_COLS / PANEL_GROUP,
    PANEL_BLOCK = PANEL_ROWS * PANEL_COLS /* bytes of a block's elements */
};

/* Bytes of a panel of `cols` columns; 0 for a type that kernels read as it is stored. */
size_t panel_bytes(dtype t, size_t cols);

static inline size_t panel_count(size_t n_rows) {
    return (n_rows + PANEL_ROWS - 1) / PANEL_ROWS;
}

/* Lays out the panels of a matrix stored at `w`; `out` is zeroed memory of panel_count panels, aligned to 64 bytes. */
void panel_pack(dtype t, const void *w, size_t rows, size_t cols, void *out);

/* ---- activations ----------------------------------------------------------------------------------------
 * A prepared row of `cols` activations, for all types that have panels (numerics.md, "Q8_0"):
 *
 *     q [cols] int8;  scale [blocks] f32;  bias [blocks] int32, -128 times the block's sum of q: what the 128 in the
 *     weights add to an integer dot product;  padding to 64 bytes
 */
typedef struct {
    const int8_t  *q;
    const float   *scale;
    const int32_t *bias;
} panel_activations;

static inline size_t panel_activation_bytes(size_t cols) {
    return (cols + cols / PANEL_COLS * 8 + 63) / 64 * 64;
}

static inline panel_activations panel_activations_at(const void *prepared, size_t cols, size_t token) {
    const int8_t *q = (const int8_t *)prepared + token * panel_activation_bytes(cols);
    const void   *scale = q + cols, *bias = q + cols + cols / PANEL_COLS * sizeof(float);
    return (panel_activations){q, scale, bias};
}

#endif
