/* make_model.c - `harness make-model`: random weights in a shape, because speed depends on nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/parallel.h"
#include "engine/base/suggest.h"
#include "engine/engine.h"
#include "engine/model/random.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/writing.h"

enum {
    DIM,
    LAYERS,
    HEADS,
    KV_HEADS,
    HEAD_DIM,
    FFN,
    VOCAB,
    CONTEXT,
    ROPE_DIM,
    SCALING,
    WINDOW,
    EXPERTS,
    USED,
    EXPERT_FFN,
    PARTS
};
enum { MADE_NONE, MADE_LINEAR, MADE_YARN, MADE_FACTORS };
static const char *const scalings[] = {"none", "linear", "yarn", "factors", NULL};

static const param_spec parts[PARTS] = {
    [DIM] = PARAM_INTEGER("dim", 2048, 2, 65536, "width of the residual stream"),
    [LAYERS] = PARAM_INTEGER("layers", 22, 1, 1000, "of the net"),
    [HEADS] = PARAM_INTEGER("heads", 32, 1, 1024, "of queries"),
    [KV_HEADS] = PARAM_INTEGER("kv_heads", 4, 1, 1024, "of keys and values; divides heads"),
    [HEAD_DIM] = PARAM_INTEGER("head_dim", 0, 0, 4096, "width of a head; 0: dim / heads"),
    [FFN] = PARAM_INTEGER("ffn", 5632, 1, 262144, "width of the feed-forward layers"),
    [VOCAB] = PARAM_INTEGER("vocab", 32000, 260, 457235, "ids of the tokenizer"),
    [CONTEXT] = PARAM_INTEGER("context", 2048, 8, 1048576, "tokens that the model takes at most"),
    [ROPE_DIM] = PARAM_INTEGER("rope_dim", 0, 0, 4096, "elements of a head that are rotated; 0: all"),
    [SCALING] = PARAM_CHOICE("scaling", scalings, MADE_NONE,
                             "of rotary positions: linear and yarn by 4; factors: a tensor of them"),
    [WINDOW] = PARAM_INTEGER("window", 0, 0, 1048576, "positions that layers with a window see; 0: the architecture's"),
    [EXPERTS] = PARAM_INTEGER("experts", 0, 0, 1024, "of each layer; 0: none, or 8 where there must be some"),
    [USED] = PARAM_INTEGER("used", 2, 1, 1024, "experts for each token"),
    [EXPERT_FFN] = PARAM_INTEGER("expert_ffn", 0, 0, 262144, "width of an expert; 0: ffn"),
};

static const struct {
    const char *name;
    size_t      is[PARTS]; /* what is 0 here stays as the part's own default */
} shapes[] = {
    {"15m", {288, 6, 6, 6, 0, 768, 32000, 2048}},
    {"smollm2-135m", {576, 30, 9, 3, 64, 1536, 49152, 8192}},
    {"gemma3-270m", {640, 18, 4, 1, 256, 2048, 262144, 32768, 0, 0, 512}},
    {"1.1b", {2048, 22, 32, 4, 0, 5632, 32000, 2048}},
    {"7b", {4096, 32, 32, 32, 0, 11008, 32000, 2048}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    const architecture *arch;
    const type_mix     *mix;
    const char         *tokenizer, *out;
    size_t              shape[PARTS];
    uint64_t            seed, threads;
    bool                biases, tied, quiet;
} options;

static int parse_architecture(const option_value *option, void *at, err *e) {
    const architecture *a = registry_named(&architecture_registry, "--arch", option->text, e);
    *(const architecture **)at = a;
    return a != NULL ? 0 : -1;
}

/* A name, optionally with changes after a colon, or only changes to the default. */
static int parse_shape(const option_value *option, void *at, err *e) {
    const char  *names[SHAPES], *text = option->text, *changes = text;
    char         name[32];
    size_t       n = strcspn(text, ":="), i = 0, *shape = at;
    param_values v;
    param_presets(parts, PARTS, &v);
    if (text[n] != '=') {
        snprintf(name, sizeof name, "%.*s", (int)n, text);
        for (; i < SHAPES; i++) names[i] = shapes[i].name;
        for (i = 0; i < SHAPES && strcmp(name, names[i]) != 0;) i++;
        if (i == SHAPES) return err_unknown(e, "--shape", "shape", name, names, SHAPES);
        for (size_t k = 0; k < PARTS; k++)
            if (shapes[i].is[k] > 0) v.at[k].integer = (int64_t)shapes[i].is[k];
        changes = text[n] == ':' ? text + n + 1 : "";
    }
    if (param_parse_over("--shape", parts, PARTS, changes, &v, e) != 0) return -1;
    for (size_t k = 0; k < PARTS; k++) shape[k] = k == SCALING ? v.at[k].choice : (size_t)v.at[k].integer;
    return 0;
}

static const option_type option_architecture = {.parse = parse_architecture};
static const option_type option_shape = {.parse = parse_shape};

/* clang-format off */
static const option_spec specs[] = {
    {"arch", 'a', "NAME", &option_architecture, OPTION_AT(options, arch), .preset = "llama",
     .help = "architecture, one of those listed below"},
    {"shape", 's', "SHAPE", &option_shape, OPTION_AT(options, shape), .preset = "1.1b",
     .help = "15m, smollm2-135m, gemma3-270m, 1.1b or 7b, or one with changes, such as 1.1b:layers=4,vocab=4096; its "
             "parts are listed below"},
    {"biases", 0, NULL, &option_flag, OPTION_AT(options, biases),
     .help = "write the biases that models of this architecture may have"},
    {"tied", 0, NULL, &option_flag, OPTION_AT(options, tied),
     .help = "no output matrix: the embedding is used, as in small models and in Gemma"},
    {"type", 't', "TYPE", &option_mix, OPTION_AT(options, mix), .preset = "q8_0",
     .help = "type of the matrices, as in harness quantize"},
    {"tokenizer", 0, "FILE", &option_path, OPTION_AT(options, tokenizer),
     .help = "take the vocabulary of another GGUF, and its size; without it: bytes and made-up words"},
    {"seed", 0, "N", &option_count, OPTION_AT(options, seed), .preset = "1", OPTION_RANGE(0, UINT64_MAX),
     .help = "seed of the weights"},
    {"threads", 0, "N", &option_count, OPTION_AT(options, threads), .preset = "2", OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads; the file does not depend on them"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, quiet), .help = "no progress"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"OUT.gguf", .type = &option_path, OPTION_AT(options, out), .required = true},
};

static void list_parts(FILE *out) {
    fprintf(out, "Architectures:\n ");
    for (size_t i = 0; i < architecture_registry.n; i++) fprintf(out, " %s", registry_name(&architecture_registry, i));
    fprintf(out, "\n\nParts of a shape:\n");
    command_print_params(out, parts, PARTS);
}

/* ---- the shape ----------------------------------------------------------------------------------------- */

static int check_shape(const options *o, err *e) {
    const size_t *s = o->shape;
    size_t        head_dim = s[HEAD_DIM] > 0 ? s[HEAD_DIM] : s[DIM] / s[HEADS];
    if (s[HEAD_DIM] == 0 && s[DIM] % (2 * s[HEADS]) != 0)
        return err_input(e, "--shape: dim = %zu over heads = %zu is not allowed (an even number for each head)", s[DIM],
                         s[HEADS]);
    if (s[HEADS] % s[KV_HEADS] != 0)
        return err_input(e, "--shape: heads = %zu, kv_heads = %zu (a divisor of heads)", s[HEADS], s[KV_HEADS]);
    if (head_dim % 2 != 0 || s[ROPE_DIM] % 2 != 0 || s[ROPE_DIM] > head_dim)
        return err_input(e, "--shape: head_dim = %zu, rope_dim = %zu (even numbers, rope_dim at most head_dim)",
                         head_dim, s[ROPE_DIM]);
    if (s[EXPERTS] > 0 && s[USED] > s[EXPERTS])
        return err_input(e, "--shape: used = %zu, experts = %zu (at most as many)", s[USED], s[EXPERTS]);
    if (s[WINDOW] > 0 && !architecture_has_size(o->arch, offsetof(model_shape, window)))
        return err_input(e, "--shape: window = %zu, but architecture \"%s\" has none", s[WINDOW], o->arch->name);
    if (s[EXPERTS] > 0 && !architecture_has_size(o->arch, offsetof(model_shape, n_experts)))
        return err_input(e, "--shape: experts = %zu, but architecture \"%s\" has none", s[EXPERTS], o->arch->name);
    return 0;
}

/* Scales that an architecture has and that its preset leaves open. */
static void fill_reals(const architecture *a, model_shape *s) {
    static const struct {
        size_t member;
        float  is;
    } usual[] = {{offsetof(model_shape, attention_scale), 0.1f},
                 {offsetof(model_shape, embedding_scale), 12},
                 {offsetof(model_shape, residual_scale), 0.22f},
                 {offsetof(model_shape, logit_scale), 8}};
    for (size_t i = 0; i < a->n_reals; i++) {
        float *at = (float *)(void *)((char *)s + a->reals[i].member);
        for (size_t k = 0; k < sizeof usual / sizeof *usual; k++)
            if (usual[k].member == a->reals[i].member && *at == 0) *at = usual[k].is;
    }
}

static void fill_scaling(size_t scaling, model_shape *s) {
    s->rope_scale = 1;
    if (scaling == MADE_NONE) return;
    s->scaling = scaling == MADE_LINEAR ? SCALING_LINEAR : scaling == MADE_YARN ? SCALING_YARN : SCALING_NONE;
    if (scaling != MADE_FACTORS) s->rope_scale = 0.25f;
    if (scaling != MADE_LINEAR) s->original_context = s->context / 4;
    if (scaling == MADE_FACTORS) s->rope_amplitude = 1.1875f;
}

static model_shape shape_of(const options *o) {
    const size_t *s = o->shape;
    size_t        head_dim = s[HEAD_DIM] > 0 ? s[HEAD_DIM] : s[DIM] / s[HEADS];
    model_shape   m = o->arch->preset;
    m.n_layers = s[LAYERS];
    m.dim = s[DIM];
    m.n_heads = s[HEADS];
    m.n_kv_heads = s[KV_HEADS];
    m.head_dim = head_dim;
    m.rope_dim = s[ROPE_DIM] > 0 ? s[ROPE_DIM] : head_dim;
    m.ffn_dim = s[FFN];
    m.vocab = s[VOCAB];
    m.context = s[CONTEXT];
    m.rms_eps = 1e-5f;
    if (s[WINDOW] > 0) m.window = s[WINDOW];
    if (s[EXPERTS] > 0 || architecture_has_size(o->arch, offsetof(model_shape, n_experts))) {
        bool must = false;
        for (size_t i = 0; i < o->arch->n_sizes; i++) must |= o->arch->sizes[i].required;
        m.n_experts = s[EXPERTS] > 0 ? s[EXPERTS] : must ? 8 : 0;
        m.n_used_experts = m.n_experts > 0 ? s[USED] : 0;
        m.expert_dim = m.n_experts == 0 ? 0 : s[EXPERT_FFN] > 0 ? s[EXPERT_FFN] : s[FFN];
    }
    fill_reals(o->arch, &m);
    fill_scaling(s[SCALING], &m);
    return m;
}

/* ---- the tokenizer ------------------------------------------------------------------------------------- */

/* Copies all keys that begin with "tokenizer." from another file than `out`; counts the pieces. */
static int copy_tokenizer(const char *path, const char *out, gguf_writer *w, size_t *vocab, err *e) {
    gguf *g = gguf_open(path, e);
    if (g == NULL) return -1;
    int    ret = gguf_check_output(g, out, e);
    size_t copied = 0;
    for (size_t i = 0; i < gguf_value_count(g) && ret == 0; i++) {
        const gguf_value *v = gguf_value_at(g, i);
        char              key[128];
        if (!gguf_str_copy(v->key, key, sizeof key) || strncmp(key, "tokenizer.", 10) != 0) continue;
        ret = gguf_put_raw(w, key, v->type, v->item, v->count, v->data, v->bytes, e);
        if (strcmp(key, "tokenizer.ggml.tokens") == 0) *vocab = (size_t)v->count;
        copied++;
    }
    if (ret == 0 && copied == 0) ret = err_input(e, "%s: this file has no tokenizer", path);
    gguf_close(g);
    return ret;
}

/* <unk>, <s>, </s>, the bytes, and the 26^4 words "aaaa", "aaab", ..., each after a blank. */
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

/* ---- the model --------------------------------------------------------------------------------------- */

static void matrix_added(void *ctx, dtype type, size_t height, size_t cols) {
    writing_add(ctx, type, height, cols);
}

static void rows_made(void *ctx, dtype type, size_t n, size_t cols, bool last) {
    writing_rows(ctx, type, n, cols, last);
}

static int make_model(options *o, err *e) {
    gguf_writer  *w = gguf_writer_new(e);
    random_model *weights = NULL;
    writing       done = {0};
    int           ret = w != NULL ? 0 : -1;
    if (ret == 0)
        ret = o->tokenizer != NULL ? copy_tokenizer(o->tokenizer, o->out, w, &o->shape[VOCAB], e)
                                   : put_words(w, o->shape[VOCAB], e);
    if (ret == 0) {
        const random_spec s = {.arch = o->arch,
                               .shape = shape_of(o),
                               .mix = o->mix,
                               .vectors = DTYPE_F32,
                               .whole = o->arch->fused,
                               .biases = o->biases,
                               .factors = o->shape[SCALING] == MADE_FACTORS,
                               .tied = o->tied,
                               .seed = o->seed,
                               .threads = (int)o->threads,
                               .watch = {matrix_added, rows_made, &done}};
        weights = random_model_put(&s, w, e);
        ret = weights != NULL ? writing_save(&done, w, o->out, o->quiet, e) : -1;
    }
    random_model_free(weights);
    gguf_writer_free(w);
    return ret;
}

static int run(void *opts, err *e) {
    options *o = opts;
    if (check_shape(o, e) != 0) return -1;
    return kernels_get(e) != NULL ? make_model(o, e) : -1; /* what changes their bits changes encoded weights */
}

const command command_make_model = {
    .name = "make-model",
    .help = "write a model of random weights in any shape, to measure with",
    .about = "Writes a model with random weights: it babbles, at the speed of a real one.",
    .lists = list_parts,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
