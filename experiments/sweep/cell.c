/* cell.c - one unit of work: runs the missing trials of a cell, one after another.
 *
 * Trials run repeat by repeat over all samples, so that a slow minute of the machine is spread over the samples
 * instead of hitting every repeat of one; they are stored by (sample, repeat).
 */
#include "experiments/sweep/cell.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "experiments/sweep/provenance.h"

enum { SAVE_SECONDS = 60, SAVE_SHARE = 20 }; /* saving takes at most about 1 / SAVE_SHARE of the time */

typedef struct {
    cell_worker        *w;
    const cell_unit    *unit;
    const plan_cell    *cell;
    const plan_model   *m;
    const plan_dataset *data;
    const samples      *set;
    target             *target;
    policy             *policy;
    rule               *rule;
    bool                paired; /* plain decoding is timed with each trial */
    policy             *plain;  /* of plain decoding */
    trial_trace         trace;  /* of the trial in flight */
    cell_trials         trials;
    size_t              own;     /* trials run by this process */
    uint64_t            save_at; /* when to save them next */
} cell_job;

int cell_worker_open(cell_worker *w, const plan *p, const char *dir, err *e) {
    *w = (cell_worker){.p = p, .dir = dir};
    if ((w->warm = mem_new(p->n_models, sizeof *w->warm, e)) == NULL) return -1;
    if (provenance_process(&w->process, e) == 0) return 0;
    cell_worker_close(w);
    return -1;
}

void cell_worker_close(cell_worker *w) {
    cell_trials_free(&w->baseline);
    process_free(&w->process);
    free(w->warm);
    *w = (cell_worker){0};
}

/* Reads the baseline's trials, unless they were the last ones read. */
static int load_baseline(cell_worker *w, size_t baseline, err *e) {
    if (w->has_baseline && w->baseline_cell == baseline) return 0;
    w->has_baseline = false;
    cell_trials_free(&w->baseline);
    int ret = cell_trials_init(&w->baseline, w->p, baseline, e);
    if (ret == 0) ret = cell_trials_load(&w->baseline, w->p, w->dir, baseline, e);
    if (ret != 0) return err_prefix(e, "the cell of plain decoding");
    w->has_baseline = true;
    w->baseline_cell = baseline;
    return 0;
}

/* The baseline's trial of this sample and repeat. */
static const trial_row *baseline_trial(const cell_job *j, size_t s, size_t repeat, err *e) {
    const cell_trials *b = &j->w->baseline;
    size_t             at = b->at[s * b->repeats + repeat];
    if (at != NOT_THERE) return &b->rows.trials[at];
    err_run(e, "plain decoding of it, cell %s, has failed or is not finished", j->w->p->cells[j->cell->baseline].id);
    return NULL;
}

static target *open_target(const cell_job *j, err *e) {
    return target_open(j->m->cfg->target, &j->m->spec, e);
}

static bool is_timed(const plan_model *m) {
    return m->cfg->target->timed;
}

/* Noise: the rule's stream depends only on the sample, so a trial, its baseline and every repeat draw the same numbers
 * at the same position; the policy's stream depends on the cell's setting, too. */
static decode_setup setup_of(const cell_job *j, size_t s) {
    const plan   *p = j->w->p;
    const sample *x = &j->set->at[s];
    const char   *id = x->rec->id;
    decode_setup  d = {
         .target = j->target,
         .policy = j->policy,
         .rule = j->rule,
         .stops = stops_of(&j->m->stops->ids),
         .max_new_tokens = j->data->cfg->max_new_tokens,
         .noise = {p->cfg->seed, rng_stream("accept", id)},
         .input = {.prompt = x->prompt.ids,
                   .n_prompt = x->prompt.n,
                   .references = x->references,
                   .n_references = x->n_references,
                   .noise = {p->cfg->seed, rng_stream(j->cell->setting, id)}},
    };
    if (j->data->cfg->forced) {
        d.forced = x->output.ids;
        d.n_forced = x->output.n;
    }
    return d;
}

/* Output and logits hashes of a stored trial; hash is NULL without logits. */
static const int32_t *stored_output(const store_data *d, const trial_row *t, const uint64_t **hash) {
    uint64_t from = d->offset[t->trial];
    *hash = d->logits_hash != NULL ? d->logits_hash + from : NULL;
    return d->ids + from;
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

/* Decodes and compares. `plain`: the baseline's trial, NULL when this is one. */
static int run_trial(cell_job *j, size_t s, size_t repeat, const trial_row *plain, comparison *same, err *e) {
    decode_setup       d = setup_of(j, s);
    const uint64_t    *hash = NULL;
    const int32_t     *ids = NULL;
    const cell_trials *t = &j->trials;
    size_t             n = 0, first = t->at[s * t->repeats];
    if (plain != NULL) {
        ids = stored_output(&j->w->baseline.rows, plain, &hash);
        n = plain->tokens;
        d.input.truth = j->policy->ops->needs & NEEDS_TRUTH ? ids : NULL;
        d.input.n_truth = d.input.truth != NULL ? n : 0;
    }
    if (decode_run(&d, &j->trace, e) != 0) return -1;
    if (plain == NULL && repeat == 0) {
        ids = j->trace.output.ids;
        n = j->trace.output.n;
        hash = j->trace.logits_hash;
    } else if (plain == NULL) { /* a baseline is compared with its own first repeat: the same run gives the same bits */
        if (first == NOT_THERE) return err_run(e, "its first repeat is missing");
        ids = stored_output(&t->rows, &t->rows.trials[first], &hash);
        n = t->rows.trials[first].tokens;
    }
    compare_traces(&j->trace, ids, n, hash, same);
    if (same->first_logits_divergence < 0) return 0;
    target *other = open_target(j, e);
    int     ret = other == NULL ? -1 : compare_recompute(&d, other, same, e);
    target_close(other);
    return ret;
}

/* Loads the weights into memory and warms the machine up, outside all timing. */
static int warm_up(cell_job *j, err *e) {
    uint64_t ns;
    if (!is_timed(j->m) || j->w->warm[j->cell->model] || j->set->n == 0) return 0;
    if (time_plain(j, 0, &ns, e) != 0) return -1;
    j->w->warm[j->cell->model] = true;
    return 0;
}

/* Plain decoding runs before every other trial and after the rest: neither side gets the warmer caches. */
static int run_paired(cell_job *j, size_t s, size_t repeat, err *e) {
    const trial_row *plain = NULL;
    uint64_t         plain_ns = 0;
    comparison       same;
    bool             first = (s + repeat) % 2 == 0;
    if (!plan_cell_is_baseline(j->cell) && (plain = baseline_trial(j, s, repeat, e)) == NULL) return -1;
    bool paired = j->paired && plain != NULL;
    if (paired && first && time_plain(j, s, &plain_ns, e) != 0) return -1;
    if (run_trial(j, s, repeat, plain, &same, e) != 0) return -1;
    if (paired && !first && time_plain(j, s, &plain_ns, e) != 0) return -1;
    if (is_timed(j->m) && plain == NULL) plain_ns = j->trace.decode_ns;
    if (is_timed(j->m) && plain != NULL && !j->paired &&
        strcmp(j->w->baseline.rows.processes[plain->process].id, j->w->process.id) == 0)
        plain_ns = plain->decode_ns; /* C3 */
    return cell_add_trial(&j->trials, j->w->p, j->cell, s, repeat, &j->trace, &same, plain, plain_ns, e);
}

static int save(cell_job *j, err *e) {
    uint64_t begun = clock_ns();
    int      ret = cell_trials_save(&j->trials, j->w->dir, j->cell, &j->w->process, e);
    uint64_t now = clock_ns(), wait = (now - begun) * SAVE_SHARE, least = (uint64_t)SAVE_SECONDS * 1000000000u;
    j->save_at = now + (wait > least ? wait : least);
    if (ret == 0) return 0;
    if (cell_exists(j->w->dir, j->cell, NULL) > 0)
        return 0; /* another process finished the cell and removed its parts' folder */
    j->w->unsaved = true;
    return -1;
}

static int run_all(cell_job *j, err *e) {
    size_t repeats = j->trials.repeats;
    j->save_at = clock_ns() + (uint64_t)SAVE_SECONDS * 1000000000u;
    for (size_t repeat = 0; repeat < repeats; repeat++) {
        for (size_t s = j->unit->part; s < j->set->n; s += j->unit->parts) {
            if (j->trials.at[s * repeats + repeat] != NOT_THERE) continue;
            if (j->w->stop != NULL && *j->w->stop) return err_stop(e, STOPPED);
            if (warm_up(j, e) != 0 || run_paired(j, s, repeat, e) != 0)
                return err_prefix(e, "%s: sample \"%s\"", j->data->cfg->path, j->set->at[s].rec->id);
            j->own++;
            if (j->w->trial_done != NULL) j->w->trial_done(j->w->ctx);
            if (clock_ns() >= j->save_at && save(j, e) != 0) return -1;
        }
    }
    return 0;
}

/* Saves the finished trials, or finishes the cell when all are there. */
static int conclude(cell_job *j, bool *finished, err *e) {
    int there = cell_exists(j->w->dir, j->cell, e);
    if (there == 0 && !cell_trials_complete(&j->trials)) {
        if (j->own > 0 && save(j, e) != 0) return -1;
        /* The last worker to end sees all trials. */
        if (cell_trials_load(&j->trials, j->w->p, j->w->dir, j->unit->cell, e) != 0) return -1;
        there = cell_exists(j->w->dir, j->cell, e);
    }
    if (there < 0) return -1;
    if (there > 0) { /* another run over the same folder was faster */
        *finished = true;
        cell_remove_parts(j->w->dir, j->cell);
        return 0;
    }
    if (!cell_trials_complete(&j->trials)) return 0;
    if (cell_trials_finish(&j->trials, j->w->dir, j->cell, e) != 0) {
        j->w->unsaved = true;
        return -1;
    }
    *finished = true;
    return 0;
}

static int open_job(cell_job *j, err *e) {
    const plan_cell *c = j->cell;
    if (!plan_cell_is_baseline(j->cell) && load_baseline(j->w, c->baseline, e) != 0) return -1;
    if (cell_trials_init(&j->trials, j->w->p, j->unit->cell, e) != 0) return -1;
    if (cell_frame(j->w->p, c, &j->w->process, &j->trials.rows, e) != 0) return -1;
    if (cell_trials_load(&j->trials, j->w->p, j->w->dir, j->unit->cell, e) != 0) return -1;
    if ((j->target = open_target(j, e)) == NULL) return -1;
    policy_spec spec = {.params = c->policy_params, .vocab = j->m->spec.vocab, .tok = j->m->tok}, plain = spec;
    plain.params = (param_values){0};
    if ((j->policy = policy_open(c->policy, &spec, e)) == NULL) return -1;
    if ((j->plain = policy_open(&policy_none, &plain, e)) == NULL) return -1;
    return (j->rule = rule_open(c->rule, &c->rule_params, j->m->spec.vocab, e)) != NULL ? 0 : -1;
}

int cell_run(cell_worker *w, const cell_unit *u, bool *finished, err *e) {
    const plan      *p = w->p;
    const plan_cell *c = &p->cells[u->cell];
    err              why = {0};
    cell_job         j = {
                .w = w,
                .unit = u,
                .cell = c,
                .m = &p->models[c->model],
                .data = &p->datasets[c->dataset],
                .set = &p->samples[c->samples].set,
                .paired = p->cfg->paired && is_timed(&p->models[c->model]),
    };
    *finished = false;
    int ret = open_job(&j, e);
    if (ret == 0) {
        ret = run_all(&j, e);
        /* Reports the first failure, or, when nothing can be saved, that. */
        if (!w->unsaved && conclude(&j, finished, ret == 0 ? e : &why) != 0) {
            if (ret != 0 && w->unsaved) *e = why;
            ret = -1;
        }
    }
    trial_trace_free(&j.trace);
    cell_trials_free(&j.trials);
    rule_close(j.rule);
    policy_close(j.policy);
    policy_close(j.plain);
    target_close(j.target);
    return ret;
}
