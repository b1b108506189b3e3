/* answers.c - the known inputs, and one digest of all outputs, the same for every instruction set.
 *
 * The inputs are made of bits, so that they do not depend on what is tested. Among them: sums and products that are
 * subnormal, activations whose product with a scale rounds to a tie (a fused sum would round it elsewhere), sums that
 * another order changes.
 */
#include "engine/kernels/answers.h"

#include <inttypes.h>
#include <stdbool.h>

#include "engine/base/bits.h"
#include "engine/kernels/detmath.h"
#include "engine/kernels/quants.h"

#define XXH_INLINE_ALL /* nothing to link where this is cross-compiled (tests/portability/run.sh) */
#include <xxhash.h>

#define ANSWERS UINT64_C(0xa1d53ddfdb7b3745)

enum { ROWS = PANEL_ROWS, TOKENS = 2, FLOAT_COLS = 72, SMALL_BLOCK_COLS = 96, MOST_COLS = QUANT_MOST };

typedef struct {
    uint32_t random;
    uint64_t digest;
} trial;

/* 24 random bits. */
static uint32_t next(trial *t) {
    t->random = t->random * 1664525 + 1013904223;
    return t->random >> 8;
}

/* A number in [2^exponent, 2^(exponent + 1)) of either sign, as bits of a type with `mantissa` and `exponents` bits. */
static uint32_t bits_of(trial *t, int mantissa, int exponents, int exponent) {
    uint32_t sign = next(t) & 1, fraction = next(t) & ((UINT32_C(1) << mantissa) - 1);
    uint32_t biased = (uint32_t)(exponent + (1 << (exponents - 1)) - 1);
    return sign << (mantissa + exponents) | biased << mantissa | fraction;
}

static float number(trial *t, int exponent) {
    return bits_float(bits_of(t, 23, 8, exponent));
}

static void numbers(trial *t, float *x, size_t n, int exponent) {
    for (size_t i = 0; i < n; i++) x[i] = number(t, exponent - (int)(next(t) % 3));
}

static void take(trial *t, const void *bytes, size_t n) {
    t->digest = XXH3_64bits_withSeed(bytes, n, t->digest);
}

/* ---- products ------------------------------------------------------------------------------------------ */

/* Every other row is small: its products with small activations are subnormal. Halves are subnormal themselves. */
static void store_floats(trial *t, dtype type, uint8_t *out) {
    for (size_t i = 0; i < ROWS * FLOAT_COLS; i++) {
        bool     small = i / FLOAT_COLS % 2 == 1;
        uint32_t bits = type == DTYPE_F32   ? bits_of(t, 23, 8, small ? -40 : -1)
                        : type == DTYPE_F16 ? bits_of(t, 10, 5, small ? -15 : -1)
                                            : bits_of(t, 7, 8, small ? -50 : -1);
        if (type == DTYPE_F32)
            memcpy(out + i * sizeof bits, &bits, sizeof bits);
        else
            memcpy(out + i * sizeof(uint16_t), &(uint16_t){(uint16_t)bits}, sizeof(uint16_t));
    }
}

static void store_blocks(trial *t, dtype type, const quant_format *f, size_t cols, uint8_t *out) {
    size_t in_row = cols / f->cols;
    for (size_t b = 0; b < ROWS * in_row; b++) {
        quant_block block;
        for (size_t i = 0; i < QUANT_MOST; i++) block.code[i] = (uint8_t)(next(t) & ((1u << f->bits) - 1));
        for (size_t i = 0; i < 2; i++) block.half[i] = (uint16_t)bits_of(t, 10, 5, b / in_row % 2 == 1 ? -15 : -6);
        for (size_t i = 0; i < QUANT_SMALL; i++)
            block.small[i] = (uint8_t)(next(t) & (f->family == QUANT_K ? 63 : f->family == QUANT_POWER ? 15 : 255));
        if (f->family == QUANT_POWER && b / in_row % 2 == 0) block.small[0] |= 0x70; /* else subnormal, or nearly */
        f->pack(&block, out + b * dtype_bytes(type, f->cols));
    }
}

/* Ordinary activations, and some near the smallest that blocks have. The first 32, except the largest, lie halfway
 * between two of the integers that blocks make of them. */
static void store_activations(trial *t, size_t cols, float *x) {
    const float most = 0x1.a66666p+1F, inverse = 127 / most;
    numbers(t, x, cols, 0);
    for (int i = 0; i < PANEL_COLS; i++) x[i] = i == 0 ? most : ((float)(3 * i) + 0.5F) / inverse;
    numbers(t, x + cols, cols, -97);
}

static void product(trial *t, const kernel_table *k, dtype type) {
    _Alignas(64) uint8_t stored[ROWS * FLOAT_COLS * sizeof(float)], panel[2 * sizeof stored];
    _Alignas(64) char    prepared[TOKENS * MOST_COLS * sizeof(float)];
    float                x[TOKENS * MOST_COLS], y[TOKENS * ROWS], row[MOST_COLS];
    const quant_format  *f = quant_format_of(type);
    size_t               cols = f == NULL ? FLOAT_COLS : f->cols == QUANT_MOST ? QUANT_MOST : SMALL_BLOCK_COLS;
    if (f != NULL)
        store_blocks(t, type, f, cols, stored);
    else
        store_floats(t, type, stored);
    store_activations(t, cols, x);
    panel_pack(type, stored, ROWS, cols, 0, 1, panel);
    k->matmul[type].prepare(x, prepared, cols, TOKENS, 0, (cols + PANEL_COLS - 1) / PANEL_COLS);
    k->matmul[type].multiply(panel, prepared, y, cols, 0, ROWS, TOKENS, ROWS);
    dtype_get(type)->decode(stored, row, cols);
    take(t, y, sizeof y);
    take(t, row, cols * sizeof *row);
}

/* ---- everything else ----------------------------------------------------------------------------------- */

static void attention(trial *t, const kernel_table *k) {
    enum { DIM = 20, QUERIES = 5, MOST = 21, ROOM = 2 * PANEL_ROWS };
    float keys[ROOM * DIM], values[MOST * DIM], q[QUERIES * DIM], out[QUERIES * DIM] = {0}, scores[QUERIES * ROOM];
    attend_query queries[QUERIES];
    numbers(t, keys, ROOM * DIM, 1);
    numbers(t, values, MOST * DIM, 0);
    numbers(t, q, QUERIES * DIM, 1);
    for (size_t i = 0; i < QUERIES; i++)
        queries[i] = (attend_query){q + i * DIM, out + i * DIM, MOST - QUERIES + 1 + i, 0};
    k->attend(queries, QUERIES, keys, values, scores, ROOM, DIM, det_rsqrtf(DIM), 0);
    take(t, out, sizeof out);
    for (size_t i = 0; i < QUERIES; i++) queries[i].first = 3 + 2 * i;
    k->attend(queries, QUERIES, keys, values, scores, ROOM, DIM, det_rsqrtf(DIM), 5);
    take(t, out, sizeof out);
}

static void rows(trial *t, const kernel_table *k) {
    enum { N = 40 };
    float x[N], y[N], z[N];
    numbers(t, x, N, 0);
    numbers(t, y, N, 0);
    k->rmsnorm(x, y, z, N, 1e-5F);
    take(t, z, sizeof z);
    numbers(t, x, N, -70); /* squares are subnormal */
    k->rmsnorm(x, y, z, N, 0);
    take(t, z, sizeof z);
    numbers(t, x, N, 6);
    k->swiglu(x, y, N);
    take(t, x, sizeof x);
    k->rotate_neighbours(x, y, z, N / 2);
    take(t, x, sizeof x);
    k->rotate_halves(x, y, z, N / 2);
    take(t, x, sizeof x);
    numbers(t, x, N, 2);
    k->geglu(x, y, N);
    take(t, x, sizeof x);
    numbers(t, x, N, 2);
    k->cap(x, 3, N);
    k->scale(x, 0x1.99999ap-4F, N);
    take(t, x, sizeof x);
    for (size_t i = 0; i < N; i++) y[i] = bits_float(next(t)); /* subnormal, nearly all */
    for (size_t i = 0; i < N; i++) x[i] = bits_float(next(t));
    k->add(x, y, N);
    take(t, x, sizeof x);
}

static void functions(trial *t) {
    enum { N = 8 };
    for (int i = 0; i < N; i++) {
        double x = number(t, 5), out[4];
        out[0] = det_exp(x);
        out[1] = det_log(bits_double((uint64_t)next(t) << (i % 2 == 0 ? 39 : 12))); /* some of them subnormal */
        det_sincos(x, &out[2], &out[3]);
        take(t, out, sizeof out);
    }
}

int answers_check(const kernel_table *k, err *e) {
    trial t = {.random = 1};
    for (int type = 0; type < DTYPE_COUNT; type++) product(&t, k, (dtype)type);
    attention(&t, k);
    rows(&t, k);
    functions(&t);
    if (t.digest == ANSWERS) return 0;
    return err_run(e,
                   "%s kernels give wrong numbers (%016" PRIx64 ", not %016" PRIx64
                   "): this program was built, or is run, with floating-point settings that change results, such as "
                   "-ffast-math, fused operations, flushed subnormals or another rounding",
                   k->isa, t.digest, ANSWERS);
}
