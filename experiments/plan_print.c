#include "experiments/plan_print.h"

static const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

static void print_params(const param_spec *specs, size_t n, const param_values *v, FILE *out) {
    char text[40];
    for (size_t i = 0; i < n; i++) {
        param_format(&specs[i], v->at[i], text, sizeof text);
        fprintf(out, " %s=%s", specs[i].name, text);
    }
}

static void print_group(const plan *p, const plan_cell *c, FILE *out) {
    const plan_model     *m = &p->models[c->model];
    const dataset_config *d = p->datasets[c->dataset].cfg;
    size_t                n = p->samples[c->samples].set.n;
    fprintf(out, "\nmodel %s (%s, %d thread%s), dataset %s (%zu sample%s%s), accept %s", m->cfg->label,
            m->cfg->target->name, m->threads, plural((size_t)m->threads), d->label, n, plural(n),
            d->forced ? ", forced" : "", c->rule->name);
    print_params(c->rule->params, c->rule->n_params, &c->rule_params, out);
    fprintf(out, "\n  %-16s  %8s  policy\n", "cell", "trials");
}

void plan_print(const plan *p, FILE *out) {
    size_t total = 0;
    fprintf(out, "sweep %s: seed %llu, %zu repeat%s%s, results in %s\n", p->cfg->name, (unsigned long long)p->cfg->seed,
            p->cfg->repeats, plural(p->cfg->repeats), p->cfg->paired ? ", paired" : "", p->cfg->output);
    for (size_t i = 0; i < p->n_cells; i++) {
        const plan_cell *c = &p->cells[i];
        if (c->baseline == i) print_group(p, c, out);
        total += plan_cell_trials(p, i);
        fprintf(out, "  %s  %8zu  %s", c->id, plan_cell_trials(p, i), c->policy->name);
        print_params(c->policy->params, c->policy->n_params, &c->policy_params, out);
        fputc('\n', out);
    }
    fprintf(out, "\n%zu cell%s, %zu trial%s\n", p->n_cells, plural(p->n_cells), total, plural(total));
}
