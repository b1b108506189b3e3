/* rope.c - frequencies and their angles, in double; cosine and sine are kept in f32. */
#include "engine/model/rope.h"

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/kernels/detmath.h"

#define TWO_PI 0x1.921fb54442d18p+2

/* The pair that turns `turns` times over the original context, as a fraction of a pair. Beyond 0 and rope_dim it makes
 * no difference where it is; of a theta near 1 it may be anywhere, or nowhere (NaN). */
static double pair_of(const model_shape *s, double turns) {
    double n = (double)s->original_context, most = (double)s->rope_dim;
    double pair = most * det_log(n / (turns * TWO_PI)) / (2 * det_log((double)s->rope_theta));
    return pair > 0 ? pair < most ? pair : most : 0;
}

/* How much of pair i's frequency YaRN scales: 0 for fast ones, 1 for slow ones. */
static double yarn_share(const model_shape *s, size_t i) {
    double low = pair_of(s, (double)s->yarn_fast), high = pair_of(s, (double)s->yarn_slow);
    low = (double)(long)low;
    double up = (double)(long)high;
    high = up < high ? up + 1 : up; /* rounded up */
    if (high > (double)(s->rope_dim - 1)) high = (double)(s->rope_dim - 1);
    double width = high - low > 0.001 ? high - low : 0.001, at = ((double)i - low) / width;
    at = at < 0 ? 0 : at > 1 ? 1 : at;
    return 1 - (1 - at) * (double)s->yarn_ext;
}

static double frequency(const model_shape *s, bool local, const float *factors, size_t i) {
    double theta = (double)(local ? s->local_theta : s->rope_theta);
    double f = det_exp(-((double)(2 * i) / (double)s->rope_dim) * det_log(theta));
    if (local) return f * (double)s->local_scale;
    if (factors != NULL) f /= (double)factors[i];
    double scaled = f * (double)s->rope_scale;
    if (s->scaling != SCALING_YARN) return scaled;
    double share = yarn_share(s, i);
    return scaled * share + f * (1 - share);
}

static double amplitude(const model_shape *s, bool local) {
    if (local) return 1;
    double a = s->rope_amplitude > 0 ? (double)s->rope_amplitude : 1;
    bool   longer = s->scaling == SCALING_YARN && s->yarn_ext > 0 && s->rope_scale < 1;
    return longer ? a * (1 + 0.1 * det_log(1 / (double)s->rope_scale)) : a;
}

int rope_open(rope *r, const model_shape *s, bool local, const float *factors, size_t context, err *e) {
    *r = (rope){.pairs = s->rope_dim / 2, .amplitude = amplitude(s, local)};
    r->frequencies = mem_new(r->pairs, sizeof *r->frequencies, e);
    r->cosine = mem_new(context, r->pairs * sizeof *r->cosine, e);
    r->sine = mem_new(context, r->pairs * sizeof *r->sine, e);
    if (r->frequencies == NULL || r->cosine == NULL || r->sine == NULL) {
        rope_close(r);
        return -1;
    }
    for (size_t i = 0; i < r->pairs; i++) {
        r->frequencies[i] = frequency(s, local, factors, i);
        if (r->frequencies[i] * (double)(context - 1) <= 1e7) continue;
        rope_close(r);
        return err_input(e, "a context of %zu tokens is not allowed (rotary positions are computed up to 1e7)",
                         context);
    }
    return 0;
}

void rope_close(rope *r) {
    free(r->frequencies);
    free(r->cosine);
    free(r->sine);
    *r = (rope){0};
}

void rope_extend(rope *r, size_t length) {
    for (; r->filled < length; r->filled++) {
        for (size_t i = 0; i < r->pairs; i++) {
            double sine, cosine;
            det_sincos((double)r->filled * r->frequencies[i], &sine, &cosine);
            r->sine[r->filled * r->pairs + i] = (float)(sine * r->amplitude);
            r->cosine[r->filled * r->pairs + i] = (float)(cosine * r->amplitude);
        }
    }
}
