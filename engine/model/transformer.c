/* transformer.c - the forward pass of a Llama model (Touvron et al. 2023, arXiv 2302.13971): RMSNorm, rotary
 * positions, grouped-query attention over a cache, SwiGLU. Numerics: engine/docs/numerics.md.
 *
 * Invariants:
 *  T1  cache positions [0, length) hold the keys (rotated) and values of the tokens seen. What is after them is stale
 *      and is written before it is used. So rewinding only lowers `length`.
 *  T2  a row of activations depends on other rows of its pass only through the cache. So a pass over m tokens leaves
 *      the bits of m passes over one.
 *  T3  nothing is allocated after transformer_new.
 */
#include "engine/model/transformer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/kernels/detmath.h"
#include "engine/kernels/kernels.h"

enum {
    BATCH = 64,           /* tokens that go through the layers together */
    THREAD_WORK = 1 << 16 /* multiply-adds below which waking a thread costs more than it saves */
};

struct transformer {
    const model        *m;
    const kernel_table *kernels;
    int                 threads;
    matrix_product     *product; /* computes y = W x; NULL: the kernels do */
    size_t              context, length;

    /* The cache (transformer.h): keys in panels of 16 positions, as kernels read them, and values. */
    float *keys;          /* [n_layers, n_kv_heads, context / 16, head_dim, 16] */
    float *values;        /* [n_layers, n_kv_heads, context, head_dim] */
    float *cosine, *sine; /* [context, rope_dim / 2] */

    float *x;         /* [BATCH, dim]: the residual stream */
    float *normed;    /* [BATCH, dim] */
    float *q, *mixed; /* [BATCH, n_heads * head_dim] */
    float *k, *v;     /* [BATCH, n_kv_heads * head_dim] */
    float *gate, *up; /* [BATCH, ffn_dim] */
    float *delta;     /* [BATCH, dim]: what a block adds to the stream */
    float *scores;    /* [threads, ATTEND_QUERIES, panel_positions] */
    void  *prepared;  /* activations as a weight type wants them */
};

static size_t kv_dim(const model_shape *s) {
    return s->n_kv_heads * s->head_dim;
}

/* Positions of whole panels of keys. */
static size_t panel_positions(const transformer *t) {
    return panel_count(t->context) * PANEL_ROWS;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

/* Of the widest input of a product. */
static size_t prepared_bytes(const model_shape *s) {
    size_t most = s->n_heads * s->head_dim;
    if (s->dim > most) most = s->dim;
    if (s->ffn_dim > most) most = s->ffn_dim;
    return kernels_prepared_bytes(most, BATCH);
}

/* cos and sin of position * scale * theta^(-2i / rope_dim), computed in double, kept in f32. */
static void fill_rotations(transformer *t) {
    const model_shape *s = &t->m->shape;
    size_t             pairs = s->rope_dim / 2;
    double             log_theta = det_log((double)s->rope_theta);
    for (size_t i = 0; i < pairs; i++) {
        double frequency = det_exp(-((double)(2 * i) / (double)s->rope_dim) * log_theta);
        for (size_t position = 0; position < t->context; position++) {
            double sine, cosine;
            det_sincos((double)position * (double)s->rope_scale * frequency, &sine, &cosine);
            t->sine[position * pairs + i] = (float)sine;
            t->cosine[position * pairs + i] = (float)cosine;
        }
    }
}

transformer *transformer_new(const model *m, size_t context, int threads, matrix_product *product, err *e) {
    const model_shape *s = &m->shape;
    if (context == 0 || context > s->context) {
        err_input(e, "a context of %zu tokens is not allowed (1 to %zu, what the model was made for)", context,
                  s->context);
        return NULL;
    }
    if ((double)(context - 1) * (double)s->rope_scale > 1e7) {
        err_input(e, "a context of %zu tokens is not allowed (rotary positions are computed up to 1e7)", context);
        return NULL;
    }
    if (threads < 1) {
        err_input(e, "threads = %d is not allowed (at least 1)", threads);
        return NULL;
    }
    if (product == NULL ? !m->packed : !m->decoded) {
        err_run(e, "the model's weights are not %s", product == NULL ? "packed" : "decoded");
        return NULL;
    }
    transformer *t = mem_new(1, sizeof *t, e);
    if (t == NULL) return NULL;
    t->m = m;
    t->context = context;
    t->threads = threads;
    t->product = product;
    t->kernels = kernels_get(e);
    if (t->kernels == NULL) goto fail;

    size_t cache = s->n_layers * s->n_kv_heads;
#define NEW(field, n, width)                                                                                           \
    if ((t->field = mem_new((n), (width) * sizeof *t->field, e)) == NULL) goto fail
    NEW(keys, cache * panel_positions(t), s->head_dim);
    NEW(values, cache * context, s->head_dim);
    NEW(cosine, context, s->rope_dim / 2);
    NEW(sine, context, s->rope_dim / 2);
    NEW(x, BATCH, s->dim);
    NEW(normed, BATCH, s->dim);
    NEW(q, BATCH, s->n_heads * s->head_dim);
    NEW(mixed, BATCH, s->n_heads * s->head_dim);
    NEW(k, BATCH, kv_dim(s));
    NEW(v, BATCH, kv_dim(s));
    NEW(gate, BATCH, s->ffn_dim);
    NEW(up, BATCH, s->ffn_dim);
    NEW(delta, BATCH, s->dim);
    NEW(scores, (size_t)threads, ATTEND_QUERIES * panel_positions(t));
#undef NEW
    if ((t->prepared = mem_new_aligned(1, prepared_bytes(s), 64, e)) == NULL) goto fail;
    fill_rotations(t);
    return t;
fail:
    transformer_free(t);
    return NULL;
}

void transformer_free(transformer *t) {
    if (t == NULL) return;
    free(t->keys);
    free(t->values);
    free(t->cosine);
    free(t->sine);
    free(t->x);
    free(t->normed);
    free(t->q);
    free(t->mixed);
    free(t->k);
    free(t->v);
    free(t->gate);
    free(t->up);
    free(t->delta);
    free(t->scores);
    free(t->prepared);
    free(t);
}

size_t transformer_length(const transformer *t) {
    return t->length;
}

size_t transformer_context(const transformer *t) {
    return t->context;
}

void transformer_rewind(transformer *t, size_t length) {
    if (length < t->length) t->length = length;
}

/* ---- matrices ----------------------------------------------------------------------------------------- */

/* One product of a pass: y[n, w->rows] = x[n, w->cols] W^T. */
typedef struct {
    const matrix *w;
    float        *y;
} output;

typedef struct {
    const matmul_ops *ops;
    const output     *outputs; /* [count] of one weight type and one input */
    size_t            count, tokens;
    const void       *prepared;
} multiply_job;

/* Panels [begin, end) of all outputs' panels taken together. */
static void multiply_panels(void *ctx, size_t begin, size_t end, int thread) {
    const multiply_job *job = ctx;
    (void)thread;
    for (size_t i = 0, first = 0; i < job->count; i++) {
        const matrix *w = job->outputs[i].w;
        size_t        n = panel_count(w->rows);
        size_t        from = begin > first ? begin - first : 0;
        size_t        to = end > first ? end - first : 0;
        if (to > n) to = n;
        size_t row1 = to * PANEL_ROWS < w->rows ? to * PANEL_ROWS : w->rows;
        if (from < to)
            job->ops->multiply(w->panels, job->prepared, job->outputs[i].y, w->cols, from * PANEL_ROWS, row1,
                               job->tokens, w->rows);
        first += n;
    }
}

typedef struct {
    const matmul_ops *ops;
    const float      *x;
    size_t            cols, tokens;
    void             *prepared;
} prepare_job;

static void prepare_columns(void *ctx, size_t begin, size_t end, int thread) {
    const prepare_job *j = ctx;
    (void)thread;
    j->ops->prepare(j->x, j->prepared, j->cols, j->tokens, begin, end);
}

/* Products that share their input; those of the same weight type run together. */
static void multiply(transformer *t, const float *x, size_t n, const output *outputs, size_t count) {
    for (size_t i = 0; t->product != NULL && i < count; i++) t->product(outputs[i].w, x, n, outputs[i].y);
    if (t->product != NULL) return;
    for (size_t from = 0, to; from < count; from = to) {
        const matrix     *w = outputs[from].w;
        const matmul_ops *ops = &t->kernels->matmul[w->type];
        size_t            panels = 0;
        for (to = from; to < count && outputs[to].w->type == w->type; to++) panels += panel_count(outputs[to].w->rows);
        prepare_job prepare = {ops, x, w->cols, n, t->prepared};
        parallel_run(t->threads, (w->cols + PANEL_COLS - 1) / PANEL_COLS, THREAD_WORK / (16 * PANEL_COLS * n) + 1,
                     prepare_columns, &prepare);

        multiply_job job = {ops, outputs + from, to - from, n, t->prepared};
        size_t       grain = THREAD_WORK / (PANEL_ROWS * w->cols * n);
        parallel_run(t->threads, panels, grain > 1 ? grain : 1, multiply_panels, &job);
    }
}

/* ---- attention ---------------------------------------------------------------------------------------- */

/* Rotates each head by the angles of its position. */
static void rotate(const transformer *t, float *heads, size_t n_heads, size_t position) {
    const model_shape *s = &t->m->shape;
    size_t             pairs = s->rope_dim / 2;
    for (size_t h = 0; h < n_heads; h++)
        t->kernels->rotate(heads + h * s->head_dim, t->cosine + position * pairs, t->sine + position * pairs, pairs);
}

/* Where the cache of a layer's head begins. */
static float *keys_of(const transformer *t, size_t layer, size_t kv_head) {
    return t->keys + (layer * t->m->shape.n_kv_heads + kv_head) * panel_positions(t) * t->m->shape.head_dim;
}

static float *values_of(const transformer *t, size_t layer, size_t kv_head) {
    return t->values + (layer * t->m->shape.n_kv_heads + kv_head) * t->context * t->m->shape.head_dim;
}

/* Appends t->k and t->v, of n tokens, to the cache. */
static void append_to_cache(transformer *t, size_t layer, size_t n) {
    size_t head_dim = t->m->shape.head_dim, kv_heads = t->m->shape.n_kv_heads;
    for (size_t i = 0; i < n; i++) {
        size_t position = t->length + i;
        for (size_t h = 0; h < kv_heads; h++) {
            const float *k = t->k + (i * kv_heads + h) * head_dim, *v = t->v + (i * kv_heads + h) * head_dim;
            float       *panel = keys_of(t, layer, h) + position / PANEL_ROWS * PANEL_ROWS * head_dim;
            for (size_t d = 0; d < head_dim; d++) panel[d * PANEL_ROWS + position % PANEL_ROWS] = k[d];
            memcpy(values_of(t, layer, h) + position * head_dim, v, head_dim * sizeof *v);
        }
    }
}

typedef struct {
    transformer *t;
    size_t       layer, n;
} attend_job;

/* Items are (head, token), heads first: neighbours share keys and values. */
static void attend_heads(void *ctx, size_t begin, size_t end, int thread) {
    const attend_job  *job = ctx;
    transformer       *t = job->t;
    const model_shape *s = &t->m->shape;
    float              scale = det_rsqrtf((float)s->head_dim);
    size_t             stride = panel_positions(t), sharing = job->n * (s->n_heads / s->n_kv_heads);
    for (size_t item = begin; item < end;) {
        attend_query queries[ATTEND_QUERIES];
        size_t       kv_head = item / sharing, count = 0;
        for (; count < ATTEND_QUERIES && item < end && item / sharing == kv_head; count++, item++) {
            size_t head = item / job->n, token = item % job->n;
            size_t at = (token * s->n_heads + head) * s->head_dim;
            queries[count] = (attend_query){t->q + at, t->mixed + at, t->length + token + 1};
        }
        t->kernels->attend(queries, count, keys_of(t, job->layer, kv_head), values_of(t, job->layer, kv_head),
                           t->scores + (size_t)thread * ATTEND_QUERIES * stride, stride, s->head_dim, scale);
    }
}

static void attend(transformer *t, size_t layer, size_t n) {
    const model_shape *s = &t->m->shape;
    attend_job         job = {t, layer, n};
    size_t             items = s->n_heads * n, grain = THREAD_WORK / (2 * s->head_dim * (t->length + n)) + 1;
    if (items >= 2 * ATTEND_QUERIES * (size_t)t->threads) /* as many queries together as can be */
        grain = (grain + ATTEND_QUERIES - 1) / ATTEND_QUERIES * ATTEND_QUERIES;
    parallel_run(t->threads, items, grain, attend_heads, &job);
}

/* ---- the pass ----------------------------------------------------------------------------------------- */

static void normalize(transformer *t, const float *x, const float *weight, size_t n) {
    size_t dim = t->m->shape.dim;
    for (size_t i = 0; i < n; i++)
        t->kernels->rmsnorm(x + i * dim, weight, t->normed + i * dim, dim, t->m->shape.rms_eps);
}

static void swiglu_rows(void *ctx, size_t begin, size_t end, int thread) {
    transformer *t = ctx;
    (void)thread;
    size_t ffn = t->m->shape.ffn_dim;
    t->kernels->swiglu(t->gate + begin * ffn, t->up + begin * ffn, (end - begin) * ffn);
}

static void layer(transformer *t, size_t index, size_t n) {
    const model_shape   *s = &t->m->shape;
    const layer_weights *w = &t->m->layers[index];

    normalize(t, t->x, w->attn_norm, n);
    multiply(t, t->normed, n, (output[]){{&w->wq, t->q}, {&w->wk, t->k}, {&w->wv, t->v}}, 3);
    for (size_t i = 0; i < n; i++) {
        rotate(t, t->q + i * s->n_heads * s->head_dim, s->n_heads, t->length + i);
        rotate(t, t->k + i * kv_dim(s), s->n_kv_heads, t->length + i);
    }
    append_to_cache(t, index, n);
    attend(t, index, n);
    multiply(t, t->mixed, n, (output[]){{&w->wo, t->delta}}, 1);
    t->kernels->add(t->x, t->delta, n * s->dim);

    normalize(t, t->x, w->ffn_norm, n);
    multiply(t, t->normed, n, (output[]){{&w->gate, t->gate}, {&w->up, t->up}}, 2);
    parallel_run(t->threads, n, THREAD_WORK / (16 * s->ffn_dim) + 1, swiglu_rows, t);
    multiply(t, t->gate, n, (output[]){{&w->down, t->delta}}, 1);
    t->kernels->add(t->x, t->delta, n * s->dim);
}

/* Up to BATCH tokens; logits of the last `rows` of them, which may be none. */
static void forward_batch(transformer *t, const int32_t *ids, size_t n, size_t rows, float *logits) {
    const model       *m = t->m;
    const model_shape *s = &m->shape;
    size_t             id_bytes = dtype_bytes(m->embed.type, s->dim);
    for (size_t i = 0; i < n; i++)
        dtype_get(m->embed.type)
            ->decode((const char *)m->embed.stored + (size_t)ids[i] * id_bytes, t->x + i * s->dim, s->dim);
    for (size_t i = 0; i < s->n_layers; i++) layer(t, i, n);
    t->length += n;
    if (rows == 0) return;
    normalize(t, t->x + (n - rows) * s->dim, m->norm, rows);
    multiply(t, t->normed, rows, (output[]){{&m->output, logits}}, 1);
}

int transformer_forward(transformer *t, const int32_t *ids, size_t n, size_t rows, float *logits, err *e) {
    if (n > t->context - t->length)
        return err_input(e, "%zu tokens after %zu do not fit into a context of %zu", n, t->length, t->context);
    size_t unasked = n - rows; /* leading tokens without logits */
    for (size_t at = 0, batch; at < n; at += batch) {
        batch = n - at < BATCH ? n - at : BATCH;
        size_t skip = unasked > at ? unasked - at : 0;
        size_t asked = skip < batch ? batch - skip : 0;
        forward_batch(t, ids + at, batch, asked, logits);
        if (asked > 0) logits += asked * t->m->shape.vocab;
    }
    return 0;
}
