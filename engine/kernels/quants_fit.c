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

/* The code whose v is nearest to x; of levels, the first of two that are as near. */
static int nearest_code(const quant_format *f, float x) {
    if (f->levels == NULL) return f->zero + nearest_within(x, -f->zero, f->zero - 1);
    int   code = 0;
    float least = INFINITY;
    for (int u = 0; u < QUANT_LEVELS; u++) {
        float off = fabsf((float)(f->levels[u] - f->zero) - x);
        if (off < least) least = off, code = u;
    }
    return code;
}

static int value_of(const quant_format *f, int code) {
    return (f->levels != NULL ? f->levels[code] : code) - f->zero;
}

/* w = scale v: the element of largest magnitude takes about the least v, which has more room than the largest, whatever
 * its sign. Levels are not the same on both sides, so there it may take the largest one, too. */
static float fit_scale(const quant_format *f, const float *x, size_t n) {
    const float step = f->levels != NULL ? 2 : 0.125f;
    float       most = 0, best = 0;
    double      least = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    if (most == 0) return 0;
    for (int end = 0; end < (f->levels != NULL ? 2 : 1); end++) {
        const float low = (float)value_of(f, end == 0 ? 0 : QUANT_LEVELS - 1);
        for (int k = -6; k <= 6; k++) {
            float  scale = most / (low + (float)k * step);
            double xu = 0, uu = 0, xx = 0;
            for (size_t i = 0; i < n; i++) {
                double u = value_of(f, nearest_code(f, x[i] / scale));
                xu += (double)x[i] * u;
                uu += u * u;
                xx += (double)x[i] * (double)x[i];
            }
            if (uu > 0 && xx - xu * xu / uu < least) {
                least = xx - xu * xu / uu;
                best = (float)(xu / uu);
            }
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

/* The codes of n elements under a scale, or those of 0 without one. */
static void put_codes(const quant_format *f, const float *x, size_t n, float scale, uint8_t *code) {
    for (size_t i = 0; i < n; i++) code[i] = (uint8_t)nearest_code(f, scale != 0 ? x[i] / scale : 0);
}

static bool encode_scale(const quant_format *f, const float *x, quant_block *b) {
    if (!put_half(fit_scale(f, x, f->cols), &b->half[0])) return false;
    put_codes(f, x, f->cols, f16_to_f32(b->half[0]), b->code);
    return true;
}

/* Under the power of two with the least error: the one that the format's rule names, where the largest element is
 * between 4 and 8 and is cut to 6, or one of those beside it. */
static bool encode_power(const quant_format *f, const float *x, quant_block *b) {
    float       most = largest_magnitude(x, f->cols);
    int         rule = (int)(float_bits(most) >> 23) - 2; /* the biased exponent of 1.0 is that of a byte, too */
    double      least = INFINITY;
    quant_block trial = {0};
    for (int power = rule - 1; power <= rule + 1; power++) {
        double error = 0;
        trial.small[0] = (uint8_t)(power < 0 ? 0 : power > 254 ? 254 : power);
        float scale = quant_power(trial.small[0]);
        put_codes(f, x, f->cols, scale, trial.code);
        for (size_t i = 0; i < f->cols; i++) {
            double off = (double)x[i] - (double)scale * value_of(f, trial.code[i]);
            error += off * off;
        }
        if (error < least) {
            least = error;
            memcpy(b->code, trial.code, f->cols);
            b->small[0] = trial.small[0];
        }
    }
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

/* Fits the parts of a block, and stores what their scales and minima will be multiples of: the largest over `most`. */
static bool fit_parts(const float *x, size_t parts, size_t part, int high, int most, float *scale, float *min,
                      quant_block *b) {
    float most_scale = 0, most_min = 0;
    for (size_t j = 0; j < parts; j++) {
        fit_line(x + j * part, part, high, false, &scale[j], &min[j]);
        most_scale = scale[j] > most_scale ? scale[j] : most_scale;
        most_min = -min[j] > most_min ? -min[j] : most_min;
    }
    return put_half(most_scale / (float)most, &b->half[0]) && put_half(most_min / (float)most, &b->half[1]);
}

static bool encode_k(const quant_format *f, const float *x, quant_block *b) {
    enum { PARTS = 8, PART = 32, SIXES = 63 };
    int   high = (1 << f->bits) - 1;
    float scale[PARTS], min[PARTS];
    if (!fit_parts(x, PARTS, PART, high, SIXES, scale, min, b)) return false;
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

/* The sum of squares of what (scale u - low), u in [0, high] at their best, leaves of n elements. */
static double line_error(const float *x, size_t n, int high, float scale, float low) {
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        int    u = scale > 0 ? nearest_within((x[i] + low) / scale, 0, high) : 0;
        double off = (double)x[i] - ((double)scale * u - (double)low);
        error += off * off;
    }
    return error;
}

/* With scales and minima of 4 bits, what is nearest to the fitted ones is often not the best pair: those beside them
 * are tried. */
static bool encode_k_pairs(const quant_format *f, const float *x, quant_block *b) {
    enum { PARTS = 16, PART = 16, FOURS = 15 };
    int   high = (1 << f->bits) - 1;
    float scale[PARTS], min[PARTS];
    if (!fit_parts(x, PARTS, PART, high, FOURS, scale, min, b)) return false;
    float d = f16_to_f32(b->half[0]), e = f16_to_f32(b->half[1]);
    for (size_t j = 0; j < PARTS; j++, x += PART) {
        int    s0 = d > 0 ? nearest_within(scale[j] / d, 0, FOURS) : 0;
        int    m0 = e > 0 ? nearest_within(-min[j] / e, 0, FOURS) : 0, s1 = s0, m1 = m0;
        double least = INFINITY;
        for (int s = s0 > 0 ? s0 - 1 : 0; s <= s0 + 1 && s <= FOURS; s++) {
            for (int m = m0 > 0 ? m0 - 1 : 0; m <= m0 + 1 && m <= FOURS; m++) {
                double error = line_error(x, PART, high, d * (float)s, e * (float)m);
                if (error < least) least = error, s1 = s, m1 = m;
            }
        }
        float step = d * (float)s1, base = e * (float)m1;
        b->small[j] = (uint8_t)(s1 | m1 << 4);
        for (size_t i = 0; i < PART; i++)
            b->code[j * PART + i] = (uint8_t)(step > 0 ? nearest_within((x[i] + base) / step, 0, high) : 0);
    }
    return true;
}

/* Signed scales of `part` elements each, between `low` and `high`. The largest becomes `to`. */
static bool encode_signed(const quant_format *f, const float *x, size_t part, int low, int high, int to,
                          quant_block *b) {
    const size_t parts = f->cols / part;
    float        scale[QUANT_SMALL], most = 0;
    for (size_t j = 0; j < parts; j++) {
        scale[j] = fit_scale(f, x + j * part, part);
        if (fabsf(scale[j]) > fabsf(most)) most = scale[j];
    }
    if (!put_half((to > 0 ? fabsf(most) : most) / (float)to, &b->half[0])) return false;
    float d = f16_to_f32(b->half[0]);
    for (size_t j = 0; j < parts; j++) {
        int s = d != 0 ? nearest_within(scale[j] / d, low, high) : 0;
        b->small[j] = (uint8_t)s;
        put_codes(f, x + j * part, part, d * (float)s, b->code + j * part);
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
    case QUANT_K_PAIRS:
        return encode_k_pairs(f, x, b);
    case QUANT_K_SIGNED:
        return f->bits == 6 ? encode_signed(f, x, 16, -128, 127, 127, b) : encode_signed(f, x, 16, -32, 31, -32, b);
    case QUANT_K_LEVELS:
        return encode_signed(f, x, 32, -32, 31, -32, b);
    case QUANT_POWER:
        return encode_power(f, x, b);
    }
    return false;
}

void quant_encode(const quant_format *f, size_t block_bytes, const float *src, void *dst, size_t n) {
    for (char *at = dst; n > 0; n -= f->cols, at += block_bytes, src += f->cols) {
        quant_block b = {0};
        if (!encode_block(f, src, &b)) {
            b = (quant_block){0};
            memset(b.small, f->family == QUANT_POWER ? 255 : 1, sizeof b.small);
            memset(b.code, f->levels == NULL ? f->zero : 0, sizeof b.code);
            b.half[0] = 0x7E00; /* NaN */
        }
        f->pack(&b, at);
    }
}
