/* mix.c - the mixtures' names, and which matrices get which type.
 *
 * The rules are llama.cpp's (src/llama-quant.cpp) without an importance matrix.
 *
 * File types are its LLAMA_FTYPE numbers. They say which type most matrices have, and leave the others open: q4_0 is
 * MOSTLY_Q4_0, q4_k MOSTLY_Q4_K_S. There are none for files of one type only: llama-quantize --pure, which makes such
 * files, writes these numbers, too.
 */
#include "engine/model/mix.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/base/parallel.h"
#include "engine/base/suggest.h"

/* What a matrix is, by its name within its layer. */

static bool is_values(const char *part) {
    return strcmp(part, "attn_v") == 0 || strcmp(part, "attn_qkv") == 0;
}

/* "ffn_down", or of experts: "ffn_down_exps". */
static bool is_down(const char *part) {
    return strncmp(part, "ffn_down", strlen("ffn_down")) == 0;
}

/* The first and the last eighth of the layers, and every third between. */
static bool is_better_layer(size_t layer, size_t n) {
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

/* ---- the mixtures -------------------------------------------------------------------------------------- */

static dtype q3_k_m(const char *part, size_t layer, size_t n) {
    if (is_values(part)) return layer < 2 ? DTYPE_Q5_K : DTYPE_Q4_K;
    if (is_down(part)) return layer < n / 16 ? DTYPE_Q5_K : DTYPE_Q4_K;
    return strcmp(part, "attn_output") == 0 ? DTYPE_Q4_K : DTYPE_Q3_K;
}

static dtype q4_k_m(const char *part, size_t layer, size_t n) {
    bool better = (is_values(part) || is_down(part)) && is_better_layer(layer, n);
    return better ? DTYPE_Q6_K : DTYPE_Q4_K;
}

static dtype q5_k_m(const char *part, size_t layer, size_t n) {
    bool better = (is_values(part) || is_down(part)) && is_better_layer(layer, n);
    return better ? DTYPE_Q6_K : DTYPE_Q5_K;
}

/* Where eight query heads share values, as in Llama's and Qwen's largest. llama.cpp knows them by the number of layers.
 */
static bool is_70b(const mix_model *m) {
    if (m->n_layers != 80) return false;
    return m->arch == &architecture_qwen2 ||
           (m->arch == &architecture_llama && m->n_experts != 8 && m->n_heads != m->n_kv_heads);
}

/* The type of a layer's matrix. With eight experts, as in Mixtral, attention is so small beside them that it gets
 * better types. */
static dtype layer_type(const type_mix *mix, const mix_model *m, const char *part, size_t layer) {
    dtype type = mix->of(part, layer, m->n_layers);
    if (m->n_experts == 8 && (is_values(part) || strcmp(part, "attn_k") == 0)) return DTYPE_Q8_0;
    if (m->n_experts == 8 && strcmp(part, "attn_output") == 0) return DTYPE_Q5_K;
    bool poor = type == DTYPE_Q3_K || type == DTYPE_Q4_K;
    return is_values(part) && is_70b(m) && poor ? DTYPE_Q5_K : type;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static const type_mix mixes[] = {
    {"f32", 0, DTYPE_F32, NULL},        {"f16", 1, DTYPE_F16, NULL},        {"bf16", 32, DTYPE_BF16, NULL},
    {"q8_0", 7, DTYPE_Q8_0, NULL},      {"q4_0", 2, DTYPE_Q4_0, NULL},      {"q4_1", 3, DTYPE_Q4_1, NULL},
    {"q5_0", 8, DTYPE_Q5_0, NULL},      {"q5_1", 9, DTYPE_Q5_1, NULL},      {"q2_k", 10, DTYPE_Q2_K, NULL},
    {"q3_k", 11, DTYPE_Q3_K, NULL},     {"q4_k", 14, DTYPE_Q4_K, NULL},     {"q5_k", 16, DTYPE_Q5_K, NULL},
    {"q6_k", 18, DTYPE_Q6_K, NULL},     {"iq4_nl", 25, DTYPE_IQ4_NL, NULL}, {"iq4_xs", 30, DTYPE_IQ4_XS, NULL},
    {"mxfp4", 38, DTYPE_MXFP4, NULL},   {"q3_k_m", 12, DTYPE_Q3_K, q3_k_m}, {"q4_k_m", 15, DTYPE_Q4_K, q4_k_m},
    {"q5_k_m", 17, DTYPE_Q5_K, q5_k_m},
};
enum { MIXES = sizeof mixes / sizeof *mixes };

const type_mix *type_mix_named(const char *where, const char *name, err *e) {
    const char *names[MIXES];
    for (size_t i = 0; i < MIXES; i++) {
        if (strcasecmp(mixes[i].name, name) == 0) return &mixes[i];
        names[i] = mixes[i].name;
    }
    err_unknown(e, where, "type", name, names, MIXES);
    return NULL;
}

/* What rows that are no whole blocks of 256 become. */
static dtype narrow_type(dtype t) {
    switch (t) {
    case DTYPE_Q2_K:
    case DTYPE_Q3_K:
        return DTYPE_Q4_0;
    case DTYPE_IQ4_XS:
        return DTYPE_IQ4_NL;
    case DTYPE_Q4_K:
        return DTYPE_Q5_0;
    case DTYPE_Q5_K:
        return DTYPE_Q5_1;
    case DTYPE_Q6_K:
        return DTYPE_Q8_0;
    default:
        return DTYPE_F16;
    }
}

dtype type_mix_of(const type_mix *mix, const mix_model *m, const char *tensor, size_t cols) {
    size_t layer = 0;
    char   part[32] = "";
    dtype  type = mix->most;
    if (mix->of != NULL && strcmp(tensor, m->tied ? "token_embd.weight" : "output.weight") == 0)
        type = DTYPE_Q6_K;
    else if (mix->of != NULL && sscanf(tensor, "blk.%zu.%31[a-z_]", &layer, part) == 2)
        type = layer_type(mix, m, part, layer);
    if (cols % dtype_get(type)->block != 0) type = narrow_type(type);
    return cols % dtype_get(type)->block == 0 ? type : DTYPE_F16;
}

typedef struct {
    dtype        type;
    const float *rows;
    size_t       cols;
    char        *out;
} encode_job;

static void encode_range(void *ctx, size_t begin, size_t end, int thread) {
    const encode_job *j = ctx;
    (void)thread;
    dtype_get(j->type)->encode(j->rows + begin * j->cols, j->out + begin * dtype_bytes(j->type, j->cols),
                               (end - begin) * j->cols);
}

void mix_encode_rows(dtype t, const float *rows, size_t n, size_t cols, int threads, void *out) {
    encode_job j = {t, rows, cols, out};
    parallel_run(threads, n, 1, encode_range, &j);
}
