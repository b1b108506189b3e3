/* adamw.c - the update, in pieces of a fixed size so that threads change nothing. */
#include "engine/train/adamw.h"

#include <math.h>

#include "engine/base/parallel.h"

enum { GRAIN = 1 << 14 };

double adamw_rate(const adamw *o, size_t step) {
    if (step < o->warmup) return o->lr * (double)(step + 1) / (double)o->warmup;
    double left = (double)(o->steps - o->warmup), done = (double)(step - o->warmup);
    return o->min_lr + (o->lr - o->min_lr) * 0.5 * (1 + cos(3.14159265358979323846 * done / (left > 1 ? left - 1 : 1)));
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

void adamw_update(const adamw *o, size_t step, bool decays, int threads, const float *grad, float scale, size_t n,
                  float *params, float *m, float *v) {
    double rate = adamw_rate(o, step), t = (double)step + 1;
    update u = {grad,
                params,
                m,
                v,
                scale,
                (float)rate,
                (float)o->beta1,
                (float)o->beta2,
                (float)o->eps,
                decays ? (float)(1 - rate * o->decay) : 1,
                (float)(1 / (1 - pow(o->beta1, t))),
                (float)(1 / (1 - pow(o->beta2, t)))};
    parallel_run(threads, n, GRAIN, update_range, &u);
}
