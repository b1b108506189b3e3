/* quants.c - GGUF's layouts of the block types, and the weights that a block holds. */
#include "engine/kernels/quants.h"

#include <stdbool.h>
#include <string.h>

#include "engine/base/bits.h"

/* ---- 32 weights: codes of 4 bits, the first half of a block in the low nibbles, and a fifth bit apart ---- */

static void get_nibbles(const uint8_t q[16], uint8_t code[32]) {
    for (size_t i = 0; i < 16; i++) {
        code[i] = q[i] & 15;
        code[i + 16] = q[i] >> 4;
    }
}

static void put_nibbles(const uint8_t code[32], uint8_t q[16]) {
    for (size_t i = 0; i < 16; i++) q[i] = (uint8_t)((code[i] & 15) | code[i + 16] << 4);
}

static void get_fifth(const uint8_t high[4], uint8_t code[32]) {
    for (size_t i = 0; i < 32; i++) code[i] |= (uint8_t)((high[i / 8] >> i % 8 & 1) << 4);
}

static void put_fifth(const uint8_t code[32], uint8_t high[4]) {
    memset(high, 0, 4);
    for (size_t i = 0; i < 32; i++) high[i / 8] |= (uint8_t)((code[i] >> 4 & 1) << i % 8);
}

/* Q8_0's elements are signed. */
static void unpack_Q8_0(const void *stored, quant_block *out) {
    const uint8_t *at = stored;
    memcpy(out->half, at, 2);
    for (size_t i = 0; i < 32; i++) out->code[i] = at[2 + i] ^ 0x80;
}

static void pack_Q8_0(const quant_block *in, void *stored) {
    uint8_t *at = stored;
    memcpy(at, in->half, 2);
    for (size_t i = 0; i < 32; i++) at[2 + i] = in->code[i] ^ 0x80;
}

/* One or two halves, the fifth bits if there are any, the nibbles. */
#define SMALL_BLOCK(name, halves, high)                                                                                \
    static void unpack_##name(const void *stored, quant_block *out) {                                                  \
        const uint8_t *at = stored;                                                                                    \
        memcpy(out->half, at, 2 * (halves));                                                                           \
        get_nibbles(at + 2 * (halves) + (high), out->code);                                                            \
        if ((high) > 0) get_fifth(at + 2 * (halves), out->code);                                                       \
    }                                                                                                                  \
    static void pack_##name(const quant_block *in, void *stored) {                                                     \
        uint8_t *at = stored;                                                                                          \
        memcpy(at, in->half, 2 * (halves));                                                                            \
        put_nibbles(in->code, at + 2 * (halves) + (high));                                                             \
        if ((high) > 0) put_fifth(in->code, at + 2 * (halves));                                                        \
    }
SMALL_BLOCK(Q4_0, 1, 0)
SMALL_BLOCK(Q4_1, 2, 0)
SMALL_BLOCK(Q5_0, 1, 4)
SMALL_BLOCK(Q5_1, 2, 4)
SMALL_BLOCK(IQ4_NL, 1, 0)

/* An exponent, the nibbles. */
static void unpack_MXFP4(const void *stored, quant_block *out) {
    const uint8_t *at = stored;
    out->small[0] = at[0];
    get_nibbles(at + 1, out->code);
}

static void pack_MXFP4(const quant_block *in, void *stored) {
    uint8_t *at = stored;
    at[0] = in->small[0];
    put_nibbles(in->code, at + 1);
}

/* ---- 256 weights ------------------------------------------------------------------------------------- */

/* 8 scales and 8 minima of 6 bits in 12 bytes: the low six bits of bytes 0-3 are scales 0-3, those of bytes 4-7 minima
 * 0-3; bytes 8-11 hold the low nibbles of scales and minima 4-7, whose upper two bits top bytes 0-7. */
static void get_sixes(const uint8_t s[12], uint8_t small[16]) {
    for (size_t j = 0; j < 4; j++) {
        small[j] = s[j] & 63;
        small[8 + j] = s[4 + j] & 63;
        small[4 + j] = (uint8_t)((s[8 + j] & 15) | (s[j] >> 6) << 4);
        small[12 + j] = (uint8_t)((s[8 + j] >> 4) | (s[4 + j] >> 6) << 4);
    }
}

static void put_sixes(const uint8_t small[16], uint8_t s[12]) {
    for (size_t j = 0; j < 4; j++) {
        s[j] = (uint8_t)((small[j] & 63) | (small[4 + j] >> 4) << 6);
        s[4 + j] = (uint8_t)((small[8 + j] & 63) | (small[12 + j] >> 4) << 6);
        s[8 + j] = (uint8_t)((small[4 + j] & 15) | (small[12 + j] & 15) << 4);
    }
}

/* Two halves, the sixes, of Q5_K 32 bytes with the fifth bits (bit j: weights 32 j + i), nibbles: of 64 weights the
 * first 32 in the low ones. */
static void unpack_k(const uint8_t *at, bool high, quant_block *out) {
    const uint8_t *h = at + 16, *q = h + (high ? 32 : 0);
    memcpy(out->half, at, 4);
    get_sixes(at + 4, out->small);
    for (size_t i = 0; i < 256; i++) {
        uint8_t byte = q[i / 64 * 32 + i % 32];
        out->code[i] = i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
        if (high) out->code[i] |= (uint8_t)((h[i % 32] >> i / 32 & 1) << 4);
    }
}

static void pack_k(const quant_block *in, bool high, uint8_t *at) {
    uint8_t *h = at + 16, *q = h + (high ? 32 : 0);
    memcpy(at, in->half, 4);
    put_sixes(in->small, at + 4);
    memset(h, 0, 128 + (high ? 32 : 0));
    for (size_t i = 0; i < 256; i++) {
        q[i / 64 * 32 + i % 32] |= (uint8_t)((in->code[i] & 15) << (i / 32 % 2 == 0 ? 0 : 4));
        if (high) h[i % 32] |= (uint8_t)(in->code[i] >> 4 << i / 32);
    }
}

static void unpack_Q4_K(const void *stored, quant_block *out) {
    unpack_k(stored, false, out);
}
static void pack_Q4_K(const quant_block *in, void *stored) {
    pack_k(in, false, stored);
}
static void unpack_Q5_K(const void *stored, quant_block *out) {
    unpack_k(stored, true, out);
}
static void pack_Q5_K(const quant_block *in, void *stored) {
    pack_k(in, true, stored);
}

/* Of each 128 weights, 64 bytes of nibbles (weights 0-63 the low ones) and 32 bytes with four times two upper bits
 * (weights 32 j + i: bits 2 j); all nibbles first, then all upper bits, 16 signed scales, a half. */
static void unpack_Q6_K(const void *stored, quant_block *out) {
    const uint8_t *q = stored, *h = q + 128;
    for (size_t i = 0; i < 256; i++) {
        size_t  n = i / 128, j = i % 128;
        uint8_t byte = q[n * 64 + j % 64];
        out->code[i] = (uint8_t)((j < 64 ? byte & 15 : byte >> 4) | (h[n * 32 + j % 32] >> j / 32 * 2 & 3) << 4);
    }
    memcpy(out->small, h + 64, 16);
    memcpy(out->half, h + 80, 2);
}

static void pack_Q6_K(const quant_block *in, void *stored) {
    uint8_t *q = stored, *h = q + 128;
    memset(q, 0, 192);
    for (size_t i = 0; i < 256; i++) {
        size_t n = i / 128, j = i % 128;
        q[n * 64 + j % 64] |= (uint8_t)((in->code[i] & 15) << (j < 64 ? 0 : 4));
        h[n * 32 + j % 32] |= (uint8_t)(in->code[i] >> 4 << j / 32 * 2);
    }
    memcpy(h + 64, in->small, 16);
    memcpy(h + 80, in->half, 2);
}

/* Two bits each: of 128 weights the byte i mod 32, weights 32 j + i at bits 2 j. */
static uint8_t get_two(const uint8_t q[64], size_t i) {
    return q[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

static void put_two(uint8_t q[64], size_t i, uint8_t code) {
    q[i / 128 * 32 + i % 32] |= (uint8_t)((code & 3) << i % 128 / 32 * 2);
}

/* 16 bytes with a scale and a minimum of 4 bits each, 64 bytes of codes, two halves. */
static void unpack_Q2_K(const void *stored, quant_block *out) {
    const uint8_t *at = stored;
    memcpy(out->small, at, 16);
    for (size_t i = 0; i < 256; i++) out->code[i] = get_two(at + 16, i);
    memcpy(out->half, at + 80, 4);
}

static void pack_Q2_K(const quant_block *in, void *stored) {
    uint8_t *at = stored;
    memcpy(at, in->small, 16);
    memset(at + 16, 0, 64);
    for (size_t i = 0; i < 256; i++) put_two(at + 16, i, in->code[i]);
    memcpy(at + 80, in->half, 4);
}

/* 32 bytes with the third bits (bit j: weights 32 j + i), 64 bytes with the two lower ones, 12 with scales of 6 bits, a
 * half. The low nibbles of scales 0-7 and the high ones of 8-15 are in bytes 0-7; scale j has its upper two bits at
 * 2 (j / 4) of byte 8 + j mod 4. Scales are stored with 32 added. */
static void unpack_Q3_K(const void *stored, quant_block *out) {
    const uint8_t *h = stored, *q = h + 32, *s = q + 64;
    for (size_t i = 0; i < 256; i++) out->code[i] = (uint8_t)(get_two(q, i) | (h[i % 32] >> i / 32 & 1) << 2);
    for (size_t j = 0; j < 16; j++)
        out->small[j] = (uint8_t)(((s[j % 8] >> j / 8 * 4 & 15) | (s[8 + j % 4] >> j / 4 * 2 & 3) << 4) - 32);
    memcpy(out->half, s + 12, 2);
}

static void pack_Q3_K(const quant_block *in, void *stored) {
    uint8_t *h = stored, *q = h + 32, *s = q + 64;
    memset(h, 0, 108);
    for (size_t i = 0; i < 256; i++) {
        put_two(q, i, in->code[i]);
        h[i % 32] |= (uint8_t)(in->code[i] >> 2 << i / 32);
    }
    for (size_t j = 0; j < 16; j++) {
        uint8_t six = (uint8_t)(in->small[j] + 32);
        s[j % 8] |= (uint8_t)((six & 15) << j / 8 * 4);
        s[8 + j % 4] |= (uint8_t)((six >> 4 & 3) << j / 4 * 2);
    }
    memcpy(s + 12, in->half, 2);
}

/* A half, 2 bytes with the upper two bits of eight scales, 4 with their nibbles, nibbles of codes: of each 32 weights
 * the first 16 in the low ones. Scales are stored with 32 added. */
static void unpack_IQ4_XS(const void *stored, quant_block *out) {
    const uint8_t *at = stored, *high = at + 2, *low = at + 4;
    memcpy(out->half, at, 2);
    for (size_t j = 0; j < 8; j++) {
        out->small[j] = (uint8_t)(((low[j / 2] >> j % 2 * 4 & 15) | (high[j / 4] >> j % 4 * 2 & 3) << 4) - 32);
        get_nibbles(at + 8 + 16 * j, out->code + 32 * j);
    }
}

static void pack_IQ4_XS(const quant_block *in, void *stored) {
    uint8_t *at = stored, *high = at + 2, *low = at + 4;
    memcpy(at, in->half, 2);
    memset(high, 0, 6);
    for (size_t j = 0; j < 8; j++) {
        uint8_t six = (uint8_t)(in->small[j] + 32);
        low[j / 2] |= (uint8_t)((six & 15) << j % 2 * 4);
        high[j / 4] |= (uint8_t)((six >> 4 & 3) << j % 4 * 2);
        put_nibbles(in->code + 32 * j, at + 8 + 16 * j);
    }
}

/* ---- weights of a block ------------------------------------------------------------------------------ */

#define FORMAT(name, family, bits, zero, cols, levels)                                                                 \
    [DTYPE_##name] = {family, bits, zero, cols, levels, unpack_##name, pack_##name},
static const quant_format formats[DTYPE_COUNT] = {QUANT_TYPES(FORMAT)};

const quant_format *quant_format_of(dtype t) {
    return formats[t].cols > 0 ? &formats[t] : NULL;
}

float quant_power(uint8_t x) {
    if (x == 255) return bits_float(0x7fc00000);
    return x < 2 ? bits_float(0x00200000u << x) : bits_float((uint32_t)(x - 1) << 23);
}

static void decode_block(const quant_format *f, const quant_block *b, float *w) {
    float d = f->family == QUANT_POWER ? quant_power(b->small[0]) : f16_to_f32(b->half[0]);
    float e = f16_to_f32(b->half[1]);
    for (size_t i = 0; i < f->cols; i++) {
        int    u = f->levels != NULL ? f->levels[b->code[i]] : b->code[i];
        float  v = (float)(u - f->zero);
        size_t of_32 = i / 32, of_16 = i / 16;
        switch (f->family) {
        case QUANT_SCALE:
        case QUANT_POWER:
            w[i] = d * v;
            break;
        case QUANT_SCALE_MIN:
            w[i] = d * v + e;
            break;
        case QUANT_K:
            w[i] = d * (float)b->small[of_32] * v - e * (float)b->small[8 + of_32];
            break;
        case QUANT_K_PAIRS:
            w[i] = d * (float)(b->small[of_16] & 15) * v - e * (float)(b->small[of_16] >> 4);
            break;
        case QUANT_K_SIGNED:
            w[i] = d * (float)(int8_t)b->small[of_16] * v;
            break;
        case QUANT_K_LEVELS:
            w[i] = d * (float)(int8_t)b->small[of_32] * v;
            break;
        }
    }
}

void quant_decode(const quant_format *f, size_t block_bytes, const void *src, float *dst, size_t n) {
    quant_block b = {0};
    for (const char *at = src; n > 0; n -= f->cols, at += block_bytes, dst += f->cols) {
        f->unpack(at, &b);
        decode_block(f, &b, dst);
    }
}
