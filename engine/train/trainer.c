/* trainer.c - dealing lessons over lanes. */
#include "engine/train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/model/blas.h"

typedef struct trainer_lane {
    net      *nn;
    float    *grad;
    size_t   *mine; /* lessons dealt to this lane */
    size_t    n_mine, cap_mine, load;
    int32_t  *ids, *next;
    float    *weight;
    size_t   *starts;
    net_score score;
} lane;

static size_t room_of(const trainer_options *o) {
    return o->micro_tokens > o->context ? o->micro_tokens : o->context;
}

static int lane_open(const trainer_options *o, lane *l, err *e) {
    size_t room = room_of(o);
    return (l->nn = net_new(&o->shape, room, o->context, e)) == NULL ||
                   (l->grad = mem_new(net_params(&o->shape), sizeof *l->grad, e)) == NULL ||
                   (l->ids = mem_new(room, sizeof *l->ids, e)) == NULL ||
                   (l->next = mem_new(room, sizeof *l->next, e)) == NULL ||
                   (l->weight = mem_new(room, sizeof *l->weight, e)) == NULL ||
                   (l->starts = mem_new(room + 1, sizeof *l->starts, e)) == NULL
               ? -1
               : 0;
}

int trainer_open(const trainer_options *o, uint64_t seed, trainer *t, err *e) {
    size_t n = net_params(&o->shape);
    *t = (trainer){.o = *o};
    if (blas_open(e) != 0) return -1;
    blas_set_threads(1);
    if ((t->params = mem_new(n, sizeof *t->params, e)) == NULL || (t->m = mem_new(n, sizeof *t->m, e)) == NULL ||
        (t->v = mem_new(n, sizeof *t->v, e)) == NULL ||
        (t->scratch = mem_new(optimizer_scratch(&o->optimizer, &o->shape, o->threads) + 1, sizeof *t->scratch, e)) ==
            NULL ||
        (t->lanes = mem_new(o->lanes, sizeof *t->lanes, e)) == NULL)
        return -1;
    for (size_t i = 0; i < o->lanes; i++)
        if (lane_open(o, &t->lanes[i], e) != 0) return -1;
    return net_init(&o->shape, seed, t->params, e);
}

void trainer_close(trainer *t) {
    for (size_t i = 0; t->lanes != NULL && i < t->o.lanes; i++) {
        lane *l = &t->lanes[i];
        net_free(l->nn);
        free(l->grad);
        free(l->mine);
        free(l->ids);
        free(l->next);
        free(l->weight);
        free(l->starts);
    }
    free(t->lanes);
    free(t->params);
    free(t->m);
    free(t->v);
    free(t->scratch);
    *t = (trainer){0};
}

typedef struct {
    size_t at, n;
} deal;

static int longest_first(const void *a, const void *b) {
    const deal *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return x->at > y->at ? 1 : -1;
}

/* Each lesson, longest first, to the lane with the fewest tokens. */
static int deal_lessons(trainer *t, const lesson *lessons, size_t n, err *e) {
    deal *order = mem_new(n, sizeof *order, e);
    int   ret = order == NULL ? -1 : 0;
    for (size_t i = 0; i < t->o.lanes; i++) t->lanes[i].n_mine = t->lanes[i].load = 0;
    for (size_t i = 0; i < n && ret == 0; i++) order[i] = (deal){i, lessons[i].ids.n};
    if (ret == 0) qsort(order, n, sizeof *order, longest_first);
    for (size_t i = 0; i < n && ret == 0; i++) {
        lane *l = &t->lanes[0];
        for (size_t k = 1; k < t->o.lanes; k++)
            if (t->lanes[k].load < l->load) l = &t->lanes[k];
        ret = mem_reserve(&l->mine, &l->cap_mine, l->n_mine + 1, e);
        if (ret != 0) break;
        l->mine[l->n_mine++] = order[i].at;
        l->load += order[i].n;
    }
    free(order);
    return ret;
}

typedef struct {
    trainer      *t;
    const lesson *lessons;
    bool          learn;
} job;

/* Appends a lesson to the batch. */
static void lay(lane *l, net_batch *b, const lesson *x, double prompt_weight) {
    size_t n = x->ids.n - 1;
    for (size_t i = 0; i < n; i++) {
        l->ids[b->n + i] = x->ids.ids[i];
        l->next[b->n + i] = x->ids.ids[i + 1];
        l->weight[b->n + i] = i + 1 >= x->n_prompt ? 1 : (float)prompt_weight;
    }
    b->n += n;
    l->starts[++b->n_seqs] = b->n;
}

static void run_lanes(void *ctx, size_t begin, size_t end, int thread) {
    job *j = ctx;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const trainer_options *o = &j->t->o;
        lane                  *l = &j->t->lanes[i];
        size_t                 room = room_of(o);
        l->score = (net_score){0};
        if (j->learn) memset(l->grad, 0, net_params(&o->shape) * sizeof *l->grad);
        for (size_t at = 0; at < l->n_mine;) {
            net_batch b = {.ids = l->ids, .next = l->next, .weight = l->weight, .starts = l->starts};
            while (at < l->n_mine && b.n + j->lessons[l->mine[at]].ids.n - 1 <= room)
                lay(l, &b, &j->lessons[l->mine[at++]], j->learn ? o->prompt_weight : 0);
            net_run(l->nn, j->t->params, &b, j->learn ? l->grad : NULL, &l->score);
        }
    }
}

typedef struct {
    lane  *lanes;
    size_t n;
} sum_job;

static void sum_range(void *ctx, size_t begin, size_t end, int thread) {
    const sum_job *j = ctx;
    (void)thread;
    for (size_t k = 1; k < j->n; k++)
        for (size_t i = begin; i < end; i++) j->lanes[0].grad[i] += j->lanes[k].grad[i];
}

static int run(trainer *t, const lesson *lessons, size_t n, bool learn, trainer_report *out, err *e) {
    job j = {t, lessons, learn};
    *out = (trainer_report){0};
    for (size_t i = 0; i < n; i++) out->tokens += lessons[i].ids.n;
    if (deal_lessons(t, lessons, n, e) != 0) return -1;
    parallel_run(t->o.threads, t->o.lanes, 1, run_lanes, &j);
    for (size_t i = 0; i < t->o.lanes; i++) {
        out->score.loss += t->lanes[i].score.loss;
        out->score.weight += t->lanes[i].score.weight;
        out->score.targets += t->lanes[i].score.targets;
        out->score.correct += t->lanes[i].score.correct;
    }
    if (isfinite(out->score.loss)) return 0;
    return err_run(e, "the loss of step %zu is not finite (a lower rate, a longer warm-up or clipping may help)",
                   t->step);
}

int trainer_score(trainer *t, const lesson *lessons, size_t n, trainer_report *out, err *e) {
    return run(t, lessons, n, false, out, e);
}

int trainer_step(trainer *t, const lesson *lessons, size_t n, trainer_report *out, err *e) {
    if (run(t, lessons, n, true, out, e) != 0) return -1;
    sum_job s = {t->lanes, t->o.lanes};
    parallel_run(t->o.threads, net_params(&t->o.shape), 4096, sum_range, &s);
    out->rate = adamw_rate(&t->o.optimizer.adamw, t->step);
    double scale = out->score.weight > 0 ? 1 / out->score.weight : 0;
    out->norm = optimizer_step(&t->o.optimizer, &t->o.shape, t->step, t->o.threads, t->lanes[0].grad, scale, t->params,
                               t->m, t->v, t->scratch);
    if (!isfinite(out->norm)) return err_run(e, "the gradient of step %zu is not finite", t->step);
    t->step++;
    return 0;
}
