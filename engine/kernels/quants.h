/* quants.h - block-quantized weights: codes, and the few numbers that turn them back into weights.
 *
 * GGUF stores a block of 32 or 256 weights in one of thirteen layouts (ggml's published ones). A code u of 2 to 8 bits
 * stands for an integer v = levels[u] - zero; types without levels count evenly: v = u - zero. There are seven
 * families:
 *
 *     SCALE      w = d v                                               Q8_0, Q4_0, Q5_0, IQ4_NL
 *     POWER      w = 2^(x - 128) v              x: a byte              MXFP4
 *     SCALE_MIN  w = d v + m                                           Q4_1, Q5_1
 *     K          w = (d s[j]) v - (e m[j])      j: 32 weights each     Q4_K, Q5_K
 *     K_PAIRS    w = (d s[j]) v - (e m[j])      j: 16 weights each     Q2_K
 *     K_SIGNED   w = (d s[j]) v                 j: 16 weights each     Q3_K, Q6_K
 *     K_LEVELS   w = (d s[j]) v                 j: 32 weights each     IQ4_XS
 *
 * d, e, m are halves, s[j] and m[j] small integers. Each product is exact in f32, so a weight is rounded once at most.
 */
#ifndef ENGINE_KERNELS_QUANTS_H
#define ENGINE_KERNELS_QUANTS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/dtype.h"

typedef enum {
    QUANT_SCALE,
    QUANT_POWER,
    QUANT_SCALE_MIN,
    QUANT_K,
    QUANT_K_PAIRS,
    QUANT_K_SIGNED,
    QUANT_K_LEVELS
} quant_family;

/* What codes of 4 bits stand for where they do not count evenly, with the zero added: IQ4_NL's and IQ4_XS's levels,
 * close where weights are many, and twice the values of a float with two bits of exponent and one of fraction. */
enum { QUANT_LEVELS = 16 };
static const uint8_t quant_iq4[QUANT_LEVELS] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t quant_fp4[QUANT_LEVELS] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

/* The block types: X(NAME, family, bits of a code, zero, weights of a block, levels or NULL). */
#define QUANT_TYPES(X)                                                                                                 \
    X(Q8_0, QUANT_SCALE, 8, 128, 32, NULL)                                                                             \
    X(Q4_0, QUANT_SCALE, 4, 8, 32, NULL)                                                                               \
    X(Q4_1, QUANT_SCALE_MIN, 4, 0, 32, NULL)                                                                           \
    X(Q5_0, QUANT_SCALE, 5, 16, 32, NULL)                                                                              \
    X(Q5_1, QUANT_SCALE_MIN, 5, 0, 32, NULL)                                                                           \
    X(Q4_K, QUANT_K, 4, 0, 256, NULL)                                                                                  \
    X(Q5_K, QUANT_K, 5, 0, 256, NULL)                                                                                  \
    X(Q6_K, QUANT_K_SIGNED, 6, 32, 256, NULL)                                                                          \
    X(Q2_K, QUANT_K_PAIRS, 2, 0, 256, NULL)                                                                            \
    X(Q3_K, QUANT_K_SIGNED, 3, 4, 256, NULL)                                                                           \
    X(IQ4_NL, QUANT_SCALE, 4, 128, 32, quant_iq4)                                                                      \
    X(IQ4_XS, QUANT_K_LEVELS, 4, 128, 256, quant_iq4)                                                                  \
    X(MXFP4, QUANT_POWER, 4, 12, 32, quant_fp4)

enum { QUANT_MOST = 256, QUANT_SMALL = 16 };

/* A block taken apart. */
typedef struct {
    uint8_t  code[QUANT_MOST];
    uint16_t half[2];            /* d; m of SCALE_MIN, e of K and K_PAIRS */
    uint8_t  small[QUANT_SMALL]; /* K: s[8], m[8]; K_PAIRS: s | m << 4; K_SIGNED, K_LEVELS: s, int8; POWER: x */
} quant_block;

typedef struct {
    quant_family   family;
    int            bits, zero;
    size_t         cols;   /* weights of a block */
    const uint8_t *levels; /* NULL: v = u - zero */
    void (*unpack)(const void *stored, quant_block *out);
    void (*pack)(const quant_block *in, void *stored);
} quant_format;

/* 2^(x - 128), exactly; NaN for x = 255. */
float quant_power(uint8_t x);

/* NULL for a type that is not block-quantized. */
const quant_format *quant_format_of(dtype t);

/* n weights, a multiple of the block; exactly what the family's formula says. */
void quant_decode(const quant_format *f, size_t block_bytes, const void *src, float *dst, size_t n);

/* The codes nearest to n weights under scales that are fitted by least squares (quants_fit.c). A block with a weight
 * that is not finite, or too large for any scale, decodes as NaN: damage must show. */
void quant_encode(const quant_format *f, size_t block_bytes, const float *src, void *dst, size_t n);

#endif
