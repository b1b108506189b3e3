/* generic.c - all of a kernel table except the products: written once, in portable C that compilers vectorize or with
 * the registers of vec.h. The Makefile compiles it for each instruction set. numerics.md says what is computed; this
 * file also shows it.
 *
 * The 16 lanes of a sum are an array of 16 floats whose inner loop has no dependence between lanes: one
 * AVX-512 register, two of AVX2, four of NEON.
 * Compiled with -ffp-contract=off: a fused multiply-add happens where fmaf is written.
 */
#include <math.h>

#include "engine/kernels/attend.h"
#include "engine/kernels/detmath.h"
#include "engine/kernels/floats.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/lanes.h"
#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/prepare.h"

static void rmsnorm(const float *x, const float *w, float *out, size_t n, float eps) {
    float  sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] = fmaf(x[i + l], x[i + l], sum[l]);
    for (size_t l = 0; i + l < n; l++) sum[l] = fmaf(x[i + l], x[i + l], sum[l]);
    float scale = det_rsqrtf(lanes_sum(sum) / (float)n + eps);
    for (i = 0; i < n; i++) out[i] = (x[i] * scale) * w[i];
}

static void rotate_neighbours(float *x, const float *cosine, const float *sine, size_t pairs) {
    for (size_t i = 0; i < pairs; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = fmaf(a, cosine[i], -(b * sine[i]));
        x[2 * i + 1] = fmaf(a, sine[i], b * cosine[i]);
    }
}

static void rotate_halves(float *x, const float *cosine, const float *sine, size_t pairs) {
    for (size_t i = 0; i < pairs; i++) {
        float a = x[i], b = x[pairs + i];
        x[i] = fmaf(a, cosine[i], -(b * sine[i]));
        x[pairs + i] = fmaf(a, sine[i], b * cosine[i]);
    }
}

static void swiglu(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1 + det_expf(-gate[i])) * up[i];
}

static void geglu(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float x = gate[i], u = x * fmaf(0x1.6e4e26p-5f, x * x, 1);
        gate[i] = x / (1 + det_expf(-0x1.988454p+0f * u)) * up[i];
    }
}

static void add(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

static void scale(float *x, float factor, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] *= factor;
}

static void cap(float *x, float most, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = most * det_tanhf(x[i] / most);
}

static void exps(const float *x, double *out, size_t n, double top, double temperature) {
    for (size_t i = 0; i < n; i++) out[i] = det_exp((x[i] - top) / temperature);
}

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define QUOTE_(a)    #a
#define QUOTE(a)     QUOTE_(a)
#define KERNELS      PASTE(kernels_, KERNEL_ISA)
#ifndef PANEL_ISA
#define PANEL_ISA KERNEL_ISA /* avx512bf16 has its own products only for BF16 */
#endif
#define PANEL_ENTRY(name, ...) .matmul[DTYPE_##name] = {prepare_##name, PASTE(panel_##name##_, PANEL_ISA)},
#define FLOAT_ENTRY(name, isa) .matmul[DTYPE_##name] = {prepare_##name, PASTE(float_##name##_, isa)}

extern const kernel_table KERNELS;

const kernel_table KERNELS = {
    .isa = QUOTE(KERNEL_ISA),
    FLOAT_ENTRY(F32, PANEL_ISA),
    FLOAT_ENTRY(F16, PANEL_ISA),
    FLOAT_ENTRY(BF16, KERNEL_ISA),
    QUANT_TYPES(PANEL_ENTRY).rmsnorm = rmsnorm,
    .attend = attend,
    .rotate_neighbours = rotate_neighbours,
    .rotate_halves = rotate_halves,
    .swiglu = swiglu,
    .geglu = geglu,
    .add = add,
    .scale = scale,
    .cap = cap,
    .exps = exps,
};
