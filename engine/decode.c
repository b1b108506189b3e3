/* decode.c - one trial: prompt in, checked tokens out. Invariants D1 to D5 are in decode.h. */
#include "engine/decode.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "engine/rules/logits.h"

void trial_trace_free(trial_trace *t) {
    tokens_free(&t->output);
    free(t->steps);
    free(t->levels);
    free(t->logits_hash);
    *t = (trial_trace){0};
}

uint64_t trial_trace_hash(const trial_trace *t) {
    return t->logits_hash != NULL ? digest64(t->logits_hash, t->output.n * sizeof *t->logits_hash) : 0;
}

static void trace_clear(trial_trace *t) {
    t->output.n = 0;
    t->n_steps = t->n_levels = 0;
    t->min_margin = t->log_likelihood = NAN;
    t->truncated = false;
    t->prefill_ns = t->decode_ns = t->draft_ns = t->verify_ns = 0;
}

/* Gap between the two largest logits. */
static double top_margin(const float *logits, size_t n) {
    float first = -INFINITY, second = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (logits[i] > first) {
            second = first;
            first = logits[i];
        } else if (logits[i] > second) {
            second = logits[i];
        }
    }
    return (double)first - (double)second;
}

static step_trace step_of(const step_view *view, uint64_t draft_ns, uint64_t verify_ns) {
    return (step_trace){
        .position = (uint32_t)view->position,
        .match_length = view->draft->match_length,
        .source = view->draft->source,
        .source_position = view->draft->source_position,
        .drafted = (uint16_t)view->draft->n,
        .depth = (uint16_t)view->draft->n, /* trace_record knows better of one that branches */
        .accepted = (uint16_t)view->verdict->n,
        .emitted = (uint16_t)view->n,
        .draft_ns = draft_ns,
        .verify_ns = verify_ns,
        .margin = (double)NAN,
    };
}

/* Smaller of the two; `b` where `a` is NaN. */
static double smaller(double a, double b) {
    return a <= b ? a : b;
}

/* What the step's rows say about the emitted tokens. */
static void record_rows(trial_trace *t, step_trace *s, const step_view *view) {
    const rows *r = view->rows;
    if (view->position == 0) t->log_likelihood = 0;
    for (size_t i = 0; i < view->n; i++) {
        const float *logits = r->logits + rows_deciding(view->verdict, i) * r->vocab;
        t->logits_hash[view->position + i] = digest64(logits, r->vocab * sizeof *logits);
        t->log_likelihood += logits_log_prob(logits, r->vocab, view->emitted[i]);
        s->margin = smaller(s->margin, top_margin(logits, r->vocab));
    }
    t->min_margin = smaller(t->min_margin, s->margin);
}

/* Adds a step. */
static int trace_record(trial_trace *t, step_trace *s, const step_view *view, err *e) {
    if (view->draft->branches) {
        if (mem_reserve(&t->levels, &t->cap_levels, t->n_levels + DRAFT_CAP, e) != 0) return -1;
        s->depth = (uint16_t)draft_levels(view->draft, t->levels + t->n_levels);
        t->n_levels += s->depth;
    }
    if (mem_reserve(&t->steps, &t->cap_steps, t->n_steps + 1, e) != 0) return -1;
    if (view->rows->logits != NULL) {
        if (mem_reserve(&t->logits_hash, &t->cap_hash, t->output.n, e) != 0) return -1;
        record_rows(t, s, view);
    }
    t->steps[t->n_steps++] = *s;
    t->draft_ns += s->draft_ns;
    t->verify_ns += s->verify_ns;
    return 0;
}

/* Cuts a verdict where the output ends: at the first stop token on the path (D2), and at `room` tokens (D3). The token
 * at the cut becomes the target's own word, which is what it said there (D1). */
static void verdict_cut(verdict *v, const draft *d, stops ends, size_t room) {
    size_t stand = v->n < room ? v->n : room - 1;
    for (size_t i = 0; i < stand; i++)
        if (stops_have(ends, d->ids[v->path[i]])) stand = i;
    if (stand == v->n) return;
    v->next = d->ids[v->path[stand]];
    v->n = stand;
}

/* Appends the path's tokens, then the target's own. */
static int emit(tokens *output, const draft *d, const verdict *v, err *e) {
    for (size_t i = 0; i < v->n; i++)
        if (tokens_push(output, d->ids[v->path[i]], e) != 0) return -1;
    return tokens_push(output, v->next, e);
}

/* D5. The output has its final length. */
static void trace_end(trial_trace *t) {
    const uint16_t *levels = t->levels;
    for (size_t i = 0; i < t->n_steps; i++) {
        step_trace *s = &t->steps[i];
        size_t      left = t->output.n - 1 - s->position, tested = s->depth < left ? s->depth : left;
        bool        chain = s->depth == s->drafted;
        s->testable = chain ? (uint16_t)tested : 0;
        for (size_t level = 0; level < tested && !chain; level++) s->testable += levels[level];
        if (!chain) levels += s->depth;
        s->depth = (uint16_t)tested;
    }
}

/* A policy that knows plain decoding's output knows something of the numbers that sampled it. Drawn again, they would
 * take tokens out of their distribution: what such a policy drafts, and how much, depends on them. So other numbers are
 * drawn, unless the rule gives plain decoding's own tokens. */
static noise draws_of(const decode_setup *s) {
    noise draws = s->noise;
    if (s->input.truth != NULL && s->rule->ops->keeps != SAME_TOKENS) draws.stream ^= rng_stream("informed", "accept");
    return draws;
}

static int run_steps(const decode_setup *s, trial_trace *out, err *e) {
    policy_input   in = s->input;
    tokens        *output = &out->output;
    const int32_t *pending = in.prompt;
    size_t         n_pending = in.n_prompt;
    draft          d;

    in.stops = s->stops;

    trace_clear(out);
    if (s->max_new_tokens == 0) return err_input(e, "max_new_tokens = 0 is not allowed (at least 1)");
    if (s->forced != NULL && s->n_forced == 0) return err_input(e, "the recorded output to follow is empty");
    /* A recording without a stop token ends the output where it ends itself. */
    size_t end = s->forced != NULL && s->n_forced < s->max_new_tokens ? s->n_forced : s->max_new_tokens;
    if (target_begin(s->target, s->forced, s->n_forced, e) != 0) return -1;
    /* All that can be emitted: every token but the last takes a place behind the prompt. */
    size_t room = target_room(s->target);
    size_t most = room < in.n_prompt ? 0 : room - in.n_prompt < end ? room - in.n_prompt + 1 : end;
    if (tokens_reserve(output, most, e) != 0) return -1;

    const noise draws = draws_of(s);
    rule_begin(s->rule, in.prompt, in.n_prompt);
    policy_end(s->policy); /* the last trial's index is not this one's time */
    if (policy_check_files(s->policy, e) != 0) return -1;
    uint64_t begun = clock_ns();
    if (policy_begin(s->policy, &in, e) != 0) return -1;
    uint64_t draft_ns = clock_ns() - begun; /* index building counts as drafting (D4: it is paid for) */

    for (;;) {
        size_t context_room = target_room(s->target);
        if (context_room < n_pending) {
            out->truncated = true;
            return 0;
        }
        size_t limit = context_room - n_pending;
        if (limit > DRAFT_CAP) limit = DRAFT_CAP;

        rows     r;
        verdict  v;
        uint64_t t0 = clock_ns();
        if (policy_propose(s->policy, limit, &d, e) != 0) return -1;
        uint64_t t1 = clock_ns();
        if (target_verify(s->target, pending, n_pending, &d, &r, e) != 0) return -1;
        uint64_t t2 = clock_ns();
        size_t   position = output->n;
        if (rule_accept(s->rule, &r, &d, position, draws, &v, e) != 0) return -1;
        verdict_cut(&v, &d, s->stops, end - position);
        if (emit(output, &d, &v, e) != 0 || target_keep(s->target, v.path, v.n, e) != 0) return -1;
        rule_observe(s->rule, output->ids + position, v.n + 1);
        uint64_t  t3 = clock_ns();
        step_view view = {output->ids + position, v.n + 1, position, &d, &v, &r, false};
        if (policy_observe(s->policy, &view, e) != 0) return -1;
        uint64_t t4 = clock_ns();

        step_trace step = step_of(&view, draft_ns + (t1 - t0) + (t4 - t3), t2 - t1);
        out->decode_ns += draft_ns + (t4 - t0);
        draft_ns = 0;
        if (out->n_steps == 0) {
            out->prefill_ns = step.verify_ns;
            out->decode_ns -= step.verify_ns;
        }
        if (trace_record(out, &step, &view, e) != 0) return -1;
        if (s->sink.step != NULL && s->sink.step(s->sink.ctx, &step, &view, e) != 0) return -1;

        if (stops_have(s->stops, v.next)) return 0;
        if (output->n == end) {
            out->truncated = s->forced == NULL || s->n_forced > end;
            return 0;
        }
        pending = output->ids + output->n - 1;
        n_pending = 1;
    }
}

int decode_run(const decode_setup *s, trial_trace *out, err *e) {
    int ret = run_steps(s, out, e);
    trace_end(out);
    return ret;
}
