#include "analysis/summary.h"

#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"

enum { BOOTSTRAP_SEED = 1 };

/* A ratio whose empty denominator is "not measured". */
static double ratio(size_t numerator, size_t denominator) {
    return denominator > 0 ? (double)numerator / (double)denominator : NAN;
}

/* ---- bootstrap ------------------------------------------------------------------------------------- */

/* Values of one cell in groups: the values of group g are at[start[g]] .. at[start[g + 1] - 1]. */
typedef struct {
    double *at;
    size_t  n;
    size_t *start; /* [groups + 1] */
    size_t  groups;
} grouped;

/* Scratch for one cell at a time, sized for the largest. */
typedef struct {
    grouped  speedup, modeled;
    double  *draft_ns;                   /* [trials] */
    size_t  *group_tokens, *group_steps; /* [trials] sums over the trials of one record and its duplicates */
    double  *pool;                       /* [widest cell x longest group] values of one resample */
    double   resampled[BOOTSTRAP_RESAMPLES];
    gsl_rng *rng;
} scratch;

/* GSL's quantile of sorted values, also where some are infinite: a modeled speed-up is when all of an output was said
 * in the prompt's pass. */
static double quantile(const double *sorted, size_t n, double f) {
    double at = f * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n || at == (double)i || sorted[i] == sorted[i + 1]) return sorted[i];
    return gsl_stats_quantile_from_sorted_data(sorted, 1, n, f);
}

/* The 95% interval of s->resampled, which it sorts. */
static void interval(scratch *s, double *lo, double *hi) {
    gsl_sort(s->resampled, 1, BOOTSTRAP_RESAMPLES);
    *lo = quantile(s->resampled, BOOTSTRAP_RESAMPLES, 0.025);
    *hi = quantile(s->resampled, BOOTSTRAP_RESAMPLES, 0.975);
}

static int reseed(scratch *s, err *e) {
    gsl_rng_free(s->rng);
    s->rng = rng_new(BOOTSTRAP_SEED, 0);
    return s->rng != NULL ? 0 : err_run(e, "out of memory (random generator)");
}

/* Interval of sum(tokens) / sum(steps) over resampled samples. */
static int tokens_per_step_interval(scratch *s, size_t groups, double *lo, double *hi, err *e) {
    *lo = *hi = NAN;
    if (groups < 2) return 0;
    if (reseed(s, e) != 0) return -1;
    for (size_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
        size_t tokens = 0, steps = 0;
        for (size_t i = 0; i < groups; i++) {
            size_t g = gsl_rng_uniform_int(s->rng, groups);
            tokens += s->group_tokens[g];
            steps += s->group_steps[g];
        }
        if (steps == 0) return 0; /* some samples have no steps: no honest interval */
        s->resampled[r] = ratio(tokens, steps);
    }
    interval(s, lo, hi);
    return 0;
}

static int spread_groups(scratch *s, grouped *v, size_t of, spread *out, err *e) {
    *out = (spread){NAN, NAN, NAN, NAN, NAN, v->n, of};
    if (v->n == 0 || v->n < of) return 0;
    if (v->groups >= 2) {
        if (reseed(s, e) != 0) return -1;
        for (size_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
            size_t n = 0;
            for (size_t i = 0; i < v->groups; i++) {
                size_t g = gsl_rng_uniform_int(s->rng, v->groups), len = v->start[g + 1] - v->start[g];
                memcpy(s->pool + n, v->at + v->start[g], len * sizeof *s->pool);
                n += len;
            }
            s->resampled[r] = gsl_stats_median(s->pool, 1, n);
        }
        interval(s, &out->lo, &out->hi);
    }
    gsl_sort(v->at, 1, v->n); /* the groups are no longer needed */
    out->median = gsl_stats_median_from_sorted_data(v->at, 1, v->n);
    out->q1 = quantile(v->at, v->n, 0.25);
    out->q3 = quantile(v->at, v->n, 0.75);
    return 0;
}

static int grouped_new(grouped *v, size_t n, err *e) {
    v->at = mem_new(n, sizeof *v->at, e);
    v->start = mem_new(n + 1, sizeof *v->start, e);
    return v->at != NULL && v->start != NULL ? 0 : -1;
}

/* A value of a new group, or of the one that is open. NaNs leave no trace, not even an empty group. */
static void grouped_add(grouped *v, double value, bool *open) {
    if (isnan(value)) return;
    if (!*open) {
        v->start[v->groups++] = v->n;
        *open = true;
    }
    v->at[v->n++] = value;
    v->start[v->groups] = v->n;
}

static void scratch_free(scratch *s) {
    free(s->speedup.at);
    free(s->speedup.start);
    free(s->modeled.at);
    free(s->modeled.start);
    free(s->draft_ns);
    free(s->group_tokens);
    free(s->group_steps);
    free(s->pool);
    gsl_rng_free(s->rng);
    *s = (scratch){0};
}

/* `trials`: of the largest cell; `pool`: the most values that one resample can hold. */
static int scratch_new(scratch *s, size_t trials, size_t pool, err *e) {
    *s = (scratch){0};
    if (grouped_new(&s->speedup, trials, e) != 0 || grouped_new(&s->modeled, trials, e) != 0 ||
        (s->draft_ns = mem_new(trials, sizeof(double), e)) == NULL ||
        (s->group_tokens = mem_new(trials, sizeof(size_t), e)) == NULL ||
        (s->group_steps = mem_new(trials, sizeof(size_t), e)) == NULL ||
        (s->pool = mem_new(pool, sizeof(double), e)) == NULL) {
        scratch_free(s);
        return -1;
    }
    return 0;
}

int spread_of(const double *values, size_t n, spread *out, err *e) {
    scratch s;
    if (scratch_new(&s, n, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) grouped_add(&s.speedup, values[i], &(bool){false});
    int status = spread_groups(&s, &s.speedup, n, out, e);
    scratch_free(&s);
    return status;
}

/* ---- duplicates -------------------------------------------------------------------------------------- */

typedef struct {
    const sample_row *row;
    size_t            at; /* its index */
} placed_sample;

static int by_content(const void *a, const void *b) {
    const placed_sample *x = a, *y = b;
    int                  by = strcmp(x->row->dataset, y->row->dataset);
    if (by != 0) return by;
    if (x->row->content != y->row->content) return x->row->content < y->row->content ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

size_t *summary_originals(const store_data *d, err *e) {
    size_t        *first = mem_new(d->n_samples, sizeof *first, e);
    placed_sample *sorted = mem_new(d->n_samples, sizeof *sorted, e);
    if (first == NULL || sorted == NULL) {
        free(first);
        free(sorted);
        return NULL;
    }
    for (size_t i = 0; i < d->n_samples; i++) sorted[i] = (placed_sample){&d->samples[i], i};
    qsort(sorted, d->n_samples, sizeof *sorted, by_content);
    for (size_t i = 0; i < d->n_samples; i++) {
        bool same = i > 0 && sorted[i].row->content == sorted[i - 1].row->content &&
                    strcmp(sorted[i].row->dataset, sorted[i - 1].row->dataset) == 0;
        first[sorted[i].at] = same ? first[sorted[i - 1].at] : sorted[i].at;
    }
    free(sorted);
    return first;
}

record_count *summary_records(const store_data *d, err *e) {
    size_t       *first = summary_originals(d, e);
    size_t       *seen = mem_new(d->n_samples, sizeof *seen, e); /* 1 + the last cell that a record was in */
    record_count *out = mem_new(d->n_cells, sizeof *out, e);
    if (first == NULL || seen == NULL || out == NULL) {
        free(out);
        out = NULL;
    }
    for (size_t i = 0; out != NULL && i < d->n_trials; i++) {
        const trial_row *t = &d->trials[i];
        bool             same = i > 0 && t->cell == d->trials[i - 1].cell && t->sample == d->trials[i - 1].sample;
        out[t->cell].records += !same;
        out[t->cell].distinct += seen[first[t->sample]] != 1 + (size_t)t->cell;
        seen[first[t->sample]] = 1 + (size_t)t->cell;
    }
    free(first);
    free(seen);
    return out;
}

/* ---- one row per cell ------------------------------------------------------------------------------ */

typedef struct {
    const trial_row *row;
    size_t           record; /* the first sample with the same content */
} placed_trial;

static int by_cell_and_record(const void *a, const void *b) {
    const placed_trial *x = a, *y = b;
    const trial_row    *s = x->row, *t = y->row;
    if (s->cell != t->cell) return s->cell < t->cell ? -1 : 1;
    if (x->record != y->record) return x->record < y->record ? -1 : 1;
    if (s->sample != t->sample) return s->sample < t->sample ? -1 : 1;
    return (s->repeat > t->repeat) - (s->repeat < t->repeat);
}

/* Every index that the rows hold, checked once. */
static int check(const store_data *d, err *e) {
    for (size_t i = 0; i < d->n_trials; i++)
        if (d->trials[i].cell >= d->n_cells || d->trials[i].sample >= d->n_samples)
            return err_input(e, "trial %zu names cell %u of %zu and sample %u of %zu", i, d->trials[i].cell, d->n_cells,
                             d->trials[i].sample, d->n_samples);
    for (size_t i = 0; i < d->n_steps; i++)
        if (d->steps[i].trial >= d->n_trials)
            return err_input(e, "step row %zu names trial %u of %zu", i, d->steps[i].trial, d->n_trials);
    return 0;
}

static void count_trial(cell_summary *c, const trial_row *t) {
    c->trials++;
    c->tokens += t->tokens;
    c->steps += t->steps;
    c->drafted += t->drafted;
    c->testable += t->testable;
    c->accepted += t->accepted;
    c->equal += t->equal == 1;
    c->logits_equal += t->logits_equal == 1;
    c->logits_none += t->logits_equal == 2;
    c->truncated += t->truncated == 1;
    if (t->first_divergence >= 0 && (c->first_divergence < 0 || t->first_divergence < c->first_divergence)) {
        c->first_divergence = t->first_divergence;
        c->divergence_sample = t->sample;
    }
    /* NaN stays (S1). */
    bool first = c->trials == 1;
    if (first || isnan(t->max_abs_logit_diff) || t->max_abs_logit_diff > c->max_abs_logit_diff)
        c->max_abs_logit_diff = t->max_abs_logit_diff;
    if (first || isnan(t->min_margin) || t->min_margin < c->min_margin) c->min_margin = t->min_margin;
}

/* One cell's trials, sorted by record, sample and repeat. */
static int summarize(scratch *s, const placed_trial *trials, size_t n, cell_summary *c, err *e) {
    s->speedup.n = s->speedup.groups = s->modeled.n = s->modeled.groups = 0;
    size_t groups = 0, drafting = 0;
    bool   speedup_open = false, modeled_open = false;
    for (size_t i = 0; i < n; i++) {
        const trial_row *t = trials[i].row;
        if (i == 0 || t->sample != trials[i - 1].row->sample) c->records++;
        if (i == 0 || trials[i].record != trials[i - 1].record) {
            s->group_tokens[groups] = s->group_steps[groups] = 0;
            groups++;
            speedup_open = modeled_open = false;
        }
        s->group_tokens[groups - 1] += t->tokens;
        s->group_steps[groups - 1] += t->steps;
        grouped_add(&s->speedup, t->speedup, &speedup_open);
        grouped_add(&s->modeled, t->modeled_speedup, &modeled_open);
        if (t->steps > 0) s->draft_ns[drafting++] = (double)t->draft_ns / (double)t->steps;
        bool timed = t->tokens > 1 && t->plain_tokens > 1;
        c->timed += timed;
        c->unequal += timed && t->equal != 1;
        count_trial(c, t);
    }
    c->distinct = groups;
    c->tokens_per_step = ratio(c->tokens, c->steps);
    c->coverage = ratio(c->drafting_steps, c->steps);
    c->acceptance = ratio(c->accepted, c->testable);
    c->draft_ns_step = drafting > 0 ? gsl_stats_median(s->draft_ns, 1, drafting) : NAN;
    if (tokens_per_step_interval(s, groups, &c->tps_lo, &c->tps_hi, e) != 0) return -1;
    if (spread_groups(s, &s->speedup, c->timed, &c->speedup, e) != 0) return -1;
    return spread_groups(s, &s->modeled, c->timed, &c->modeled, e);
}

int summary_make(const store_data *d, cell_summary **out, err *e) {
    int           status = -1;
    cell_summary *rows = NULL;
    placed_trial *sorted = NULL;
    size_t       *record = NULL;
    scratch       s = {0};
    *out = NULL;
    if (check(d, e) != 0) return -1;
    if ((rows = mem_new(d->n_cells, sizeof *rows, e)) == NULL) goto out;
    if ((sorted = mem_new(d->n_trials, sizeof *sorted, e)) == NULL) goto out;
    if ((record = summary_originals(d, e)) == NULL) goto out;
    for (size_t i = 0; i < d->n_trials; i++) sorted[i] = (placed_trial){&d->trials[i], record[d->trials[i].sample]};
    qsort(sorted, d->n_trials, sizeof *sorted, by_cell_and_record);

    for (size_t c = 0; c < d->n_cells; c++) {
        rows[c].cell = &d->cells[c];
        rows[c].first_divergence = -1;
        rows[c].max_abs_logit_diff = rows[c].min_margin = NAN;
    }
    for (size_t i = 0; i < d->n_steps; i++)
        rows[d->trials[d->steps[i].trial].cell].drafting_steps += d->steps[i].drafted > 0;

    /* A resample may draw the record with the most trials every time. */
    size_t most = 0, pool = 0;
    for (size_t i = 0, n = 0, groups = 0, repeats = 0, longest = 0; i < d->n_trials; i++) {
        bool new_cell = i == 0 || sorted[i].row->cell != sorted[i - 1].row->cell;
        if (new_cell) n = groups = longest = 0;
        if (new_cell || sorted[i].record != sorted[i - 1].record) {
            groups++;
            repeats = 0;
        }
        n++;
        repeats++;
        if (repeats > longest) longest = repeats;
        if (n > most) most = n;
        if (groups * longest > pool) pool = groups * longest;
    }
    if (scratch_new(&s, most, pool, e) != 0) goto out;
    for (size_t c = 0, at = 0, n; c < d->n_cells; c++, at += n) {
        for (n = 0; at + n < d->n_trials && sorted[at + n].row->cell == c;) n++;
        if (summarize(&s, sorted + at, n, &rows[c], e) != 0) goto out;
    }
    *out = rows;
    rows = NULL;
    status = 0;
out:
    scratch_free(&s);
    free(sorted);
    free(record);
    free(rows);
    return status;
}

/* ---- acceptance by draft position -------------------------------------------------------------------- */

int positions_make(const store_data *d, cell_positions **out, err *e) {
    *out = NULL;
    if (check(d, e) != 0) return -1;
    cell_positions *p = mem_new(d->n_cells, sizeof *p, e);
    if (p == NULL) return -1;
    for (size_t i = 0; i < d->n_steps; i++) {
        cell_positions *c = &p[d->trials[d->steps[i].trial].cell];
        if (d->steps[i].testable > c->n) c->n = d->steps[i].testable;
    }
    for (size_t c = 0; c < d->n_cells; c++)
        if ((p[c].at = mem_new(p[c].n, sizeof *p[c].at, e)) == NULL) {
            positions_free(p, d->n_cells);
            return -1;
        }
    for (size_t i = 0; i < d->n_steps; i++) {
        const step_row *s = &d->steps[i];
        position_count *at = p[d->trials[s->trial].cell].at;
        for (size_t j = 0; j < s->testable; j++) {
            at[j].reached++;
            at[j].tested += s->accepted >= j;
            at[j].accepted += s->accepted > j;
        }
    }
    *out = p;
    return 0;
}

void positions_free(cell_positions *p, size_t n_cells) {
    if (p == NULL) return;
    for (size_t c = 0; c < n_cells; c++) free(p[c].at);
    free(p);
}
