/* draft_replay.c - a trial's drafts: its policy runs again, over the recorded output instead of a model (T3). */
#include <stdlib.h>

#include "experiments/texts/sweep_texts.h"

extern const rule_ops   rule_greedy;
extern const target_ops target_replay;

typedef struct {
    const step_row *rows; /* [n] the trial's */
    size_t          n, at;
    bool            differs;
    trial_drafts   *out;
} recorder;

static bool same_step(const step_row *a, const step_trace *b) {
    return a->position == b->position && a->match_length == b->match_length && a->source == b->source &&
           a->source_position == b->source_position && a->drafted == b->drafted && a->accepted == b->accepted &&
           a->emitted == b->emitted;
}

static int record_step(void *ctx, const step_trace *s, const step_view *view, err *e) {
    recorder     *r = ctx;
    const draft  *d = view->draft;
    trial_drafts *out = r->out;
    if (r->differs || r->at == r->n || !same_step(&r->rows[r->at++], s)) {
        r->differs = true;
        return 0;
    }
    if (mem_reserve(&out->ids, &out->cap_ids, out->n + d->n, e) != 0 ||
        mem_reserve(&out->parents, &out->cap_parents, out->n + d->n, e) != 0)
        return -1;
    for (size_t i = 0; i < d->n; i++, out->n++) {
        out->ids[out->n] = d->ids[i];
        out->parents[out->n] = d->parent[i];
    }
    return 0;
}

/* ---- the cell's policy ------------------------------------------------------------------------------------ */

void draft_replay_close(sweep_texts *t) {
    policy_close(t->policy);
    rule_close(t->rule);
    target_close(t->target);
    free(t->no_policy);
    t->policy = NULL;
    t->rule = NULL;
    t->target = NULL;
    t->no_policy = NULL;
    t->opened = NO_TEXTS;
}

/* Why a policy is not run again; NULL when it is. */
static const char *cannot_run(const plan_cell *c) {
    if (policy_needs(c->policy, &c->policy_params) & READS_LOGITS) return "this policy drafts from the model's logits";
    if (param_find(c->policy->params, c->policy->n_params, "model") >= 0) return "this policy drafts with a model";
    return NULL;
}

/* Opens what the cell's trials are run with; what cannot be opened is no error. */
static int open_cell(sweep_texts *t, size_t cell, err *e) {
    if (t->opened == cell) return 0;
    draft_replay_close(t);
    const plan_model *m;
    const plan       *p = &t->plans[t->plan[cell]].p;
    const plan_cell  *c = &p->cells[t->cell[cell]];
    const char       *cannot = cannot_run(c);
    err               why = {0};
    m = &p->models[c->model];
    policy_spec  drafting = {.params = c->policy_params, .vocab = m->spec.vocab, .tok = m->tok, .threads = 1};
    target_spec  recording = {.vocab = m->spec.vocab, .threads = 1};
    param_values none = {0};
    t->opened = cell;
    if (cannot == NULL && ((t->policy = policy_open(c->policy, &drafting, &why)) == NULL ||
                           (t->rule = rule_open(&rule_greedy, &none, m->spec.vocab, &why)) == NULL ||
                           (t->target = target_open(&target_replay, &recording, &why)) == NULL))
        cannot = why.text;
    if (why.kind != ERR_NONE && why.kind != ERR_INPUT) {
        *e = why;
        return -1;
    }
    return cannot == NULL || (t->no_policy = mem_strdup(cannot, e)) != NULL ? 0 : -1;
}

static const char *why_not(const plan_cell *c) {
    if (plan_cell_remembers(c)) return "not recorded: what this policy drafts depends on the records before";
    return "not recorded: run again, this policy drafts otherwise";
}

/* A file may hold any ids; policies expect those of the vocabulary. */
static bool are_tokens(const int32_t *ids, size_t n, size_t vocab) {
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab) return false;
    return true;
}

static int without_drafts(trial_drafts *out, const char *why, err *e) {
    return (out->missing = mem_strdup(why, e)) != NULL ? 0 : -1;
}

int draft_replay(sweep_texts *t, const store_trial *of, const store_trial *plain, trial_drafts *out, err *e) {
    const trial_row *row = of->trial;
    const sample    *s = sweep_texts_sample(t, row->cell, row->sample);
    const char      *missing = s == NULL ? "not recorded, and the data are not there" : NULL;
    if (s != NULL && open_cell(t, row->cell, e) != 0) return -1;
    if (s != NULL && t->no_policy != NULL) missing = t->no_policy;
    if (missing != NULL) return without_drafts(out, missing, e);

    const plan      *p = &t->plans[t->plan[row->cell]].p;
    const plan_cell *c = &p->cells[t->cell[row->cell]];
    recorder         r = {.rows = of->steps, .n = row->steps, .out = out};
    trial_trace      trace = {0};
    err              why = {0};
    decode_setup     d = {
            .target = t->target,
            .policy = t->policy,
            .rule = t->rule,
            .stops = stops_of(&p->models[c->model].stops->ids),
            .max_new_tokens = p->datasets[c->dataset].cfg->max_new_tokens,
            .noise = {p->cfg->seed, rng_stream("accept", s->rec->id)},
            .input = {.prompt = s->prompt.ids,
                      .n_prompt = s->prompt.n,
                      .references = s->references,
                      .n_references = s->n_references,
                      .noise = {p->cfg->seed, rng_stream(c->setting, s->rec->id)}},
            .forced = of->ids,
            .n_forced = row->tokens,
            .sink = {record_step, &r},
    };
    if ((policy_needs(c->policy, &c->policy_params) & NEEDS_TRUTH) != 0 && plain != NULL) {
        d.input.truth = plain->ids;
        d.input.n_truth = plain->trial->tokens;
    }
    size_t vocab = p->models[c->model].spec.vocab;
    if (!are_tokens(d.forced, d.n_forced, vocab) || !are_tokens(d.input.truth, d.input.n_truth, vocab))
        return without_drafts(out, "not recorded, and the output has ids that the vocabulary lacks", e);
    policy_forget(t->policy);
    if (decode_run(&d, &trace, &why) != 0 || r.at < r.n) r.differs = true;
    trial_trace_free(&trace);
    if (why.kind != ERR_NONE && why.kind != ERR_INPUT) {
        *e = why;
        return -1;
    }
    if (!r.differs) return 0;
    out->n = 0;
    return without_drafts(out, why_not(c), e);
}
