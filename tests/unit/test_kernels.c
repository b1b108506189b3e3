/* The kernels of every instruction set against a second, slow transcription of numerics.md: equal bits. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/kernels/detmath.h"
#include "tests/fixtures/slow_blocks.h"
#include "tests/fixtures/slow_products.h"

static const char *const isas[] = {"portable", "avx2", "avx512", "avx512bf16", "neon"};
enum { ISAS = sizeof isas / sizeof *isas };

static void *allocate(size_t n, size_t size) {
    err   e = {0};
    void *p = mem_new_aligned(n, size, 64, &e);
    cr_assert_not_null(p);
    return p;
}

/* Numbers of magnitudes from subnormal to 2^20, both signs, some zeros. */
static float any_float(gsl_rng *r) {
    int kind = (int)gsl_rng_uniform_int(r, 16);
    if (kind == 0) return 0;
    float x = (float)(gsl_rng_uniform(r) * 2 - 1);
    if (kind == 1) return x * 0x1p-140f;
    if (kind == 2) return x * 0x1p-50f;
    if (kind == 3) return x * 0x1p-60f;
    if (kind == 4) return x * 0x1p+20f;
    return x;
}

static bool same(float a, float b) {
    return float_bits(a) == float_bits(b);
}

/* ---- products ------------------------------------------------------------------------------------------ */

/* Weights that a file may hold: any finite bit pattern of the type. */
static void random_weights(gsl_rng *r, dtype type, void *w, size_t n) {
    uint16_t      *half = w;
    unsigned char *byte = w;
    switch (type) {
    case DTYPE_F32:
        for (size_t i = 0; i < n; i++) ((float *)w)[i] = any_float(r);
        break;
    case DTYPE_F16:
        for (size_t i = 0; i < n; i++) do
                half[i] = (uint16_t)gsl_rng_uniform_int(r, 65536);
            while ((half[i] & 0x7c00) == 0x7c00);
        break;
    case DTYPE_BF16: /* products must not overflow: up to 2^60 */
        for (size_t i = 0; i < n; i++) do
                half[i] = (uint16_t)gsl_rng_uniform_int(r, 65536);
            while ((half[i] & 0x7fff) > (127 + 60) << 7);
        break;
    default:
        for (size_t i = 0; i < dtype_bytes(type, n); i++) byte[i] = (unsigned char)gsl_rng_uniform_int(r, 256);
        for (size_t b = 0; b < n / dtype_get(type)->block; b++)
            slow_tame(type, byte + b * dtype_get(type)->block_bytes);
    }
}

static void check_product(gsl_rng *r, dtype type, size_t n_rows, size_t cols, size_t n_tokens) {
    size_t row_bytes = dtype_bytes(type, cols), stride = n_rows + 3;
    char  *w = allocate(n_rows, row_bytes);
    float *x = allocate(n_tokens * cols, sizeof *x), *want = allocate(n_tokens * n_rows, sizeof *want);
    random_weights(r, type, w, n_rows * cols);
    for (size_t i = 0; i < n_tokens * cols; i++) x[i] = any_float(r);
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t i = 0; i < n_rows; i++)
            want[t * n_rows + i] = slow_product(type, w + i * row_bytes, x + t * cols, cols);
    matrix m = matrix_of(type, n_rows, cols, w);
    cr_assert_eq(matrix_pack(&m, 2, NULL), 0);

    for (int k = 0; k < ISAS; k++) {
        const kernel_table *kernels = kernels_by_name(isas[k]);
        if (kernels == NULL) continue;
        const matmul_ops *ops = &kernels->matmul[type];
        size_t            units = (cols + PANEL_COLS - 1) / PANEL_COLS;
        char             *prepared = allocate(1, kernels_prepared_bytes(cols, n_tokens));
        float            *y = allocate(n_tokens * stride, sizeof *y);
        ops->prepare(x, prepared, cols, n_tokens, units / 3, units); /* in two pieces */
        ops->prepare(x, prepared, cols, n_tokens, 0, units / 3);
        for (size_t i = 0; i < n_tokens * stride; i++) y[i] = -7;
        /* In two pieces, the first rows left out: memory outside is not touched. */
        size_t first = n_rows > PANEL_ROWS ? PANEL_ROWS : 0;
        size_t middle = first + (n_rows - first) / 2 / PANEL_ROWS * PANEL_ROWS;
        ops->multiply(m.panels, prepared, y, cols, first, middle, n_tokens, stride);
        ops->multiply(m.panels, prepared, y, cols, middle, n_rows, n_tokens, stride);
        for (size_t t = 0; t < n_tokens; t++) {
            for (size_t i = 0; i < stride; i++) {
                float expected = i >= first && i < n_rows ? want[t * n_rows + i] : -7;
                cr_assert(same(y[t * stride + i], expected), "%s %s %zux%zu, token %zu of %zu, row %zu: %a, not %a",
                          isas[k], dtype_get(type)->name, n_rows, cols, t, n_tokens, i, (double)y[t * stride + i],
                          (double)expected);
            }
        }
        free(prepared);
        free(y);
    }
    matrix_close(&m);
    free(w);
    free(x);
    free(want);
}

static void check_products(dtype type) {
    static const size_t cols[] = {1, 2, 7, 15, 16, 17, 31, 33, 64, 100, 255, 256, 257, 288, 600, 1024, 2070};
    static const size_t row_counts[] = {1, 2, 3, 5, 16, 17, 33, 49, 64};
    static const size_t token_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 20, 23, 24, 64, 65, 130};
    gsl_rng            *r = rng_new(1, (uint64_t)type);
    size_t              block = dtype_get(type)->block, n = 0;
    for (size_t c = 0; c < sizeof cols / sizeof *cols; c++)
        for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++, n++)
            check_product(r, type, row_counts[i], (cols[c] + block - 1) / block * block,
                          token_counts[n % (sizeof token_counts / sizeof *token_counts)]);
    for (size_t t = 0; t < sizeof token_counts / sizeof *token_counts; t++)
        check_product(r, type, 21, 9 * block, token_counts[t]);
    for (size_t t = 1; t <= 4; t++) { /* several panels together: with a part of the last, and with panels left over */
        check_product(r, type, 119, 2 * block, t);
        check_product(r, type, 165, 3 * block, t);
    }
    for (size_t t = 20; block == 1 && t < 24; t++) check_product(r, type, 19, 2070, t); /* blocks of many tokens */
    gsl_rng_free(r);
}

Test(kernels, f32_products_are_the_specifications) {
    check_products(DTYPE_F32);
}
Test(kernels, f16_products_are_the_specifications) {
    check_products(DTYPE_F16);
}
Test(kernels, bf16_products_are_the_specifications) {
    check_products(DTYPE_BF16);
}

#define BLOCK_PRODUCTS(name, ...)                                                                                      \
    Test(kernels, name##_products_are_the_specifications) {                                                            \
        check_products(DTYPE_##name);                                                                                  \
    }
QUANT_TYPES(BLOCK_PRODUCTS)

Test(kernels, numbers_that_are_not_finite_stay_so) {
    enum { COLS = 256 };
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (int k = 0; k < ISAS; k++) {
        const kernel_table *kernels = kernels_by_name(isas[k]);
        if (kernels == NULL) continue;
        for (int type = 0; type < DTYPE_COUNT; type++) {
            const matmul_ops *ops = &kernels->matmul[type];
            for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
                _Alignas(64) char prepared[1024];
                char              w[4 * COLS];
                float             x[COLS] = {0}, ones[COLS], y;
                matrix            m;
                cr_assert_leq(kernels_prepared_bytes(COLS, 1), sizeof prepared);
                for (int i = 0; i < COLS; i++) ones[i] = 1;
                dtype_get((dtype)type)->encode(ones, w, COLS);
                x[5] = bad[b];
                ops->prepare(x, prepared, COLS, 1, 0, COLS / PANEL_COLS);
                m = matrix_of((dtype)type, 1, COLS, w);
                cr_assert_eq(matrix_pack(&m, 1, NULL), 0);
                ops->multiply(m.panels, prepared, &y, COLS, 0, 1, 1, 1);
                cr_assert(!isfinite(y), "%s %d", isas[k], type);
                matrix_close(&m);
            }
        }
    }
}

Test(kernels, special_half_weights_are_unpacked) {
    static const uint16_t halves[] = {0x7c00, 0xfc00, 0x7e00, 0x0001, 0x83ff, 0x0400, 0x7bff};
    for (int k = 0; k < ISAS; k++) {
        const kernel_table *kernels = kernels_by_name(isas[k]);
        if (kernels == NULL) continue;
        for (size_t h = 0; h < sizeof halves / sizeof *halves; h++) {
            _Alignas(64) float prepared[PANEL_COLS];
            float              one = 1, y, want = f16_to_f32(halves[h]);
            matrix             m = matrix_of(DTYPE_F16, 1, 1, &halves[h]);
            cr_assert_eq(matrix_pack(&m, 1, NULL), 0);
            kernels->matmul[DTYPE_F16].prepare(&one, prepared, 1, 1, 0, 1);
            kernels->matmul[DTYPE_F16].multiply(m.panels, prepared, &y, 1, 0, 1, 1, 1);
            matrix_close(&m);
            cr_assert(isnan(want) ? isnan(y) : same(y, want), "%s %04x: %a", isas[k], halves[h], (double)y);
        }
    }
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static void spec_attend(const float *q, const float *keys, const float *values, float *out, size_t first, size_t n,
                        size_t head_dim, float scale, float cap) {
    float *e = allocate(n, sizeof *e), max = -INFINITY, lane[16] = {0};
    for (size_t t = first; t < n; t++) {
        float acc = 0;
        for (size_t d = 0; d < head_dim; d++) acc = fmaf(q[d], keys[t * head_dim + d], acc);
        e[t] = acc * scale;
        if (cap > 0) e[t] = cap * det_tanhf(e[t] / cap);
    }
    for (size_t t = first; t < n; t++) max = fmaxf(max, e[t]);
    for (size_t t = first; t < n; t++) e[t] = det_expf(e[t] - max);
    for (size_t t = first; t < n; t++) lane[t % 16] = lane[t % 16] + e[t];
    float z = slow_tree(lane);
    for (size_t d = 0; d < head_dim; d++) {
        float acc[4] = {0};
        for (size_t t = first; t < n; t++) acc[t % 4] = fmaf(e[t], values[t * head_dim + d], acc[t % 4]);
        out[d] = ((acc[0] + acc[2]) + (acc[1] + acc[3])) * (1 / z);
    }
    free(e);
}

/* Queries over n positions, fewer, and one, one alone and several together; with windows of `window` positions (0:
 * none) and a cap. What comes after the last position is NaN: it must not be used. */
static void check_attention(size_t window, float cap) {
    enum { MOST = ATTEND_QUERIES };
    static const size_t dims[] = {2, 8, 16, 24, 32, 64, 80, 100, 128, 200};
    static const size_t lengths[] = {1, 2, 3, 15, 16, 17, 33, 64, 65, 100, 257, 512, 515, 1050};
    gsl_rng            *r = rng_new(2, 0);
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (size_t j = 0; j < sizeof lengths / sizeof *lengths; j++) {
            if ((window > 0 || cap > 0) && (i % 3 != 1 || j % 3 != 2)) continue; /* a sample */
            size_t dim = dims[i], n = lengths[j], up = (n + 15) / 16 * 16;
            float *q = allocate(MOST * dim, sizeof *q), *keys = allocate(n * dim, sizeof *keys);
            float *panels = allocate(up * dim, sizeof *panels);
            float *values = allocate(n * dim, sizeof *values), *scores = allocate(MOST * up, sizeof *scores);
            float *want = allocate(MOST * dim, sizeof *want), *got = allocate(MOST * dim, sizeof *got);
            for (size_t d = 0; d < MOST * dim; d++) q[d] = (float)gsl_rng_uniform(r) * 8 - 4;
            for (size_t d = 0; d < n * dim; d++) keys[d] = (float)gsl_rng_uniform(r) * 8 - 4;
            for (size_t d = 0; d < n * dim; d++) values[d] = any_float(r);
            for (size_t t = 0; t < up; t++)
                for (size_t d = 0; d < dim; d++)
                    panels[t / 16 * 16 * dim + d * 16 + t % 16] = t < n ? keys[t * dim + d] : NAN;
            float        scale = det_rsqrtf((float)dim);
            attend_query queries[MOST];
            for (size_t c = 0; c < MOST; c++) {
                size_t its = n > 7 * c && c != 2 ? n - 7 * c : 1, first = window > 0 && its > window ? its - window : 0;
                queries[c] = (attend_query){q + c * dim, got + c * dim, its, first};
                spec_attend(queries[c].q, keys, values, want + c * dim, first, its, dim, scale, cap);
            }
            for (int k = 0; k < ISAS; k++) {
                const kernel_table *kernels = kernels_by_name(isas[k]);
                if (kernels == NULL) continue;
                for (size_t count = 1; count <= MOST; count++) {
                    memset(got, 0, MOST * dim * sizeof *got);
                    kernels->attend(queries, count, panels, values, scores, up, dim, scale, cap);
                    for (size_t d = 0; d < count * dim; d++)
                        cr_assert(same(got[d], want[d]), "%s: head of %zu, %zu positions, %zu queries, element %zu",
                                  isas[k], dim, n, count, d);
                }
            }
            free(q);
            free(keys);
            free(panels);
            free(values);
            free(scores);
            free(want);
            free(got);
        }
    }
    gsl_rng_free(r);
}

Test(kernels, attention_is_the_specifications) {
    check_attention(0, 0);
}
Test(kernels, attention_with_a_window_is_the_specifications) {
    check_attention(1, 0);
    check_attention(40, 0);
}
Test(kernels, attention_with_a_cap_is_the_specifications) {
    check_attention(0, 50);
    check_attention(21, 0.5f);
}

/* As numerics.md has them. */
static float spec_tanh(float x) {
    float z = x * x, p = -5.70498872745e-3f;
    p = fmaf(p, z, 2.06390887954e-2f);
    p = fmaf(p, z, -5.37397155531e-2f);
    p = fmaf(p, z, 1.33314422036e-1f);
    p = fmaf(p, z, -3.33332819422e-1f);
    if (fabsf(x) < 0.625f) return fmaf(x * z, p, x);
    return copysignf(1 - 2 / (det_expf(2 * fabsf(x)) + 1), x);
}

static float spec_gelu(float x) {
    float u = x * fmaf(0.044715f, x * x, 1);
    return x / (1 + det_expf(-1.5957691216057308f * u));
}

/* Pairs that are neighbours, or halves of a row; the elements after them stay. */
static void check_rotation(const kernel_table *k, const float *x, const float *c, const float *s, size_t n) {
    float  neighbours[600], halves[600];
    size_t pairs = n / 2;
    memcpy(neighbours, x, n * sizeof *x);
    memcpy(halves, x, n * sizeof *x);
    k->rotate_neighbours(neighbours, c, s, pairs);
    k->rotate_halves(halves, c, s, pairs);
    for (size_t i = 0; i < pairs; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        cr_assert(same(neighbours[2 * i], fmaf(a, c[i], -(b * s[i]))) &&
                      same(neighbours[2 * i + 1], fmaf(a, s[i], b * c[i])),
                  "%s neighbours", k->isa);
        a = x[i], b = x[pairs + i];
        cr_assert(same(halves[i], fmaf(a, c[i], -(b * s[i]))) && same(halves[pairs + i], fmaf(a, s[i], b * c[i])),
                  "%s halves", k->isa);
    }
    cr_assert(n % 2 == 0 || (same(neighbours[n - 1], x[n - 1]) && same(halves[n - 1], x[n - 1])));
}

Test(kernels, rows_are_the_specifications) {
    enum { MOST = 600 };
    static float x[MOST], w[MOST], got[MOST];
    gsl_rng     *r = rng_new(3, 0);
    for (size_t n = 1; n <= MOST; n += 1 + n / 20) {
        for (size_t i = 0; i < n; i++) x[i] = any_float(r);
        for (size_t i = 0; i < n; i++) w[i] = any_float(r);
        float lane[16] = {0};
        for (size_t i = 0; i < n; i++) lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
        float scale = 1 / sqrtf(slow_tree(lane) / (float)n + 1e-5f);
        for (int k = 0; k < ISAS; k++) {
            const kernel_table *kernels = kernels_by_name(isas[k]);
            if (kernels == NULL) continue;
            kernels->rmsnorm(x, w, got, n, 1e-5f);
            for (size_t i = 0; i < n; i++) cr_assert(same(got[i], (x[i] * scale) * w[i]), "%s rmsnorm", isas[k]);
            memcpy(got, x, sizeof got);
            kernels->swiglu(got, w, n);
            for (size_t i = 0; i < n; i++)
                cr_assert(same(got[i], x[i] / (1 + det_expf(-x[i])) * w[i]), "%s swiglu of %a", isas[k], (double)x[i]);
            memcpy(got, x, sizeof got);
            kernels->add(got, w, n);
            for (size_t i = 0; i < n; i++) cr_assert(same(got[i], x[i] + w[i]), "%s add", isas[k]);
            memcpy(got, x, sizeof got);
            kernels->scale(got, 0.3f, n);
            for (size_t i = 0; i < n; i++) cr_assert(same(got[i], x[i] * 0.3f), "%s scale", isas[k]);
            memcpy(got, x, sizeof got);
            kernels->geglu(got, w, n);
            for (size_t i = 0; i < n; i++)
                cr_assert(same(got[i], spec_gelu(x[i]) * w[i]), "%s geglu of %a", isas[k], (double)x[i]);
            memcpy(got, x, sizeof got);
            kernels->cap(got, 1.7f, n);
            for (size_t i = 0; i < n; i++)
                cr_assert(same(got[i], 1.7f * spec_tanh(x[i] / 1.7f)), "%s cap of %a", isas[k], (double)x[i]);
            static double e[MOST];
            kernels->exps(x, e, n, x[0], 0.7);
            for (size_t i = 0; i < n; i++) {
                double want = det_exp(((double)x[i] - x[0]) / 0.7);
                cr_assert(memcmp(&e[i], &want, sizeof want) == 0, "%s exps of %a", isas[k], (double)x[i]);
            }
            check_rotation(kernels, x, w, x + n / 2, n);
        }
    }
    gsl_rng_free(r);
}

/* The inline exponential is vectorized inside the kernels: all lanes must round as one does. */
Test(kernels, exponentials_in_a_loop_are_the_function) {
    enum { N = 4099 };
    static float x[N], got[N], up[N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)(i - N / 2) * 0.0437f;
        up[i] = 1;
    }
    x[0] = -INFINITY;
    x[1] = INFINITY;
    for (int k = 0; k < ISAS; k++) {
        const kernel_table *kernels = kernels_by_name(isas[k]);
        if (kernels == NULL) continue;
        memcpy(got, x, sizeof got);
        kernels->swiglu(got, up, N);
        for (int i = 0; i < N; i++) {
            float want = x[i] / (1 + det_expf(-x[i]));
            cr_assert(isnan(want) ? isnan(got[i]) : same(got[i], want), "%s: %a", isas[k], (double)x[i]);
        }
    }
}

Test(kernels, names_and_the_choice) {
    cr_assert_not_null(kernels_by_name("portable"));
    cr_assert_null(kernels_by_name("sse9"));
    cr_assert_null(kernels_by_name(""));
    for (int k = 0; k < ISAS; k++) {
        const kernel_table *kernels = kernels_by_name(isas[k]);
        if (kernels != NULL) cr_assert_str_eq(kernels->isa, isas[k]);
    }
    err e = {0};
    cr_assert_eq(setenv("HARNESS_ISA", "mmx", 1), 0);
    cr_assert_null(kernels_get(&e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strstr(e.text, "mmx") != NULL && strstr(e.text, "\"portable\"") != NULL, "%s", e.text);
    cr_assert_eq(setenv("HARNESS_ISA", "portable", 1), 0);
    const kernel_table *chosen = kernels_get(&e);
    cr_assert_eq(chosen, kernels_by_name("portable"));
    /* Chosen once. */
    cr_assert_eq(setenv("HARNESS_ISA", "mmx", 1), 0);
    cr_assert_eq(kernels_get(&e), chosen);
}
