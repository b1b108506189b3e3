/* transformer.c - a sequence over a model, and the order of a pass: norm, attention, norm, feed-forward, with what the
 * model's shape asks for between them. Numerics: engine/docs/numerics.md. */
#include "engine/model/transformer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/transformer_impl.h"

/* ---- opening ------------------------------------------------------------------------------------------- */

static size_t largest(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t feed_forward_dim(const model_shape *s) {
    return s->n_experts > 0 ? s->expert_dim : s->ffn_dim;
}

/* Of the widest input of a product. */
static size_t prepared_bytes(const model_shape *s) {
    size_t most = largest(largest(s->n_heads * s->head_dim, s->dim), feed_forward_dim(s));
    return kernels_prepared_bytes(most, BATCH);
}

/* Factors are of the model, or for long and short contexts. */
static const float *rope_factors(const transformer *t) {
    const model *m = t->m;
    if (m->rope_factors != NULL) return m->rope_factors;
    return t->context > m->shape.original_context ? m->rope_long : m->rope_short;
}

static int open_rotations(transformer *t, err *e) {
    const model_shape *s = &t->m->shape;
    if (rope_open(&t->rotations[ROPE_GLOBAL], s, false, rope_factors(t), t->context, e) != 0) return -1;
    return s->local_theta > 0 ? rope_open(&t->rotations[ROPE_LOCAL], s, true, NULL, t->context, e) : 0;
}

static int allocate(transformer *t, err *e) {
    const model_shape *s = &t->m->shape;
    size_t             cache = s->n_layers * s->n_kv_heads, ffn = feed_forward_dim(s);
#define NEW(field, n, width)                                                                                           \
    if ((t->field = mem_new((n), (width) * sizeof *t->field, e)) == NULL) return -1
    NEW(keys, cache * panel_positions(t), s->head_dim);
    NEW(values, cache * t->context, s->head_dim);
    NEW(x, BATCH, s->dim);
    NEW(normed, BATCH, s->dim);
    NEW(q, BATCH, s->n_heads * s->head_dim);
    NEW(mixed, BATCH, s->n_heads * s->head_dim);
    NEW(k, BATCH, kv_dim(s));
    NEW(v, BATCH, kv_dim(s));
    NEW(gate, BATCH, ffn);
    NEW(up, BATCH, ffn);
    NEW(delta, BATCH, s->dim);
    NEW(scores, (size_t)t->threads, ATTEND_QUERIES * panel_positions(t));
    if (s->n_experts > 0) {
        NEW(routed, BATCH, s->n_experts);
        NEW(chosen, BATCH, s->n_used_experts);
        NEW(shares, BATCH, s->n_used_experts);
        NEW(gathered, BATCH, s->dim);
        NEW(answers, BATCH, s->n_used_experts * s->dim);
    }
#undef NEW
    return (t->prepared = mem_new_aligned(1, prepared_bytes(s), 64, e)) != NULL ? 0 : -1;
}

transformer *transformer_new(const model *m, size_t context, int threads, matrix_product *product, err *e) {
    const model_shape *s = &m->shape;
    if (context == 0 || context > s->context) {
        err_input(e, "a context of %zu tokens is not allowed (1 to %zu, what the model was made for)", context,
                  s->context);
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
    t->layers = s->n_layers;
    t->threads = threads;
    t->product = product;
    t->kernels = kernels_get(e);
    if (t->kernels != NULL && allocate(t, e) == 0 && open_rotations(t, e) == 0) return t;
    transformer_free(t);
    return NULL;
}

void transformer_free(transformer *t) {
    if (t == NULL) return;
    rope_close(&t->rotations[ROPE_GLOBAL]);
    rope_close(&t->rotations[ROPE_LOCAL]);
    tree_close(t);
    free(t->keys);
    free(t->values);
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
    free(t->routed);
    free(t->chosen);
    free(t->shares);
    free(t->gathered);
    free(t->answers);
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
    t->tree.n = 0;
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

/* Adds what a block computed to the stream. */
static void add_block(transformer *t, const float *post_norm, size_t n) {
    const model_shape *s = &t->m->shape;
    if (post_norm != NULL) rows_normalize(t, t->delta, post_norm, t->delta, n, s->dim);
    if (s->residual_scale > 0) t->kernels->scale(t->delta, s->residual_scale, n * s->dim);
    t->kernels->add(t->x, t->delta, n * s->dim);
}

static void layer(transformer *t, size_t index, size_t n) {
    const layer_weights *w = &t->m->layers[index];
    size_t               dim = t->m->shape.dim;
    rows_normalize(t, t->x, w->attn_norm, t->normed, n, dim);
    attention_run(t, index, n);
    add_block(t, w->attn_post_norm, n);
    rows_normalize(t, t->x, w->ffn_norm, t->normed, n, dim);
    feed_forward_run(t, index, n);
    add_block(t, w->ffn_post_norm, n);
}

/* The rows of the embedding, decoded. */
static void embed(transformer *t, const int32_t *ids, size_t n) {
    const model       *m = t->m;
    const model_shape *s = &m->shape;
    size_t             bytes = dtype_bytes(m->embed.type, s->dim);
    for (size_t i = 0; i < n; i++)
        dtype_get(m->embed.type)
            ->decode((const char *)m->embed.stored + (size_t)ids[i] * bytes, t->x + i * s->dim, s->dim);
    if (s->embedding_scale > 0) t->kernels->scale(t->x, s->embedding_scale, n * s->dim);
}

typedef struct {
    const transformer *t;
    float             *logits;
} finish_job;

static void finish_logits(void *ctx, size_t begin, size_t end, int thread) {
    const finish_job  *j = ctx;
    const model_shape *s = &j->t->m->shape;
    (void)thread;
    if (s->logit_scale > 0) j->t->kernels->scale(j->logits + begin, 1 / s->logit_scale, end - begin);
    if (s->logit_cap > 0) j->t->kernels->cap(j->logits + begin, s->logit_cap, end - begin);
}

static void extend_rotations(transformer *t, size_t positions) {
    rope_extend(&t->rotations[ROPE_GLOBAL], positions);
    if (t->m->shape.local_theta > 0) rope_extend(&t->rotations[ROPE_LOCAL], positions);
}

/* Up to BATCH tokens; logits of the last `rows` of them, which may be none. They are in the cache afterwards, or in the
 * tree. */
static void forward_batch(transformer *t, const int32_t *ids, size_t n, size_t rows, float *logits) {
    const model       *m = t->m;
    const model_shape *s = &m->shape;
    embed(t, ids, n);
    for (size_t i = 0; i < t->layers; i++) layer(t, i, n);
    if (rows == 0) return;
    rows_normalize(t, t->x + (n - rows) * s->dim, m->norm, t->normed, rows, s->dim);
    products_run(t, t->normed, rows, (output[]){{&m->output, logits}}, 1);
    if (s->logit_scale > 0 || s->logit_cap > 0)
        parallel_run(t->threads, rows * s->vocab, THREAD_WORK / 32, finish_logits, &(finish_job){t, logits});
}

void transformer_shorten(transformer *t, size_t layers) {
    t->layers = layers < t->m->shape.n_layers ? layers : t->m->shape.n_layers;
}

int transformer_forward(transformer *t, const int32_t *ids, size_t n, size_t rows, float *logits, err *e) {
    if (n > t->context - t->length)
        return err_input(e, "%zu tokens after %zu do not fit into a context of %zu", n, t->length, t->context);
    size_t unasked = n - rows; /* leading tokens without logits */
    t->tree.n = 0;
    extend_rotations(t, t->length + n);
    for (size_t at = 0, batch; at < n; at += batch) {
        batch = n - at < BATCH ? n - at : BATCH;
        size_t skip = unasked > at ? unasked - at : 0;
        size_t asked = skip < batch ? batch - skip : 0;
        forward_batch(t, ids + at, batch, asked, logits);
        t->length += batch;
        if (asked > 0) logits += asked * t->m->shape.vocab;
    }
    return 0;
}

int transformer_forward_tree(transformer *t, const int32_t *ids, const int32_t *parent, size_t n, float *logits,
                             err *e) {
    size_t positions;
    if (tree_begin(t, parent, n, &positions, e) != 0) return -1;
    extend_rotations(t, t->length + positions);
    for (size_t at = 0, batch; at < n; at += batch) {
        batch = n - at < BATCH ? n - at : BATCH;
        t->tree.at = at;
        forward_batch(t, ids + at, batch, batch, logits + at * t->m->shape.vocab);
    }
    return 0;
}
