#include "engine/kernels/dtype.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/bits.h"
#include "engine/kernels/quants.h"

/* ---- half precision: 1 sign, 5 exponent (bias 15), 10 fraction bits ---------------------------------- */

float f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3FF;
    if (exponent == 31) return bits_float(sign | 0x7F800000 | fraction << 13);
    if (exponent > 0) return bits_float(sign | (exponent + 112) << 23 | fraction << 13);
    float f = (float)fraction * 0x1p-24f; /* zero or subnormal; normal as a float, so exact */
    return bits_float(sign | float_bits(f));
}

uint16_t f32_to_f16(float f) {
    uint32_t u = float_bits(f), sign = (u >> 16) & 0x8000, x = u & 0x7FFFFFFF;
    if (x > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (x >> 13 & 0x3FF)); /* NaN, made quiet */
    if (x >= float_bits(65520.0f)) return (uint16_t)(sign | 0x7C00);          /* half way past the largest, 65504 */
    if (x >= float_bits(0x1p-14f)) {
        x -= 112u << 23;
        x += 0xFFF + (x >> 13 & 1); /* half of the last place, less one when that would break a tie upwards to odd */
        return (uint16_t)(sign | x >> 13);
    }
    /* Subnormal: a multiple of 2^-24. The fraction with its hidden bit is worth 2^(exponent - 150). */
    uint32_t exponent = x >> 23, shift = 126 - exponent;
    if (shift > 24) return (uint16_t)sign; /* below 2^-25 */
    x = (x & 0x7FFFFF) | 0x800000;
    x += (1u << (shift - 1)) - 1 + (x >> shift & 1);
    return (uint16_t)(sign | x >> shift);
}

/* ---- bfloat16: the upper half of a float --------------------------------------------------------------- */

float bf16_to_f32(uint16_t h) {
    return bits_float((uint32_t)h << 16);
}

uint16_t f32_to_bf16(float f) {
    uint32_t u = float_bits(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(u >> 16 | 0x40); /* NaN, made quiet */
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

/* ---- the table's codecs ------------------------------------------------------------------------------ */

static void copy_f32(const void *src, float *dst, size_t n) {
    memcpy(dst, src, n * sizeof *dst);
}

static void put_f32(const float *src, void *dst, size_t n) {
    memcpy(dst, src, n * sizeof *src);
}

static void decode_f16(const void *src, float *dst, size_t n) {
    const uint16_t *h = src;
    for (size_t i = 0; i < n; i++) dst[i] = f16_to_f32(h[i]);
}

static void encode_f16(const float *src, void *dst, size_t n) {
    uint16_t *h = dst;
    for (size_t i = 0; i < n; i++) h[i] = f32_to_f16(src[i]);
}

static void decode_bf16(const void *src, float *dst, size_t n) {
    const uint16_t *h = src;
    for (size_t i = 0; i < n; i++) dst[i] = bf16_to_f32(h[i]);
}

static void encode_bf16(const float *src, void *dst, size_t n) {
    uint16_t *h = dst;
    for (size_t i = 0; i < n; i++) h[i] = f32_to_bf16(src[i]);
}

#define BLOCK_CODEC(name, family, bits, zero, cols, levels)                                                            \
    static void decode_##name(const void *src, float *dst, size_t n) {                                                 \
        quant_decode(quant_format_of(DTYPE_##name), dtype_bytes(DTYPE_##name, cols), src, dst, n);                     \
    }                                                                                                                  \
    static void encode_##name(const float *src, void *dst, size_t n) {                                                 \
        quant_encode(quant_format_of(DTYPE_##name), dtype_bytes(DTYPE_##name, cols), src, dst, n);                     \
    }
QUANT_TYPES(BLOCK_CODEC)

static const dtype_info table[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", 0, 1, 4, copy_f32, put_f32},
    [DTYPE_F16] = {"F16", 1, 1, 2, decode_f16, encode_f16},
    [DTYPE_BF16] = {"BF16", 30, 1, 2, decode_bf16, encode_bf16},
    [DTYPE_Q8_0] = {"Q8_0", 8, 32, 34, decode_Q8_0, encode_Q8_0},
    [DTYPE_Q4_0] = {"Q4_0", 2, 32, 18, decode_Q4_0, encode_Q4_0},
    [DTYPE_Q4_1] = {"Q4_1", 3, 32, 20, decode_Q4_1, encode_Q4_1},
    [DTYPE_Q5_0] = {"Q5_0", 6, 32, 22, decode_Q5_0, encode_Q5_0},
    [DTYPE_Q5_1] = {"Q5_1", 7, 32, 24, decode_Q5_1, encode_Q5_1},
    [DTYPE_Q4_K] = {"Q4_K", 12, 256, 144, decode_Q4_K, encode_Q4_K},
    [DTYPE_Q5_K] = {"Q5_K", 13, 256, 176, decode_Q5_K, encode_Q5_K},
    [DTYPE_Q6_K] = {"Q6_K", 14, 256, 210, decode_Q6_K, encode_Q6_K},
    [DTYPE_Q2_K] = {"Q2_K", 10, 256, 84, decode_Q2_K, encode_Q2_K},
    [DTYPE_Q3_K] = {"Q3_K", 11, 256, 110, decode_Q3_K, encode_Q3_K},
    [DTYPE_IQ4_NL] = {"IQ4_NL", 20, 32, 18, decode_IQ4_NL, encode_IQ4_NL},
    [DTYPE_IQ4_XS] = {"IQ4_XS", 23, 256, 136, decode_IQ4_XS, encode_IQ4_XS},
    [DTYPE_MXFP4] = {"MXFP4", 39, 32, 17, decode_MXFP4, encode_MXFP4},
};

const dtype_info *dtype_get(dtype t) {
    return &table[t];
}

int dtype_from_gguf(uint32_t gguf_id) {
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (table[t].gguf_id == gguf_id) return t;
    return -1;
}

/* Type numbers of ggml.h's enum ggml_type; gaps are types that were withdrawn. */
const char *dtype_gguf_name(uint32_t gguf_id, char buf[DTYPE_NAME_SIZE]) {
    static const char *const names[] = {
        [0] = "F32",     [1] = "F16",    [2] = "Q4_0",     [3] = "Q4_1",    [6] = "Q5_0",     [7] = "Q5_1",
        [8] = "Q8_0",    [9] = "Q8_1",   [10] = "Q2_K",    [11] = "Q3_K",   [12] = "Q4_K",    [13] = "Q5_K",
        [14] = "Q6_K",   [15] = "Q8_K",  [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
        [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S",   [23] = "IQ4_XS", [24] = "I8",      [25] = "I16",
        [26] = "I32",    [27] = "I64",   [28] = "F64",     [29] = "IQ1_M",  [30] = "BF16",    [34] = "TQ1_0",
        [35] = "TQ2_0",  [39] = "MXFP4", [40] = "NVFP4",   [41] = "Q1_0",   [42] = "Q2_0",
    };
    const char *name = gguf_id < sizeof names / sizeof *names ? names[gguf_id] : NULL;
    if (name != NULL) return name;
    snprintf(buf, DTYPE_NAME_SIZE, "%" PRIu32, gguf_id);
    return buf;
}

size_t dtype_bytes(dtype t, size_t n) {
    return n / table[t].block * table[t].block_bytes;
}
