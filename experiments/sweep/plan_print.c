#include "experiments/sweep/plan_print.h"

#include <limits.h>
#include <stdlib.h>

#include "engine/base/number.h"
#include "experiments/sweep/cell.h"
#include "experiments/sweep/estimate.h"
#include "experiments/terminal/progress.h"

static void print_params(const param_spec *specs, size_t n, const param_values *v, FILE *out) {
    char text[PATH_MAX];
    for (size_t i = 0; i < n; i++) {
        param_format(&specs[i], &v->at[i], text, sizeof text);
        fprintf(out, " %s=%s", specs[i].name, text);
    }
}

static void print_group(const plan *p, const plan_cell *c, FILE *out) {
    const plan_model     *m = &p->models[c->model];
    const dataset_config *d = p->datasets[c->dataset].cfg;
    size_t                n = p->samples[c->samples].set.n;
    fprintf(out, "\nmodel %s (%s, %d thread%s), dataset %s (%zu sample%s%s), accept %s", m->cfg->label,
            m->cfg->target->name, m->spec.threads, plural((size_t)m->spec.threads), d->label, n, plural(n),
            d->forced ? ", forced" : "", c->rule->name);
    print_params(c->rule->params, c->rule->n_params, &c->rule_params, out);
    fprintf(out, "\n  %-16s  %8s  %8s  policy\n", "cell", "trials", "done");
}

static int print_cell(const plan *p, const char *dir, size_t cell, size_t *total, size_t *done, FILE *out, err *e) {
    const plan_cell *c = &p->cells[cell];
    const cell_unit  whole = {cell, 0, 1};
    size_t           trials = plan_cell_trials(p, cell), kept = trials;
    int              finished = cell_exists(dir, c, e);
    if (finished < 0) return -1;
    if (!finished && cell_count_kept(p, dir, &whole, &kept, NULL, e) != 0) return -1;
    fprintf(out, "  %s  %8zu  ", c->id, trials);
    if (finished)
        fprintf(out, "%8s", "finished");
    else
        fprintf(out, "%8zu", kept);
    fprintf(out, "  %s", c->policy->name);
    print_params(c->policy->params, c->policy->n_params, &c->policy_params, out);
    fputc('\n', out);
    *total += trials;
    *done += kept;
    return 0;
}

static void print_time(const estimate *t, FILE *out) {
    char     text[32];
    uint64_t s = (uint64_t)(t->seconds + 0.5);
    if (s == 0)
        snprintf(text, sizeof text, "a second");
    else
        progress_duration(s, text, sizeof text);
    fprintf(out,
            t->is_guess ? ", about %s if outputs are as long as they may be and drafts neither save nor cost time\n"
                        : ", about %s\n",
            text);
}

int plan_print(const plan *p, const char *dir, const runner_options *o, FILE *out, err *e) {
    size_t   total = 0, done = 0, group = SIZE_MAX;
    estimate time;
    int      ret = 0;
    fprintf(out, "sweep %s: seed %llu, %zu repeat%s%s, results in %s\n", p->cfg->name, (unsigned long long)p->cfg->seed,
            p->cfg->repeats, plural(p->cfg->repeats), p->cfg->paired ? ", paired" : "", p->cfg->output);
    for (size_t i = 0; ret == 0 && i < p->n_cells; i++) {
        if (p->cells[i].baseline != group) print_group(p, &p->cells[i], out);
        group = p->cells[i].baseline;
        ret = print_cell(p, dir, i, &total, &done, out, e);
    }
    if (ret == 0) ret = estimate_make(p, dir, o, &time, e);
    if (ret != 0) return ret;
    fprintf(out, "\n%zu cell%s, %zu trial%s", p->n_cells, plural(p->n_cells), total, plural(total));
    if (done > 0) fprintf(out, ", %zu to run", total - done);
    if (done < total)
        print_time(&time, out);
    else
        fputc('\n', out);
    return 0;
}

/* ---- what will be missing from the results ---------------------------------------------------------------- */

static void warn_about_cost(const plan *p, const plan_model *m, FILE *out) {
    char   doubts[256];
    size_t reach = m->cost->k[m->cost->n - 1], longer = 0, longest = 0;
    for (size_t i = 0; i < p->n_cells; i++) {
        const plan_cell *c = &p->cells[i];
        size_t           pass = 1 + policy_longest(c->policy, &c->policy_params);
        if (&p->models[c->model] != m || pass <= reach || (c->policy->needs & READS_TIMES) != 0) continue;
        longer++;
        if (pass > longest) longest = pass;
    }
    if (longer > 0)
        fprintf(
            out,
            "harness: %s: %s has times of passes over up to %zu tokens, and %zu cell%s can make longer ones, over up "
            "to %zu: a cell that does has no modeled speed-up\n",
            m->cfg->cost_at, m->cost->name, reach, longer, plural(longer), longest);
    if (cost_doubtful(m->cost, doubts, sizeof doubts))
        fprintf(out, "harness: %s: %s: %s; %s\n", m->cfg->cost_at, m->cost->name, doubts, cost_advice);
}

/* Warns about C3 of cell.h before hours are spent. */
static void warn_about_clocks(const plan *p, const char *dir, const runner_options *o, FILE *out) {
    bool timed = false, there = false;
    for (size_t i = 0; i < p->n_cells; i++) {
        const plan_cell *c = &p->cells[i];
        if (!p->models[c->model].cfg->target->timed || plan_cell_is_baseline(c) || cell_exists(dir, c, NULL) > 0)
            continue;
        timed = true;
        cell_unit whole = {c->baseline, 0, 1};
        size_t    kept = 0;
        if (!there && cell_count_kept(p, dir, &whole, &kept, NULL, NULL) == 0) there = kept > 0;
    }
    if (!timed || p->cfg->paired || (o->jobs == 1 && o->parts <= 1 && !there)) return;
    fprintf(
        out,
        "harness: %s: there will be cells without a speed-up, because plain decoding %s; with paired = yes it is timed "
        "with each trial\n",
        p->cfg->path, there ? "was timed by an earlier run" : "is timed in another process");
}

void plan_warn(const plan *p, const char *dir, const runner_options *o, FILE *out) {
    for (size_t i = 0; i < p->n_models; i++) {
        const plan_model *m = &p->models[i];
        if (m->cost != NULL && (i == 0 || p->models[i - 1].cfg != m->cfg)) warn_about_cost(p, m, out);
    }
    warn_about_clocks(p, dir, o, out);
}
