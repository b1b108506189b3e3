/* plan.h - the grid of one sweep: turns a configuration into cells, each with its identity.
 *
 * Planning opens every file, reads and tokenizes every dataset, and refuses everything that can be
 * refused, so that a sweep that starts can finish. The grid is the Cartesian product of values within each
 * policy section, united over policy sections, times rules, models (threads included) and datasets. Each
 * (model, dataset, rule) group begins with its baseline, policy `none`, added when no section requests it.
 */
#ifndef EXPERIMENTS_PLAN_H
#define EXPERIMENTS_PLAN_H

#include "datasets/sample.h"
#include "experiments/sweep/config.h"
#include "experiments/sweep/cost.h"
#include "store/store.h"

/* What ends a text that a model gives. */
typedef struct {
    tokens ids;   /* the set */
    char  *text;  /* the same (stops_text) */
    char  *added; /* those of them that the config adds to the model's own */
} plan_stops;

/* One [model] at one thread count. Weights and tokenizer are shared between variants of one section. */
typedef struct {
    const model_config *cfg;
    target_spec         spec; /* to open its targets; no weights and context 0 for targets that need none */
    const tokenizer    *tok;
    chat                chat;   /* of its prompts, once a dataset with turns was met */
    bool                chosen; /* it was */
    const plan_stops   *stops;
    char                sha256[DIGEST_HEX]; /* of the GGUF with the weights; without them, tokenizer_digest */
    const cost_model   *cost;               /* NULL without one */
} plan_model;

/* One [dataset], read. Where a tokenizer shapes the records (llma format: documents cut in the prompt) there is
 * one for each tokenizer, else one for all. */
typedef struct {
    const dataset_config *cfg;
    const tokenizer      *tok; /* that it was read with */
    dataset               data;
} plan_dataset;

/* A dataset as one model sees it: through its tokenizer, within its context. */
typedef struct {
    size_t  model, dataset; /* indices into the plan; model: the first with this view */
    samples set;
    char    sha256[DIGEST_HEX]; /* samples_digest */
} plan_samples;

typedef struct {
    char              id[17];      /* of setting and build: of all that determines the result */
    char              setting[17]; /* of what the config, the model and the data say */
    char              build[17];   /* of the program: sources that this cell uses, and the user's compiler flags */
    size_t            model, dataset, samples; /* indices into the plan */
    const policy_ops *policy;
    param_values      policy_params;
    const rule_ops   *rule;
    param_values      rule_params;
    size_t            baseline; /* index of the group's baseline cell */
    char             *params;   /* canonical JSON {"policy":{...},"rule":{...}} */
} plan_cell;

typedef struct {
    const config *cfg;
    plan_model   *models;
    size_t        n_models;
    plan_dataset *datasets;
    size_t        n_datasets;
    plan_samples *samples;
    size_t        n_samples;
    plan_cell    *cells;
    size_t        n_cells;
    /* owned behind the views above */
    model     **weights;
    size_t      n_weights;
    tokenizer **toks;
    size_t      n_toks;
    cost_model *costs;
    size_t      n_costs;
    plan_stops *stops;
    size_t      n_stops;
} plan;

typedef struct {
    bool            skip_bad;
    dataset_report *report; /* lines skipped; may be NULL */
    void           *ctx;
} plan_options;

/* `c` must outlive the plan. ERR_INPUT for any mistake in the configuration or its files. */
int  plan_make(const config *c, const plan_options *o, plan *out, err *e);
void plan_free(plan *p);

/* Whether it decodes plainly; the other cells of its group are compared with it. */
bool plan_cell_is_baseline(const plan_cell *c);

/* Whether its trials learn from those before them. */
bool plan_cell_remembers(const plan_cell *c);

/* Trials of a cell: samples times repeats. */
size_t plan_cell_trials(const plan *p, size_t cell);

/* Fills a cell's settings, apart from its config and build, and its params. The texts stay the plan's and the engine's.
 */
void plan_cell_settings(const plan *p, const plan_cell *c, cell_row *out);

/* Value of the policy parameter named `name` in a cell, or -1 (the columns n and k). */
int32_t plan_cell_param(const plan_cell *c, const char *name);

#endif
