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

enum { VOCAB = 101, LENGTH = 90, LAYERS_MOST = 4 };

/* What the layers of a model have beside the usual. */
typedef struct {
    bool no_pre_norms, post_norms, qk_norms, biases, factors;
} extras;

static const float *norm_of(bool there, size_t n) {
    return there ? random_floats(n, 1) : NULL;
}

static const float *bias_of(bool there, size_t n) {
    return there ? random_floats(n, 0.2f) : NULL;
}

static matrix *random_experts(dtype type, size_t n, size_t rows, size_t cols) {
    matrix *w = allocate(n, sizeof *w);
    for (size_t i = 0; i < n; i++) w[i] = random_matrix(type, rows, cols);
    return w;
}

static layer_weights random_layer(dtype type, const model_shape *s, const extras *has, size_t index) {
    size_t        heads = s->n_heads * s->head_dim, kv = s->n_kv_heads * s->head_dim;
    layer_weights w = {.kind = shape_layer(s, index)};
    w.attn_norm = norm_of(!has->no_pre_norms, s->dim);
    w.wq = random_matrix(type, heads, s->dim);
    w.wk = random_matrix(type, kv, s->dim);
    w.wv = random_matrix(type, kv, s->dim);
    w.wo = random_matrix(type, s->dim, heads);
    w.ffn_norm = norm_of(!has->no_pre_norms, s->dim);
    if (s->n_experts == 0) {
        w.gate = random_matrix(type, s->ffn_dim, s->dim);
        w.up = random_matrix(type, s->ffn_dim, s->dim);
        w.down = random_matrix(type, s->dim, s->ffn_dim);
    } else {
        w.router = random_matrix(type, s->n_experts, s->dim);
        w.gates = random_experts(type, s->n_experts, s->expert_dim, s->dim);
        w.ups = random_experts(type, s->n_experts, s->expert_dim, s->dim);
        w.downs = random_experts(type, s->n_experts, s->dim, s->expert_dim);
    }
    w.q_norm = norm_of(has->qk_norms, s->qk_norm_whole ? heads : s->head_dim);
    w.k_norm = norm_of(has->qk_norms, s->qk_norm_whole ? kv : s->head_dim);
    w.attn_post_norm = norm_of(has->post_norms, s->dim);
    w.ffn_post_norm = norm_of(has->post_norms, s->dim);
    w.q_bias = bias_of(has->biases, heads);
    w.k_bias = bias_of(has->biases, kv);
    w.v_bias = bias_of(has->biases, kv);
    w.o_bias = bias_of(has->biases, s->dim);
    w.gate_bias = bias_of(has->biases && s->n_experts == 0, s->ffn_dim);
    w.up_bias = bias_of(has->biases && s->n_experts == 0, s->ffn_dim);
    w.down_bias = bias_of(has->biases && s->n_experts == 0, s->dim);
    return w;
}

/* The weights live until the program ends. */
static void logits_of(const char *of, dtype type, const model_shape *s, const extras *has) {
    layer_weights layers[LAYERS_MOST];
    err           e = {0};
    state = 7;
    model m = {.shape = *s, .layers = layers, .packed = true};
    m.embed = matrix_of(type, VOCAB, s->dim, random_weights(type, VOCAB * s->dim, 0.3f));
    m.norm = random_floats(s->dim, 1);
    m.output = random_matrix(type, VOCAB, s->dim);
    for (size_t i = 0; i < s->n_layers; i++) layers[i] = random_layer(type, s, has, i);
    if (has->factors) {
        float *factors = random_floats(s->rope_dim / 2, 0.5f);
        for (size_t i = 0; i < s->rope_dim / 2; i++) factors[i] += 1;
        m.rope_factors = factors;
    }
    int32_t ids[LENGTH];
    for (int i = 0; i < LENGTH; i++) ids[i] = (i * i + 5 * i) % VOCAB;

    transformer *t = transformer_new(&m, LENGTH, 2, NULL, &e);
    float       *logits = allocate(LENGTH * VOCAB, sizeof *logits);
    if (t == NULL || transformer_forward(t, ids, LENGTH, LENGTH, logits, &e) != 0) die(e.text);
    print_hash("logits", of, logits, LENGTH * VOCAB * sizeof *logits);

    /* The second half again, as a tree in which every token has two children. */
    int32_t parent[LENGTH];
    size_t  half = LENGTH / 2, n = LENGTH - half;
    for (size_t i = 0; i < n; i++) parent[i] = ((int32_t)i + 1) / 2 - 1;
    transformer_rewind(t, half);
    if (transformer_forward_tree(t, ids + half, parent, n, logits, &e) != 0) die(e.text);
    print_hash("logits of a tree", of, logits, n * VOCAB * sizeof *logits);
    transformer_free(t);
    free(logits);
}

static void logits_of_type(dtype type) {
    enum { HEADS = 4 };
    size_t            block = dtype_get(type)->block, dim = block > 32 ? block : 96;
    const model_shape s = {.n_layers = 2,
                           .dim = dim,
                           .n_heads = HEADS,
                           .n_kv_heads = 2,
                           .head_dim = dim / HEADS,
                           .rope_dim = dim / HEADS,
                           .ffn_dim = block > 32 ? 2 * block : 160,
                           .vocab = VOCAB,
                           .context = LENGTH,
                           .rms_eps = 1e-5f,
                           .rope_theta = 10000,
                           .rope_scale = 0.5f};
    logits_of(dtype_get(type)->name, type, &s, &(extras){0});
}

/* What each architecture computes that Llama does not. */
static void logits_of_architectures(void) {
    const model_shape usual = {.n_layers = 3,
                               .dim = 64,
                               .n_heads = 4,
                               .n_kv_heads = 2,
                               .head_dim = 24,
                               .rope_dim = 24,
                               .ffn_dim = 96,
                               .vocab = VOCAB,
                               .context = LENGTH,
                               .rms_eps = 1e-6f,
                               .rope_halves = true,
                               .rope_theta = 10000,
                               .rope_scale = 1};
    model_shape       s = usual;
    logits_of("qwen2", DTYPE_F32, &s, &(extras){.biases = true});
    logits_of("qwen3", DTYPE_F32, &s, &(extras){.qk_norms = true});

    s.n_experts = 5;
    s.n_used_experts = 2;
    s.expert_dim = 32;
    logits_of("qwen3moe", DTYPE_Q8_0, &s, &(extras){.qk_norms = true});

    s = usual;
    s.act = ACTIVATION_GELU;
    s.window = 21;
    s.window_period = 2;
    s.attention_cap = 2;
    s.logit_cap = 3;
    s.embedding_scale = 8;
    logits_of("gemma2", DTYPE_F32, &s, &(extras){.post_norms = true});
    s.attention_cap = s.logit_cap = 0;
    s.window_period = 3;
    s.local_theta = 500;
    s.local_scale = 1;
    s.scaling = SCALING_LINEAR;
    s.rope_scale = 0.125f;
    logits_of("gemma3", DTYPE_F32, &s, &(extras){.post_norms = true, .qk_norms = true});

    s = usual;
    s.rope_dim = 18;
    s.rope_amplitude = 1.19f;
    s.window = 33;
    logits_of("phi3", DTYPE_F32, &s, &(extras){.factors = true});

    s = usual;
    s.rope_halves = false;
    s.attention_scale = 0.0625f;
    s.embedding_scale = 12;
    s.residual_scale = 0.22f;
    s.logit_scale = 8;
    logits_of("granite", DTYPE_F32, &s, &(extras){.biases = true});

    s = usual;
    s.qk_norm_whole = true;
    s.window = 17;
    s.window_period = 2;
    s.local_theta = 10000;
    s.local_scale = 1;
    s.scaling = SCALING_YARN;
    s.rope_scale = 0.125f;
    s.original_context = 64;
    s.yarn_ext = 1;
    s.yarn_fast = 32;
    s.yarn_slow = 1;
    logits_of("olmo2", DTYPE_F32, &s, &(extras){.no_pre_norms = true, .post_norms = true, .qk_norms = true});

    s = usual;
    s.n_layers = LAYERS_MOST;
    s.no_rope_period = 4;
    s.rope_halves = false;
    logits_of("smollm3", DTYPE_BF16, &s, &(extras){0});
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
    for (int type = 0; type < DTYPE_COUNT; type++) logits_of_type((dtype)type);
    logits_of_architectures();
    return 0;
}
