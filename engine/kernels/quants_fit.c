/* quants_fit.c - from weights to blocks: the scales with the least squared error among a few, then the nearest codes.
 *
 * Scales are stored rounded, so codes are always taken against what is stored. Sums are doubles in one order: the same
 * weights give the same blocks everywhere.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/base/bits.h"
#include "engine/kernels/quants.h"

/* To the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no fraction bits. */
static int32_t nearest(float x) {
    return (int32_t)((x + 0x1.8p23f) - 0x1.8p23f);
}

static int nearest_within(float x, int low, int high) {
    if (!(x > (float)low)) return low; /* NaN too */
    return x >= (float)high ? high : nearest(x);
}

static float largest_magnitude(const float *x, size_t n) {
    uint32_t largest = 0; /* as bits, so that NaN is above infinity */
    for (size_t i = 0; i < n; i++) {
        uint32_t magnitude = float_bits(x[i]) & 0x7FFFFFFF;
        largest = magnitude > largest ? magnitude : largest;
    }
    return bits_float(largest);
}

/* w = scale u, u in [low, high], low < -high <= 0: the element of largest magnitude takes about `low`, which has more
 * room than `high`, whatever its sign. */
static float fit_scale(const float *x, size_t n, int low, int high) {
    float  most = 0, best = 0;
    double least = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    if (most == 0) return 0;
    for (int k = -6; k <= 6; k++) {
        float  scale = most / ((float)low + (float)k * 0.125f);
        double xu = 0, uu = 0, xx = 0;
        for (size_t i = 0; i < n; i++) {
            double u = nearest_within(x[i] / scale, low, high);
            xu += (double)x[i] * u;
            uu += u * u;
            xx += (double)x[i] * (double)x[i];
        }
        if (uu > 0 && xx - xu * xu / uu < least) {
            least = xx - xu * xu / uu;
            best = (float)(xu / uu);
        }
    }
    return best;
}

/* w = scale u + min, u in [0, high]; scale >= 0, and min <= 0 unless it may have any sign. */
static void fit_line(const float *x, size_t n, int high, bool any_sign, float *scale, float *min) {
    float  low = x[0], top = x[0];
    double least = INFINITY;
    for (size_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        top = x[i] > top ? x[i] : top;
    }
    if (!any_sign && low > 0) low = 0;
    *scale = 0;
    *min = low;
    if (!(top > low)) return;
    for (int k = -6; k <= 6; k++) {
        float  step = (top - low) / ((float)high + (float)k * 0.125f);
        double u1 = 0, u2 = 0, x1 = 0, xu = 0, count = (double)n, error = 0;
        for (size_t i = 0; i < n; i++) {
            double u = nearest_within((x[i] - low) / step, 0, high);
            u1 += u;
            u2 += u * u;
            x1 += (double)x[i];
            xu += (double)x[i] * u;
        }
        double spread = count * u2 - u1 * u1;
        double slope = spread > 0 ? (count * xu - u1 * x1) / spread : 0, base = (x1 - slope * u1) / count;
        if (!any_sign && base > 0) {
            base = 0;
            slope = xu / u2;
        }
        if (!(slope > 0)) continue;
        for (size_t i = 0; i < n; i++) {
            double u = nearest_within((float)(((double)x[i] - base) / slope), 0, high);
            double off = (double)x[i] - (slope * u + base);
            error += off * off;
        }
        if (error < least) {
            least = error;
            *scale = (float)slope;
            *min = (float)base;
        }
    }
}

/* ---- a block of each family; false when a scale does not fit a half ----------------------------------- */

static bool put_half(float x, uint16_t *out) {
    *out = f32_to_f16(x);
    return (*out & 0x7C00) < 0x7C00;
}

/* Q8_0, as everybody has it: max|x| / 127, one place up when the largest element would not fit beside it (scales
 * that are subnormal halves are coarse). */
static bool encode_bytes(const float *x, quant_block *b) {
    float most = largest_magnitude(x, 32);
    if (!put_half(most / 127.0f, &b->half[0])) return false;
    if (most > 127.5f * f16_to_f32(b->half[0]) && ++b->half[0] >= 0x7C00) return false;
    float d = f16_to_f32(b->half[0]);
    for (size_t i = 0; i < 32; i++) b->code[i] = (uint8_t)(128 + (d > 0 ? nearest_within(x[i] / d, -127, 127) : 0));
    return true;
}

static bool encode_scale(const quant_format *f, const float *x, quant_block *b) {
    if (!put_half(fit_scale(x, f->cols, -f->zero, f->zero - 1), &b->half[0])) return false;
    float d = f16_to_f32(b->half[0]);
    for (size_t i = 0; i < f->cols; i++)
        b->code[i] = (uint8_t)(f->zero + (d != 0 ? nearest_within(x[i] / d, -f->zero, f->zero - 1) : 0));
    return true;
}

static bool encode_line(const quant_format *f, const float *x, quant_block *b) {
    int   high = (1 << f->bits) - 1;
    float scale, min;
    fit_line(x, f->cols, high, true, &scale, &min);
    if (!put_half(scale, &b->half[0]) || !put_half(min, &b->half[1])) return false;
    float d = f16_to_f32(b->half[0]), m = f16_to_f32(b->half[1]);
    for (size_t i = 0; i < f->cols; i++) b->code[i] = (uint8_t)(d > 0 ? nearest_within((x[i] - m) / d, 0, high) : 0);
    return true;
}

static bool encode_k(const quant_format *f, const float *x, quant_block *b) {
    enum { PARTS = 8, PART = 32, SIXES = 63 };
    int   high = (1 << f->bits) - 1;
    float scale[PARTS], min[PARTS], most_scale = 0, most_min = 0;
    for (size_t j = 0; j < PARTS; j++) {
        fit_line(x + j * PART, PART, high, false, &scale[j], &min[j]);
        most_scale = scale[j] > most_scale ? scale[j] : most_scale;
        most_min = -min[j] > most_min ? -min[j] : most_min;
    }
    if (!put_half(most_scale / SIXES, &b->half[0]) || !put_half(most_min / SIXES, &b->half[1])) return false;
    float d = f16_to_f32(b->half[0]), e = f16_to_f32(b->half[1]);
    for (size_t j = 0; j < PARTS; j++) {
        b->small[j] = (uint8_t)(d > 0 ? nearest_within(scale[j] / d, 0, SIXES) : 0);
        b->small[PARTS + j] = (uint8_t)(e > 0 ? nearest_within(-min[j] / e, 0, SIXES) : 0);
        float step = d * b->small[j], base = e * b->small[PARTS + j];
        for (size_t i = j * PART; i < (j + 1) * PART; i++)
            b->code[i] = (uint8_t)(step > 0 ? nearest_within((x[i] + base) / step, 0, high) : 0);
    }
    return true;
}

static bool encode_k_signed(const quant_format *f, const float *x, quant_block *b) {
    enum { PARTS = 16, PART = 16 };
    float scale[PARTS];
    for (size_t j = 0; j < PARTS; j++) scale[j] = fit_scale(x + j * PART, PART, -f->zero, f->zero - 1);
    if (!put_half(largest_magnitude(scale, PARTS) / 127, &b->half[0])) return false;
    float d = f16_to_f32(b->half[0]);
    for (size_t j = 0; j < PARTS; j++) {
        int   s = d > 0 ? nearest_within(scale[j] / d, -128, 127) : 0;
        float step = d * (float)s;
        b->small[j] = (uint8_t)s;
        for (size_t i = j * PART; i < (j + 1) * PART; i++)
            b->code[i] = (uint8_t)(f->zero + (step != 0 ? nearest_within(x[i] / step, -f->zero, f->zero - 1) : 0));
    }
    return true;
}

static bool encode_block(const quant_format *f, const float *x, quant_block *b) {
    if (!isfinite(largest_magnitude(x, f->cols))) return false;
    switch (f->family) {
    case QUANT_SCALE:
        return f->bits == 8 ? encode_bytes(x, b) : encode_scale(f, x, b);
    case QUANT_SCALE_MIN:
        return encode_line(f, x, b);
    case QUANT_K:
        return encode_k(f, x, b);
    case QUANT_K_SIGNED:
        return encode_k_signed(f, x, b);
    }
    return false;
}

void quant_encode(const quant_format *f, size_t block_bytes, const float *src, void *dst, size_t n) {
    for (char *at = dst; n > 0; n -= f->cols, at += block_bytes, src += f->cols) {
        quant_block b = {0};
        if (!encode_block(f, src, &b)) {
            b = (quant_block){0};
            memset(b.small, 1, sizeof b.small);
            memset(b.code, f->zero, sizeof b.code);
            b.half[0] = 0x7E00; /* NaN */
        }
        f->pack(&b, at);
    }
}
