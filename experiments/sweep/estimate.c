#include "experiments/sweep/estimate.h"

#include <stdlib.h>

#include "engine/base/parallel.h"
#include "experiments/sweep/cell.h"

enum { TOKENS = 8 }; /* decoded of the first record */

/* What is known about the trials of one model on one view of a dataset, in ns. */
typedef struct {
    double finished[2], trials[2]; /* sums over finished trials of plain decoding, and over the others; their numbers */
    bool   measured;               /* whether the next fields are set */
    double prompt, token;          /* for a token of the prompt; for one of the output */
} pace;

/* Decodes a few tokens of the cell's first record plainly. */
static int measure(const plan *p, const plan_cell *c, pace *to, err *e) {
    const plan_model   *m = &p->models[c->model];
    const plan_dataset *data = &p->datasets[c->dataset];
    const sample       *x = &p->samples[c->samples].set.at[0];
    trial_trace         trace = {0};
    target             *t = NULL;
    policy             *none = policy_open(&policy_none, &(policy_spec){.vocab = m->spec.vocab, .tok = m->tok}, e);
    rule               *r = rule_open(c->rule, &c->rule_params, m->spec.vocab, e);
    int                 ret = none != NULL && r != NULL ? target_prepare(m->cfg->target, &m->spec, e) : -1;
    if (ret == 0 && (t = target_open(m->cfg->target, &m->spec, e)) == NULL) ret = -1;
    decode_setup d = {
        .target = t,
        .policy = none,
        .rule = r,
        .stops = stops_of(&m->stops->ids),
        .max_new_tokens = TOKENS,
        .input = {.prompt = x->prompt.ids, .n_prompt = x->prompt.n},
        .forced = data->cfg->forced ? x->output.ids : NULL,
        .n_forced = data->cfg->forced ? x->output.n : 0,
    };
    for (int round = 0; ret == 0 && round < 2; round++) ret = decode_run(&d, &trace, e); /* the first round warms up */
    if (ret == 0) {
        to->measured = true;
        to->prompt = (double)trace.prefill_ns / (double)(x->prompt.n > 0 ? x->prompt.n : 1);
        to->token = trace.output.n > 1 ? (double)trace.decode_ns / (double)(trace.output.n - 1) : to->prompt;
    }
    trial_trace_free(&trace);
    target_close(t);
    policy_close(none);
    rule_close(r);
    return ret;
}

typedef struct {
    pace *to;
    bool  plain, twice; /* plain decoding; other decoding that is timed together with it */
} adding;

static int add_time(const store_trial *t, const store_data *d, void *ctx, err *e) {
    const adding    *a = ctx;
    const trial_row *row = t->trial;
    (void)d, (void)e;
    a->to->finished[!a->plain] += (double)(row->prefill_ns + row->decode_ns);
    if (a->twice) a->to->finished[!a->plain] += (double)(row->prefill_ns + row->plain_ns);
    a->to->trials[!a->plain] += 1;
    return 0;
}

/* Adds the times of a cell's finished trials. */
static int add_finished(const plan *p, const char *dir, size_t cell, pace *to, err *e) {
    bool        plain = plan_cell_is_baseline(&p->cells[cell]);
    adding      a = {to, plain, p->cfg->paired && !plain};
    cell_trials t;
    int         ret = cell_trials_init(&t, p, cell, e);
    if (ret == 0) ret = cell_trials_load(&t, p, dir, cell, 0, add_time, &a, e);
    cell_trials_free(&t);
    return ret;
}

/* Longest time of a trial that could be measured. */
static double longest_ns(const plan *p, const plan_cell *c, size_t s, const pace *by) {
    const dataset_config *d = p->datasets[c->dataset].cfg;
    const sample         *x = &p->samples[c->samples].set.at[s];
    size_t                most = d->max_new_tokens;
    if (d->forced && x->output.n < most) most = x->output.n;
    return by->prompt * (double)x->prompt.n + by->token * (double)most;
}

/* Mean time of a finished trial like those of this cell; 0 when there is none. */
static double mean_ns(const plan *p, const plan_cell *c, const pace *by) {
    bool plain = plan_cell_is_baseline(c);
    if (by->trials[!plain] > 0) return by->finished[!plain] / by->trials[!plain];
    if (plain || by->trials[0] == 0) return 0;
    bool twice = p->cfg->paired && p->models[c->model].cfg->target->timed;
    return (twice ? 2 : 1) * by->finished[0] / by->trials[0];
}

static int add_cell(const plan *p, const char *dir, size_t cell, pace *by, estimate *out, err *e) {
    const plan_cell *c = &p->cells[cell];
    const cell_unit  whole = {cell, 0, 1};
    size_t           kept, n = p->samples[c->samples].set.n, trials = 0;
    double           most = 0, ns = mean_ns(p, c, by);
    int              there = cell_exists(dir, c, e);
    if (there != 0) return there > 0 ? 0 : -1;
    if (cell_count_kept(p, dir, &whole, &kept, NULL, e) != 0) return -1;
    if (ns == 0 && !by->measured && measure(p, c, by, e) != 0) return -1;
    for (size_t s = 0; s < n; s++) {
        most += (double)p->cfg->repeats * longest_ns(p, c, s, by);
        trials += p->cfg->repeats;
    }
    if (ns > 0) {
        ns *= (double)(trials - kept);
    } else {
        bool twice = p->cfg->paired && p->models[c->model].cfg->target->timed && !plan_cell_is_baseline(c);
        ns = most * (twice ? 2 : 1);
        out->is_guess = true;
    }
    out->seconds += ns * 1e-9;
    return 0;
}

int estimate_make(const plan *p, const char *dir, const runner_options *o, estimate *out, err *e) {
    pace *by = mem_new(p->n_models * p->n_samples, sizeof *by, e);
    int   ret = by != NULL ? 0 : -1;
    *out = (estimate){0};
    for (size_t i = 0; ret == 0 && i < p->n_cells; i++)
        ret = add_finished(p, dir, i, &by[p->cells[i].model * p->n_samples + p->cells[i].samples], e);
    for (size_t i = 0; ret == 0 && i < p->n_cells; i++) {
        const plan_cell *c = &p->cells[i];
        ret = add_cell(p, dir, i, &by[c->model * p->n_samples + c->samples], out, e);
    }
    size_t processors = (size_t)parallel_processors(), side_by_side = o->jobs < processors ? o->jobs : processors;
    if (side_by_side > 1) out->seconds /= (double)side_by_side;
    free(by);
    return ret;
}
