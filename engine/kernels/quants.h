/* quants.h - block-quantized weights: codes, and the few numbers that turn them back into weights.
 *
 * GGUF stores a block of 32 or 256 weights in one of eight layouts (ggml's published ones). All are of four families:
 *
 *     SCALE      w = d (u - zero)                                      Q8_0, Q4_0, Q5_0
 *     SCALE_MIN  w = d u + m                                           Q4_1, Q5_1
 *     K          w = (d s[j]) u - (e m[j])      j: 32 weights each     Q4_K, Q5_K
 *     K_SIGNED   w = (d s[j]) (u - zero)        j: 16 weights each     Q6_K
 *
 * u is a code of 4 to 8 bits, d, e, m halves, s[j] and m[j] small integers. Each product is exact in f32, so a weight
 * is rounded once at most.
 */
#ifndef ENGINE_KERNELS_QUANTS_H
#define ENGINE_KERNELS_QUANTS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/dtype.h"

typedef enum { QUANT_SCALE, QUANT_SCALE_MIN, QUANT_K, QUANT_K_SIGNED } quant_family;

/* The block types: X(NAME, family, bits of a code, zero, weights of a block). */
#define QUANT_TYPES(X)                                                                                                 \
    X(Q8_0, QUANT_SCALE, 8, 128, 32)                                                                                   \
    X(Q4_0, QUANT_SCALE, 4, 8, 32)                                                                                     \
    X(Q4_1, QUANT_SCALE_MIN, 4, 0, 32)                                                                                 \
    X(Q5_0, QUANT_SCALE, 5, 16, 32)                                                                                    \
    X(Q5_1, QUANT_SCALE_MIN, 5, 0, 32)                                                                                 \
    X(Q4_K, QUANT_K, 4, 0, 256)                                                                                        \
    X(Q5_K, QUANT_K, 5, 0, 256)                                                                                        \
    X(Q6_K, QUANT_K_SIGNED, 6, 32, 256)

enum { QUANT_MOST = 256, QUANT_SMALL = 16 };

/* A block taken apart. */
typedef struct {
    uint8_t  code[QUANT_MOST];
    uint16_t half[2];            /* d; m of SCALE_MIN, e of K */
    uint8_t  small[QUANT_SMALL]; /* K: s[8], m[8]; K_SIGNED: s[16], int8 */
} quant_block;

typedef struct {
    quant_family family;
    int          bits, zero;
    size_t       cols; /* weights of a block */
    void (*unpack)(const void *stored, quant_block *out);
    void (*pack)(const quant_block *in, void *stored);
} quant_format;

/* NULL for a type that is not block-quantized. */
const quant_format *quant_format_of(dtype t);

/* n weights, a multiple of the block; exactly what the family's formula says. */
void quant_decode(const quant_format *f, size_t block_bytes, const void *src, float *dst, size_t n);

/* The codes nearest to n weights under scales that are fitted by least squares (quants_fit.c). A block with a weight
 * that is not finite, or too large for any scale, decodes as NaN: damage must show. */
void quant_encode(const quant_format *f, size_t block_bytes, const float *src, void *dst, size_t n);

#endif
