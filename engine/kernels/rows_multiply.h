/* rows_multiply.h - matrix products over rows of F32, F16 and BF16 as they are stored, for instruction sets with
 * registers that hold all 16 lanes of a sum. generic.c has them for the others, and defines what these compute.
 *
 * The parameters are those of matmul_ops.multiply. Prepared activations are 16 lanes' worth of floats, for BF16 the odd
 * and the even elements of 32 by turns (generic.c); rows_bf16_pairs takes them as bf16 in the order of the row, padded
 * with zeros to 32.
 */
#ifndef ENGINE_KERNELS_ROWS_MULTIPLY_H
#define ENGINE_KERNELS_ROWS_MULTIPLY_H

#include <stdbool.h>
#include <stddef.h>

typedef void rows_multiply(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1, size_t tokens,
                           size_t y_stride);

rows_multiply rows_f32_avx512, rows_f16_avx512, rows_bf16_avx512; /* rows_avx512.c */
rows_multiply rows_bf16_pairs_avx512;                             /* rows_avx512bf16.c: vdpbf16ps */

/* Whether this CPU's vdpbf16ps is what numerics.md says, on numbers that would show another order or rounding. */
bool rows_bf16_pairs_holds(void);

#endif
