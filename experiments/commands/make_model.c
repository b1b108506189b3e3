/* make_model.c - `harness make-model`: random weights in a shape, because speed depends on nothing else. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/parallel.h"
#include "engine/base/suggest.h"
#include "engine/engine.h"
#include "engine/model/mix.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/writing.h"

static const char usage[] =
    "usage: harness make-model [OPTION]... OUT.gguf\n"
    "Writes a model of the Llama architecture with random weights: it babbles, at the speed of a real one.\n"
    "\n"
    "  -s, --shape SHAPE     15m, 1.1b (default) or 7b, or with changes: 1.1b:layers=4,vocab=4096; parts see below\n"
    "  -t, --type TYPE       of the matrices, as in harness quantize (default: q8_0)\n"
    "      --tokenizer FILE  takes the vocabulary of another GGUF, and its size; without it, bytes and made-up words\n"
    "      --seed N          of the weights (default 1)\n"
    "      --threads N       default: 2; the file does not depend on it\n"
    "  -q, --quiet           no progress\n"
    "  -h, --help            this text\n"
    "\n"
    "Parts of a shape:\n";

enum { DIM, LAYERS, HEADS, KV_HEADS, FFN, VOCAB, CONTEXT, PARTS };
static const param_spec parts[PARTS] = {
    [DIM] = PARAM_INTEGER("dim", 2048, 2, 65536, "width of the residual stream"),
    [LAYERS] = PARAM_INTEGER("layers", 22, 1, 1000, ""),
    [HEADS] = PARAM_INTEGER("heads", 32, 1, 1024, "dim / heads must be even"),
    [KV_HEADS] = PARAM_INTEGER("kv_heads", 4, 1, 1024, "of keys and values; divides heads"),
    [FFN] = PARAM_INTEGER("ffn", 5632, 1, 262144, "width of the feed-forward layers"),
    [VOCAB] = PARAM_INTEGER("vocab", 32000, 260, 457235, ""),
    [CONTEXT] = PARAM_INTEGER("context", 2048, 8, 1048576, "tokens"),
};

static const struct {
    const char *name;
    size_t      is[PARTS];
} shapes[] = {
    {"15m", {288, 6, 6, 6, 768, 32000, 2048}},
    {"1.1b", {2048, 22, 32, 4, 5632, 32000, 2048}},
    {"7b", {4096, 32, 32, 32, 11008, 32000, 2048}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    const type_mix *mix;
    const char     *tokenizer;
    size_t          shape[PARTS];
    uint64_t        seed, threads;
    bool            quiet, help;
} options;

/* A name, with or without changes behind a colon, or changes to the default. */
static int parse_shape(const char *text, size_t shape[PARTS], err *e) {
    const char  *names[SHAPES], *changes = text;
    char         name[32];
    size_t       n = strcspn(text, ":="), i = 0;
    param_values v;
    param_presets(parts, PARTS, &v);
    if (text[n] != '=') {
        snprintf(name, sizeof name, "%.*s", (int)n, text);
        for (; i < SHAPES; i++) names[i] = shapes[i].name;
        for (i = 0; i < SHAPES && strcmp(name, names[i]) != 0;) i++;
        if (i == SHAPES) return err_unknown(e, "--shape", "shape", name, names, SHAPES);
        for (size_t k = 0; k < PARTS; k++) v.at[k].integer = (int64_t)shapes[i].is[k];
        changes = text[n] == ':' ? text + n + 1 : "";
    }
    if (param_parse_over("--shape", parts, PARTS, changes, &v, e) != 0) return -1;
    for (size_t k = 0; k < PARTS; k++) shape[k] = (size_t)v.at[k].integer;
    return 0;
}

static int parse_options(int argc, char **argv, options *o, err *e) {
    enum { TOKENIZER = 256, SEED, THREADS };
    static const struct option longs[] = {
        {"shape", required_argument, NULL, 's'},
        {"type", required_argument, NULL, 't'},
        {"tokenizer", required_argument, NULL, TOKENIZER},
        {"seed", required_argument, NULL, SEED},
        {"threads", required_argument, NULL, THREADS},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int ret = parse_shape("1.1b", o->shape, e);
    o->mix = type_mix_named("--type", "q8_0", e);
    for (int c; ret == 0 && (c = command_option(argc, argv, ":s:t:qh", longs, e)) != -1;) {
        switch (c) {
        case 's':
            ret = parse_shape(optarg, o->shape, e);
            break;
        case 't':
            ret = (o->mix = type_mix_named("--type", optarg, e)) != NULL ? 0 : -1;
            break;
        case TOKENIZER:
            o->tokenizer = optarg;
            break;
        case SEED:
            ret = command_count("--seed", optarg, 0, UINT64_MAX, &o->seed, e);
            break;
        case THREADS:
            ret = command_count("--threads", optarg, 1, PARALLEL_THREADS, &o->threads, e);
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return -1;
        }
    }
    if (ret != 0) return -1;
    const size_t *s = o->shape;
    if (s[DIM] % (2 * s[HEADS]) != 0)
        return err_input(e, "--shape: dim = %zu over heads = %zu is not allowed (an even number for each head)", s[DIM],
                         s[HEADS]);
    if (s[HEADS] % s[KV_HEADS] != 0)
        return err_input(e, "--shape: heads = %zu, kv_heads = %zu (a divisor of heads)", s[HEADS], s[KV_HEADS]);
    return command_operands(argc, argv, 1, 1, "OUT.gguf", e);
}

/* ---- the tokenizer ------------------------------------------------------------------------------------- */

/* All that begins with "tokenizer." in another file; its number of pieces. */
static int copy_tokenizer(const char *path, gguf_writer *w, size_t *vocab, err *e) {
    gguf *g = gguf_open(path, e);
    if (g == NULL) return -1;
    int    ret = 0;
    size_t copied = 0;
    for (size_t i = 0; i < gguf_value_count(g) && ret == 0; i++) {
        const gguf_value *v = gguf_value_at(g, i);
        char              key[128];
        if (!gguf_str_copy(v->key, key, sizeof key) || strncmp(key, "tokenizer.", 10) != 0) continue;
        ret = gguf_put_raw(w, key, v->type, v->item, v->count, v->data, v->bytes, e);
        if (strcmp(key, "tokenizer.ggml.tokens") == 0) *vocab = (size_t)v->count;
        copied++;
    }
    if (ret == 0 && copied == 0) ret = err_input(e, "%s: there is no tokenizer in this file", path);
    gguf_close(g);
    return ret;
}

/* <unk>, <s>, </s>, the bytes, and words "aaaa", "aaab", ... behind a blank, of which there are 26^4. */
static int put_words(gguf_writer *w, size_t n, err *e) {
    enum { TEXT = 16, UNKNOWN = 2, CONTROL = 3, BYTE = 6, NORMAL = 1 }; /* tokenizer.ggml.token_type */
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    char                    *texts = mem_new(n, TEXT, e);
    gguf_str                *pieces = mem_new(n, sizeof *pieces, e);
    float                   *scores = mem_new(n, sizeof *scores, e);
    int32_t                 *types = mem_new(n, sizeof *types, e);
    int                      ret = texts != NULL && pieces != NULL && scores != NULL && types != NULL ? 0 : -1;
    for (size_t i = 0; i < n && ret == 0; i++) {
        char *text = texts + i * TEXT;
        if (i < 3) {
            snprintf(text, TEXT, "%s", first[i]);
        } else if (i < 3 + 256) {
            snprintf(text, TEXT, "<0x%02X>", (unsigned)(i - 3));
        } else {
            size_t word = i - 3 - 256;
            snprintf(text, TEXT, "\xe2\x96\x81%c%c%c%c", 'a' + (char)(word / 17576 % 26), 'a' + (char)(word / 676 % 26),
                     'a' + (char)(word / 26 % 26), 'a' + (char)(word % 26));
        }
        types[i] = i == 0 ? UNKNOWN : i < 3 ? CONTROL : i < 3 + 256 ? BYTE : NORMAL;
        scores[i] = -(float)i;
        pieces[i] = (gguf_str){text, strlen(text)};
    }
    if (ret == 0)
        ret = gguf_put_string(w, "tokenizer.ggml.model", "llama", e) != 0 ||
                      gguf_put_strings(w, "tokenizer.ggml.tokens", pieces, n, e) != 0 ||
                      gguf_put_f32s(w, "tokenizer.ggml.scores", scores, n, e) != 0 ||
                      gguf_put_i32s(w, "tokenizer.ggml.token_type", types, n, e) != 0 ||
                      gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0, e) != 0 ||
                      gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1, e) != 0 ||
                      gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2, e) != 0
                  ? -1
                  : 0;
    free(texts);
    free(pieces);
    free(scores);
    free(types);
    return ret;
}

/* ---- the weights --------------------------------------------------------------------------------------- */

typedef struct {
    char     name[48];
    uint64_t seed;
    dtype    type;
    size_t   height, cols;
    int      threads;
    writing *done;
} random_matrix;

typedef struct {
    const random_matrix *m;
    size_t               row;
    float               *out;
    _Atomic bool        *failed;
} random_job;

/* Uniform with variance 1 / cols, each row from a stream of its own. */
static void random_rows(void *ctx, size_t begin, size_t end, int thread) {
    const random_job *j = ctx;
    double            most = sqrt(3.0 / (double)j->m->cols);
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        gsl_rng *r = rng_new(j->m->seed, rng_stream(j->m->name, "weights") + j->row + i);
        if (r == NULL) {
            *j->failed = true;
            return;
        }
        for (size_t c = 0; c < j->m->cols; c++)
            j->out[i * j->m->cols + c] = (float)((gsl_rng_uniform(r) * 2 - 1) * most);
        gsl_rng_free(r);
    }
}

static int make_rows(void *ctx, size_t row, size_t n, void *out, err *e) {
    const random_matrix *m = ctx;
    _Atomic bool         failed = false;
    float               *made = mem_new(n, m->cols * sizeof *made, e);
    if (made == NULL) return -1;
    random_job j = {m, row, made, &failed};
    parallel_run(m->threads, n, 1, random_rows, &j);
    if (!failed) mix_encode_rows(m->type, made, n, m->cols, m->threads, out);
    free(made);
    writing_rows(m->done, m->type, n, m->cols, row + n == m->height);
    return failed ? err_run(e, "out of memory") : 0;
}

static int put_matrix(gguf_writer *w, const options *o, random_matrix *m, size_t height, size_t cols, writing *done,
                      err *e) {
    uint64_t shape[] = {cols, height};
    m->seed = o->seed;
    m->height = height;
    m->cols = cols;
    m->done = done;
    m->threads = (int)o->threads;
    m->type = type_mix_of(o->mix, m->name, cols, o->shape[LAYERS], false);
    writing_add(done, m->type, height, cols);
    return gguf_put_rows(w, m->name, m->type, 2, shape, make_rows, m, e);
}

static int put_weights(gguf_writer *w, const options *o, random_matrix *matrices, const float *ones, writing *done,
                       err *e) {
    const size_t *s = o->shape;
    size_t        dim = s[DIM], kv = dim / s[HEADS] * s[KV_HEADS], ffn = s[FFN];
    size_t        vocab = s[VOCAB];
    const struct {
        const char *part;
        size_t      height, cols;
    } of_layer[] = {{"attn_q", dim, dim},   {"attn_k", kv, dim},  {"attn_v", kv, dim},   {"attn_output", dim, dim},
                    {"ffn_gate", ffn, dim}, {"ffn_up", ffn, dim}, {"ffn_down", dim, ffn}};
    static const char *const norms[] = {"attn_norm", "ffn_norm"};
    const uint64_t           norm_shape[] = {dim};
    strcpy(matrices->name, "token_embd.weight");
    if (put_matrix(w, o, matrices++, vocab, dim, done, e) != 0) return -1;
    for (size_t l = 0; l < s[LAYERS]; l++) {
        for (size_t i = 0; i < 2; i++) {
            char name[48];
            snprintf(name, sizeof name, "blk.%zu.%s.weight", l, norms[i]);
            if (gguf_put_tensor(w, name, DTYPE_F32, 1, norm_shape, ones, e) != 0) return -1;
        }
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++, matrices++) {
            snprintf(matrices->name, sizeof matrices->name, "blk.%zu.%s.weight", l, of_layer[i].part);
            if (put_matrix(w, o, matrices, of_layer[i].height, of_layer[i].cols, done, e) != 0) return -1;
        }
    }
    if (gguf_put_tensor(w, "output_norm.weight", DTYPE_F32, 1, norm_shape, ones, e) != 0) return -1;
    strcpy(matrices->name, "output.weight");
    return put_matrix(w, o, matrices, vocab, dim, done, e);
}

static int put_shape(gguf_writer *w, const options *o, err *e) {
    const size_t *s = o->shape;
    const struct {
        const char *key;
        size_t      value;
    } counts[] = {
        {"general.file_type", (size_t)o->mix->file_type},
        {"llama.context_length", s[CONTEXT]},
        {"llama.embedding_length", s[DIM]},
        {"llama.block_count", s[LAYERS]},
        {"llama.feed_forward_length", s[FFN]},
        {"llama.attention.head_count", s[HEADS]},
        {"llama.attention.head_count_kv", s[KV_HEADS]},
        {"llama.rope.dimension_count", s[DIM] / s[HEADS]},
        {"llama.vocab_size", s[VOCAB]},
    };
    if (gguf_put_string(w, "general.architecture", "llama", e) != 0 ||
        gguf_put_string(w, "general.name", "random weights", e) != 0)
        return -1;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (gguf_put_u32(w, counts[i].key, (uint32_t)counts[i].value, e) != 0) return -1;
    if (dtype_get(o->mix->most)->block > 1 && gguf_put_u32(w, "general.quantization_version", 2, e) != 0) return -1;
    return gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f, e);
}

static int make_model(const char *path, options *o, err *e) {
    if (o->tokenizer != NULL && file_check_output(path, o->tokenizer, e) != 0) return -1;
    writing        done = {0};
    gguf_writer   *w = gguf_writer_new(e);
    random_matrix *matrices = mem_new(2 + 7 * o->shape[LAYERS], sizeof *matrices, e);
    float         *ones = mem_new(o->shape[DIM], sizeof *ones, e);
    int            ret = w != NULL && matrices != NULL && ones != NULL ? 0 : -1;
    for (size_t i = 0; ret == 0 && i < o->shape[DIM]; i++) ones[i] = 1;
    if (ret == 0)
        ret = o->tokenizer != NULL ? copy_tokenizer(o->tokenizer, w, &o->shape[VOCAB], e)
                                   : put_words(w, o->shape[VOCAB], e);
    if (ret == 0) ret = put_shape(w, o, e);
    if (ret == 0) ret = put_weights(w, o, matrices, ones, &done, e);
    if (ret == 0) ret = writing_save(&done, w, path, o->quiet, e);
    free(matrices);
    free(ones);
    gguf_writer_free(w);
    return ret;
}

int cmd_make_model(int argc, char **argv, err *e) {
    options o = {.seed = 1, .threads = 2};
    if (parse_options(argc, argv, &o, e) != 0) return -1;
    /* What changes the bits of kernels changes encoded weights. */
    if (!o.help) return kernels_get(e) != NULL ? make_model(argv[optind], &o, e) : -1;
    fputs(usage, stdout);
    command_print_params(parts, PARTS);
    return 0;
}
