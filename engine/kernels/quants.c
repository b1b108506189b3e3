/* quants.c - GGUF's layouts of the eight block types, and the weights that a block holds. */
#include "engine/kernels/quants.h"

#include <stdbool.h>
#include <string.h>

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

/* ---- weights of a block ------------------------------------------------------------------------------ */

#define FORMAT(name, family, bits, zero, cols) [DTYPE_##name] = {family, bits, zero, cols, unpack_##name, pack_##name},
static const quant_format formats[DTYPE_COUNT] = {QUANT_TYPES(FORMAT)};

const quant_format *quant_format_of(dtype t) {
    return formats[t].cols > 0 ? &formats[t] : NULL;
}

static void decode_block(const quant_format *f, const quant_block *b, float *w) {
    float d = f16_to_f32(b->half[0]), e = f16_to_f32(b->half[1]);
    for (size_t i = 0; i < f->cols; i++) {
        float  u = (float)(b->code[i] - f->zero);
        size_t of_32 = i / 32, of_16 = i / 16;
        switch (f->family) {
        case QUANT_SCALE:
            w[i] = d * u;
            break;
        case QUANT_SCALE_MIN:
            w[i] = d * u + e;
            break;
        case QUANT_K:
            w[i] = d * (float)b->small[of_32] * u - e * (float)b->small[8 + of_32];
            break;
        case QUANT_K_SIGNED:
            w[i] = d * (float)(int8_t)b->small[of_16] * u;
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
