/* Block types: the meaning of their bytes, round trips, and the error of encoding. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/kernels/quants.h"
#include "tests/fixtures/slow_blocks.h"

enum { MOST_BYTES = 272 };

static void random_block(gsl_rng *r, dtype t, unsigned char *block) {
    for (size_t i = 0; i < dtype_get(t)->block_bytes; i++) block[i] = (unsigned char)gsl_rng_uniform_int(r, 256);
    slow_tame(t, block);
}

#define EACH_BLOCK_TYPE(t)                                                                                             \
    for (dtype t = 0; t < DTYPE_COUNT; t++)                                                                            \
        if (quant_format_of(t) != NULL)

Test(quants, weights_are_what_the_format_says) {
    gsl_rng *r = rng_new(1, 0);
    EACH_BLOCK_TYPE(t) {
        size_t n = dtype_get(t)->block;
        for (int k = 0; k < 200; k++) {
            unsigned char block[MOST_BYTES];
            float         w[QUANT_MOST];
            random_block(r, t, block);
            dtype_get(t)->decode(block, w, n);
            for (size_t i = 0; i < n; i++) {
                slow_element x = slow_element_at(t, block, i);
                float        exact = (float)((double)x.scale * x.u + (double)x.base); /* one rounding */
                cr_assert(w[i] == exact, "%s %zu: %a, not %a", dtype_get(t)->name, i, (double)w[i], (double)exact);
            }
        }
    }
    gsl_rng_free(r);
}

/* A few bytes of each newer type by hand, from the formats' published definitions. */
Test(quants, newer_types_by_hand) {
    float         w[QUANT_MOST];
    unsigned char iq4_nl[18] = {0, 0x38, 0x70, 0x8f}; /* 0.5 */
    dtype_get(DTYPE_IQ4_NL)->decode(iq4_nl, w, 32);
    cr_expect(w[0] == -63.5f && w[16] == -5 && w[1] == 56.5f && w[17] == 0.5f && w[2] == -63.5f);

    unsigned char mxfp4[17] = {127, 0x71, 0x9f}; /* 1 */
    dtype_get(DTYPE_MXFP4)->decode(mxfp4, w, 32);
    cr_expect(w[0] == 0.5f && w[16] == 6 && w[1] == -6 && w[17] == -0.5f && w[2] == 0);
    static const float powers[] = {0x1p-128f, 0x1p-127f, 0x1p-126f};
    for (unsigned char x = 0; x < 3; x++) {
        mxfp4[0] = x;
        dtype_get(DTYPE_MXFP4)->decode(mxfp4, w, 32);
        cr_expect(w[0] == powers[x] && w[16] == 12 * powers[x], "%d: %a", x, (double)w[0]);
    }
    mxfp4[0] = 255;
    dtype_get(DTYPE_MXFP4)->decode(mxfp4, w, 32);
    for (size_t i = 0; i < 32; i++) cr_expect(isnan(w[i]));

    unsigned char iq4_xs[136] = {0, 0x3c, 0x01, 0x80, 0x0f, [7] = 0x70, [8] = 0xf0, [120] = 0x08}; /* 1 */
    dtype_get(DTYPE_IQ4_XS)->decode(iq4_xs, w, 256);
    cr_expect(w[0] == -1.f * -127 && w[16] == -1.f * 113); /* the scale 31 - 32 */
    cr_expect(w[32] == -32.f * -127);                      /* 0 - 32 */
    cr_expect(w[224] == 7.f * 1 && w[225] == 7.f * -127);  /* 39 - 32 */

    unsigned char q2_k[84] = {0x23, [15] = 0xf1, [16] = 0xe4, [79] = 0xc0, [80] = 0, 0x40, 0, 0x34}; /* 2 and 0.25 */
    dtype_get(DTYPE_Q2_K)->decode(q2_k, w, 256);
    cr_expect(w[0] == -0.5f && w[1] == -0.5f && w[32] == 0 && w[96] == 0);
    cr_expect(w[255] == 2.f * 1 * 3 - 0.25f * 15);

    unsigned char q3_k[110] = {[0] = 0x01,   [31] = 0x80,  [32] = 0x02,  [95] = 0x40, [96] = 0x01,
                               [103] = 0xf0, [104] = 0x02, [107] = 0xc0, [109] = 0x3c}; /* 1 */
    dtype_get(DTYPE_Q3_K)->decode(q3_k, w, 256);
    cr_expect(w[0] == (33 - 32) * (6 - 4) && w[1] == (33 - 32) * -4);
    cr_expect(w[16] == -32.f * -4 && w[255] == (63 - 32) * (5 - 4) && w[254] == (63 - 32) * -4.f);
}

Test(quants, every_bit_has_its_place) {
    gsl_rng *r = rng_new(2, 0);
    EACH_BLOCK_TYPE(t) {
        const quant_format *f = quant_format_of(t);
        cr_expect_eq(f->cols, dtype_get(t)->block);
        for (int k = 0; k < 100; k++) {
            unsigned char block[MOST_BYTES], back[MOST_BYTES];
            quant_block   b;
            random_block(r, t, block);
            memset(back, 0xa5, sizeof back);
            f->unpack(block, &b);
            f->pack(&b, back);
            cr_assert_arr_eq(block, back, dtype_get(t)->block_bytes, "%s", dtype_get(t)->name);
            cr_assert_eq(back[dtype_get(t)->block_bytes], 0xa5, "%s writes past its block", dtype_get(t)->name);
        }
    }
    gsl_rng_free(r);
}

static double error_of(dtype t, const float *x, size_t n) {
    unsigned char bytes[4 * QUANT_MOST];
    float         w[QUANT_MOST];
    double        error = 0;
    dtype_get(t)->encode(x, bytes, n);
    dtype_get(t)->decode(bytes, w, n);
    for (size_t i = 0; i < n; i++) error += ((double)w[i] - (double)x[i]) * ((double)w[i] - (double)x[i]);
    return error;
}

static double squared(float a, float b) {
    return ((double)a - (double)b) * ((double)a - (double)b);
}

/* The nearest of 16 levels. */
static float nearest_level(const quant_format *f, float x) {
    float best = 0;
    for (int u = 0; u < QUANT_LEVELS; u++) {
        float v = (float)(f->levels[u] - f->zero);
        if (u == 0 || fabsf(v - x) < fabsf(best - x)) best = v;
    }
    return best;
}

/* The usual choice without a search: the largest element, or the range, onto the codes. MXFP4's is the OCP's: the
 * largest element between 4 and 8. */
static double plain_error(const quant_format *f, const float *x, size_t n) {
    double error = 0;
    for (size_t from = 0; from < n; from += 32) {
        float most = 0, low = x[from], top = x[from];
        for (size_t i = from; i < from + 32; i++) {
            if (fabsf(x[i]) > fabsf(most)) most = x[i];
            low = fminf(low, x[i]);
            top = fmaxf(top, x[i]);
        }
        bool  line = f->family == QUANT_SCALE_MIN || f->family == QUANT_K || f->family == QUANT_K_PAIRS;
        int   codes = 1 << f->bits;
        float scale = line ? (top - low) / (float)(codes - 1) : most / -(float)(codes / 2), base = line ? low : 0;
        if (f->levels != NULL) scale = f->family == QUANT_POWER ? ldexpf(1, ilogbf(most) - 3) : most / -127;
        for (size_t i = from; i < from + 32; i++) {
            float u = rintf((x[i] - base) / scale);
            if (f->levels != NULL)
                u = nearest_level(f, x[i] / scale);
            else if (!line)
                u = fminf(fmaxf(u, -(float)(codes / 2)), (float)(codes / 2 - 1));
            error += squared(u * scale + base, x[i]);
        }
    }
    return error;
}

/* Searching for scales gains more than rounding them loses; for K's, which are rounded to 6 bits, just as much. Q2_K's
 * and Q3_K's are those of 16 elements. */
Test(quants, encoding_loses_less_than_the_plain_choice) {
    gsl_rng *r = rng_new(3, 0);
    EACH_BLOCK_TYPE(t) {
        double ours = 0, plain = 0;
        for (int k = 0; k < 200; k++) {
            float x[QUANT_MOST];
            for (size_t i = 0; i < QUANT_MOST; i++) {
                double sum = -6; /* of 12: nearly normal */
                for (int d = 0; d < 12; d++) sum += gsl_rng_uniform(r);
                x[i] = (float)sum * 0.02f;
            }
            ours += error_of(t, x, QUANT_MOST);
            plain += plain_error(quant_format_of(t), x, QUANT_MOST);
        }
        double bound = t == DTYPE_Q8_0 ? 1.02 : quant_format_of(t)->family == QUANT_K ? 1.0 : 0.97;
        cr_expect_lt(ours, bound * plain, "%s: %.3g of the plain error", dtype_get(t)->name, ours / plain);
    }
    gsl_rng_free(r);
}

Test(quants, zeros_and_constants_come_back) {
    EACH_BLOCK_TYPE(t) {
        float zeros[QUANT_MOST] = {0}, same[QUANT_MOST];
        cr_expect_eq(error_of(t, zeros, QUANT_MOST), 0, "%s", dtype_get(t)->name);
        for (int sign = -1; sign <= 1; sign += 2) {
            for (size_t i = 0; i < QUANT_MOST; i++) same[i] = (float)sign * 0.75f;
            cr_expect_lt(error_of(t, same, QUANT_MOST), QUANT_MOST * 0.75 * 0.75 * 1e-4, "%s %d", dtype_get(t)->name,
                         sign);
        }
    }
}

Test(quants, damage_shows) {
    static const float bad[] = {INFINITY, -INFINITY, NAN, 1e38f};
    EACH_BLOCK_TYPE(t) {
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            float         x[QUANT_MOST] = {1, 2, 3}, w[QUANT_MOST];
            unsigned char bytes[MOST_BYTES];
            size_t        n = dtype_get(t)->block;
            x[7] = bad[k];
            if (t == DTYPE_MXFP4 && isfinite(bad[k])) continue; /* its scales reach as far as floats do */
            dtype_get(t)->encode(x, bytes, n);
            dtype_get(t)->decode(bytes, w, n);
            for (size_t i = 0; i < n; i++) cr_assert(isnan(w[i]), "%s %g %zu", dtype_get(t)->name, (double)bad[k], i);
        }
    }
}
