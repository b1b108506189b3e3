/* model.c - binds a GGUF file to the computation of transformer.c, by the description of its architecture.
 *
 * A file is taken only if that computation is the whole of what it needs: every tensor in it must be one that is bound
 * here, and a key that would change the arithmetic (experts, other RoPE scalings, attention windows, extra scales) is
 * refused by name. */
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

/* ---- metadata ------------------------------------------------------------------------------------------ */

static int read_size(const gguf *g, const char *key, size_t *out, err *e) {
    uint32_t v;
    if (gguf_u32(g, key, &v, e) != 0) return -1;
    if (v == 0) return err_input(e, "%s: key \"%s\" is 0 (at least 1)", gguf_path(g), key);
    *out = v;
    return 0;
}

static int read_positive_or(const gguf *g, const char *key, float preset, float *out, err *e) {
    if (gguf_f32_or(g, key, preset, out, e) != 0) return -1;
    if (isfinite(*out) && *out > 0) return 0;
    return err_input(e, "%s: key \"%s\" is %g (a positive number)", gguf_path(g), key, (double)*out);
}

/* Positions are multiplied by 1 / factor. */
static int read_rope_scale(const gguf *g, const architecture *a, float *scale, err *e) {
    char        type_key[ARCHITECTURE_KEY], factor_key[ARCHITECTURE_KEY], old_key[ARCHITECTURE_KEY];
    const char *key = architecture_key(a, "rope.scaling.factor", factor_key);
    if (gguf_find(g, key) == NULL) key = architecture_key(a, "rope.scale_linear", old_key);
    *scale = 1;
    if (gguf_find(g, architecture_key(a, "rope.scaling.type", type_key)) != NULL) {
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

/* Refuses keys for arithmetic that we do not do, unless they say that it is off. */
static int check_limits(const gguf *g, const architecture *a, err *e) {
    char key[ARCHITECTURE_KEY];
    for (size_t i = 0; i < a->n_limits; i++) {
        uint32_t number = 0;
        bool     flag = true;
        architecture_key(a, a->limits[i].name, key);
        switch (a->limits[i].allows) {
        case ALLOWS_ZERO:
            if (gguf_u32_or(g, key, 0, &number, e) != 0) return -1;
            if (number != 0)
                return err_input(e, "%s: key \"%s\" is %" PRIu32 ", which is not supported (0 or no such key)",
                                 gguf_path(g), key, number);
            break;
        case ALLOWS_TRUE:
            if (gguf_bool_or(g, key, true, &flag, e) != 0) return -1;
            if (!flag) return err_input(e, "%s: key \"%s\" is false, which is not supported (true)", gguf_path(g), key);
            break;
        case ALLOWS_NOTHING:
            if (gguf_find(g, key) != NULL)
                return err_input(e, "%s: key \"%s\" is not supported (no such key)", gguf_path(g), key);
        }
    }
    return 0;
}

static size_t *size_at(model_shape *s, size_t member) {
    return (size_t *)((char *)s + member);
}

/* A size that may be missing. */
static int read_optional_size(const gguf *g, const architecture *a, const size_key *k, model_shape *s, err *e) {
    char   key[ARCHITECTURE_KEY];
    size_t preset = *size_at(s, k->preset), *out = size_at(s, k->member);
    architecture_key(a, k->name, key);
    *out = preset;
    if (gguf_find(g, key) == NULL) return 0;
    if (k->must == NULL) return read_size(g, key, out, e);
    uint32_t v;
    if (gguf_u32(g, key, &v, e) != 0) return -1;
    if (v == preset) return 0;
    return err_input(e, "%s: key \"%s\" is %" PRIu32 " (%zu, %s)", gguf_path(g), key, v, preset, k->must);
}

static int read_sizes(const gguf *g, const architecture *a, model_shape *s, err *e) {
    char key[ARCHITECTURE_KEY];
    for (size_t i = 0; i < a->n_sizes; i++) {
        const size_key *k = &a->sizes[i];
        if (k->preset == KEY_REQUIRED && read_size(g, architecture_key(a, k->name, key), size_at(s, k->member), e) != 0)
            return -1;
    }
    if (s->dim % s->n_heads != 0)
        return err_input(e, "%s: %zu attention heads for an embedding of %zu (a divisor of it)", gguf_path(g),
                         s->n_heads, s->dim);
    s->head_dim = s->dim / s->n_heads;
    for (size_t i = 0; i < a->n_sizes; i++)
        if (a->sizes[i].preset != KEY_REQUIRED && read_optional_size(g, a, &a->sizes[i], s, e) != 0) return -1;
    if (s->n_heads % s->n_kv_heads != 0)
        return err_input(e, "%s: %zu key-value heads for %zu heads (a divisor of it)", gguf_path(g), s->n_kv_heads,
                         s->n_heads);
    if (s->rope_dim % 2 != 0 || s->rope_dim > s->head_dim)
        return err_input(e, "%s: %zu elements of a head are rotated (an even number, at most %zu)", gguf_path(g),
                         s->rope_dim, s->head_dim);
    return 0;
}

static int read_reals(const gguf *g, const architecture *a, model_shape *s, err *e) {
    char key[ARCHITECTURE_KEY];
    for (size_t i = 0; i < a->n_reals; i++) {
        const real_key *k = &a->reals[i];
        architecture_key(a, k->name, key);
        if (k->preset == 0 && gguf_find(g, key) == NULL)
            return err_input(e, "%s: key \"%s\" is missing", gguf_path(g), key);
        if (read_positive_or(g, key, k->preset, (float *)(void *)((char *)s + k->member), e) != 0) return -1;
    }
    return 0;
}

static int read_shape(const gguf *g, const architecture *a, size_t vocab, model_shape *s, err *e) {
    s->vocab = vocab;
    if (read_sizes(g, a, s, e) != 0 || read_rope_scale(g, a, &s->rope_scale, e) != 0 || read_reals(g, a, s, e) != 0)
        return -1;
    /* Bounds what is allocated for layers; their tensors are looked for one by one afterwards. */
    if (s->n_layers > gguf_tensor_count(g) / a->n_layer_tensors)
        return err_input(e, "%s: %zu layers, but only %zu tensors (%zu in each layer)", gguf_path(g), s->n_layers,
                         gguf_tensor_count(g), a->n_layer_tensors);
    return check_limits(g, a, e);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* Looks tensors up and keeps track of which were found. */
typedef struct {
    const gguf        *g;
    const model_shape *s;
    bool              *bound; /* [gguf_tensor_count] */
    err               *e;
} binder;

static int refuse_type(const binder *b, const char *name, const gguf_tensor *t, const char *const *allowed, size_t n) {
    char list[160], type[DTYPE_NAME_SIZE];
    err_list(list, sizeof list, allowed, n);
    return err_input(b->e, "%s: tensor \"%s\" has type %s (%s)", gguf_path(b->g), name,
                     dtype_gguf_name(t->gguf_type, type), list);
}

static int check_type(const binder *b, const tensor_spec *spec, const char *name, const gguf_tensor *t) {
    if (t->type < 0) {
        const char *names[DTYPE_COUNT];
        for (int i = 0; i < DTYPE_COUNT; i++) names[i] = dtype_get((dtype)i)->name;
        return refuse_type(b, name, t, names, DTYPE_COUNT);
    }
    if (spec->kind == TENSOR_NORM && t->type != DTYPE_F32)
        return refuse_type(b, name, t, (const char *const[]){"F32"}, 1);
    return 0;
}

static int check_shape(const binder *b, const tensor_spec *spec, const char *name, const gguf_tensor *t) {
    const uint64_t *s = t->shape;
    size_t          rows = shape_extent(b->s, spec->rows), cols = shape_extent(b->s, spec->cols);
    if (s[0] == cols && s[1] == rows && s[2] == 1 && s[3] == 1) return 0;
    if (s[0] == cols && s[1] != rows && spec->rows == EXTENT_VOCAB)
        return err_input(b->e, "%s: tensor \"%s\" has %" PRIu64 " rows (%zu, the tokenizer's vocabulary)",
                         gguf_path(b->g), name, s[1], rows);
    return err_input(
        b->e, "%s: tensor \"%s\" has shape [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "] ([%zu, %zu, 1, 1])",
        gguf_path(b->g), name, s[0], s[1], s[2], s[3], cols, rows);
}

/* `weights` is the model, or the layer_weights of a layer's tensor. */
static int bind_tensor(binder *b, const tensor_spec *spec, const char *name, void *weights) {
    const gguf_tensor *t = gguf_find_tensor(b->g, name);
    if (t == NULL && spec->fallback != NULL) t = gguf_find_tensor(b->g, name = spec->fallback);
    if (t == NULL) return err_input(b->e, "%s: tensor \"%s\" is missing", gguf_path(b->g), name);
    if (check_shape(b, spec, name, t) != 0 || check_type(b, spec, name, t) != 0) return -1;
    b->bound[t - gguf_tensor_at(b->g, 0)] = true;
    void *member = (char *)weights + spec->member;
    if (spec->kind == TENSOR_NORM)
        *(const float **)member = t->data; /* aligned: gguf_open refuses alignments below 8 */
    else
        *(matrix *)member = matrix_of((dtype)t->type, (size_t)t->shape[1], (size_t)t->shape[0], t->data);
    return 0;
}

static int bind_model(binder *b, model *m) {
    const architecture *a = m->arch;
    char                name[TENSOR_NAME];
    for (size_t i = 0; i < a->n_tensors; i++)
        if (bind_tensor(b, &a->tensors[i], a->tensors[i].name, m) != 0) return -1;
    for (size_t l = 0; l < m->shape.n_layers; l++) {
        for (size_t i = 0; i < a->n_layer_tensors; i++) {
            const tensor_spec *spec = &a->layer_tensors[i];
            if (bind_tensor(b, spec, tensor_layer_name(spec, l, name), &m->layers[l]) != 0) return -1;
        }
    }
    return 0;
}

/* A tensor that nobody reads (a bias, RoPE factors, an expert) means another computation than ours. */
static int check_all_bound(const binder *b, const architecture *a) {
    for (size_t i = 0; i < gguf_tensor_count(b->g); i++) {
        const gguf_tensor *t = gguf_tensor_at(b->g, i);
        char               shown[160];
        if (!b->bound[i])
            return err_input(b->e, "%s: tensor %s is not supported (%s)", gguf_path(b->g),
                             quote(shown, sizeof shown, t->name.at, t->name.n), a->scope);
    }
    return 0;
}

static int bind_weights(model *m, err *e) {
    binder b = {.g = m->file, .s = &m->shape, .e = e};
    m->layers = mem_new(m->shape.n_layers, sizeof *m->layers, e);
    b.bound = mem_new(gguf_tensor_count(m->file), sizeof *b.bound, e);
    int result = m->layers != NULL && b.bound != NULL && bind_model(&b, m) == 0 ? check_all_bound(&b, m->arch) : -1;
    free(b.bound);
    return result;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

model *model_open(const char *path, err *e) {
    model *m = mem_new(1, sizeof *m, e);
    if (m == NULL) return NULL;
    m->file = gguf_open(path, e);
    if (m->file == NULL || (m->arch = architecture_of(m->file, e)) == NULL) goto fail;
    if (gguf_tensor_count(m->file) == 0) {
        err_input(e, "%s: the file holds no tensors, only a vocabulary (a model with weights)", path);
        goto fail;
    }
    m->tok = tokenizer_from_gguf(m->file, e);
    if (m->tok == NULL || read_shape(m->file, m->arch, tokenizer_vocab(m->tok), &m->shape, e) != 0) goto fail;
    if (bind_weights(m, e) != 0) goto fail;
    return m;
fail:
    model_close(m);
    return NULL;
}

/* ---- matrices ------------------------------------------------------------------------------------------ */

/* Matrix i of those that a list describes; NULL after the last. */
static matrix *matrix_in(const tensor_spec *specs, size_t n, size_t i, void *weights) {
    for (size_t k = 0; k < n; k++)
        if (specs[k].kind == TENSOR_MATRIX && i-- == 0) return (matrix *)((char *)weights + specs[k].member);
    return NULL;
}

matrix *model_matrix(model *m, size_t i) {
    const architecture *a = m->arch;
    size_t              in_layer = 0;
    for (size_t k = 0; k < a->n_layer_tensors; k++) in_layer += a->layer_tensors[k].kind == TENSOR_MATRIX;
    size_t in_layers = in_layer * m->shape.n_layers;
    if (i >= in_layers) return matrix_in(a->tensors, a->n_tensors, i - in_layers, m);
    return matrix_in(a->layer_tensors, a->n_layer_tensors, i % in_layer, &m->layers[i / in_layer]);
}

/* The embedding's pages stay: its rows are read from the file in every pass. */
static int pack(model *m, matrix *w, int threads, err *e) {
    bool done = w->panels != NULL;
    if (matrix_pack(w, threads, e) != 0) return err_prefix(e, "%s", gguf_path(m->file));
    if (!done && w->stored != m->embed.stored) gguf_unload(m->file, w->stored, w->rows * dtype_bytes(w->type, w->cols));
    return 0;
}

static int decode(model *m, matrix *w, int threads, err *e) {
    return matrix_decode(w, threads, e) == 0 ? 0 : err_prefix(e, "%s", gguf_path(m->file));
}

static int each_matrix(model *m, int (*make)(model *m, matrix *w, int threads, err *e), err *e) {
    int     threads = parallel_processors();
    matrix *w;
    for (size_t i = 0; (w = model_matrix(m, i)) != NULL; i++)
        if (make(m, w, threads, e) != 0) return -1;
    return 0;
}

int model_pack(model *m, err *e) {
    if (each_matrix(m, pack, e) != 0) return -1;
    m->packed = true;
    return 0;
}

int model_decode(model *m, err *e) {
    if (each_matrix(m, decode, e) != 0 || blas_open(e) != 0) return -1;
    m->decoded = true;
    return 0;
}

void model_close(model *m) {
    if (m == NULL) return;
    matrix *w;
    for (size_t i = 0; m->layers != NULL && (w = model_matrix(m, i)) != NULL; i++) matrix_close(w);
    free(m->layers);
    tokenizer_close(m->tok);
    gguf_close(m->file);
    free(m);
}
