/* floats.h - weights of F32, F16 and BF16 in the order in which kernels read them, and products with them.
 *
 * A sum of numerics.md runs in 16 lanes over blocks of 16 columns (BF16: 16 pairs of columns). Kernels compute 16 rows
 * at a time, one row in each element of a register, and one lane after another. So nothing is summed across a register,
 * a weight is loaded once for all tokens of a group, and sums stay in registers from the first block to the last.
 *
 * A matrix is packed into panels of 16 rows, the last one padded with rows of zeros:
 *
 *     [4 quartets][blocks][4 lanes][16 rows]    elements; of BF16, pairs of elements
 *
 *     quartet 0                                         quartet 1                       ...
 *     block 0                  block 1             ...  block 0
 *     lane 0  lane 8  4   12   lane 0  8   4   12  ...  lane 2  10  6   14  ...
 *     r0..r15 r0..r15 ...
 *
 * A quartet is four lanes that the tree adds up first: 0 8 4 12, 2 10 6 14, 1 9 5 13, 3 11 7 15. The last block is
 * padded with zeros. BF16 weights below 2^-50 become zeros.
 *
 * Activations are put into the same order, a word of four bytes for each element and token: a float. Of BF16 it is a
 * pair of floats, the odd one first, or one word with the pair if an instruction multiplies pairs. For a group of T
 * tokens (tiles.h) a tile computes S lanes at a time (float_lanes):
 *
 *     for each group:  [16 / S][blocks][S lanes][T tokens]
 */
#ifndef ENGINE_KERNELS_FLOATS_H
#define ENGINE_KERNELS_FLOATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/kernels/panel.h"
#include "engine/kernels/tiles.h"

enum { FLOAT_LANES = 16, FLOAT_QUARTETS = 4, FLOAT_QUARTET = 4, FLOAT_WORD = 4 /* bytes */ };

static inline float float_word(const char *at) {
    float x;
    memcpy(&x, at, sizeof x);
    return x;
}

/* Columns of a block in one lane. */
static inline size_t float_pair(dtype t) {
    return t == DTYPE_BF16 ? 2 : 1;
}

static inline size_t float_blocks(dtype t, size_t cols) {
    size_t width = FLOAT_LANES * float_pair(t);
    return (cols + width - 1) / width;
}

/* Bytes of one lane of one block. */
static inline size_t float_lane_bytes(dtype t) {
    return PANEL_ROWS * float_pair(t) * (t == DTYPE_F32 ? sizeof(float) : sizeof(uint16_t));
}

/* The lane at `place`: the four bits of `place` in reverse. */
static inline size_t float_lane(size_t place) {
    return (place & 1) * 8 + (place & 2) * 2 + (place & 4) / 2 + place / 8;
}

/* Words for each lane and token. */
static inline size_t float_parts(dtype t) {
    return t == DTYPE_BF16 && !FLOAT_PAIRS ? 2 : 1;
}

/* Lanes that a tile of T tokens computes at a time: as many as there are registers for. */
static inline size_t float_lanes(size_t T) {
    return 4 * T <= FLOAT_TILE_TOKENS ? 4 : 2 * T <= FLOAT_TILE_TOKENS ? 2 : 1;
}

/* Bytes of a panel of `cols` columns. */
size_t float_panel_bytes(dtype t, size_t cols);

/* Packs panels [begin, end) of the matrix stored at `w`; panel 0 is at `out`, 64-byte aligned. */
void float_pack(dtype t, const void *w, size_t rows, size_t cols, size_t begin, size_t end, void *out);

/* Parameters are those of matmul_ops.multiply (kernels.h); floats_portable.c defines what the others compute. */
typedef void float_multiply(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,
                            size_t tokens, size_t y_stride);

#define FLOAT_TYPES(X) X(F32) X(F16) X(BF16)
#define FLOAT_DECLARE(name)                                                                                            \
    extern float_multiply float_##name##_portable, float_##name##_avx2, float_##name##_avx512, float_##name##_neon;
FLOAT_TYPES(FLOAT_DECLARE)
#undef FLOAT_DECLARE
extern float_multiply float_BF16_avx512bf16;

/* Whether this CPU's vdpbf16ps is what numerics.md says, on numbers that would show another order or rounding. */
bool float_pairs_hold(void);

#endif
