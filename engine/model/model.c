/* Binds a GGUF file to the Llama computation of transformer.c. A file is taken only if that computation is the
 * whole of what it asks for: every tensor in it must be one that is bound here, and a key that would change the
 * arithmetic (experts, other RoPE scalings, attention windows, extra scales) is refused by name. */
#include "engine/model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/base/quote.h"
#include "engine/model/blas.h"

enum { LAYER_TENSORS = 9 }; /* in each layer */
#define NO_LAYER SIZE_MAX

/* ---- metadata ------------------------------------------------------------------------------------------ */

static int check_architecture(const gguf *g, err *e) {
    gguf_str name;
    char     shown[80];
    if (gguf_string(g, "general.architecture", &name, e) != 0) return -1;
    if (gguf_str_is(name, "llama")) return 0;
    return err_input(e, "%s: architecture %s is not supported (\"llama\")", gguf_path(g),
                     quote(shown, sizeof shown, name.at, name.n));
}

static int read_size(const gguf *g, const char *key, size_t *out, err *e) {
    uint32_t v;
    if (gguf_u32(g, key, &v, e) != 0) return -1;
    if (v == 0) return err_input(e, "%s: key \"%s\" is 0 (at least 1)", gguf_path(g), key);
    *out = v;
    return 0;
}

static int read_size_or(const gguf *g, const char *key, size_t preset, size_t *out, err *e) {
    *out = preset;
    return gguf_find(g, key) != NULL ? read_size(g, key, out, e) : 0;
}

static int read_positive_or(const gguf *g, const char *key, float preset, float *out, err *e) {
    if (gguf_f32_or(g, key, preset, out, e) != 0) return -1;
    if (isfinite(*out) && *out > 0) return 0;
    return err_input(e, "%s: key \"%s\" is %g (a positive number)", gguf_path(g), key, (double)*out);
}

/* Positions are multiplied by 1 / factor. */
static int read_rope_scale(const gguf *g, float *scale, err *e) {
    static const char type_key[] = "llama.rope.scaling.type", factor_key[] = "llama.rope.scaling.factor",
                      old_key[] = "llama.rope.scale_linear";
    const char *key = gguf_find(g, factor_key) != NULL ? factor_key : old_key;
    *scale = 1;
    if (gguf_find(g, type_key) != NULL) {
        gguf_str type;
        char     shown[80];
        if (gguf_string(g, type_key, &type, e) != 0) return -1;
        if (gguf_str_is(type, "none")) return 0;
        if (!gguf_str_is(type, "linear"))
            return err_input(e, "%s: RoPE scaling %s is not supported (\"none\", \"linear\")", gguf_path(g),
                             quote(shown, sizeof shown, type.at, type.n));
        if (gguf_find(g, key) == NULL)
            return err_input(e, "%s: key \"%s\" is missing (RoPE scaling is \"linear\")", gguf_path(g), factor_key);
    }
    float factor;
    if (read_positive_or(g, key, 1, &factor, e) != 0) return -1;
    *scale = 1.0f / factor;
    return 0;
}

/* Keys that ask for arithmetic we do not do, whatever their value but for the one that means "off". */
static int check_unsupported(const gguf *g, err *e) {
    static const char *const off_at_zero[] = {"llama.expert_count", "llama.attention.sliding_window"};
    static const char *const any[] = {
        "llama.attention.scale",          "llama.logit_scale",
        "llama.residual_scale",           "llama.embedding_scale",
        "llama.attention.clamp_kqv",      "llama.attn_logit_softcapping",
        "llama.final_logit_softcapping",  "llama.rope.scaling.attn_factor",
        "llama.attention.max_alibi_bias", "llama.attention.layer_norm_epsilon",
    };
    for (size_t i = 0; i < sizeof off_at_zero / sizeof *off_at_zero; i++) {
        uint32_t v;
        if (gguf_u32_or(g, off_at_zero[i], 0, &v, e) != 0) return -1;
        if (v != 0)
            return err_input(e, "%s: key \"%s\" is %" PRIu32 ", which is not supported (0 or no such key)",
                             gguf_path(g), off_at_zero[i], v);
    }
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (gguf_find(g, any[i]) != NULL)
            return err_input(e, "%s: key \"%s\" is not supported (no such key)", gguf_path(g), any[i]);
    bool causal;
    if (gguf_bool_or(g, "llama.attention.causal", true, &causal, e) != 0) return -1;
    if (!causal)
        return err_input(e, "%s: key \"llama.attention.causal\" is false, which is not supported (true)", gguf_path(g));
    return 0;
}

/* A key that may only say what follows from others. */
static int check_equal(const gguf *g, const char *key, size_t value, const char *why, err *e) {
    uint32_t v;
    if (gguf_u32_or(g, key, (uint32_t)value, &v, e) != 0) return -1;
    if (v == value) return 0;
    return err_input(e, "%s: key \"%s\" is %" PRIu32 " (%zu, %s)", gguf_path(g), key, v, value, why);
}

static int read_shape(const gguf *g, size_t vocab, model_shape *s, err *e) {
    s->vocab = vocab;
    if (read_size(g, "llama.block_count", &s->n_layers, e) != 0) return -1;
    if (read_size(g, "llama.embedding_length", &s->dim, e) != 0) return -1;
    if (read_size(g, "llama.feed_forward_length", &s->ffn_dim, e) != 0) return -1;
    if (read_size(g, "llama.context_length", &s->context, e) != 0) return -1;
    if (read_size(g, "llama.attention.head_count", &s->n_heads, e) != 0) return -1;
    if (read_size_or(g, "llama.attention.head_count_kv", s->n_heads, &s->n_kv_heads, e) != 0) return -1;
    if (s->dim % s->n_heads != 0)
        return err_input(e, "%s: %zu attention heads for an embedding of %zu (a divisor of it)", gguf_path(g),
                         s->n_heads, s->dim);
    if (s->n_heads % s->n_kv_heads != 0)
        return err_input(e, "%s: %zu key-value heads for %zu heads (a divisor of it)", gguf_path(g), s->n_kv_heads,
                         s->n_heads);
    s->head_dim = s->dim / s->n_heads;
    if (check_equal(g, "llama.attention.key_length", s->head_dim, "embedding / heads", e) != 0) return -1;
    if (check_equal(g, "llama.attention.value_length", s->head_dim, "embedding / heads", e) != 0) return -1;
    if (check_equal(g, "llama.vocab_size", vocab, "the tokenizer's", e) != 0) return -1;
    if (read_size_or(g, "llama.rope.dimension_count", s->head_dim, &s->rope_dim, e) != 0) return -1;
    if (s->rope_dim % 2 != 0 || s->rope_dim > s->head_dim)
        return err_input(e, "%s: %zu elements of a head are rotated (an even number, at most %zu)", gguf_path(g),
                         s->rope_dim, s->head_dim);
    if (read_positive_or(g, "llama.rope.freq_base", 10000, &s->rope_theta, e) != 0) return -1;
    if (read_rope_scale(g, &s->rope_scale, e) != 0) return -1;
    static const char eps_key[] = "llama.attention.layer_norm_rms_epsilon";
    if (gguf_find(g, eps_key) == NULL) return err_input(e, "%s: key \"%s\" is missing", gguf_path(g), eps_key);
    if (read_positive_or(g, eps_key, 1, &s->rms_eps, e) != 0) return -1;

    /* Bounds what is allocated for layers; their tensors are looked for one by one afterwards. */
    if (s->n_layers > gguf_tensor_count(g) / LAYER_TENSORS)
        return err_input(e, "%s: %zu layers, but only %zu tensors (%d in each layer)", gguf_path(g), s->n_layers,
                         gguf_tensor_count(g), LAYER_TENSORS);
    return check_unsupported(g, e);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static void tensor_name(char *buf, size_t size, const char *part, size_t layer) {
    if (layer == NO_LAYER) {
        snprintf(buf, size, "%s.weight", part);
    } else {
        snprintf(buf, size, "blk.%zu.%s.weight", layer, part);
    }
}

/* Looks tensors up and remembers which were found. */
typedef struct {
    const gguf *g;
    bool       *bound; /* [gguf_tensor_count] */
    err        *e;
} binder;

static void refuse_type(const binder *b, const char *name, const gguf_tensor *t, const char *const *allowed, size_t n) {
    char list[160], type[DTYPE_NAME_SIZE];
    err_list(list, sizeof list, allowed, n);
    err_input(b->e, "%s: tensor \"%s\" has type %s (%s)", gguf_path(b->g), name, dtype_gguf_name(t->gguf_type, type),
              list);
}

/* NULL when it is not there as it must be. */
static const gguf_tensor *bind_tensor(binder *b, const char *part, size_t layer, size_t rows, size_t cols) {
    char name[64];
    tensor_name(name, sizeof name, part, layer);
    const gguf_tensor *t = gguf_find_tensor(b->g, name);
    if (t == NULL) {
        err_input(b->e, "%s: tensor \"%s\" is missing", gguf_path(b->g), name);
        return NULL;
    }
    const uint64_t *s = t->shape;
    if (s[0] != cols || s[1] != rows || s[2] != 1 || s[3] != 1) {
        err_input(b->e,
                  "%s: tensor \"%s\" has shape [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "] ([%zu, %zu, 1, 1])",
                  gguf_path(b->g), name, s[0], s[1], s[2], s[3], cols, rows);
        return NULL;
    }
    if (t->type < 0) {
        const char *names[DTYPE_COUNT];
        for (int i = 0; i < DTYPE_COUNT; i++) names[i] = dtype_get((dtype)i)->name;
        refuse_type(b, name, t, names, DTYPE_COUNT);
        return NULL;
    }
    b->bound[t - gguf_tensor_at(b->g, 0)] = true;
    return t;
}

static int bind_matrix(binder *b, const char *part, size_t layer, size_t rows, size_t cols, matrix *out) {
    const gguf_tensor *t = bind_tensor(b, part, layer, rows, cols);
    if (t == NULL) return -1;
    *out = matrix_of((dtype)t->type, rows, cols, t->data);
    return 0;
}

static int bind_norm(binder *b, const char *part, size_t layer, size_t n, const float **out) {
    const gguf_tensor *t = bind_tensor(b, part, layer, 1, n);
    if (t == NULL) return -1;
    if (t->type != DTYPE_F32) {
        char name[64];
        tensor_name(name, sizeof name, part, layer);
        refuse_type(b, name, t, (const char *const[]){"F32"}, 1);
        return -1;
    }
    *out = t->data; /* aligned: gguf_open refuses alignments below 8 */
    return 0;
}

static int bind_layer(binder *b, const model_shape *s, size_t l, layer_weights *w) {
    const size_t kv = s->n_kv_heads * s->head_dim;
    if (bind_norm(b, "attn_norm", l, s->dim, &w->attn_norm) != 0) return -1;
    if (bind_matrix(b, "attn_q", l, s->dim, s->dim, &w->wq) != 0) return -1;
    if (bind_matrix(b, "attn_k", l, kv, s->dim, &w->wk) != 0) return -1;
    if (bind_matrix(b, "attn_v", l, kv, s->dim, &w->wv) != 0) return -1;
    if (bind_matrix(b, "attn_output", l, s->dim, s->dim, &w->wo) != 0) return -1;
    if (bind_norm(b, "ffn_norm", l, s->dim, &w->ffn_norm) != 0) return -1;
    if (bind_matrix(b, "ffn_gate", l, s->ffn_dim, s->dim, &w->gate) != 0) return -1;
    if (bind_matrix(b, "ffn_up", l, s->ffn_dim, s->dim, &w->up) != 0) return -1;
    return bind_matrix(b, "ffn_down", l, s->dim, s->ffn_dim, &w->down);
}

static int bind_model(binder *b, model *m) {
    const model_shape *s = &m->shape;
    const gguf_tensor *embed = gguf_find_tensor(b->g, "token_embd.weight");
    if (embed != NULL && embed->shape[0] == s->dim && embed->shape[1] != s->vocab)
        return err_input(b->e,
                         "%s: tensor \"token_embd.weight\" has %" PRIu64 " rows (%zu, the tokenizer's vocabulary)",
                         gguf_path(b->g), embed->shape[1], s->vocab);
    if ((embed = bind_tensor(b, "token_embd", NO_LAYER, s->vocab, s->dim)) == NULL) return -1;
    m->embed_type = (dtype)embed->type;
    m->embed = embed->data;
    for (size_t l = 0; l < s->n_layers; l++)
        if (bind_layer(b, s, l, &m->layers[l]) != 0) return -1;
    if (bind_norm(b, "output_norm", NO_LAYER, s->dim, &m->norm) != 0) return -1;
    bool tied = gguf_find_tensor(b->g, "output.weight") == NULL;
    return bind_matrix(b, tied ? "token_embd" : "output", NO_LAYER, s->vocab, s->dim, &m->output);
}

/* A tensor that nobody reads (a bias, RoPE factors, an expert) means another computation than ours. */
static int check_all_bound(const binder *b) {
    for (size_t i = 0; i < gguf_tensor_count(b->g); i++) {
        const gguf_tensor *t = gguf_tensor_at(b->g, i);
        char               shown[160];
        if (!b->bound[i])
            return err_input(b->e,
                             "%s: tensor %s is not supported (a Llama model without biases, RoPE factors, experts)",
                             gguf_path(b->g), quote(shown, sizeof shown, t->name.at, t->name.n));
    }
    return 0;
}

static int bind_weights(model *m, err *e) {
    binder b = {.g = m->file, .e = e};
    m->layers = mem_new(m->shape.n_layers, sizeof *m->layers, e);
    b.bound = mem_new(gguf_tensor_count(m->file), sizeof *b.bound, e);
    int result = m->layers != NULL && b.bound != NULL && bind_model(&b, m) == 0 ? check_all_bound(&b) : -1;
    free(b.bound);
    return result;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

model *model_open(const char *path, err *e) {
    model *m = mem_new(1, sizeof *m, e);
    if (m == NULL) return NULL;
    m->file = gguf_open(path, e);
    if (m->file == NULL || check_architecture(m->file, e) != 0) goto fail;
    if (gguf_tensor_count(m->file) == 0) {
        err_input(e, "%s: the file holds no tensors, only a vocabulary (a model with weights)", path);
        goto fail;
    }
    m->tok = tokenizer_from_gguf(m->file, e);
    if (m->tok == NULL || read_shape(m->file, tokenizer_vocab(m->tok), &m->shape, e) != 0) goto fail;
    if (bind_weights(m, e) != 0) goto fail;
    return m;
fail:
    model_close(m);
    return NULL;
}

matrix *layer_matrix(layer_weights *w, size_t i) {
    return (matrix *[LAYER_MATRICES]){&w->wq, &w->wk, &w->wv, &w->wo, &w->gate, &w->up, &w->down}[i];
}

/* The embedding's pages are kept: its rows are read on. */
static int lay_out(model *m, matrix *w, int threads, err *e) {
    bool done = w->panels != NULL;
    if (matrix_lay_out(w, threads, e) != 0) return err_prefix(e, "%s", gguf_path(m->file));
    if (!done && w->stored != m->embed) gguf_unload(m->file, w->stored, w->rows * dtype_bytes(w->type, w->cols));
    return 0;
}

static int decode(model *m, matrix *w, int threads, err *e) {
    return matrix_decode(w, threads, e) == 0 ? 0 : err_prefix(e, "%s", gguf_path(m->file));
}

static int each_matrix(model *m, int (*make)(model *m, matrix *w, int threads, err *e), err *e) {
    int threads = parallel_processors();
    for (size_t l = 0; l < m->shape.n_layers; l++) {
        for (size_t i = 0; i < LAYER_MATRICES; i++)
            if (make(m, layer_matrix(&m->layers[l], i), threads, e) != 0) return -1;
    }
    return make(m, &m->output, threads, e);
}

int model_lay_out(model *m, err *e) {
    if (each_matrix(m, lay_out, e) != 0) return -1;
    m->laid_out = true;
    return 0;
}

int model_decode(model *m, err *e) {
    if (each_matrix(m, decode, e) != 0 || blas_open(e) != 0) return -1;
    m->decoded = true;
    return 0;
}

void model_close(model *m) {
    if (m == NULL) return;
    for (size_t l = 0; m->layers != NULL && l < m->shape.n_layers; l++)
        for (size_t i = 0; i < LAYER_MATRICES; i++) matrix_close(layer_matrix(&m->layers[l], i));
    matrix_close(&m->output);
    free(m->layers);
    tokenizer_close(m->tok);
    gguf_close(m->file);
    free(m);
}
