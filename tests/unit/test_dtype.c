/* Tensor element types: every half exactly, rounding at every edge, Q8_0 against its definition. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/kernels/dtype.h"

Test(dtype, every_half_decodes_to_its_value_and_back) {
    for (uint32_t h = 0; h < 65536; h++) {
        uint32_t exponent = h >> 10 & 31, fraction = h & 1023;
        float    f = f16_to_f32((uint16_t)h);
        uint16_t back = f32_to_f16(f);
        if (exponent == 31 && fraction != 0) {
            cr_assert(isnan(f), "%04x", h);
            cr_assert((back & 0x7C00) == 0x7C00 && (back & 0x3FF) != 0, "%04x became %04x", h, back);
            continue;
        }
        double value = exponent == 31  ? INFINITY
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(1024 + fraction, (int)exponent - 25);
        cr_assert_eq(f, h & 0x8000 ? -value : value, "%04x", h);
        cr_assert_eq(back, h, "%04x became %04x", h, back);
    }
}

/* Between two neighbouring halves the middle goes to the even one, and its neighbours to their own sides. */
Test(dtype, halves_round_to_nearest_even) {
    for (uint16_t h = 0; h < 0x7C00; h++) {
        float low = f16_to_f32(h), high = h == 0x7BFF ? 65536.0f : f16_to_f32((uint16_t)(h + 1));
        float middle = low + (high - low) / 2; /* exact: a float has 13 bits to spare */
        cr_assert_eq(f32_to_f16(middle), h % 2 == 0 ? h : h + 1, "above %04x", h);
        cr_assert_eq(f32_to_f16(nextafterf(middle, low)), h);
        cr_assert_eq(f32_to_f16(nextafterf(middle, high)), h + 1);
        cr_assert_eq(f32_to_f16(-middle), 0x8000 | (h % 2 == 0 ? h : h + 1));
    }
    cr_assert_eq(f32_to_f16(INFINITY), 0x7C00);
    cr_assert_eq(f32_to_f16(-3e38f), 0xFC00);
    cr_assert_eq(f32_to_f16(1e-45f), 0);
    cr_assert_eq(f32_to_f16(-0.0f), 0x8000);
}

Test(dtype, bfloats_round_to_nearest_even) {
    for (uint32_t h = 0; h < 65536; h++) {
        float f = bf16_to_f32((uint16_t)h);
        if (isnan(f)) {
            cr_assert(isnan(bf16_to_f32(f32_to_bf16(f))), "%04x", h);
            continue;
        }
        cr_assert_eq(f32_to_bf16(f), h);
        if ((h & 0x7FFF) >= 0x7F7F) continue; /* the largest finite, infinity */
        uint32_t middle = h << 16 | 0x8000;
        float    m;
        memcpy(&m, &middle, sizeof m);
        cr_assert_eq(f32_to_bf16(m), h % 2 == 0 ? h : h + 1);
        cr_assert_eq(f32_to_bf16(nextafterf(m, 0)), h);
    }
    cr_assert_eq(f32_to_bf16(3.4e38f), 0x7F80);
    uint32_t low_nan = 0x7F800001; /* its upper half by itself would be infinity */
    float    f;
    memcpy(&f, &low_nan, sizeof f);
    cr_assert(isnan(bf16_to_f32(f32_to_bf16(f))));
}

enum { BLOCK = 32, BLOCK_BYTES = 34 };

static float scale_of(const unsigned char *block) {
    uint16_t h;
    memcpy(&h, block, sizeof h);
    return f16_to_f32(h);
}

Test(dtype, q8_0_decodes_scale_times_quant) {
    unsigned char block[BLOCK_BYTES];
    float         out[BLOCK];
    uint16_t      scale = f32_to_f16(-0.0371f);
    memcpy(block, &scale, sizeof scale);
    for (int first = -128; first < 128; first += BLOCK) {
        for (int i = 0; i < BLOCK; i++) block[2 + i] = (unsigned char)(first + i);
        dtype_get(DTYPE_Q8_0)->decode(block, out, BLOCK);
        for (int i = 0; i < BLOCK; i++)
            cr_assert_eq((double)out[i], (double)f16_to_f32(scale) * (first + i)); /* exact in double: no rounding */
    }
}

Test(dtype, q8_0_encodes_within_half_a_step_at_every_magnitude) {
    const dtype_info *q8 = dtype_get(DTYPE_Q8_0);
    gsl_rng          *rng = rng_new(1, 0);
    for (int exponent = -40; exponent <= 22; exponent++) {
        for (int round = 0; round < 50; round++) {
            float         in[BLOCK], out[BLOCK];
            unsigned char block[BLOCK_BYTES];
            for (int i = 0; i < BLOCK; i++) in[i] = ldexpf((float)gsl_rng_uniform(rng) * 2 - 1, exponent);
            q8->encode(in, block, BLOCK);
            q8->decode(block, out, BLOCK);
            double step = scale_of(block);
            for (int i = 0; i < BLOCK; i++) {
                double off = fabs((double)in[i] - (double)out[i]);
                /* With the smallest scale, 2^-24, an element may be below half a step of it. */
                cr_assert(off <= (step > 0 ? step : 0x1p-24) / 2 * 1.0001, "2^%d: %g became %g, step %g", exponent,
                          (double)in[i], (double)out[i], step);
            }
        }
    }
    gsl_rng_free(rng);
}

Test(dtype, q8_0_breaks_ties_to_even_and_keeps_the_scale_exact) {
    float         in[BLOCK] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -127};
    const int     want[] = {127, 0, 2, 2, 0, -2, -2, 126, -127, 0};
    unsigned char block[BLOCK_BYTES];
    dtype_get(DTYPE_Q8_0)->encode(in, block, BLOCK);
    cr_assert_eq(scale_of(block), 1.0f);
    for (int i = 0; i < 10; i++) cr_assert_eq((int8_t)block[2 + i], want[i], "element %d", i);
}

Test(dtype, q8_0_shows_damage_as_nan) {
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f, -9e6f};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        float         in[BLOCK] = {1, 2, 3, bad[b]}, out[BLOCK];
        unsigned char block[BLOCK_BYTES];
        dtype_get(DTYPE_Q8_0)->encode(in, block, BLOCK);
        dtype_get(DTYPE_Q8_0)->decode(block, out, BLOCK);
        for (int i = 0; i < BLOCK; i++) cr_assert(isnan(out[i]));
    }
    float         zeros[BLOCK] = {0}, out[BLOCK];
    unsigned char block[BLOCK_BYTES];
    dtype_get(DTYPE_Q8_0)->encode(zeros, block, BLOCK);
    dtype_get(DTYPE_Q8_0)->decode(block, out, BLOCK);
    for (int i = 0; i < BLOCK; i++) cr_assert_eq(out[i], 0);
}

Test(dtype, numbers_and_names_of_the_format) {
    char buf[DTYPE_NAME_SIZE];
    for (int t = 0; t < DTYPE_COUNT; t++) {
        const dtype_info *d = dtype_get((dtype)t);
        cr_assert_eq(dtype_from_gguf(d->gguf_id), t);
        cr_assert_str_eq(dtype_gguf_name(d->gguf_id, buf), d->name);
        cr_assert_eq(dtype_bytes((dtype)t, 512), 512 / d->block * d->block_bytes);
    }
    cr_assert_eq(dtype_from_gguf(16), -1);
    cr_assert_str_eq(dtype_gguf_name(16, buf), "IQ2_XXS");
    cr_assert_str_eq(dtype_gguf_name(4, buf), "4");
    cr_assert_str_eq(dtype_gguf_name(4000000000u, buf), "4000000000");
}
