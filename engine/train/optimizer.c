/* optimizer.c - the gradient's norm, and each tensor to its method. */
#include "engine/train/optimizer.h"

#include <math.h>

#include "engine/base/parallel.h"
#include "engine/train/muon.h"

enum { GRAIN = 1 << 14 };

static bool by_muon(const optimizer *o, const net_shape *s, size_t tensor) {
    return o->muon_lr > 0 && muon_takes(s, tensor);
}

size_t optimizer_scratch(const optimizer *o, const net_shape *s, int threads) {
    return o->muon_lr > 0 ? muon_scratch(s) * (size_t)threads : 0;
}

static double norm_of(const float *grad, size_t n) {
    double sum = 0;
    for (size_t at = 0; at < n; at += GRAIN) {
        double part = 0;
        for (size_t i = at; i < n && i < at + GRAIN; i++) part += (double)grad[i] * (double)grad[i];
        sum += part;
    }
    return sqrt(sum);
}

typedef struct {
    const optimizer *o;
    const net_shape *s;
    const float     *grad;
    float            scale, rate, keep;
    float           *params, *m, *scratch;
} muon_job;

/* A matrix is one thread's work. */
static void muon_tensors(void *ctx, size_t begin, size_t end, int thread) {
    const muon_job *j = ctx;
    for (size_t i = begin; i < end; i++) {
        net_tensor x = net_tensor_at(j->s, i);
        if (by_muon(j->o, j->s, i))
            muon_update(j->grad + x.at, j->scale, x.rows, x.cols, (float)j->o->muon_momentum, j->rate, j->keep,
                        j->params + x.at, j->m + x.at, j->scratch + (size_t)thread * muon_scratch(j->s));
    }
}

double optimizer_step(const optimizer *o, const net_shape *s, size_t step, int threads, const float *grad, double scale,
                      float *params, float *m, float *v, float *scratch) {
    double norm = norm_of(grad, net_params(s)) * scale;
    if (!isfinite(norm)) return norm;
    if (o->adamw.clip > 0 && norm > o->adamw.clip) scale *= o->adamw.clip / norm;
    for (size_t i = 0; i < net_tensor_count(s); i++) {
        net_tensor x = net_tensor_at(s, i);
        if (!by_muon(o, s, i))
            adamw_update(&o->adamw, step, !x.norm, threads, grad + x.at, (float)scale, x.rows * x.cols, params + x.at,
                         m + x.at, v + x.at);
    }
    if (o->muon_lr > 0) {
        double   rate = o->muon_lr * adamw_rate(&o->adamw, step) / o->adamw.lr;
        muon_job j = {o, s, grad, (float)scale, (float)rate, (float)(1 - rate * o->adamw.decay), params, m, scratch};
        parallel_run(threads, net_tensor_count(s), 1, muon_tensors, &j);
    }
    return norm;
}
