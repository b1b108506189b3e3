/* cell_rows.c - fills the rows of a cell's file from traces and comparisons. */
#include <math.h>
#include <stdlib.h>

#include "experiments/sweep/cell.h"
#include "experiments/sweep/provenance.h"

static int add_skipped(const plan_model *m, const plan_dataset *data, const skipped_records *s, store_data *out,
                       err *e) {
    for (size_t i = 0; i < s->n; i++) {
        skipped_row row = {.dataset = data->cfg->label,
                           .dataset_sha256 = (char *)data->data.sha256,
                           .model = m->cfg->label,
                           .line = (uint32_t)s->at[i].line,
                           .id = s->at[i].id,
                           .reason = s->at[i].reason};
        if (store_add_skipped(out, &row, e) != 0) return -1;
    }
    return 0;
}

static int add_samples(const plan_dataset *data, const samples *set, store_data *out, err *e) {
    for (size_t s = 0; s < set->n; s++) {
        const sample *x = &set->at[s];
        sample_row    row = {
               .dataset = data->cfg->label,
               .id = x->rec->id,
               .scenario = x->rec->scenario,
               .prompt_tokens = (uint32_t)x->prompt.n,
               .reference_tokens = (uint32_t)x->reference_tokens,
               .references = (uint32_t)x->n_references,
               .conversation = x->rec->conversation,
               .documents = x->documents,
               .content = x->content,
        };
        if (store_add_sample(out, &row, e) != 0) return -1;
    }
    return 0;
}

/* Texts in rows are borrowed: the store copies them. */
int cell_frame(const plan *p, const plan_cell *c, const process_row *own, store_data *out, err *e) {
    const plan_model   *m = &p->models[c->model];
    const plan_dataset *data = &p->datasets[c->dataset];
    const samples      *set = &p->samples[c->samples].set;
    const char         *config_name = config_base_name(p->cfg);
    cell_row            cell = {
                   .id = (char *)c->id,
                   .config = (char *)config_name,
                   .build = (char *)c->build,
                   .trials = (uint32_t)plan_cell_trials(p, (size_t)(c - p->cells)),
                   .timed = m->cfg->target->timed,
    };
    plan_cell_settings(p, c, &cell);
    if ((out->sweep = mem_strdup(p->cfg->name, e)) == NULL) return -1;
    if (store_keep_text(&out->configs, config_name, p->cfg->text, NULL, e) != 0) return -1;
    if (m->cost != NULL && store_keep_text(&out->costs, m->cost->name, m->cost->text, NULL, e) != 0) return -1;
    if (store_add_cell(out, &cell, e) != 0 || store_add_process(out, own, NULL, e) != 0) return -1;
    if (add_skipped(m, data, &data->data.skipped, out, e) != 0) return -1;
    if (add_skipped(m, data, &p->samples[c->samples].set.skipped, out, e) != 0) return -1;
    return add_samples(data, set, out, e);
}

/* The speed-up per token after the prompt's pass. It compares times per token, since a rule that does not keep plain
 * decoding's tokens may end a text elsewhere; with equal outputs it is the ratio of the times. NaN when a side has
 * nothing to decode after the prompt's pass; infinite when a draft completed the output in that pass. */
static double speedup_of(double plain_ns, uint32_t plain_tokens, double own_ns, uint32_t own_tokens) {
    if (plain_tokens < 2 || own_tokens < 2) return NAN;
    return (plain_ns / (plain_tokens - 1)) / (own_ns / (own_tokens - 1));
}

/* What plain decoding took for the positions that a step emits; 0 where that is not known of all of them. */
static uint64_t plain_ns_of(const plain_times *plain, const step_trace *s) {
    size_t   to = (size_t)s->position + s->emitted;
    uint64_t sum = 0;
    for (size_t i = s->position; to <= plain->n && i < to; i++) sum += plain->step_ns[i];
    return sum;
}

static step_row row_of_step(const trial_result *r, size_t i) {
    const step_trace     *s = &r->trace->steps[i];
    const step_comparison same = compare_step(r->trace, i, r->plain_hash, &r->same);
    return (step_row){
        .position = s->position,
        .match_length = s->match_length,
        .source = s->source,
        .source_position = s->source_position,
        .drafted = s->drafted,
        .testable = s->testable,
        .depth = s->depth,
        .accepted = s->accepted,
        .emitted = s->emitted,
        .draft_ns = s->draft_ns,
        .verify_ns = s->verify_ns,
        .plain_ns = plain_ns_of(&r->times, s),
        .equal = same.equal,
        .logits_equal = (uint8_t)same.logits_equal,
        .margin = s->margin,
    };
}

/* All but its times and ratios. */
static trial_row row_of_trial(const trial_result *r, size_t s, size_t repeat) {
    const trial_trace *x = r->trace;
    const plain_run   *plain = r->plain;
    return (trial_row){
        .sample = (uint32_t)s,
        .repeat = (uint32_t)repeat,
        .process = 0, /* cell_frame put this one first */
        .tokens = (uint32_t)x->output.n,
        .plain_tokens = plain != NULL ? plain->tokens : (uint32_t)x->output.n,
        .steps = (uint32_t)x->n_steps,
        .prefill_ns = x->prefill_ns,
        .decode_ns = x->decode_ns,
        .draft_ns = x->draft_ns,
        .verify_ns = x->verify_ns,
        .plain_ns = r->times.ns,
        .tokens_per_step = x->n_steps > 0 ? (double)x->output.n / (double)x->n_steps : (double)NAN,
        .modeled_ns = (double)NAN,
        .plain_modeled_ns = (double)NAN,
        .speedup = (double)NAN,
        .modeled_speedup = (double)NAN,
        .equal = r->same.equal,
        .logits_equal = (uint8_t)r->same.logits_equal,
        .first_divergence = r->same.first_divergence,
        .max_abs_logit_diff = r->same.max_abs_logit_diff,
        .min_margin = x->min_margin,
        .log_likelihood = x->log_likelihood,
        .plain_log_likelihood = plain != NULL ? plain->log_likelihood : x->log_likelihood,
        .truncated = x->truncated,
        .logits_hash = trial_trace_hash(x),
    };
}

int cell_add_trial(store_data *trials, const plan *p, const plan_cell *c, size_t s, size_t repeat,
                   const trial_result *r, err *e) {
    const trial_trace *x = r->trace;
    const cost_model  *cost = p->models[c->model].cost;
    trial_row          row = row_of_trial(r, s, repeat);
    step_row          *steps = mem_new(x->n_steps, sizeof *steps, e);
    if (steps == NULL) return -1;
    for (size_t i = 0; i < x->n_steps; i++) {
        steps[i] = row_of_step(r, i);
        row.drafted += steps[i].drafted;
        row.testable += steps[i].testable;
        row.accepted += steps[i].accepted;
    }
    if (row.plain_ns > 0 && x->decode_ns > 0)
        row.speedup = speedup_of((double)row.plain_ns, row.plain_tokens, (double)x->decode_ns, row.tokens);
    if (cost != NULL) {
        size_t n_prompt = p->samples[c->samples].set.at[s].prompt.n;
        row.modeled_ns = cost_trial(cost, n_prompt, x->steps, x->n_steps);
        row.plain_modeled_ns = cost_plain(cost, n_prompt, row.plain_tokens);
        row.modeled_speedup = speedup_of(row.plain_modeled_ns, row.plain_tokens, row.modeled_ns, row.tokens);
    }
    int ret = store_add_trial(trials, &row, steps, x->n_steps, x->output.ids, x->output.n, x->logits_hash, e);
    free(steps);
    return ret;
}
