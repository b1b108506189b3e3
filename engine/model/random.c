/* random.c - matrices are uniform with variance 1 / cols, so that products keep the scale of what they are multiplied
 * with; each row comes from a stream of its own, named by its tensor. Vectors lie around what their description says.
 */
#include "engine/model/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/base/rng.h"

typedef struct {
    const random_spec *spec;
    char               name[TENSOR_NAME];
    dtype              type;
    size_t             height, cols;
} random_matrix;

struct random_model {
    random_spec    spec;
    mix_model      kind;
    gguf_writer   *w;
    random_matrix *matrices; /* [n_matrices] */
    void         **vectors;  /* [n_vectors] as they are stored */
    size_t         n_matrices, n_vectors;
};

/* ---- matrices ------------------------------------------------------------------------------------------ */

typedef struct {
    const random_matrix *m;
    size_t               row;
    float               *out;
    _Atomic bool        *failed;
} random_job;

static void random_rows(void *ctx, size_t begin, size_t end, int thread) {
    const random_job *j = ctx;
    double            most = sqrt(3.0 / (double)j->m->cols);
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        gsl_rng *r = rng_new(j->m->spec->seed, rng_stream(j->m->name, "weights") + j->row + i);
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
    const random_spec   *s = m->spec;
    _Atomic bool         failed = false;
    float               *floats = mem_new(n, m->cols * sizeof *floats, e);
    if (floats == NULL) return -1;
    random_job j = {m, row, floats, &failed};
    parallel_run(s->threads, n, 1, random_rows, &j);
    if (!failed) mix_encode_rows(m->type, floats, n, m->cols, s->threads, out);
    free(floats);
    if (s->watch.made != NULL) s->watch.made(s->watch.ctx, m->type, n, m->cols, row + n == m->height);
    return failed ? err_run(e, "out of memory") : 0;
}

static int put_matrix(random_model *k, const char *name, size_t n_dims, const uint64_t shape[3], err *e) {
    const random_spec *s = &k->spec;
    random_matrix     *m = &k->matrices[k->n_matrices++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->spec = s;
    m->height = (size_t)(shape[1] * shape[2]);
    m->cols = (size_t)shape[0];
    m->type = type_mix_of(s->mix, &k->kind, name, m->cols);
    if (s->watch.added != NULL) s->watch.added(s->watch.ctx, m->type, m->height, m->cols);
    return gguf_put_rows(k->w, name, m->type, (uint32_t)n_dims, shape, make_rows, m, e);
}

/* ---- vectors ------------------------------------------------------------------------------------------- */

static int put_vector(random_model *k, const tensor_spec *t, const char *name, size_t n, err *e) {
    enum { DENOMINATOR = 5 }; /* elements differ by up to a fifth from what they lie around */
    dtype    type = k->spec.vectors;
    void    *stored = k->vectors[k->n_vectors++] = mem_new(1, dtype_bytes(type, n), e);
    float   *v = mem_new(n, sizeof *v, e);
    gsl_rng *r = rng_new(k->spec.seed, rng_stream(name, "weights"));
    int      ret = stored != NULL && v != NULL ? 0 : -1;
    if (ret == 0 && r == NULL) ret = err_run(e, "out of memory");
    for (size_t i = 0; ret == 0 && i < n; i++) v[i] = t->around + (float)(gsl_rng_uniform(r) * 2 - 1) / DENOMINATOR;
    if (ret == 0) dtype_get(type)->encode(v, stored, n);
    if (r != NULL) gsl_rng_free(r);
    free(v);
    return ret == 0 ? gguf_put_tensor(k->w, name, type, 1, (const uint64_t[]){n}, stored, e) : -1;
}

/* ---- by the description -------------------------------------------------------------------------------- */

/* Whether files of this shape have a tensor, under its own name or as a part of a whole. */
static bool is_made(const random_spec *s, const tensor_spec *t) {
    if (!tensor_is_allowed(t, &s->shape) || (s->tied && t->fallback != NULL)) return false;
    if (tensor_is_needed(t, &s->shape)) return true;
    return t->cols == EXTENT_PAIRS ? s->factors : s->biases;
}

/* Whether a tensor is written with others as one: if the spec says so, or if a part of that one has no name of its own.
 */
static bool is_whole(const random_spec *s, const tensor_spec *among, size_t n, const tensor_spec *t) {
    bool nameless = false;
    if (t->whole == NULL) return false;
    for (size_t i = 0; i < n; i++)
        nameless |= among[i].name == NULL && among[i].whole != NULL && strcmp(among[i].whole, t->whole) == 0;
    return s->whole || nameless;
}

static int put_tensor(random_model *k, const tensor_spec *among, size_t n, const tensor_spec *t, size_t layer, err *e) {
    char               name[TENSOR_NAME];
    const model_shape *s = &k->spec.shape;
    bool               whole = is_whole(&k->spec, among, n, t);
    size_t             height = shape_extent(s, t->rows), cols = shape_extent(s, t->cols);
    if (!is_made(&k->spec, t) || (whole && t->before[0] != EXTENT_NONE)) return 0;
    if (whole) *(t->kind == TENSOR_VECTOR ? &cols : &height) = tensor_whole_rows(among, n, t, s);
    tensor_name(whole ? t->whole : t->name, layer, name);
    if (t->kind == TENSOR_VECTOR) return put_vector(k, t, name, cols, e);
    bool     stack = t->kind == TENSOR_STACK;
    uint64_t shape[] = {cols, height, stack ? s->n_experts : 1};
    return put_matrix(k, name, stack ? 3 : 2, shape, e);
}

static int put_list(random_model *k, const tensor_spec *among, size_t n, size_t layer, err *e) {
    for (size_t i = 0; i < n; i++)
        if (put_tensor(k, among, n, &among[i], layer, e) != 0) return -1;
    return 0;
}

static int put_weights(random_model *k, err *e) {
    const architecture *a = k->spec.arch;
    if (put_list(k, a->tensors, a->n_tensors, SIZE_MAX, e) != 0) return -1;
    for (size_t l = 0; l < k->spec.shape.n_layers; l++)
        if (put_list(k, a->layer_tensors, a->n_layer_tensors, l, e) != 0) return -1;
    return 0;
}

static int put_keys(const random_model *k, err *e) {
    const random_spec *s = &k->spec;
    if (gguf_put_string(k->w, "general.architecture", s->arch->name, e) != 0 ||
        gguf_put_string(k->w, "general.name", "random weights", e) != 0 ||
        gguf_put_u32(k->w, "general.file_type", s->mix->file_type, e) != 0)
        return -1;
    if (dtype_get(s->mix->most)->block > 1 && gguf_put_u32(k->w, "general.quantization_version", 2, e) != 0) return -1;
    return architecture_put_shape(s->arch, &s->shape, k->w, e);
}

random_model *random_model_put(const random_spec *s, gguf_writer *w, err *e) {
    random_model *k = mem_new(1, sizeof *k, e);
    if (k == NULL) return NULL;
    size_t most = s->arch->n_tensors + s->shape.n_layers * s->arch->n_layer_tensors;
    k->spec = *s;
    k->kind =
        (mix_model){s->arch, s->shape.n_layers, s->shape.n_heads, s->shape.n_kv_heads, s->shape.n_experts, s->tied};
    k->w = w;
    k->matrices = mem_new(most, sizeof *k->matrices, e);
    k->vectors = mem_new(most, sizeof *k->vectors, e);
    if (k->matrices != NULL && k->vectors != NULL && put_keys(k, e) == 0 && put_weights(k, e) == 0) return k;
    random_model_free(k);
    return NULL;
}

void random_model_free(random_model *m) {
    if (m == NULL) return;
    for (size_t i = 0; m->vectors != NULL && i < m->n_vectors; i++) free(m->vectors[i]);
    free(m->vectors);
    free(m->matrices);
    free(m);
}
