/* dtype.h - tensor element types.
 *
 * Storage of each type is GGUF's; that of blocks is in quants.h. Decoded values equal the format's
 * definition exactly.
 */
#ifndef ENGINE_KERNELS_DTYPE_H
#define ENGINE_KERNELS_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/strict.h"

typedef enum {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_Q8_0,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_MXFP4,
    DTYPE_COUNT
} dtype;

typedef struct {
    const char *name;
    uint32_t    gguf_id;                                   /* the number in a GGUF file */
    size_t      block;                                     /* elements per block; a row's length is a multiple of it */
    size_t      block_bytes;                               /* bytes per block */
    void (*decode)(const void *src, float *dst, size_t n); /* n elements, a multiple of block */
    void (*encode)(const float *src, void *dst, size_t n); /* to the nearest; of blocks see quants.h */
} dtype_info;

const dtype_info *dtype_get(dtype t);

/* The dtype with this GGUF number; -1 when it is not supported. */
int dtype_from_gguf(uint32_t gguf_id);

/* Name of any type number known to GGUF, supported or not; the number itself otherwise. For messages. */
enum { DTYPE_NAME_SIZE = 12 };
const char *dtype_gguf_name(uint32_t gguf_id, char buf[DTYPE_NAME_SIZE]);

/* Bytes of n elements (a multiple of the block). */
size_t dtype_bytes(dtype t, size_t n);

float    f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f); /* round to nearest even; overflow to infinity */
float    bf16_to_f32(uint16_t h);
uint16_t f32_to_bf16(float f); /* round to nearest even */

#endif
