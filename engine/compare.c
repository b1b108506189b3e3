#include "engine/compare.h"

#include <math.h>
#include <string.h>

void compare_traces(const trial_trace *trial, const int32_t *baseline, size_t n_baseline, const uint64_t *baseline_hash,
                    comparison *out) {
    size_t n = trial->output.n, common = n < n_baseline ? n : n_baseline;
    *out = (comparison){.first_divergence = -1, .first_logits_divergence = -1};

    size_t i = 0;
    while (i < common && trial->output.ids[i] == baseline[i]) i++;
    out->equal = i == n && i == n_baseline;
    if (!out->equal) out->first_divergence = (int64_t)i;
    out->comparable = i < common ? i + 1 : common;

    if (trial->logits_hash == NULL || baseline_hash == NULL) {
        out->logits_equal = LOGITS_NONE;
        out->max_abs_logit_diff = NAN;
        return;
    }
    size_t j = 0;
    while (j < out->comparable && trial->logits_hash[j] == baseline_hash[j]) j++;
    if (j < out->comparable) out->first_logits_divergence = (int64_t)j;
    out->logits_equal = out->equal && j == out->comparable ? LOGITS_EQUAL : LOGITS_DIFFER;
    out->max_abs_logit_diff = j == out->comparable ? 0 : NAN;
}

step_comparison compare_step(const trial_trace *trial, size_t i, const uint64_t *baseline_hash, const comparison *c) {
    const step_trace *s = &trial->steps[i];
    size_t            from = s->position, to = from + s->emitted;
    step_comparison   out = {
          .equal = c->first_divergence < 0 || to <= (size_t)c->first_divergence,
          .logits_equal = LOGITS_NONE,
    };
    if (c->logits_equal == LOGITS_NONE || from >= c->comparable) return out;
    if (to > c->comparable) to = c->comparable;
    bool same = memcmp(trial->logits_hash + from, baseline_hash + from, (to - from) * sizeof *baseline_hash) == 0;
    out.logits_equal = same ? LOGITS_EQUAL : LOGITS_DIFFER;
    return out;
}

typedef struct {
    const decode_setup *setup;
    target             *plain;
    int64_t             last; /* last comparable position */
    double              largest;
} recompute;

/* Scores the step's emitted tokens one at a time on the plain target and compares row by row. */
static int recompute_step(void *ctx, const step_trace *s, const step_view *view, err *e) {
    (void)s;
    recompute          *c = ctx;
    const policy_input *in = &c->setup->input;
    const rows         *r = view->rows;
    draft               none;
    rows                one;
    draft_clear(&none);
    for (size_t i = 0; i < view->n && (int64_t)(view->position + i) <= c->last; i++) {
        /* What the plain target has not seen yet: the prompt at first, then the token before this one. */
        bool           first = view->position + i == 0;
        const int32_t *pending = first ? in->prompt : view->emitted + i - 1; /* emitted - 1: the output is one array */
        const float   *logits = r->logits + rows_deciding(view->verdict, i) * r->vocab;
        if (target_verify(c->plain, pending, first ? in->n_prompt : 1, &none, &one, e) != 0) return -1;
        if (target_keep(c->plain, NULL, 0, e) != 0) return -1;
        for (size_t k = 0; k < r->vocab; k++) {
            double diff = fabs((double)logits[k] - (double)one.logits[k]);
            if (diff > c->largest) c->largest = diff;
        }
    }
    return 0;
}

int compare_recompute(const decode_setup *s, target *plain, comparison *c, err *e) {
    recompute    ctx = {.setup = s, .plain = plain, .last = c->first_divergence < 0 ? INT64_MAX : c->first_divergence};
    decode_setup again = *s;
    trial_trace  trace = {0};
    again.sink = (decode_sink){recompute_step, &ctx};
    int ret = target_begin(plain, s->forced, s->n_forced, e);
    if (ret == 0) ret = decode_run(&again, &trace, e);
    if (ret == 0) c->max_abs_logit_diff = ctx.largest;
    trial_trace_free(&trace);
    return ret;
}
