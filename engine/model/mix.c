/* mix.c - the mixtures' names, and which matrices get the better type. */
#include "engine/model/mix.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/base/parallel.h"
#include "engine/base/suggest.h"

/* The mixtures' file types are llama.cpp's LLAMA_FTYPE_MOSTLY_Q4_K_M and _Q5_K_M. */
static const type_mix mixes[] = {
    {"f32", 0, DTYPE_F32, DTYPE_F32},       {"f16", 1, DTYPE_F16, DTYPE_F16},
    {"bf16", 32, DTYPE_BF16, DTYPE_BF16},   {"q8_0", 7, DTYPE_Q8_0, DTYPE_Q8_0},
    {"q4_0", 2, DTYPE_Q4_0, DTYPE_Q4_0},    {"q4_1", 3, DTYPE_Q4_1, DTYPE_Q4_1},
    {"q5_0", 8, DTYPE_Q5_0, DTYPE_Q5_0},    {"q5_1", 9, DTYPE_Q5_1, DTYPE_Q5_1},
    {"q4_k", 14, DTYPE_Q4_K, DTYPE_Q4_K},   {"q5_k", 16, DTYPE_Q5_K, DTYPE_Q5_K},
    {"q6_k", 18, DTYPE_Q6_K, DTYPE_Q6_K},   {"q4_k_m", 15, DTYPE_Q4_K, DTYPE_Q6_K},
    {"q5_k_m", 17, DTYPE_Q5_K, DTYPE_Q6_K},
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

/* The first and the last eighth of the layers, and every third between. */
static bool is_better_layer(size_t layer, size_t n) {
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

dtype type_mix_of(const type_mix *m, const char *tensor, size_t cols, size_t n_layers, bool tied) {
    size_t layer = 0;
    char   part[32] = "";
    bool   better = strcmp(tensor, tied ? "token_embd.weight" : "output.weight") == 0;
    if (sscanf(tensor, "blk.%zu.%31[a-z_]", &layer, part) == 2 &&
        (strcmp(part, "attn_v") == 0 || strcmp(part, "ffn_down") == 0))
        better = is_better_layer(layer, n_layers);
    const dtype wanted[] = {better ? m->better : m->most, DTYPE_Q8_0};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (cols % dtype_get(wanted[i])->block == 0) return wanted[i];
    return DTYPE_F16;
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
