#include "experiments/recommend/choose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/metrics.h"
#include "analysis/records.h"
#include "analysis/stats/holm.h"
#include "engine/base/mem.h"

static const double SLOWER = 0.99; /* of plain decoding's speed: what is below is told */
static const double LEVEL = 0.05;

/* ---- groups -------------------------------------------------------------------------------------------- */

static bool is_plain(const cell_row *c) {
    return strcmp(c->policy, "none") == 0;
}

static int see_plain(const store_trial *at, void *ctx, err *e) {
    (void)e;
    if (metric_applies(at->trial)) ((bool *)ctx)[at->trial->sample] = true;
    return 0;
}

/* [n_samples] which samples have something to decode, in new memory. */
static bool *find_decoding(const store_data *d, err *e) {
    bool *out = mem_new(d->n_samples, sizeof *out, e);
    int   ret = out != NULL ? 0 : -1;
    for (size_t c = 0; ret == 0 && c < d->n_cells; c++)
        if (is_plain(&d->cells[c])) ret = store_visit_cell(d, c, 0, see_plain, out, e);
    if (ret == 0) return out;
    free(out);
    return NULL;
}

/* Numbers the groups of samples that decode, in the order in which they begin. */
static int find_groups(const store_data *d, const char *by, choice *c, err *e) {
    size_t *first = records_groups(d, by, e);
    bool   *decoding = find_decoding(d, e);
    c->group_of = mem_new(d->n_samples, sizeof *c->group_of, e);
    c->example = mem_new(d->n_samples, sizeof *c->example, e);
    size_t *number =
        mem_new(d->n_samples, sizeof *number, e); /* 1 + the group whose samples begin there; 0: none yet */
    int ret = first != NULL && decoding != NULL && c->group_of != NULL && c->example != NULL && number != NULL ? 0 : -1;
    for (size_t s = 0; ret == 0 && s < d->n_samples; s++) {
        if (!decoding[s]) continue;
        if (number[first[s]] == 0) {
            c->example[c->groups++] = s;
            number[first[s]] = c->groups;
        }
        c->group_of[s] = number[first[s]] - 1;
    }
    free(first);
    free(decoding);
    free(number);
    if (ret == 0 && c->groups == 0)
        return err_input(e, "no record has an output of two tokens or more: the prompt's pass writes the first, and "
                            "there is nothing to speed up");
    return ret;
}

/* ---- times --------------------------------------------------------------------------------------------- */

/* A sum of times as weights of the measured ones: time = weight[0] T[0] + weight[1] T[1] + ... */
typedef struct {
    double *own, *plain; /* [n_contexts * n] each */
} time_weights;

/* Adds those of a pass over m tokens after `context`, between measured m and contexts as pass_times_at. */
static void add_pass(const pass_times *t, size_t m, size_t context, double *weight) {
    pass_place   at = pass_times_place(t, context);
    const size_t row[2] = {at.low, at.high};
    const double share[2] = {1 - at.share, at.share};
    size_t       i = 0;
    while (t->m[i] < m) i++;
    double below = t->m[i] == m ? 0 : (double)(t->m[i] - m) / (double)(t->m[i] - t->m[i - 1]);
    for (size_t c = 0; c < 2; c++) {
        weight[row[c] * t->n + i] += share[c] * (1 - below);
        if (below > 0) weight[row[c] * t->n + i - 1] += share[c] * below;
    }
}

/* The share of an error in log(plain / own) that comes from each T, squared and summed (R4). */
static double error_of(const cost_model *cost, const time_weights *w, double plain, double own) {
    double sum = 0;
    for (size_t i = 0; i < cost->n_contexts * cost->n; i++) {
        double by = (w->plain[i] / plain - w->own[i] / own) * cost->fitted[i] * cost_error(cost, i);
        sum += by * by;
    }
    return sqrt(sum);
}

static bool is_oracle(const cell_row *c) {
    return strcmp(c->policy, "oracle") == 0;
}

typedef struct {
    const plan       *p;
    const store_data *d;
    const cost_model *cost;
    choice           *out;
    time_weights      weights;
} choosing;

/* A cell's trials, added up by group. */
typedef struct {
    choosing  *x;
    pass_times t;
    ratio_sum *times;
    size_t     trials, tokens, steps, plain_passes;
    size_t     undecoded, at_once; /* trials of one token; those that end with the prompt's pass, draft and all */
    double     drafting, plain, own, contexts;
    bool       is_plain, untimed; /* untimed: a trial has no times */
} cell_sum;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    cell_sum        *sum = ctx;
    choosing        *x = sum->x;
    const trial_row *r = at->trial;
    size_t           prompt = x->d->samples[r->sample].prompt_tokens;
    ratio_sum       *to = &sum->times[x->out->group_of[r->sample]];
    (void)e;
    if (!metric_applies(r)) {
        sum->undecoded++;
        return 0;
    }
    sum->trials++;
    sum->tokens += r->tokens;
    sum->steps += r->steps;
    sum->at_once += r->steps == 1;
    sum->untimed = sum->untimed || isnan(r->modeled_ns) || isnan(r->plain_modeled_ns);
    if (sum->untimed) return 0; /* a pass may be wider than the cost file */
    double own = r->modeled_ns + (double)r->draft_ns;
    if (sum->is_plain)
        own = r->plain_modeled_ns; /* it drafts nothing, and what asking it takes is the clock's own time */
    to->part += r->plain_modeled_ns;
    to->whole += own;
    sum->plain += r->plain_modeled_ns;
    sum->own += own;
    sum->drafting += own - r->modeled_ns;
    for (size_t k = 1; k < r->steps; k++)
        add_pass(&sum->t, 1 + (size_t)at->steps[k].drafted, prompt + at->steps[k].position - 1, x->weights.own);
    for (size_t k = 0; k + 1 < r->plain_tokens; k++) add_pass(&sum->t, 1, prompt + k, x->weights.plain);
    sum->plain_passes += r->plain_tokens - 1;
    sum->contexts += (r->plain_tokens - 1) * ((double)prompt + (r->plain_tokens - 2) / 2.0);
    return 0;
}

/* Adds up a cell's trials. */
static int add_up(choosing *x, candidate *c, cell_sum *sum, err *e) {
    size_t grid = x->cost->n_contexts * x->cost->n;
    memset(x->weights.own, 0, grid * sizeof *x->weights.own);
    memset(x->weights.plain, 0, grid * sizeof *x->weights.plain);
    if (store_visit_cell(x->d, c->cell, VISIT_STEPS, add_trial, sum, e) != 0) return -1;
    sum->untimed = sum->untimed || sum->trials == 0;
    if (sum->untimed) return 0;
    c->speedup = sum->plain / sum->own;
    c->cost_error = error_of(x->cost, &x->weights, sum->plain, sum->own);
    c->draft_share = sum->drafting / sum->own;
    c->tokens_per_step = (double)sum->tokens / (double)sum->steps;
    return 0;
}

/* Every cell but plain decoding and the bound becomes a candidate, if it has times. */
static int find_candidates(choosing *x, err *e) {
    const store_data *d = x->d;
    choice           *out = x->out;
    size_t            at = 0;
    out->at = mem_new(d->n_cells, sizeof *out->at, e);
    out->times = mem_new(d->n_cells, out->groups * sizeof *out->times, e);
    if (out->at == NULL || out->times == NULL) return -1;
    out->bound = NAN;
    for (size_t c = 0; c < d->n_cells; c++) {
        candidate  found = {.cell = c, .p = NAN};
        ratio_sum *times = out->times + at * out->groups;
        cell_sum   sum = {.x = x, .t = cost_times(x->cost), .times = times, .is_plain = is_plain(&d->cells[c])};
        memset(times, 0, out->groups * sizeof *times);
        if (add_up(x, &found, &sum, e) != 0) return -1;
        out->too_wide += sum.untimed;
        if (sum.untimed) continue;
        while (strcmp(x->p->cells[found.plan_cell].id, d->cells[c].id) != 0) found.plan_cell++;
        found.times = times;
        if (is_oracle(&d->cells[c])) {
            if (!(out->bound >= found.speedup)) {
                out->bound = found.speedup;
                out->at_once = sum.at_once;
            }
            continue;
        }
        if (is_plain(&d->cells[c])) {
            out->records = sum.trials;
            out->tokens += sum.tokens;
            out->undecoded = sum.undecoded;
            out->context = sum.contexts / (double)sum.plain_passes;
        }
        out->at[at++] = found;
    }
    out->n = at;
    return at > 0 ? 0 : err_input(e, "no policy's passes are all in the cost file: nothing can be compared");
}

/* ---- comparing ----------------------------------------------------------------------------------------- */

static int faster_first(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->speedup != y->speedup) return x->speedup > y->speedup ? -1 : 1;
    return (x->cell > y->cell) - (x->cell < y->cell);
}

/* Own times of a candidate over those of the best, as the ratio of their speed-ups. */
static int compare_with_best(bootstrap *b, const choice *c, candidate *x, err *e) {
    const contrast both = {statistic_micro, c->at[0].times, x->times};
    x->behind = statistic_quotient(NULL, c->groups, &both);
    return bootstrap_interval(b, c->groups, statistic_quotient, &both, &x->behind_ci, e);
}

typedef struct {
    choice *c;
    double *sum, *squares; /* [n] of log(behind), over the resamples */
    double  optimism;
    size_t  n, wins;
} resampling;

static void see_resample(const uint32_t *times, size_t groups, void *ctx) {
    resampling *r = ctx;
    size_t      best = 0;
    double      most = 0, first = 0;
    for (size_t i = 0; i < r->c->n; i++) {
        double speedup = statistic_micro(times, groups, r->c->at[i].times);
        if (i == 0) first = speedup;
        double behind = log(first / speedup);
        r->sum[i] += behind;
        r->squares[i] += behind * behind;
        if (speedup <= most) continue;
        most = speedup;
        best = i;
    }
    r->optimism += log(most / r->c->at[best].speedup);
    r->wins += best == 0;
    r->n++;
}

/* R2: p values before they are adjusted; and R3. */
static void judge(choice *c, const resampling *r, double *p) {
    double n = (double)r->n;
    for (size_t i = 0; i < c->n; i++) {
        double mean = r->sum[i] / n, variance = r->squares[i] / n - mean * mean;
        double error = sqrt(variance > 0 ? variance : 0), distance = log(c->at[i].behind);
        p[i] = i == 0 || c->groups < BOOTSTRAP_LEAST ? NAN
               : error == 0                          ? (distance == 0 ? 1 : 0)
                            : 2 * gsl_cdf_tdist_Q(fabs(distance) / error, (double)(c->groups - 1));
        /* z(0.975) + z(0.8): a difference of this size would be found in four cases of five. */
        if (i == 1 && distance > 0 && error > 0) {
            double needed = (double)c->groups * pow(2.8016 * error / distance, 2);
            c->more = needed > (double)c->groups ? needed - (double)c->groups : 0;
        }
    }
    c->optimism = r->optimism / n;
    c->wins = (double)r->wins / n;
}

static int compare_all(choice *c, err *e) {
    bootstrap *b = bootstrap_new(e);
    double    *p = mem_new(c->n, sizeof *p, e);
    resampling r = {.c = c, .sum = mem_new(c->n, sizeof *r.sum, e), .squares = mem_new(c->n, sizeof *r.squares, e)};
    int        ret = b != NULL && p != NULL && r.sum != NULL && r.squares != NULL ? 0 : -1;
    c->more = NAN;
    for (size_t i = 0; ret == 0 && i < c->n; i++) {
        ret = bootstrap_interval(b, c->groups, statistic_micro, c->at[i].times, &c->at[i].ci, e);
        if (ret == 0) ret = compare_with_best(b, c, &c->at[i], e);
    }
    if (ret == 0) ret = bootstrap_each(b, c->groups, see_resample, &r, e);
    if (ret == 0) judge(c, &r, p);
    if (ret == 0) ret = holm_adjust(p, c->n, p, e);
    for (size_t i = 0; ret == 0 && i < c->n; i++) {
        c->at[i].p = p[i];
        c->at[i].level = !(p[i] < LEVEL);
    }
    bootstrap_free(b);
    free(p);
    free(r.sum);
    free(r.squares);
    return ret;
}

static void find_losses(const choice *c, candidate *x) {
    x->worst = INFINITY;
    for (size_t g = 0; g < c->groups; g++) {
        if (x->times[g].whole <= 0) continue;
        double speedup = x->times[g].part / x->times[g].whole;
        x->slower += speedup < SLOWER;
        if (speedup < x->worst) x->worst = speedup;
    }
}

int choose(const plan *p, const store_data *d, const char *by, choice *out, err *e) {
    *out = (choice){0};
    choosing x = {.p = p, .d = d, .cost = p->models[0].cost, .out = out};
    size_t   grid = x.cost->n_contexts * x.cost->n;
    x.weights.own = mem_new(grid, sizeof *x.weights.own, e);
    x.weights.plain = mem_new(grid, sizeof *x.weights.plain, e);
    int ret = x.weights.own != NULL && x.weights.plain != NULL ? find_groups(d, by, out, e) : -1;
    if (ret == 0) ret = find_candidates(&x, e);
    if (ret == 0) {
        qsort(out->at, out->n, sizeof *out->at, faster_first);
        for (size_t i = 0; i < out->n; i++) find_losses(out, &out->at[i]);
        ret = compare_all(out, e);
    }
    free(x.weights.own);
    free(x.weights.plain);
    if (ret != 0) choice_free(out);
    return ret;
}

void choice_free(choice *c) {
    free(c->at);
    free(c->times);
    free(c->group_of);
    free(c->example);
    *c = (choice){0};
}

/* A parameter's text as --policy takes it, in new memory. */
static char *quoted_text(const param_spec *spec, const param_value *v, err *e) {
    int   n = param_format(spec, v, NULL, 0);
    char *plain = mem_new((size_t)n + 1, 1, e), *quoted = NULL;
    if (plain != NULL) {
        param_format(spec, v, plain, (size_t)n + 1);
        size_t most = (size_t)n + 3; /* two quotes and the NUL */
        if ((quoted = mem_new(most, 1, e)) != NULL) param_quote(plain, ",", quoted, most);
    }
    free(plain);
    return quoted;
}

char *candidate_spec(const plan *p, const candidate *c, err *e) {
    const plan_cell  *cell = &p->cells[c->plan_cell];
    const policy_ops *ops = cell->policy;
    char             *text = mem_strdup(ops->name, e);
    for (size_t i = 0; text != NULL && i < ops->n_params; i++) {
        const param_spec  *spec = &ops->params[i];
        const param_value *v = &cell->policy_params.at[i];
        bool               given = spec->type == PARAM_IS_TEXT || (spec->type == PARAM_IS_FILE && !spec->optional);
        param_value        preset = param_preset(spec);
        if (!given && param_equal(&preset, v)) continue;
        char *value = quoted_text(spec, v, e), *longer = NULL;
        if (value != NULL)
            longer = mem_printf(e, "%s%c%s=%s", text, strchr(text, ':') == NULL ? ':' : ',', spec->name, value);
        free(value);
        free(text);
        text = longer;
    }
    return text;
}
