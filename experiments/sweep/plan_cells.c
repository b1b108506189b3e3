#include "experiments/sweep/plan_cells.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/blas.h"
#include "experiments/sweep/provenance.h"
#include "experiments/sweep/values.h"
#include "store/settings.h"

enum { MAX_CELLS = 1000000 };

/* ---- how many ----------------------------------------------------------------------------------------- */

/* Counts saturate at MAX_CELLS + 1. */
static size_t times(size_t a, size_t b) {
    if (a != 0 && b > MAX_CELLS / a) return MAX_CELLS + 1;
    return a * b;
}

static size_t plus(size_t a, size_t b) {
    return a + b > MAX_CELLS ? MAX_CELLS + 1 : a + b;
}

static size_t points(const value_list *lists, size_t n) {
    size_t product = 1;
    for (size_t i = 0; i < n; i++) product = times(product, lists[i].n);
    return product;
}

int plan_cells_count(const config *c, size_t *out, err *e) {
    size_t policies = 1, rules = 0, models = 0;
    for (size_t i = 0; i < c->n_policies; i++)
        if (c->policies[i].ops != &policy_none) /* it is in every group anyway */
            policies = plus(policies, points(c->policies[i].values, c->policies[i].ops->n_params));
    for (size_t i = 0; i < c->n_rules; i++) rules = plus(rules, points(c->rules[i].values, c->rules[i].ops->n_params));
    for (size_t i = 0; i < c->n_models; i++) models = plus(models, c->models[i].threads.n);
    *out = times(times(policies, rules), times(models, c->n_datasets));
    if (*out > MAX_CELLS) return err_input(e, "%s: the grid has too many cells (at most %d)", c->path, MAX_CELLS);
    return 0;
}

/* ---- one after another -------------------------------------------------------------------------------- */

/* The points of a product of lists, the last list varying fastest. */
typedef struct {
    const value_list *lists;
    size_t            n;
    size_t            at[PARAM_MAX];
} odometer;

static param_values odometer_values(const odometer *o) {
    param_values v = {0};
    for (size_t i = 0; i < o->n; i++) v.at[i] = o->lists[i].at[o->at[i]];
    return v;
}

static bool odometer_next(odometer *o) {
    for (size_t i = o->n; i > 0; i--) {
        if (++o->at[i - 1] < o->lists[i - 1].n) return true;
        o->at[i - 1] = 0;
    }
    return false;
}

/* ---- identity ----------------------------------------------------------------------------------------- */

static json_t *policy_json(const plan_cell *c) {
    return values_json(c->policy->params, c->policy->n_params, &c->policy_params);
}

static json_t *rule_json(const plan_cell *c) {
    return values_json(c->rule->params, c->rule->n_params, &c->rule_params);
}

static char *canonical(json_t *json, int digits, err *e) {
    char *text =
        json != NULL ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION((size_t)digits)) : NULL;
    json_decref(json);
    if (text == NULL) err_run(e, "out of memory");
    return text;
}

static char *params_text(const plan_cell *c, err *e) {
    int digits = values_digits(c->policy->params, c->policy->n_params, &c->policy_params, 15);
    digits = values_digits(c->rule->params, c->rule->n_params, &c->rule_params, digits);
    return canonical(json_pack("{s:o, s:o}", "policy", policy_json(c), "rule", rule_json(c)), digits, e);
}

void plan_cell_settings(const plan *p, const plan_cell *c, cell_row *out) {
    const plan_model   *m = &p->models[c->model];
    const plan_dataset *data = &p->datasets[c->dataset];

    out->model = m->cfg->label;
    out->model_sha256 = (char *)m->sha256;
    out->target = (char *)m->cfg->target->name;
    out->threads = m->spec.threads;
    out->gemm = (char *)gemm_name(m->spec.gemm);
    out->chat = data->data.has_turns && m->chat.format != NULL ? (char *)chat_name(&m->chat) : "";
    out->stop = m->stops->added;
    out->stop_ids = m->stops->text;
    out->dataset = data->cfg->label;
    out->dataset_sha256 = (char *)data->data.sha256;
    out->forced = data->cfg->forced;
    out->rule = (char *)c->rule->name;
    out->temperature = rule_temperature(c->rule, &c->rule_params);
    out->policy = (char *)c->policy->name;
    out->n = plan_cell_param(c, "n");
    out->k = plan_cell_param(c, "k");
    out->params = c->params;
}

/* A cell's settings by name, without those that are NULL. */
static json_t *settings_json(const cell_row *row) {
    json_t *object = json_object();
    for (size_t i = 0; i < SETTINGS && object != NULL; i++) {
        const setting *s = &settings[i];
        bool           text = s->kind == FIELD_STR || s->kind == FIELD_ID;
        if (text && setting_text(s, row) == NULL) continue;
        json_t *value = text ? json_string(setting_text(s, row)) : json_real(setting_number(s, row));
        if (json_object_set_new(object, s->name, value) == 0) continue;
        json_decref(object);
        object = NULL;
    }
    return object;
}

/* The digest of the policy's source; of one with stages a list, its own first. */
static json_t *policy_source(const plan_cell *c) {
    json_t *own = json_string(provenance_source(c->policy->source));
    if (c->policy->stages == NULL || own == NULL) return own;
    size_t              n;
    const policy_stage *stages = c->policy->stages(&c->policy_params, &n);
    json_t             *all = json_pack("[o]", own);
    for (size_t i = 0; i < n && all != NULL; i++) {
        if (json_array_append_new(all, json_string(provenance_source(stages[i].ops->source))) == 0) continue;
        json_decref(all);
        all = NULL;
    }
    return all;
}

/* Everything that determines a cell's content: a finished cell is reused only if all of this is equal. The identity
 * leaves out what changes no token and is only recorded in the cell (host, instruction set, compiler, date). It also
 * leaves out the names of the sweep (each has its own folder) and of its config, the labels of policy and rule
 * sections, and the grid's other cells. */
/* clang-format off */
static json_t *setting_json(const plan *p, const plan_cell *c) {
    const plan_model *m = &p->models[c->model];
    cell_row          row = {0};
    plan_cell_settings(p, c, &row);
    return json_pack("{s:o, s:s, s:I, s:I, s:b, s:s?, s:I, s:s, s:s?, s:s, s:I}",
                     "settings",       settings_json(&row),                  /* what the cell's row says; */
                     "params",         row.params,                           /* defaults included: they may change */
                     "seed",           (json_int_t)p->cfg->seed,             /* all randomness */
                     "repeats",        (json_int_t)p->cfg->repeats,          /* the number of trials */
                     "paired",         p->cfg->paired,                       /* what speedup is over */
                     "blas",           m->spec.gemm == GEMM_BLAS ? blas_kernels() : NULL, /* how these kernels round */
                     "context",        (json_int_t)m->spec.context,          /* where outputs are cut */
                     "stop_ids",       m->stops->text,                       /* where they end */
                     "cost",           m->cost != NULL ? m->cost->sha256 : NULL,     /* modeled_speedup */
                     "samples",        p->samples[c->samples].sha256,        /* what was taken from the data */
                     "max_new_tokens", (json_int_t)p->datasets[c->dataset].cfg->max_new_tokens);
}

static json_t *build_json(const plan *p, const plan_cell *c) {
    return json_pack("{s:s, s:s, s:o, s:s, s:s}",
                     "engine", provenance_source("engine"),
                     "target", provenance_source(p->models[c->model].cfg->target->source),
                     "policy", policy_source(c),
                     "rule",   provenance_source(c->rule->source),
                     "flags",  provenance_user_flags());                     /* of the compiler */
}

static json_t *identity_json(const plan_cell *c) {
    return json_pack("{s:i, s:s, s:s}",
                     "schema",  STORE_SCHEMA_VERSION,                        /* the file's form */
                     "setting", c->setting,
                     "build",   c->build);
}
/* clang-format on */

/* The first 16 hex digits of SHA-256 over the canonical JSON. */
static int short_digest(json_t *json, char out[17], err *e) {
    char  hex[DIGEST_HEX];
    char *text = canonical(json, 17, e);
    if (text == NULL) return -1;
    int ret = digest_sha256(text, strlen(text), hex, e);
    free(text);
    if (ret == 0) snprintf(out, 17, "%.16s", hex);
    return ret;
}

static int set_identity(const plan *p, plan_cell *c, err *e) {
    if (short_digest(setting_json(p, c), c->setting, e) != 0 || short_digest(build_json(p, c), c->build, e) != 0)
        return -1;
    return short_digest(identity_json(c), c->id, e);
}

/* ---- cells -------------------------------------------------------------------------------------------- */

static int add_cell(plan *p, plan_cell cell, err *e) {
    if ((cell.params = params_text(&cell, e)) == NULL) return -1;
    p->cells[p->n_cells++] = cell;
    return set_identity(p, &p->cells[p->n_cells - 1], e);
}

/* Opens a cell's policy, as a run will: parameters that do not go together, and files made for another vocabulary, are
 * found now and not after hours. */
static int check_policy(const plan *p, const policy_config *asked, const plan_cell *c, err *e) {
    const plan_model *m = &p->models[c->model];
    policy           *opened = policy_open(c->policy,
                                           &(policy_spec){.params = c->policy_params,
                                                          .vocab = m->spec.vocab,
                                                          .tok = m->tok,
                                                          .threads = m->spec.threads,
                                                          .times = cost_times(m->cost)},
                                           e);
    policy_close(opened);
    return opened != NULL ? 0 : err_prefix(e, "%s:%zu: [model %s]", p->cfg->path, asked->line, m->cfg->label);
}

static int check_rule(const plan *p, const rule_config *asked, const plan_cell *c, err *e) {
    rule *opened = rule_open(c->rule, &c->rule_params, p->models[c->model].spec.vocab, e);
    rule_close(opened);
    if (opened != NULL) return 0;
    return err_prefix(e, "%s:%zu: [model %s]", p->cfg->path, asked->line, p->models[c->model].cfg->label);
}

/* `cell` holds what the group has in common. check: policies were not opened for its model yet. */
static int add_group(plan *p, plan_cell cell, bool check, err *e) {
    cell.policy = &policy_none;
    cell.baseline = p->n_cells;
    param_presets(cell.policy->params, cell.policy->n_params, &cell.policy_params);
    if (add_cell(p, cell, e) != 0) return -1;

    for (size_t i = 0; i < p->cfg->n_policies; i++) {
        const policy_config *asked = &p->cfg->policies[i];
        odometer             grid = {.lists = asked->values, .n = asked->ops->n_params};
        if (asked->ops == &policy_none) continue; /* was added */
        cell.policy = asked->ops;
        do {
            cell.policy_params = odometer_values(&grid);
            if (check && check_policy(p, asked, &cell, e) != 0) return -1;
            if (add_cell(p, cell, e) != 0) return -1;
        } while (odometer_next(&grid));
    }
    return 0;
}

int plan_cells_add(plan *p, size_t model_at, size_t dataset_at, size_t samples_at, err *e) {
    bool new_model = p->n_cells == 0 || p->cells[p->n_cells - 1].model != model_at, check = new_model;
    for (size_t i = 0; i < p->cfg->n_rules; i++) {
        const rule_config *asked = &p->cfg->rules[i];
        odometer           grid = {.lists = asked->values, .n = asked->ops->n_params};
        plan_cell          cell = {.model = model_at, .dataset = dataset_at, .samples = samples_at, .rule = asked->ops};
        do {
            cell.rule_params = odometer_values(&grid);
            if (new_model && check_rule(p, asked, &cell, e) != 0) return -1;
            if (add_group(p, cell, check, e) != 0) return -1;
            check = false;
        } while (odometer_next(&grid));
    }
    return 0;
}

void plan_cells_free(plan *p) {
    for (size_t i = 0; i < p->n_cells; i++) free(p->cells[i].params);
    free(p->cells);
    p->cells = NULL;
    p->n_cells = 0;
}

bool plan_cell_is_baseline(const plan_cell *c) {
    return c->policy == &policy_none;
}

bool plan_cell_remembers(const plan_cell *c) {
    return policy_remembers(c->policy, &c->policy_params);
}

size_t plan_cell_trials(const plan *p, size_t cell) {
    return p->samples[p->cells[cell].samples].set.n * p->cfg->repeats;
}

int32_t plan_cell_param(const plan_cell *c, const char *name) {
    int i = param_find(c->policy->params, c->policy->n_params, name);
    return i < 0 || c->policy->params[i].type != PARAM_IS_INTEGER ? -1 : (int32_t)c->policy_params.at[i].integer;
}
