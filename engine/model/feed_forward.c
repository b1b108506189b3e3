/* feed_forward.c - what a layer computes of each token by itself: a gated unit (Shazeer 2020, arXiv 2002.05202), or a
 * mixture of them (Jiang et al. 2024, arXiv 2401.04088, section 2.1).
 *
 * In a mixture a token is answered by n_used_experts of n_experts. Each expert answers all its tokens of a pass
 * together, so that its weights are read once; a product's bits do not depend on how many there are. Then each token's
 * answers are added, the likeliest expert's first.
 */
#include <string.h>

#include "engine/kernels/detmath.h"
#include "engine/model/transformer_impl.h"

/* ---- one unit ------------------------------------------------------------------------------------------ */

typedef struct {
    transformer *t;
    size_t       width;
} glu_job;

static void glu_rows(void *ctx, size_t begin, size_t end, int thread) {
    const glu_job *j = ctx;
    transformer   *t = j->t;
    (void)thread;
    void (*glu)(float *, const float *, size_t) =
        t->m->shape.act == ACTIVATION_GELU ? t->kernels->geglu : t->kernels->swiglu;
    glu(t->gate + begin * j->width, t->up + begin * j->width, (end - begin) * j->width);
}

/* t->gate = act(t->gate) * t->up, for n rows. */
static void activate(transformer *t, size_t n, size_t width) {
    parallel_run(t->threads, n, THREAD_WORK / (16 * width) + 1, glu_rows, &(glu_job){t, width});
}

static void run_dense(transformer *t, const layer_weights *w, size_t n) {
    const model_shape *s = &t->m->shape;
    products_run(t, t->normed, n, (output[]){{&w->gate, t->gate}, {&w->up, t->up}}, 2);
    bias_add(t, t->gate, n, w->gate_bias, s->ffn_dim);
    bias_add(t, t->up, n, w->up_bias, s->ffn_dim);
    activate(t, n, s->ffn_dim);
    products_run(t, t->gate, n, (output[]){{&w->down, t->delta}}, 1);
    bias_add(t, t->delta, n, w->down_bias, s->dim);
}

/* ---- a mixture ----------------------------------------------------------------------------------------- */

/* The `used` largest of n logits, the largest first and the first of equals, and their softmax. */
static void choose(const float *logits, size_t n, size_t used, size_t *chosen, float *shares) {
    float sum = 0;
    for (size_t rank = 0; rank < used; rank++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < n; i++) {
            bool taken = false;
            for (size_t r = 0; r < rank; r++) taken |= chosen[r] == i;
            if (!taken && (best == SIZE_MAX || logits[i] > logits[best])) best = i;
        }
        chosen[rank] = best;
        shares[rank] = det_expf(logits[best] - logits[chosen[0]]);
        sum += shares[rank];
    }
    for (size_t rank = 0; rank < used; rank++) shares[rank] = shares[rank] / sum;
}

/* Answers the tokens that chose this expert. */
static void run_expert(transformer *t, const layer_weights *w, size_t expert, size_t n) {
    const model_shape *s = &t->m->shape;
    size_t             places[BATCH], count = 0; /* a token chooses an expert once */
    for (size_t i = 0; i < n * s->n_used_experts; i++) {
        if (t->chosen[i] != expert) continue;
        memcpy(t->gathered + count * s->dim, t->normed + i / s->n_used_experts * s->dim, s->dim * sizeof *t->gathered);
        places[count++] = i;
    }
    if (count == 0) return;
    products_run(t, t->gathered, count, (output[]){{&w->gates[expert], t->gate}, {&w->ups[expert], t->up}}, 2);
    activate(t, count, s->expert_dim);
    products_run(t, t->gate, count, (output[]){{&w->downs[expert], t->delta}}, 1);
    for (size_t i = 0; i < count; i++)
        memcpy(t->answers + places[i] * s->dim, t->delta + i * s->dim, s->dim * sizeof *t->answers);
}

static void run_experts(transformer *t, const layer_weights *w, size_t n) {
    const model_shape *s = &t->m->shape;
    size_t             used = s->n_used_experts;
    products_run(t, t->normed, n, (output[]){{&w->router, t->routed}}, 1);
    for (size_t i = 0; i < n; i++)
        choose(t->routed + i * s->n_experts, s->n_experts, used, t->chosen + i * used, t->shares + i * used);
    for (size_t expert = 0; expert < s->n_experts; expert++) run_expert(t, w, expert, n);
    memset(t->delta, 0, n * s->dim * sizeof *t->delta);
    for (size_t i = 0; i < n * used; i++) {
        float *answer = t->answers + i * s->dim;
        t->kernels->scale(answer, t->shares[i], s->dim);
        t->kernels->add(t->delta + i / used * s->dim, answer, s->dim);
    }
}

void feed_forward_run(transformer *t, size_t layer, size_t n) {
    const layer_weights *w = &t->m->layers[layer];
    if (w->gates != NULL)
        run_experts(t, w, n);
    else
        run_dense(t, w, n);
}
