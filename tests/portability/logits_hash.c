/* logits_hash.c - prints hashes of the numbers: functions, kernels, and the logits of small models with fixed weights.
 *
 * It needs nothing but the C library, so that it runs wherever a cross compiler and an emulator do; run.sh
 * compares what it prints on different machines. The instruction set is the one that HARNESS_ISA asks for.
 */
#define XXH_INLINE_ALL
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/err.h"
#include "engine/base/mem.h"
#include "engine/kernels/detmath.h"
#include "engine/kernels/kernels.h"
#include "engine/model/transformer.h"

static void die(const char *what) {
    fprintf(stderr, "logits_hash: %s\n", what);
    exit(1);
}

static void *allocate(size_t n, size_t size) {
    err   e = {0};
    void *p = mem_new_aligned(n, size, 64, &e);
    if (p == NULL) die(e.text);
    return p;
}

static void print_hash(const char *what, const char *of, const void *bytes, size_t n) {
    printf("%-12s %-6s %016" PRIx64 "\n", what, of, (uint64_t)XXH3_64bits(bytes, n));
}

/* Knuth's MMIX generator; the same integers, and so the same floats, everywhere. */
static uint64_t state;

static float random_float(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(state >> 40) - (1 << 23)) * 0x1p-23f;
}

static float *random_floats(size_t n, float scale) {
    float *x = allocate(n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = random_float() * scale;
    return x;
}

/* ---- functions ----------------------------------------------------------------------------------------- */

static void functions(void) {
    enum { N = 1 << 16 };
    static float  f[N];
    static double d[N], s[N], c[N];
    for (int i = 0; i < N; i++) f[i] = det_expf((float)i * 0x1.5p-8f - 90.0f);
    print_hash("exp", "f32", f, sizeof f);
    for (int i = 0; i < N; i++) f[i] = det_rsqrtf((float)i * 0x1.37p-3f + 0x1p-20f);
    print_hash("rsqrt", "f32", f, sizeof f);
    for (int i = 0; i < N; i++) f[i] = det_tanhf((float)i * 0x1.5p-12f - 10.0f);
    print_hash("tanh", "f32", f, sizeof f);
    for (int i = 0; i < N; i++) d[i] = det_exp(i * 0x1.6p-6 - 700.0);
    print_hash("exp", "f64", d, sizeof d);
    for (int i = 0; i < N; i++) d[i] = det_log(i * 0x1.37p-3 + 0x1p-20);
    print_hash("log", "f64", d, sizeof d);
    for (int i = 0; i < N; i++) det_sincos(i * 0x1.37p+3 - 10000.0, &s[i], &c[i]);
    print_hash("sin", "f64", s, sizeof s);
    print_hash("cos", "f64", c, sizeof c);
}

/* ---- kernels ------------------------------------------------------------------------------------------- */

static void *random_weights(dtype type, size_t n, float scale) {
    float *x = random_floats(n, scale);
    void  *w = allocate(dtype_bytes(type, n), 1);
    dtype_get(type)->encode(x, w, n);
    free(x);
    return w;
}

static matrix random_matrix(dtype type, size_t rows, size_t cols) {
    err    e = {0};
    matrix m = matrix_of(type, rows, cols, random_weights(type, rows * cols, 0.3f));
    if (matrix_pack(&m, 2, &e) != 0) die(e.text);
    return m;
}

static void product(const kernel_table *k, dtype type, size_t cols) {
    enum { ROWS = 37, TOKENS = 11 };
    const matmul_ops *ops = &k->matmul[type];
    matrix            w = random_matrix(type, ROWS, cols);
    float            *x = random_floats(TOKENS * cols, 4), *y = allocate(TOKENS * ROWS, sizeof *y);
    char             *prepared = allocate(1, kernels_prepared_bytes(cols, TOKENS));
    for (size_t i = 0; i < cols; i += 7) x[i] *= 0x1p-60f;
    ops->prepare(x, prepared, cols, TOKENS, 0, (cols + PANEL_COLS - 1) / PANEL_COLS);
    ops->multiply(w.panels, prepared, y, cols, 0, ROWS, TOKENS, ROWS);
    print_hash("product", dtype_get(type)->name, y, TOKENS * ROWS * sizeof *y);
    free((void *)w.stored);
    matrix_close(&w);
    free(x);
    free(y);
    free(prepared);
}

static void attention(const kernel_table *k, size_t head_dim) {
    enum { POSITIONS = 75, POSITIONS_UP = 80 };
    float *q = random_floats(head_dim, 2), *keys = random_floats(POSITIONS_UP * head_dim, 2);
    float *values = random_floats(POSITIONS * head_dim, 1), *out = allocate(head_dim, sizeof *out),
          scores[POSITIONS_UP];
    k->attend(&(attend_query){q, out, POSITIONS, 0}, 1, keys, values, scores, POSITIONS_UP, head_dim,
              det_rsqrtf((float)head_dim), 0);
    print_hash("attention", "f32", out, head_dim * sizeof *out);
    k->attend(&(attend_query){q, out, POSITIONS, 21}, 1, keys, values, scores, POSITIONS_UP, head_dim,
              det_rsqrtf((float)head_dim), 20);
    print_hash("window", "f32", out, head_dim * sizeof *out);
    free(q);
    free(keys);
    free(values);
    free(out);
}

/* ---- the whole forward pass ---------------------------------------------------------------------------- */

static void logits_of(dtype type) {
    enum { LAYERS = 2, HEADS = 4, KV_HEADS = 2, VOCAB = 101, LENGTH = 90 };
    size_t               block = dtype_get(type)->block;
    const size_t         DIM = block > 32 ? block : 96, HEAD_DIM = DIM / HEADS, FFN = block > 32 ? 2 * block : 160;
    static layer_weights layers[LAYERS];
    err                  e = {0};
    state = 7;
    model m = {.shape = {.n_layers = LAYERS,
                         .dim = DIM,
                         .n_heads = HEADS,
                         .n_kv_heads = KV_HEADS,
                         .head_dim = HEAD_DIM,
                         .rope_dim = HEAD_DIM,
                         .ffn_dim = FFN,
                         .vocab = VOCAB,
                         .context = LENGTH,
                         .rms_eps = 1e-5f,
                         .rope_theta = 10000,
                         .rope_scale = 0.5f},
               .layers = layers,
               .norm = random_floats(DIM, 1),
               .embed = matrix_of(type, VOCAB, DIM, random_weights(type, VOCAB * DIM, 0.3f)),
               .output = random_matrix(type, VOCAB, DIM),
               .packed = true};
    for (size_t i = 0; i < LAYERS; i++)
        layers[i] = (layer_weights){.attn_norm = random_floats(DIM, 1),
                                    .wq = random_matrix(type, DIM, DIM),
                                    .wk = random_matrix(type, KV_HEADS * HEAD_DIM, DIM),
                                    .wv = random_matrix(type, KV_HEADS * HEAD_DIM, DIM),
                                    .wo = random_matrix(type, DIM, DIM),
                                    .ffn_norm = random_floats(DIM, 1),
                                    .gate = random_matrix(type, FFN, DIM),
                                    .up = random_matrix(type, FFN, DIM),
                                    .down = random_matrix(type, DIM, FFN)};
    int32_t ids[LENGTH];
    for (int i = 0; i < LENGTH; i++) ids[i] = (i * i + 5 * i) % VOCAB;

    transformer *t = transformer_new(&m, LENGTH, 2, NULL, &e);
    float       *logits = allocate(LENGTH * VOCAB, sizeof *logits);
    if (t == NULL || transformer_forward(t, ids, LENGTH, LENGTH, logits, &e) != 0) die(e.text);
    print_hash("logits", dtype_get(type)->name, logits, LENGTH * VOCAB * sizeof *logits);
    transformer_free(t); /* the weights live until the program ends */
    free(logits);
}

int main(void) {
    err                 e = {0};
    const kernel_table *k = kernels_get(&e);
    if (k == NULL) die(e.text);
    fprintf(stderr, "instruction set: %s\n", k->isa);
    state = 1;
    functions();
    for (int type = 0; type < DTYPE_COUNT; type++) {
        size_t block = dtype_get((dtype)type)->block, unit = block == 1 ? 32 : block;
        product(k, (dtype)type, unit);
        product(k, (dtype)type, 3 * unit);
        product(k, (dtype)type, 19 * unit);
        if (block == 1) product(k, (dtype)type, 301);
    }
    state = 2; /* whatever types there are */
    attention(k, 8);
    attention(k, 64);
    attention(k, 100);
    for (int type = 0; type < DTYPE_COUNT; type++) logits_of((dtype)type);
    return 0;
}
