/* adamw.c - the update, in pieces of a fixed size so that threads change nothing. */
#include "engine/train/adamw.h"

#include <math.h>
#include <stdbool.h>

#include "engine/base/parallel.h"

enum { GRAIN = 1 << 14 };

double adamw_rate(const adamw *o, size_t step) {
    if (step < o->warmup) return o->lr * (double)(step + 1) / (double)o->warmup;
    double left = (double)(o->steps - o->warmup), done = (double)(step - o->warmup);
    return o->min_lr + (o->lr - o->min_lr) * 0.5 * (1 + cos(3.14159265358979323846 * done / (left > 1 ? left - 1 : 1)));
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
    const float *grad;
    float       *params, *m, *v;
    float        scale, rate, beta1, beta2, eps, keep, fix1, fix2; /* keep: what decay leaves; fix: 1 / bias */
} update;

static void update_range(void *ctx, size_t begin, size_t end, int thread) {
    const update *u = ctx;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float g = u->grad[i] * u->scale;
        u->m[i] = u->beta1 * u->m[i] + (1 - u->beta1) * g;
        u->v[i] = u->beta2 * u->v[i] + (1 - u->beta2) * g * g;
        float step = u->m[i] * u->fix1 / (sqrtf(u->v[i] * u->fix2) + u->eps);
        u->params[i] = u->params[i] * u->keep - u->rate * step;
    }
}

double adamw_step(const adamw *o, const net_shape *s, size_t step, int threads, const float *grad, double scale,
                  float *params, float *m, float *v) {
    double norm = norm_of(grad, net_params(s)) * scale, rate = adamw_rate(o, step), t = (double)step + 1;
    if (!isfinite(norm)) return norm;
    if (o->clip > 0 && norm > o->clip) scale *= o->clip / norm;
    for (size_t i = 0; i < net_tensor_count(s); i++) {
        net_tensor x = net_tensor_at(s, i);
        update     u = {grad + x.at,
                        params + x.at,
                        m + x.at,
                        v + x.at,
                        (float)scale,
                        (float)rate,
                        (float)o->beta1,
                        (float)o->beta2,
                        (float)o->eps,
                    x.norm ? 1 : (float)(1 - rate * o->decay),
                        (float)(1 / (1 - pow(o->beta1, t))),
                        (float)(1 / (1 - pow(o->beta2, t)))};
        parallel_run(threads, x.rows * x.cols, GRAIN, update_range, &u);
    }
    return norm;
}
