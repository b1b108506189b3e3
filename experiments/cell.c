/* cell.c - one cell from open to file.
 *
 * Trials run repeat by repeat over all samples, so that a slow minute of the machine falls on all samples and
 * not on all repeats of one; they are stored by (sample, repeat).
 */
#include "experiments/cell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/provenance.h"

typedef struct {
    cell_worker        *w;
    const plan_cell    *cell;
    const plan_model   *m;
    const plan_dataset *data;
    const samples      *set;
    size_t              repeats;
    target             *target;
    policy             *policy;
    rule               *rule;
    bool                paired;   /* plain decoding is timed beside each trial */
    policy             *plain;    /* of plain decoding */
    uint64_t           *plain_ns; /* [samples * repeats], when paired: what it took beside the trial */
    trial_trace        *traces;   /* [samples * repeats], at sample * repeats + repeat */
    comparison         *checks;   /* the same */
} cell_job;

int cell_worker_open(cell_worker *w, const plan *p, const char *dir, err *e) {
    *w = (cell_worker){.p = p, .dir = dir};
    w->warm = mem_new(p->n_models, sizeof *w->warm, e);
    return w->warm != NULL ? 0 : -1;
}

void cell_worker_close(cell_worker *w) {
    store_free(&w->baseline);
    free(w->warm);
    *w = (cell_worker){0};
}

char *cell_path(const char *dir, const plan_cell *c, err *e) {
    return mem_printf(e, "%s/%s.h5", dir, c->id);
}

static bool is_baseline(const cell_job *j) {
    return &j->w->p->cells[j->cell->baseline] == j->cell;
}

/* Reads the baseline's file, unless it is the one read last. */
static int load_baseline(cell_worker *w, size_t baseline, err *e) {
    if (w->has_baseline && w->baseline_cell == baseline) return 0;
    store_free(&w->baseline);
    w->has_baseline = false;
    char *path = cell_path(w->dir, &w->p->cells[baseline], e);
    if (path == NULL) return -1;
    int ret = store_read(path, &w->baseline, e);
    if (ret == 0 && (w->baseline.n_cells != 1 || strcmp(w->baseline.cells->id, w->p->cells[baseline].id) != 0))
        ret = err_input(e, "%s: holds %s%s, whose file has another name", path,
                        w->baseline.n_cells == 1 ? "the cell " : "no cell or several",
                        w->baseline.n_cells == 1 ? w->baseline.cells->id : "");
    if (ret == 0 && w->baseline.n_trials != plan_cell_trials(w->p, baseline))
        ret =
            err_input(e, "%s: holds %zu trials, not %zu", path, w->baseline.n_trials, plan_cell_trials(w->p, baseline));
    if (ret != 0 && e->kind == ERR_INPUT)
        err_advise(e, "the cell of plain decoding; move the file away, and the sweep makes it anew");
    free(path);
    w->has_baseline = ret == 0;
    w->baseline_cell = baseline;
    return ret;
}

static target *open_target(const cell_job *j, err *e) {
    if (j->m->weights == NULL) return target_replay_open(tokenizer_vocab(j->m->tok), e);
    return (j->m->blas ? target_blas_open : target_transformer_open)(j->m->weights, j->m->context, j->m->threads, e);
}

/* Noise: the rule's stream belongs to the sample alone, so that a trial and its baseline, and every repeat,
 * draw the same numbers at the same position; the policy's also to the cell. */
static decode_setup setup_of(const cell_job *j, size_t s) {
    const plan   *p = j->w->p;
    const sample *x = &j->set->at[s];
    const char   *id = x->rec->id;
    decode_setup  d = {
         .target = j->target,
         .policy = j->policy,
         .rule = j->rule,
         .eos = tokenizer_eos(j->m->tok),
         .max_new_tokens = j->data->cfg->max_new_tokens,
         .noise = {p->cfg->seed, rng_stream("accept", id)},
         .input = {.prompt = x->prompt.ids,
                   .n_prompt = x->prompt.n,
                   .references = x->references,
                   .n_references = x->n_references,
                   .vocab = tokenizer_vocab(j->m->tok),
                   .tok = j->m->tok,
                   .noise = {p->cfg->seed, rng_stream(j->cell->id, id)}},
    };
    if (j->data->cfg->forced) {
        d.forced = x->output.ids;
        d.n_forced = x->output.n;
    }
    return d;
}

/* Output and logits hashes of the baseline's trial at the same index. */
static void baseline_output(const store_data *b, size_t trial, const int32_t **ids, size_t *n, const uint64_t **hash) {
    *ids = b->ids + b->offset[trial];
    *n = (size_t)(b->offset[trial + 1] - b->offset[trial]);
    *hash = b->logits_hash != NULL ? b->logits_hash + b->offset[trial] : NULL;
}

/* Decodes the sample plainly and takes the time. */
static int time_plain(const cell_job *j, size_t s, uint64_t *ns, err *e) {
    trial_trace  scratch = {0};
    decode_setup d = setup_of(j, s);
    d.policy = j->plain;
    int ret = decode_run(&d, &scratch, e);
    *ns = scratch.decode_ns;
    trial_trace_free(&scratch);
    return ret;
}

static int run_trial(cell_job *j, size_t s, size_t repeat, err *e) {
    size_t          at = s * j->repeats + repeat;
    trial_trace    *trace = &j->traces[at];
    comparison     *same = &j->checks[at];
    decode_setup    d = setup_of(j, s);
    const int32_t  *ids;
    size_t          n;
    const uint64_t *hash;

    if (is_baseline(j)) {
        /* A baseline is compared with its own first repeat: the same run must give the same bits. */
        if (decode_run(&d, trace, e) != 0) return -1;
        const trial_trace *first = &j->traces[s * j->repeats];
        compare_traces(trace, first->output.ids, first->output.n, first->logits_hash, same);
    } else {
        baseline_output(&j->w->baseline, at, &ids, &n, &hash);
        d.input.truth = j->policy->ops->needs & NEEDS_TRUTH ? ids : NULL;
        d.input.n_truth = d.input.truth != NULL ? n : 0;
        if (decode_run(&d, trace, e) != 0) return -1;
        compare_traces(trace, ids, n, hash, same);
    }
    if (same->first_logits_divergence >= 0) {
        target *plain = open_target(j, e);
        int     ret = plain == NULL ? -1 : compare_recompute(&d, plain, same, e);
        target_close(plain);
        if (ret != 0) return -1;
    }
    return 0;
}

/* Brings the weights into memory and the machine up to speed, outside all timing. */
static int warm_up(cell_job *j, err *e) {
    uint64_t ns;
    if (j->m->weights == NULL || j->w->warm[j->cell->model] || j->set->n == 0) return 0;
    if (time_plain(j, 0, &ns, e) != 0) return -1;
    j->w->warm[j->cell->model] = true;
    return 0;
}

/* Every other trial comes after its plain decoding, the rest before it: neither has the warmer caches. */
static int run_paired(cell_job *j, size_t s, size_t repeat, err *e) {
    uint64_t *ns = &j->plain_ns[s * j->repeats + repeat];
    if (!j->paired || is_baseline(j)) return run_trial(j, s, repeat, e);
    if ((s + repeat) % 2 == 0) return time_plain(j, s, ns, e) != 0 ? -1 : run_trial(j, s, repeat, e);
    return run_trial(j, s, repeat, e) != 0 ? -1 : time_plain(j, s, ns, e);
}

static int run_all(cell_job *j, err *e) {
    if (warm_up(j, e) != 0) return -1;
    for (size_t repeat = 0; repeat < j->repeats; repeat++) {
        for (size_t s = 0; s < j->set->n; s++) {
            if (j->w->stop != NULL && *j->w->stop) return err_stop(e, STOPPED);
            if (run_paired(j, s, repeat, e) != 0)
                return err_prefix(e, "%s: sample \"%s\"", j->data->cfg->path, j->set->at[s].rec->id);
            if (j->w->trial_done != NULL) j->w->trial_done(j->w->ctx);
        }
    }
    return 0;
}

static void fill_trial(const cell_job *j, size_t s, size_t repeat, trial_row *row) {
    size_t             at = s * j->repeats + repeat;
    const trial_trace *t = &j->traces[at];
    const comparison  *v = &j->checks[at];
    *row = (trial_row){
        .trial = (uint32_t)at,
        .sample = (uint32_t)s,
        .repeat = (uint32_t)repeat,
        .tokens = (uint32_t)t->output.n,
        .steps = (uint32_t)t->n_steps,
        .prefill_ns = t->prefill_ns,
        .decode_ns = t->decode_ns,
        .draft_ns = t->draft_ns,
        .verify_ns = t->verify_ns,
        .tokens_per_step = t->n_steps > 0 ? (double)t->output.n / (double)t->n_steps : (double)NAN,
        .speedup = (double)NAN,
        .modeled_speedup = (double)NAN,
        .equal = v->equal,
        .logits_equal = (uint8_t)v->logits_equal,
        .first_divergence = v->first_divergence,
        .max_abs_logit_diff = v->max_abs_logit_diff,
        .min_margin = t->min_margin,
        .truncated = t->truncated,
        .logits_hash = trial_trace_hash(t),
    };
    for (size_t i = 0; i < t->n_steps; i++) {
        row->drafted += t->steps[i].drafted;
        row->accepted += t->steps[i].accepted;
    }
    if (j->m->weights != NULL) {
        row->plain_ns = is_baseline(j) ? t->decode_ns
                        : j->paired    ? j->plain_ns[at]
                                       : j->w->baseline.trials[at].decode_ns;
        if (t->decode_ns > 0) row->speedup = (double)row->plain_ns / (double)t->decode_ns;
    }
    if (j->m->cost != NULL) {
        /* The baseline's steps after the prompt's are passes over one token. */
        uint32_t steps = is_baseline(j) ? row->steps : j->w->baseline.trials[at].steps;
        double   plain = cost_pass(j->m->cost, 1) * (double)(steps > 0 ? steps - 1 : 0);
        double   own = cost_trial(j->m->cost, t->steps, t->n_steps);
        if (own > 0) row->modeled_speedup = plain / own; /* a trial of the prompt's pass alone has no such time */
    }
}

static int add_trial(const cell_job *j, size_t s, size_t repeat, store_data *out, err *e) {
    const trial_trace *t = &j->traces[s * j->repeats + repeat];
    trial_row          row;
    fill_trial(j, s, repeat, &row);
    step_row *steps = mem_new(t->n_steps, sizeof *steps, e);
    if (steps == NULL) return -1;
    for (size_t i = 0; i < t->n_steps; i++) {
        const step_trace *x = &t->steps[i];
        steps[i] = (step_row){
            .trial = row.trial,
            .step = (uint32_t)i,
            .position = x->position,
            .match_length = x->match_length,
            .source = x->source,
            .source_position = x->source_position,
            .drafted = x->drafted,
            .accepted = x->accepted,
            .emitted = x->emitted,
            .draft_ns = x->draft_ns,
            .verify_ns = x->verify_ns,
        };
    }
    int ret = store_add_trial(out, &row, steps, t->n_steps, t->output.ids, t->output.n, t->logits_hash, e);
    free(steps);
    return ret;
}

/* Names in rows are borrowed: the store copies them. */
static int fill_store(const cell_job *j, store_data *out, err *e) {
    const plan      *p = j->w->p;
    const plan_cell *c = j->cell;
    const char      *config_name = config_base_name(p->cfg);
    cell_row         cell = {
                .id = (char *)c->id,
                .config = (char *)config_name,
                .dataset = j->data->cfg->label,
                .model = j->m->cfg->label,
                .model_sha256 = (char *)j->m->sha256,
                .dataset_sha256 = (char *)j->data->data.sha256,
                .target = (char *)j->m->cfg->target->name,
                .policy = (char *)c->policy->name,
                .rule = (char *)c->rule->name,
                .forced = j->data->cfg->forced,
                .n = plan_cell_param(c, "n"),
                .k = plan_cell_param(c, "k"),
                .temperature = rule_temperature(c->rule, &c->rule_params),
                .params = c->params,
                .threads = j->m->threads,
                .gemm = j->m->cfg->gemm,
    };
    if (provenance_fill(&out->from, p->cfg->name, (uint32_t)j->m->threads, e) != 0) return -1;
    if (store_add_config(out, config_name, p->cfg->text, NULL, e) != 0 || store_add_cell(out, &cell, e) != 0) return -1;
    for (size_t s = 0; s < j->set->n; s++) {
        const sample *x = &j->set->at[s];
        sample_row    row = {
               .sample = (uint32_t)s,
               .dataset = j->data->cfg->label,
               .id = x->rec->id,
               .scenario = x->rec->scenario,
               .prompt_tokens = (uint32_t)x->prompt.n,
               .reference_tokens = (uint32_t)x->reference_tokens,
               .references = (uint32_t)x->n_references,
        };
        if (store_add_sample(out, &row, e) != 0) return -1;
    }
    for (size_t s = 0; s < j->set->n; s++)
        for (size_t repeat = 0; repeat < j->repeats; repeat++)
            if (add_trial(j, s, repeat, out, e) != 0) return -1;
    return 0;
}

int cell_run(cell_worker *w, size_t cell, err *e) {
    const plan      *p = w->p;
    const plan_cell *c = &p->cells[cell];
    size_t           n = plan_cell_trials(p, cell);
    store_data       out = {0};
    char            *path = NULL;
    int              ret = -1;
    cell_job         j = {
                .w = w,
                .cell = c,
                .m = &p->models[c->model],
                .data = &p->datasets[c->dataset],
                .set = &p->samples[c->samples].set,
                .repeats = p->cfg->repeats,
                .paired = p->cfg->paired && p->models[c->model].weights != NULL,
    };
    if (c->baseline != cell && load_baseline(w, c->baseline, e) != 0) return -1;
    if ((j.target = open_target(&j, e)) == NULL) goto out;
    if ((j.policy = policy_open(c->policy, &c->policy_params, e)) == NULL) goto out;
    if ((j.rule = rule_open(c->rule, &c->rule_params, tokenizer_vocab(j.m->tok), e)) == NULL) goto out;
    if ((j.plain = policy_open(policy_find("none"), &(param_values){0}, e)) == NULL) goto out;
    if ((j.plain_ns = mem_new(n, sizeof *j.plain_ns, e)) == NULL) goto out;
    if ((j.traces = mem_new(n, sizeof *j.traces, e)) == NULL) goto out;
    if ((j.checks = mem_new(n, sizeof *j.checks, e)) == NULL) goto out;
    if (run_all(&j, e) != 0 || fill_store(&j, &out, e) != 0) goto out;
    if ((path = cell_path(w->dir, c, e)) == NULL) goto out;
    ret = store_write(path, &out, true, e);
out:
    for (size_t i = 0; j.traces != NULL && i < n; i++) trial_trace_free(&j.traces[i]);
    free(j.traces);
    free(j.plain_ns);
    free(j.checks);
    free(path);
    store_free(&out);
    rule_close(j.rule);
    policy_close(j.policy);
    policy_close(j.plain);
    target_close(j.target);
    return ret;
}
