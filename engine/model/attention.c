/* attention.c - queries, keys and values: their rotation, the cache, and attention over it (numerics.md, "Attention").
 */
#include <string.h>

#include "engine/kernels/detmath.h"
#include "engine/model/transformer_impl.h"

/* ---- queries and keys ---------------------------------------------------------------------------------- */

/* Rows of `heads` heads: each head by itself, or all of a row together. NULL: no norm. */
static void normalize_heads(const transformer *t, float *rows, const float *weight, size_t n, size_t heads) {
    const model_shape *s = &t->m->shape;
    if (weight == NULL) return;
    if (s->qk_norm_whole)
        rows_normalize(t, rows, weight, rows, n, heads * s->head_dim);
    else
        rows_normalize(t, rows, weight, rows, n * heads, s->head_dim);
}

/* Rotates each head of n rows by the angles of its position. */
static void rotate(const transformer *t, const rope *r, float *rows, size_t n, size_t heads) {
    const model_shape *s = &t->m->shape;
    void (*turn)(float *, const float *, const float *, size_t) =
        s->rope_halves ? t->kernels->rotate_halves : t->kernels->rotate_neighbours;
    for (size_t i = 0; i < n * heads; i++) {
        size_t at = position_of(t, i / heads) * r->pairs;
        turn(rows + i * s->head_dim, r->cosine + at, r->sine + at, r->pairs);
    }
}

/* ---- the cache ----------------------------------------------------------------------------------------- */

/* Where the cache of a layer's head begins. */
static float *keys_of(const transformer *t, size_t layer, size_t kv_head) {
    return t->keys + (layer * t->m->shape.n_kv_heads + kv_head) * panel_positions(t) * t->m->shape.head_dim;
}

static float *values_of(const transformer *t, size_t layer, size_t kv_head) {
    return t->values + (layer * t->m->shape.n_kv_heads + kv_head) * t->context * t->m->shape.head_dim;
}

void cache_put(transformer *t, size_t layer, size_t position, const float *k, const float *v) {
    size_t head_dim = t->m->shape.head_dim;
    for (size_t h = 0; h < t->m->shape.n_kv_heads; h++, k += head_dim, v += head_dim) {
        float *panel = keys_of(t, layer, h) + position / PANEL_ROWS * PANEL_ROWS * head_dim;
        for (size_t d = 0; d < head_dim; d++) panel[d * PANEL_ROWS + position % PANEL_ROWS] = k[d];
        memcpy(values_of(t, layer, h) + position * head_dim, v, head_dim * sizeof *v);
    }
}

/* ---- attention ----------------------------------------------------------------------------------------- */

typedef struct {
    transformer   *t;
    size_t         layer;
    const int32_t *members; /* [n] tokens of the batch; NULL: 0, 1, ... */
    size_t         n, position;
    float          scale;
} attend_job;

/* The first position that a token sees. */
static size_t first_seen(size_t position, size_t window) {
    return window > 0 && position + 1 > window ? position + 1 - window : 0;
}

/* Items are (head, token), heads first: neighbours share keys and values. Panels that no query of a group sees are left
 * out, so positions are counted from `base`. */
static void attend_heads(void *ctx, size_t begin, size_t end, int thread) {
    const attend_job  *job = ctx;
    transformer       *t = job->t;
    const model_shape *s = &t->m->shape;
    size_t             window = t->m->layers[job->layer].kind.window;
    size_t             stride = panel_positions(t), sharing = job->n * (s->n_heads / s->n_kv_heads);
    for (size_t item = begin; item < end;) {
        attend_query queries[ATTEND_QUERIES];
        size_t       kv_head = item / sharing, count = 0, base = SIZE_MAX;
        for (; count < ATTEND_QUERIES && item < end && item / sharing == kv_head; count++, item++) {
            size_t head = item / job->n, i = item % job->n, position = job->position + i;
            size_t token = job->members != NULL ? (size_t)job->members[i] : i;
            size_t at = (token * s->n_heads + head) * s->head_dim, first = first_seen(position, window);
            queries[count] = (attend_query){t->q + at, t->mixed + at, position + 1, first};
            if (first < base) base = first;
        }
        base = base / PANEL_ROWS * PANEL_ROWS;
        for (size_t i = 0; i < count; i++) {
            queries[i].n -= base;
            queries[i].first -= base;
        }
        t->kernels->attend(queries, count, keys_of(t, job->layer, kv_head) + base * s->head_dim,
                           values_of(t, job->layer, kv_head) + base * s->head_dim,
                           t->scores + (size_t)thread * ATTEND_QUERIES * stride, stride, s->head_dim, job->scale,
                           s->attention_cap);
    }
}

void attend(transformer *t, size_t layer, const int32_t *members, size_t n, size_t position) {
    const model_shape *s = &t->m->shape;
    float              scale = s->attention_scale > 0 ? s->attention_scale : det_rsqrtf((float)s->head_dim);
    attend_job         job = {t, layer, members, n, position, scale};
    size_t             items = s->n_heads * n, grain = THREAD_WORK / (2 * s->head_dim * (position + n) + 1) + 1;
    if (items >= 2 * ATTEND_QUERIES * (size_t)t->threads) /* as many queries together as can be */
        grain = (grain + ATTEND_QUERIES - 1) / ATTEND_QUERIES * ATTEND_QUERIES;
    parallel_run(t->threads, items, grain, attend_heads, &job);
}

void attention_run(transformer *t, size_t layer, size_t n) {
    const model_shape   *s = &t->m->shape;
    const layer_weights *w = &t->m->layers[layer];
    products_run(t, t->normed, n, (output[]){{&w->wq, t->q}, {&w->wk, t->k}, {&w->wv, t->v}}, 3);
    bias_add(t, t->q, n, w->q_bias, s->n_heads * s->head_dim);
    bias_add(t, t->k, n, w->k_bias, kv_dim(s));
    bias_add(t, t->v, n, w->v_bias, kv_dim(s));
    normalize_heads(t, t->q, w->q_norm, n, s->n_heads);
    normalize_heads(t, t->k, w->k_norm, n, s->n_kv_heads);
    if (w->kind.rope != ROPE_NONE) {
        rotate(t, &t->rotations[w->kind.rope], t->q, n, s->n_heads);
        rotate(t, &t->rotations[w->kind.rope], t->k, n, s->n_kv_heads);
    }
    if (t->tree.n > 0) {
        tree_attend(t, layer, n);
    } else {
        for (size_t i = 0; i < n; i++) cache_put(t, layer, t->length + i, t->k + i * kv_dim(s), t->v + i * kv_dim(s));
        attend(t, layer, NULL, n, t->length);
    }
    products_run(t, t->mixed, n, (output[]){{&w->wo, t->delta}}, 1);
    bias_add(t, t->delta, n, w->o_bias, s->dim);
}
