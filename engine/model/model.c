/* model.c - binds a GGUF file to the computation of transformer.c, by the description of its architecture.
 *
 * A file is taken only if that computation is the whole of what it needs: every tensor in it must be one that is bound
 * here, and a key for other arithmetic is refused by name (architecture_read.c). */
#include "engine/model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/base/quote.h"
#include "engine/model/blas.h"

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* Looks tensors up and keeps track of which were found. */
typedef struct {
    const gguf *g;
    model      *m;
    bool       *bound;   /* [gguf_tensor_count] */
    float      *vectors; /* what is left of m->vectors */
    matrix     *experts; /* and of m->experts */
    err        *e;
} binder;

/* A tensor as a description has it, and where a file may have it. */
typedef struct {
    const tensor_spec *spec;
    const tensor_spec *among; /* [n_among] the list that it is in */
    size_t             n_among, layer;
    void              *weights; /* the model, or the layer_weights of a layer's tensor */
} wanted;

static int refuse_type(const binder *b, const char *name, const gguf_tensor *t, const char *const *allowed, size_t n) {
    char list[160], type[DTYPE_NAME_SIZE];
    err_list(list, sizeof list, allowed, n);
    return err_input(b->e, "%s: tensor \"%s\" has type %s (%s)", gguf_path(b->g), name,
                     dtype_gguf_name(t->gguf_type, type), list);
}

static int check_type(const binder *b, const tensor_spec *spec, const char *name, const gguf_tensor *t) {
    static const char *const floats[] = {"F32", "F16", "BF16"};
    if (spec->kind == TENSOR_VECTOR && (t->type < 0 || dtype_get((dtype)t->type)->block > 1))
        return refuse_type(b, name, t, floats, sizeof floats / sizeof *floats);
    if (t->type < 0) {
        const char *names[DTYPE_COUNT];
        for (int i = 0; i < DTYPE_COUNT; i++) names[i] = dtype_get((dtype)i)->name;
        return refuse_type(b, name, t, names, DTYPE_COUNT);
    }
    return 0;
}

/* `want` as GGUF has it: columns first. */
static int check_shape(const binder *b, const tensor_spec *spec, const char *name, const gguf_tensor *t,
                       const size_t want[3]) {
    const uint64_t *s = t->shape;
    if (s[0] == want[0] && s[1] == want[1] && s[2] == want[2] && s[3] == 1) return 0;
    if (s[0] == want[0] && s[1] != want[1] && spec->rows == EXTENT_VOCAB)
        return err_input(b->e, "%s: tensor \"%s\" has %" PRIu64 " rows (%zu, the tokenizer's vocabulary)",
                         gguf_path(b->g), name, s[1], want[1]);
    return err_input(
        b->e, "%s: tensor \"%s\" has shape [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "] ([%zu, %zu, %zu, 1])",
        gguf_path(b->g), name, s[0], s[1], s[2], s[3], want[0], want[1], want[2]);
}

static void bind_vector(binder *b, const gguf_tensor *t, size_t from, size_t n, const float **member) {
    const dtype_info *type = dtype_get((dtype)t->type);
    type->decode((const char *)t->data + from * type->block_bytes, b->vectors, n);
    *member = b->vectors;
    b->vectors += n;
}

/* Frequencies are divided by these. */
static int check_factors(const binder *b, const char *name, const float *factors, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(isfinite(factors[i]) && factors[i] > 0))
            return err_input(b->e, "%s: tensor \"%s\": element %zu is %g (a positive number)", gguf_path(b->g), name, i,
                             (double)factors[i]);
    return 0;
}

static void bind_stack(binder *b, const gguf_tensor *t, size_t n, matrix **member) {
    size_t rows = (size_t)t->shape[1], cols = (size_t)t->shape[0], bytes = rows * dtype_bytes((dtype)t->type, cols);
    *member = b->experts;
    for (size_t i = 0; i < n; i++)
        *b->experts++ = matrix_of((dtype)t->type, rows, cols, (const char *)t->data + i * bytes);
}

/* Binds a tensor that was found: itself, or (`whole`) the one that has its rows among others. */
static int bind_found(binder *b, const wanted *x, const char *name, const gguf_tensor *t, bool whole) {
    const tensor_spec *spec = x->spec;
    const model_shape *s = &b->m->shape;
    size_t             rows = shape_extent(s, spec->rows), cols = shape_extent(s, spec->cols);
    size_t             all = whole ? tensor_whole_rows(x->among, x->n_among, spec, s) : 0;
    size_t             from = whole ? tensor_rows_before(spec, s) : 0;
    size_t             want[3] = {cols, rows, spec->kind == TENSOR_STACK ? s->n_experts : 1};
    if (whole) want[spec->kind == TENSOR_VECTOR ? 0 : 1] = all;
    if (check_type(b, spec, name, t) != 0 || check_shape(b, spec, name, t, want) != 0) return -1;
    b->bound[t - gguf_tensor_at(b->g, 0)] = true;
    void *member = (char *)x->weights + spec->member;
    switch (spec->kind) {
    case TENSOR_VECTOR:
        bind_vector(b, t, from, cols, member);
        if (spec->cols == EXTENT_PAIRS) return check_factors(b, name, *(const float **)member, cols);
        break;
    case TENSOR_STACK:
        bind_stack(b, t, s->n_experts, member);
        break;
    case TENSOR_MATRIX:
    case TENSOR_TABLE:
        *(matrix *)member =
            matrix_of((dtype)t->type, rows, cols, (const char *)t->data + from * dtype_bytes((dtype)t->type, cols));
    }
    return 0;
}

/* Whether a tensor is there once more, within a whole one: it is not for us to choose. */
static bool has_whole(const binder *b, const wanted *x, const char *name) {
    char whole[TENSOR_NAME];
    if (x->spec->whole == NULL || gguf_find_tensor(b->g, tensor_name(x->spec->whole, x->layer, whole)) == NULL)
        return false;
    err_input(b->e, "%s: tensors \"%s\" and \"%s\" are both there (one of them)", gguf_path(b->g), name, whole);
    return true;
}

static int bind_tensor(binder *b, const wanted *x) {
    const tensor_spec *spec = x->spec;
    const char        *names[] = {spec->name, spec->whole, spec->fallback};
    const char        *first = NULL;
    char               name[TENSOR_NAME];
    if (!tensor_is_allowed(spec, &b->m->shape)) return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i] == NULL) continue;
        const gguf_tensor *t = gguf_find_tensor(b->g, tensor_name(names[i], x->layer, name));
        if (t != NULL) return i == 0 && has_whole(b, x, name) ? -1 : bind_found(b, x, name, t, i == 1);
        if (first == NULL) first = names[i];
    }
    if (!tensor_is_needed(spec, &b->m->shape)) return 0;
    return err_input(b->e, "%s: tensor \"%s\" is missing", gguf_path(b->g), tensor_name(first, x->layer, name));
}

static int bind_list(binder *b, const tensor_spec *specs, size_t n, size_t layer, void *weights) {
    for (size_t i = 0; i < n; i++)
        if (bind_tensor(b, &(wanted){&specs[i], specs, n, layer, weights}) != 0) return -1;
    return 0;
}

static int bind_model(binder *b) {
    model              *m = b->m;
    const architecture *a = m->arch;
    if (bind_list(b, a->tensors, a->n_tensors, SIZE_MAX, m) != 0) return -1;
    for (size_t l = 0; l < m->shape.n_layers; l++) {
        m->layers[l].kind = architecture_read_layer(a, b->g, &m->shape, l);
        if (bind_list(b, a->layer_tensors, a->n_layer_tensors, l, &m->layers[l]) != 0) return -1;
    }
    return 0;
}

/* Factors for long contexts and for short ones come together, and LongRoPE has some. */
static int check_scaling(const binder *b) {
    const model *m = b->m;
    if (m->rope_long != NULL && m->rope_short == NULL)
        return err_input(b->e, "%s: tensor \"rope_factors_short.weight\" is missing", gguf_path(b->g));
    if (m->rope_long == NULL && m->rope_short != NULL)
        return err_input(b->e, "%s: tensor \"rope_factors_long.weight\" is missing", gguf_path(b->g));
    if (m->shape.scaling == SCALING_LONGROPE && m->rope_long == NULL && m->rope_factors == NULL)
        return err_input(b->e, "%s: RoPE scaling is \"longrope\", but tensor \"rope_factors_long.weight\" is missing",
                         gguf_path(b->g));
    return 0;
}

/* A tensor that nobody reads means another computation than ours. */
static int check_all_bound(const binder *b) {
    for (size_t i = 0; i < gguf_tensor_count(b->g); i++) {
        const gguf_tensor *t = gguf_tensor_at(b->g, i);
        char               shown[160];
        if (!b->bound[i])
            return err_input(b->e, "%s: tensor %s is not supported (%s)", gguf_path(b->g),
                             quote(shown, sizeof shown, t->name.at, t->name.n), b->m->arch->scope);
    }
    return 0;
}

/* Bounds what is allocated for layers; their tensors are looked for one by one afterwards. */
static int check_layers(const model *m, err *e) {
    size_t needed = 0;
    for (size_t i = 0; i < m->arch->n_layer_tensors; i++) {
        const tensor_spec *t = &m->arch->layer_tensors[i];
        needed += tensor_is_needed(t, &m->shape) && t->before[0] == EXTENT_NONE; /* a whole counts once */
    }
    if (m->shape.n_layers * needed <= gguf_tensor_count(m->file)) return 0; /* n_layers is below 2^32 */
    return err_input(e, "%s: %zu layers, but only %zu tensors (at least %zu in each layer)", gguf_path(m->file),
                     m->shape.n_layers, gguf_tensor_count(m->file), needed);
}

/* Room for the elements of all vectors: of every tensor of one row. No file is shorter than that. */
static size_t count_vectors(const gguf *g) {
    size_t n = 0;
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        if (t->bytes > 0 && t->shape[1] * t->shape[2] * t->shape[3] == 1) n += (size_t)t->shape[0];
    }
    return n;
}

static int bind_weights(model *m, err *e) {
    binder b = {.g = m->file, .m = m, .e = e};
    if (check_layers(m, e) != 0) return -1;
    m->layers = mem_new(m->shape.n_layers, sizeof *m->layers, e);
    m->vectors = b.vectors = mem_new(count_vectors(m->file), sizeof *m->vectors, e);
    m->experts = b.experts = mem_new(m->shape.n_layers * m->shape.n_experts, 3 * sizeof *m->experts, e);
    b.bound = mem_new(gguf_tensor_count(m->file), sizeof *b.bound, e);
    bool room = m->layers != NULL && m->vectors != NULL && m->experts != NULL && b.bound != NULL;
    int  result = room && bind_model(&b) == 0 && check_all_bound(&b) == 0 ? check_scaling(&b) : -1;
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
    if (m->tok == NULL || architecture_read_shape(m->arch, m->file, tokenizer_vocab(m->tok), &m->shape, e) != 0)
        goto fail;
    if (bind_weights(m, e) != 0) goto fail;
    return m;
fail:
    model_close(m);
    return NULL;
}

/* ---- matrices ------------------------------------------------------------------------------------------ */

/* Matrix *i of those that a list describes, counting down; NULL when there are fewer. */
static matrix *matrix_in(const model *m, const tensor_spec *specs, size_t n, void *weights, size_t *i) {
    for (size_t k = 0; k < n; k++) {
        void *member = (char *)weights + specs[k].member;
        if (specs[k].kind == TENSOR_MATRIX && ((matrix *)member)->rows > 0 && (*i)-- == 0) return member;
        if (specs[k].kind != TENSOR_STACK || *(matrix **)member == NULL) continue;
        if (*i < m->shape.n_experts) return *(matrix **)member + *i;
        *i -= m->shape.n_experts;
    }
    return NULL;
}

matrix *model_matrix(model *m, size_t i) {
    const architecture *a = m->arch;
    for (size_t l = 0; l < m->shape.n_layers; l++) {
        matrix *w = matrix_in(m, a->layer_tensors, a->n_layer_tensors, &m->layers[l], &i);
        if (w != NULL) return w;
    }
    return matrix_in(m, a->tensors, a->n_tensors, m, &i);
}

/* All panels are in one piece of memory, as small matrices by themselves would not fill large pages. The embedding's
 * pages of the file stay: its rows are read from there in every pass. */
int model_pack(model *m, err *e) {
    int     threads = parallel_processors();
    matrix *w;
    if (m->panels == NULL) {
        m->panel_bytes = 0;
        for (size_t i = 0; (w = model_matrix(m, i)) != NULL; i++) m->panel_bytes += matrix_bytes(w);
        if ((m->panels = mem_map(m->panel_bytes, e)) == NULL) return err_prefix(e, "%s", gguf_path(m->file));
    }
    char *room = m->panels;
    for (size_t i = 0; (w = model_matrix(m, i)) != NULL; room += matrix_bytes(w), i++) {
        if (w->panels != NULL) continue;
        matrix_pack_into(w, room, threads);
        if (w->stored != m->embed.stored) gguf_unload(m->file, w->stored, w->rows * dtype_bytes(w->type, w->cols));
    }
    m->packed = true;
    return 0;
}

int model_decode(model *m, err *e) {
    int     threads = parallel_processors();
    matrix *w;
    for (size_t i = 0; (w = model_matrix(m, i)) != NULL; i++)
        if (matrix_decode(w, threads, e) != 0) return err_prefix(e, "%s", gguf_path(m->file));
    if (blas_open(e) != 0) return -1;
    m->decoded = true;
    return 0;
}

void model_close(model *m) {
    if (m == NULL) return;
    matrix *w;
    for (size_t i = 0; m->layers != NULL && (w = model_matrix(m, i)) != NULL; i++) matrix_close(w);
    mem_unmap(m->panels, m->panel_bytes);
    free(m->layers);
    free(m->vectors);
    free(m->experts);
    tokenizer_close(m->tok);
    gguf_close(m->file);
    free(m);
}
