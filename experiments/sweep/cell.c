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

enum {
    SAVE_SECONDS = 60,
    SAVE_BYTES = 16 << 20,
    MOST_SAVED = 8 * STORE_JOINED
}; /* trials are saved after so much time, or of such a size */

/* The files that a job has made of its trials. Sixteen of a level are joined into one of the next; levels do not rise:
 *
 *     number   31  47  48  49
 *     level     2   1   0   0
 */
typedef struct {
    unsigned      number[MOST_SAVED];
    unsigned char level[MOST_SAVED];
    size_t        n;
} saved_files;

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
    trial_result        result; /* the same trial beside plain decoding */
    cell_trials         there;
    store_data          rows;    /* trials that are not saved */
    saved_files         saved;   /* those that are */
    uint64_t            save_at; /* when to save next */
} cell_job;

int cell_worker_open(cell_worker *w, const plan *p, const char *dir, err *e) {
    *w = (cell_worker){.p = p, .dir = dir};
    if ((w->warm = mem_new(p->n_models, sizeof *w->warm, e)) == NULL) return -1;
    if (provenance_process(&w->process, e) == 0) return 0;
    cell_worker_close(w);
    return -1;
}

void cell_worker_close(cell_worker *w) {
    plain_runs_free(&w->baseline);
    process_free(&w->process);
    free(w->warm);
    *w = (cell_worker){0};
}

static bool is_timed(const plan_model *m) {
    return m->cfg->target->timed;
}

static bool is_own(const cell_worker *w, const trial_row *t, const store_data *d) {
    return strcmp(d->processes[t->process].id, w->process.id) == 0;
}

/* Steps are for their times, which other processes' trials are not compared with (C3). */
static int add_baseline(const store_trial *t, const store_data *d, void *ctx, err *e) {
    cell_worker *w = ctx;
    store_trial  kept = *t;
    if (!is_own(w, t->trial, d)) kept.steps = NULL;
    return plain_runs_add(&w->baseline, &kept, e);
}

/* Whether trials are timed by those of the baseline. */
static bool wants_times(const cell_worker *w, size_t baseline) {
    return is_timed(&w->p->models[w->p->cells[baseline].model]) && !w->p->cfg->paired;
}

/* Reads the baseline's trials, unless they were the last ones read. */
static int load_baseline(cell_worker *w, size_t baseline, err *e) {
    if (w->has_baseline && w->baseline_cell == baseline) return 0;
    w->has_baseline = false;
    plain_runs_free(&w->baseline);
    unsigned    parts = VISIT_OUTPUTS | VISIT_HASHES | (wants_times(w, baseline) ? VISIT_STEPS : 0u);
    cell_trials t;
    int         ret = cell_trials_init(&t, w->p, baseline, e);
    if (ret == 0) ret = plain_runs_init(&w->baseline, t.n, t.repeats, e);
    if (ret == 0) ret = cell_trials_load(&t, w->p, w->dir, baseline, parts, add_baseline, w, e);
    cell_trials_free(&t);
    if (ret != 0) return err_prefix(e, "the cell of plain decoding");
    w->has_baseline = true;
    w->baseline_cell = baseline;
    return 0;
}

/* The baseline's trial of this sample and repeat. */
static const plain_run *baseline_trial(const cell_job *j, size_t s, size_t repeat, err *e) {
    const plain_run *run = plain_runs_find(&j->w->baseline, s, repeat);
    if (run == NULL)
        err_run(e, "plain decoding of it, cell %s, has failed or is not finished",
                j->w->p->cells[j->cell->baseline].id);
    return run;
}

static target *open_target(const cell_job *j, err *e) {
    return target_open(j->m->cfg->target, &j->m->spec, e);
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

/* The times of a trace of plain decoding, where each step emits one token. */
static int times_of_trace(plain_times *out, const trial_trace *t, err *e) {
    if (mem_reserve(&out->step_ns, &out->cap, t->n_steps, e) != 0) return -1;
    for (size_t i = 0; i < t->n_steps; i++) out->step_ns[i] = t->steps[i].draft_ns + t->steps[i].verify_ns;
    out->n = t->n_steps;
    out->ns = t->decode_ns;
    return 0;
}

/* Those of the baseline's trial. */
static int times_of_baseline(plain_times *out, const plain_runs *p, const plain_run *run, err *e) {
    if (mem_reserve(&out->step_ns, &out->cap, run->tokens, e) != 0) return -1;
    for (size_t i = 0; i < run->tokens; i++) out->step_ns[i] = p->step_ns[run->times + i];
    out->n = run->tokens;
    out->ns = run->decode_ns;
    return 0;
}

/* Decodes the sample plainly and takes the time. */
static int time_plain(const cell_job *j, size_t s, plain_times *out, err *e) {
    trial_trace  scratch = {0};
    decode_setup d = setup_of(j, s);
    d.policy = j->plain;
    int ret = decode_run(&d, &scratch, e);
    if (ret == 0) ret = times_of_trace(out, &scratch, e);
    trial_trace_free(&scratch);
    return ret;
}

/* Decodes and compares. `plain`: the baseline's trial, NULL when this is one, whose first repeat is `first`. */
static int run_trial(cell_job *j, size_t s, const plain_run *plain, const plain_run *first, err *e) {
    decode_setup      d = setup_of(j, s);
    comparison       *same = &j->result.same;
    const plain_runs *runs = &j->w->baseline;
    const plain_run  *with = plain != NULL ? plain : first;
    const uint64_t   *hash = with != NULL ? plain_run_hashes(runs, with) : NULL;
    const int32_t    *ids = with != NULL ? plain_run_output(runs, with) : NULL;
    if (plain != NULL && policy_needs(j->policy->ops, &j->policy->spec.params) & NEEDS_TRUTH) {
        d.input.truth = ids;
        d.input.n_truth = plain->tokens;
    }
    if (decode_run(&d, &j->trace, e) != 0) return -1;
    if (with == NULL) {
        ids = j->trace.output.ids;
        hash = j->trace.logits_hash;
    }
    compare_traces(&j->trace, ids, with != NULL ? with->tokens : j->trace.output.n, hash, same);
    j->result.trace = &j->trace;
    j->result.plain = plain;
    j->result.plain_hash = hash;
    if (same->first_logits_divergence < 0) return 0;
    target *other = open_target(j, e);
    int     ret = other == NULL ? -1 : compare_recompute(&d, other, same, e);
    target_close(other);
    return ret;
}

/* Loads the weights into memory and warms the machine up, outside all timing. */
static int warm_up(cell_job *j, err *e) {
    if (!is_timed(j->m) || j->w->warm[j->cell->model] || j->set->n == 0) return 0;
    if (time_plain(j, 0, &j->result.times, e) != 0) return -1;
    j->w->warm[j->cell->model] = true;
    return 0;
}

/* The last one in memory. */
static store_trial last_trial(const store_data *trials) {
    const trial_row *t = &trials->trials[trials->n_trials - 1];
    return (store_trial){
        .trial = t,
        .steps = trials->steps + trials->n_steps - t->steps,
        .ids = trials->ids + trials->n_ids - t->tokens,
        .hash = trials->logits_hash != NULL ? trials->logits_hash + trials->n_ids - t->tokens : NULL,
    };
}

/* Adds the trial to those of its cell and, if this is a baseline, to those that others are compared with. */
static int add_trial(cell_job *j, size_t s, size_t repeat, err *e) {
    if (cell_add_trial(&j->rows, j->w->p, j->cell, s, repeat, &j->result, e) != 0) return -1;
    j->there.there[s * j->there.repeats + repeat] = true;
    if (!plan_cell_is_baseline(j->cell)) return 0;
    store_trial t = last_trial(&j->rows);
    if (!wants_times(j->w, j->unit->cell)) t.steps = NULL;
    return plain_runs_add(&j->w->baseline, &t, e);
}

/* A baseline is compared with its own first repeat: the same run gives the same bits. */
static int find_first(const cell_job *j, size_t s, size_t repeat, const plain_run **first, err *e) {
    *first = repeat > 0 ? plain_runs_find(&j->w->baseline, s, 0) : NULL;
    return repeat == 0 || *first != NULL ? 0 : err_run(e, "its first repeat is missing");
}

/* Plain decoding runs before every other trial and after the rest: neither side gets the warmer caches. */
static int run_paired(cell_job *j, size_t s, size_t repeat, err *e) {
    const plain_run *plain = NULL, *first = NULL;
    plain_times     *times = &j->result.times;
    bool             timed = is_timed(j->m), early = (s + repeat) % 2 == 0, is_plain = plan_cell_is_baseline(j->cell);
    times->ns = times->n = 0;
    if (!is_plain && (plain = baseline_trial(j, s, repeat, e)) == NULL) return -1;
    if (is_plain && find_first(j, s, repeat, &first, e) != 0) return -1;
    bool paired = j->paired && plain != NULL;
    if (paired && early && time_plain(j, s, times, e) != 0) return -1;
    if (run_trial(j, s, plain, first, e) != 0) return -1;
    if (paired && !early && time_plain(j, s, times, e) != 0) return -1;
    if (timed && plain == NULL && times_of_trace(times, &j->trace, e) != 0) return -1;
    if (timed && plain != NULL && !paired && plain->timed && /* C3 */
        times_of_baseline(times, &j->w->baseline, plain, e) != 0)
        return -1;
    return add_trial(j, s, repeat, e);
}

/* ---- saving ----------------------------------------------------------------------------------------------- */

/* Joins the files of the last level when there are enough. What another process has joined is its own. */
static int join_saved(cell_job *j, err *e) {
    saved_files *f = &j->saved;
    while (f->n >= STORE_JOINED && f->level[f->n - STORE_JOINED] == f->level[f->n - 1]) {
        size_t   first = f->n - STORE_JOINED;
        unsigned number = j->w->files++;
        bool     gone;
        err      why = {0};
        f->n = first;
        if (cell_parts_join(&j->rows, j->w->dir, j->cell, j->w->process.id, f->number + first, STORE_JOINED, number,
                            &gone, &why) != 0) {
            if (!gone && e != NULL) *e = why;
            return gone ? 0 : -1;
        }
        f->number[first] = number;
        f->level[first]++;
        f->n++;
    }
    return 0;
}

static int write_rows(cell_job *j, err *e) {
    saved_files *f = &j->saved;
    unsigned     number = j->w->files++;
    if (cell_part_save(&j->rows, j->w->dir, j->cell, j->w->process.id, number, e) != 0) return -1;
    store_drop_trials(&j->rows);
    if (f->n == MOST_SAVED) f->n = 0; /* these are joined when the cell is finished */
    f->number[f->n] = number;
    f->level[f->n++] = 0;
    return join_saved(j, e);
}

/* What cannot be read is one cell's trouble; what cannot be written, every cell's. */
static int note_unsaved(cell_worker *w, const err *e) {
    if (e == NULL || e->kind != ERR_INPUT) w->unsaved = true;
    return -1;
}

static int save(cell_job *j, err *e) {
    int ret = j->rows.n_trials > 0 ? write_rows(j, e) : 0;
    j->save_at = clock_ns() + (uint64_t)SAVE_SECONDS * 1000000000u;
    if (ret == 0) return 0;
    if (cell_exists(j->w->dir, j->cell, NULL) > 0)
        return 0; /* another process finished the cell and removed its parts' folder */
    return note_unsaved(j->w, e);
}

static bool is_time_to_save(const cell_job *j) {
    const store_data *d = &j->rows;
    size_t            bytes = d->n_trials * sizeof *d->trials + d->n_steps * sizeof *d->steps +
                   d->n_ids * (sizeof *d->ids + sizeof *d->logits_hash);
    return bytes >= SAVE_BYTES || clock_ns() >= j->save_at;
}

/* ---- all of a unit ---------------------------------------------------------------------------------------- */

/* Whether the unit lacks a trial of this repeat. */
static bool lacks_trials(const cell_job *j, size_t repeat) {
    for (size_t s = j->unit->part; s < j->set->n; s += j->unit->parts)
        if (!j->there.there[s * j->there.repeats + repeat]) return true;
    return false;
}

/* C4. Runs a sample whose trial is there already, so that the policy learns from it. */
static int learn_again(cell_job *j, size_t s, size_t repeat, err *e) {
    const plain_run *plain = baseline_trial(j, s, repeat, e);
    return plain != NULL ? run_trial(j, s, plain, NULL, e) : -1;
}

static int run_all(cell_job *j, err *e) {
    size_t repeats = j->there.repeats;
    bool   remembers = plan_cell_remembers(j->cell);
    j->save_at = clock_ns() + (uint64_t)SAVE_SECONDS * 1000000000u;
    for (size_t repeat = 0; repeat < repeats; repeat++) {
        if (!lacks_trials(j, repeat)) continue;
        policy_forget(j->policy);
        for (size_t s = j->unit->part; s < j->set->n; s += j->unit->parts) {
            bool there = j->there.there[s * repeats + repeat];
            if (there && !remembers) continue;
            if (j->w->stop != NULL && *j->w->stop) return err_stop(e, STOPPED);
            if (warm_up(j, e) != 0 || (there ? learn_again(j, s, repeat, e) : run_paired(j, s, repeat, e)) != 0)
                return err_prefix(e, "%s: sample \"%s\"", j->data->cfg->path, j->set->at[s].rec->id);
            if (there) continue;
            if (j->w->trial_done != NULL) j->w->trial_done(j->w->ctx, s);
            if (is_time_to_save(j) && save(j, e) != 0) return -1;
        }
    }
    return 0;
}

/* Saves the finished trials, or finishes the cell when all are there. */
static int conclude(cell_job *j, bool *finished, err *e) {
    cell_worker *w = j->w;
    int          there = cell_exists(w->dir, j->cell, e);
    if (there == 0 && !cell_trials_complete(&j->there)) {
        if (save(j, e) != 0) return -1;
        /* The last worker to end sees all trials. */
        if (cell_trials_load(&j->there, w->p, w->dir, j->unit->cell, 0, NULL, NULL, e) != 0) return -1;
        there = cell_exists(w->dir, j->cell, e);
    }
    if (there < 0) return -1;
    if (there > 0) { /* another run over the same folder was faster */
        *finished = true;
        cell_remove_parts(w->dir, j->cell);
        return 0;
    }
    if (!cell_trials_complete(&j->there)) return 0;
    if (cell_finish(&j->rows, w->dir, j->cell, w->process.id, &w->files, e) != 0) {
        note_unsaved(w, e);
        save(j, NULL); /* what is in memory alone */
        return -1;
    }
    *finished = true;
    return 0;
}

static int open_job(cell_job *j, err *e) {
    const plan_cell *c = j->cell;
    if (cell_trials_init(&j->there, j->w->p, j->unit->cell, e) != 0) return -1;
    if (cell_frame(j->w->p, c, &j->w->process, &j->rows, e) != 0) return -1;
    if (cell_trials_load(&j->there, j->w->p, j->w->dir, j->unit->cell, 0, NULL, NULL, e) != 0) return -1;
    if (load_baseline(j->w, c->baseline, e) != 0) return -1; /* later: a baseline's own trials are among these */
    if ((j->target = open_target(j, e)) == NULL) return -1;
    policy_spec spec = {.params = c->policy_params,
                        .vocab = j->m->spec.vocab,
                        .tok = j->m->tok,
                        .threads = j->m->spec.threads,
                        .times = cost_times(j->m->cost)},
                plain = spec;
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
    free(j.result.times.step_ns);
    cell_trials_free(&j.there);
    store_free(&j.rows);
    rule_close(j.rule);
    policy_close(j.policy);
    policy_close(j.plain);
    target_close(j.target);
    return ret;
}
