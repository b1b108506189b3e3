/* detmath.c - the double-precision functions. Coefficients are 1/k! and the like, rounded to double. */
#include "engine/kernels/detmath.h"

/* c[0] + c[1] x + ... + c[n-1] x^(n-1), by Horner's rule. */
static double polynomial(const double *c, int n, double x) {
    double y = c[n - 1];
    for (int i = n - 2; i >= 0; i--) y = fma(y, x, c[i]);
    return y;
}

/* pi / 2 as a sum of doubles, as ln 2 in the header. */
#define PIO2_HI  0x1.921fb54442d18p+0
#define PIO2_MID 0x1.1a62633145c07p-54
#define PIO2_LO  -0x1.f1976b7ed8fbcp-110

static const double shift = 0x1.8p+52; /* shift + n holds the integer n in its low bits */

/* x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); with s = f / (2 + f), ln(1 + f) = 2 atanh(s)
 * = f - s (f - R), R = 2 s^2 (1/3 + s^2 / 5 + s^4 / 7 + ...), where f carries most of the result exactly. */
double det_log(double x) {
    static const double c[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                               2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
    if (x != x || x == INFINITY) return x;
    if (x < 0) return NAN;
    if (x == 0) return -INFINITY;
    int k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t bits = double_bits(x);
    k += (int)(bits >> 52) - 1023;
    double m = bits_double((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m >= 0x1.6a09e667f3bcdp+0) { /* sqrt(2) */
        m *= 0.5;
        k++;
    }
    double f = m - 1;
    double s = f / (2 + f);
    double z = s * s;
    double y = fma(-s, f - z * polynomial(c, 10, z), f);
    return fma(k, DET_LN2_HI, fma(k, DET_LN2_LO, y));
}

/* x = n pi/2 + r, |r| <= pi/4 and a rounding error; sine and cosine of r by their series to r^17 and r^18. */
void det_sincos(double x, double *s, double *c) {
    static const double sine[] = {-1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
                                  -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};
    static const double cosine[] = {-1.0 / 2,
                                    1.0 / 24,
                                    -1.0 / 720,
                                    1.0 / 40320,
                                    -1.0 / 3628800,
                                    1.0 / 479001600,
                                    -1.0 / 87178291200,
                                    1.0 / 20922789888000,
                                    -1.0 / 6402373705728000};
    if (!(x >= -1e7 && x <= 1e7)) {
        *s = *c = NAN;
        return;
    }
    double t = fma(x, 0x1.45f306dc9c883p-1, shift);
    double n = t - shift;
    double r = fma(n, -PIO2_LO, fma(n, -PIO2_MID, fma(n, -PIO2_HI, x)));
    double z = r * r;
    double sin_r = fma(r * z, polynomial(sine, 8, z), r);
    double cos_r = fma(z, polynomial(cosine, 9, z), 1.0);
    switch (double_bits(t) & 3) {
    case 0:
        *s = sin_r;
        *c = cos_r;
        break;
    case 1:
        *s = cos_r;
        *c = -sin_r;
        break;
    case 2:
        *s = -sin_r;
        *c = -cos_r;
        break;
    default:
        *s = -cos_r;
        *c = sin_r;
    }
}
