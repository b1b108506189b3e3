/* floats.h - weights of F32, F16 and BF16 in the order in which kernels read them, and products with them.
 *
 * A sum of numerics.md runs in 16 lanes over blocks of 16 columns, of BF16 over blocks of 16 pairs. Kernels compute 16
 * rows at a time, a row to an element of a register, and one lane after another: nothing is summed across a register,
 * a weight meets all tokens while it is in one, and the sums stay in theirs from the first block to the last.
 * So a matrix is laid out as panels of 16 rows, the last filled up with rows of zeros:
 *
 *     [4 quartets][blocks][4 lanes][16 rows]    elements, of BF16 pairs of them
 *
 * Quartets are the lanes that the tree adds up first: 0 8 4 12, 2 10 6 14, 1 9 5 13, 3 11 7 15. Columns past the last
 * are zeros up to a block. BF16 weights below 2^-50 are laid out as zeros.
 *
 * Activations are brought into the same order, a word of four bytes for each element and a token: a float; of BF16
 * a pair of floats, the odd one first, or where an instruction multiplies pairs, the pair in one word. Of a group of T
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

/* Columns that a lane takes of a block. */
static inline size_t float_pair(dtype t) {
    return t == DTYPE_BF16 ? 2 : 1;
}

static inline size_t float_blocks(dtype t, size_t cols) {
    size_t width = FLOAT_LANES * float_pair(t);
    return (cols + width - 1) / width;
}

/* Of a lane of a panel. */
static inline size_t float_lane_bytes(dtype t) {
    return PANEL_ROWS * float_pair(t) * (t == DTYPE_F32 ? sizeof(float) : sizeof(uint16_t));
}

/* The lane that stands at `place`: its four bits backwards. */
static inline size_t float_lane(size_t place) {
    return (place & 1) * 8 + (place & 2) * 2 + (place & 4) / 2 + place / 8;
}

/* Words of a lane and token. */
static inline size_t float_parts(dtype t) {
    return t == DTYPE_BF16 && !FLOAT_PAIRS ? 2 : 1;
}

/* Lanes that a tile of T tokens computes at a time, as far as there are registers. */
static inline size_t float_lanes(size_t T) {
    return 4 * T <= FLOAT_MOST ? 4 : 2 * T <= FLOAT_MOST ? 2 : 1;
}

/* Bytes of a panel of `cols` columns. */
size_t float_panel_bytes(dtype t, size_t cols);

/* Lays out panels [begin, end) of the matrix stored at `w`, whose first panel is at `out`, 64-byte aligned. */
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
