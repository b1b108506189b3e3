/* The deterministic functions: errors against long double libm, special values, and bits that every platform
 * must give. Errors are in units of the last place of the exact result. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "engine/engine.h"
#include "engine/kernels/detmath.h"

static long double ulp_f(long double exact) {
    int exponent;
    frexpl(exact, &exponent);
    return ldexpl(1, exponent - 24 < -149 ? -149 : exponent - 24);
}

static long double ulp_d(long double exact) {
    int exponent;
    frexpl(exact, &exponent);
    return ldexpl(1, exponent - 53 < -1074 ? -1074 : exponent - 53);
}

static void keep_worst(long double *worst, long double error) {
    if (!(fabsl(error) <= *worst)) *worst = fabsl(error);
}

Test(detmath, expf_is_within_one_ulp) {
    long double worst = 0;
    for (uint32_t sign = 0; sign < 2; sign++) {
        /* Every 512th float up to the ends of the range. */
        for (uint32_t bits = 0; bits < 0x42b20000; bits += 512) {
            float       x = bits_float(bits | sign << 31);
            long double exact = expl((long double)x);
            if (x < -87.3f || exact > (long double)FLT_MAX) continue;
            keep_worst(&worst, ((long double)det_expf(x) - exact) / ulp_f(exact));
        }
    }
    cr_log_info("expf: %.3Lf ulp", worst);
    cr_assert(worst < 1.0L, "%.3Lf ulp", worst);
}

Test(detmath, expf_special_values) {
    cr_assert_eq(det_expf(0.0f), 1.0f);
    cr_assert_eq(det_expf(-0.0f), 1.0f);
    cr_assert_eq(det_expf(INFINITY), INFINITY);
    cr_assert_eq(det_expf(0x1.62e430p+6f), INFINITY);
    cr_assert(isfinite(det_expf(0x1.62e42ep+6f)));
    cr_assert_eq(float_bits(det_expf(-INFINITY)), 0);
    cr_assert_eq(float_bits(det_expf(-88.0f)), 0);
    cr_assert_eq(float_bits(det_expf(nextafterf(-87.3f, -100.0f))), 0);
    cr_assert_geq(det_expf(-87.3f), FLT_MIN);
    cr_assert(isnan(det_expf(NAN)));
}

Test(detmath, tanhf_is_near_the_nearest) {
    long double worst = 0;
    for (uint32_t bits = 0x00800000; bits < 0x42000000; bits += 257) {
        float       x = bits_float(bits), y = det_tanhf(x);
        long double exact = tanhl((long double)x);
        keep_worst(&worst, ((long double)y - exact) / ulp_f(exact));
        cr_assert_eq(det_tanhf(-x), -y, "at %a", (double)x);
    }
    cr_log_info("tanhf: %.3Lf ulp", worst);
    cr_assert(worst < 1.5L, "%.3Lf ulp", worst);
    cr_assert(det_tanhf(0.0f) == 0 && det_tanhf(-0.0f) == 0);
    cr_assert_eq(det_tanhf(INFINITY), 1.0f);
    cr_assert_eq(det_tanhf(-INFINITY), -1.0f);
    cr_assert(isnan(det_tanhf(NAN)));
}

Test(detmath, expf_never_falls) {
    float last = 0;
    for (float x = -88; x < 89; x += 0x1p-12f) {
        float y = det_expf(x);
        cr_assert_geq(y, last, "at %a", (double)x);
        last = y;
    }
}

Test(detmath, rsqrtf_is_two_rounded_operations) {
    cr_assert_eq(det_rsqrtf(4.0f), 0.5f);
    cr_assert_eq(det_rsqrtf(0x1p-126f), 0x1p63f);
    long double worst = 0;
    for (uint32_t bits = 0x00800000; bits < 0x7f800000; bits += 4099) {
        float       x = bits_float(bits);
        long double exact = 1 / sqrtl((long double)x);
        keep_worst(&worst, ((long double)det_rsqrtf(x) - exact) / ulp_f(exact));
    }
    cr_log_info("rsqrtf: %.3Lf ulp", worst);
    cr_assert(worst < 1.5L, "%.3Lf ulp", worst);
}

Test(detmath, exp_is_within_one_ulp) {
    long double worst = 0;
    for (double x = -708.3; x < 709.7; x += 0.00137)
        keep_worst(&worst, ((long double)det_exp(x) - expl((long double)x)) / ulp_d(expl((long double)x)));
    for (double x = 1; x > 1e-20; x *= 0.99) {
        keep_worst(&worst, ((long double)det_exp(x) - expl((long double)x)) / ulp_d(expl((long double)x)));
        keep_worst(&worst, ((long double)det_exp(-x) - expl(-(long double)x)) / ulp_d(expl(-(long double)x)));
    }
    cr_log_info("exp: %.3Lf ulp", worst);
    cr_assert(worst < 1.0L, "%.3Lf ulp", worst);
    cr_assert_eq(det_exp(0.0), 1.0);
    cr_assert_eq(det_exp(INFINITY), INFINITY);
    cr_assert_eq(det_exp(710.0), INFINITY);
    cr_assert_eq(det_exp(-INFINITY), 0.0);
    cr_assert_eq(det_exp(-709.0), 0.0);
    cr_assert(isnan(det_exp(NAN)));
}

static void log_error(double x, long double *worst) {
    long double exact = logl((long double)x);
    keep_worst(worst, ((long double)det_log(x) - exact) / ulp_d(exact));
}

Test(detmath, log_is_within_one_and_a_half_ulp) {
    long double worst = 0;
    for (double x = 0x1p-1060; x < 0x1p1023; x *= 1.00037) log_error(x, &worst);
    for (double d = 0.5; d > 0x1p-52; d *= 0.999) {
        double above = 1 + d, below = 1 - d;
        if (above != 1) log_error(above, &worst);
        log_error(below, &worst);
    }
    cr_log_info("log: %.3Lf ulp", worst);
    cr_assert(worst < 1.5L, "%.3Lf ulp", worst);
    cr_assert_eq(det_log(1.0), 0.0);
    cr_assert_eq(det_log(0.0), -INFINITY);
    cr_assert_eq(det_log(INFINITY), INFINITY);
    cr_assert(isnan(det_log(-1.0)));
    cr_assert(isnan(det_log(-INFINITY)));
    cr_assert(isnan(det_log(NAN)));
}

static void sincos_errors(double x, long double *worst) {
    double s, c;
    det_sincos(x, &s, &c);
    long double sine = sinl((long double)x), cosine = cosl((long double)x);
    if (sine != 0) keep_worst(worst, ((long double)s - sine) / ulp_d(sine));
    keep_worst(worst, ((long double)c - cosine) / ulp_d(cosine));
}

Test(detmath, sincos_is_within_one_and_a_half_ulp) {
    long double worst = 0;
    for (double x = 1e-300; x <= 1e7; x *= 1.0073) {
        sincos_errors(x, &worst);
        sincos_errors(-x, &worst);
    }
    for (int i = 0; i < 1000000; i += 7) {
        sincos_errors(i, &worst);                        /* positions */
        sincos_errors(i * 0x1.921fb54442d18p+0, &worst); /* doubles nearest to multiples of pi/2 */
        sincos_errors(i * 0x1.921fb54442d18p-1, &worst); /* where sine and cosine change places */
    }
    cr_log_info("sincos: %.3Lf ulp", worst);
    cr_assert(worst < 1.5L, "%.3Lf ulp", worst);

    double s, c;
    det_sincos(0, &s, &c);
    cr_assert(s == 0 && c == 1);
    const double outside[] = {1.0000001e7, -1.0000001e7, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        det_sincos(outside[i], &s, &c);
        cr_assert(isnan(s) && isnan(c));
    }
}

/* A hash over each function's values: it fails on a platform that rounds any of them differently. */
Test(detmath, bits_are_the_same_everywhere) {
    enum { N = 1 << 16 };
    static float  f[N];
    static double d[N], s[N], c[N];
    for (int i = 0; i < N; i++) f[i] = det_expf((float)i * 0x1.5p-8f - 90.0f);
    cr_expect_eq(digest64(f, sizeof f), 0xc1af6c34a7d0d471u, "expf %#jx", (uintmax_t)digest64(f, sizeof f));
    for (int i = 0; i < N; i++) f[i] = det_rsqrtf((float)i * 0x1.37p-3f + 0x1p-20f);
    cr_expect_eq(digest64(f, sizeof f), 0x5da455d299d76792u, "rsqrtf %#jx", (uintmax_t)digest64(f, sizeof f));
    for (int i = 0; i < N; i++) d[i] = det_exp(i * 0x1.6p-6 - 700.0);
    cr_expect_eq(digest64(d, sizeof d), 0x4f3e0a689bcb60b3u, "exp %#jx", (uintmax_t)digest64(d, sizeof d));
    for (int i = 0; i < N; i++) d[i] = det_log(i * 0x1.37p-3 + 0x1p-20);
    cr_expect_eq(digest64(d, sizeof d), 0xc0f00d0be5869a26u, "log %#jx", (uintmax_t)digest64(d, sizeof d));
    for (int i = 0; i < N; i++) det_sincos(i * 0x1.37p+3 - 10000.0, &s[i], &c[i]);
    cr_expect_eq(digest64(s, sizeof s), 0x2a3abc364c27bd49u, "sin %#jx", (uintmax_t)digest64(s, sizeof s));
    cr_expect_eq(digest64(c, sizeof c), 0x9e86d513cf582c96u, "cos %#jx", (uintmax_t)digest64(c, sizeof c));
}
