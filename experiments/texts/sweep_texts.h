/* sweep_texts.h - the texts behind a results file: its configs are planned again, as a sweep does it, and the cells of
 * the plans found by all that determines them.
 *
 *  T1  A cell has texts only where the plan has the same cell: settings, parameters, and digests of model and data.
 *  T2  A record's prompt and references count only where their digest is the recorded one.
 *  T3  A trial's drafts are those of its policy, run again over the recorded output. They count only where every step
 *      matches the recorded one: place and length of the match, tokens drafted, accepted and emitted.
 */
#ifndef EXPERIMENTS_SWEEP_TEXTS_H
#define EXPERIMENTS_SWEEP_TEXTS_H

#include "analysis/report/texts.h"
#include "experiments/sweep/plan.h"
#include "experiments/texts/recorded_config.h"

/* One text in /configs. */
typedef struct {
    config c;
    plan   p;
    bool   made;
} sweep_plan;

typedef struct {
    const store_data *d;
    sweep_plan       *plans; /* [d->configs.n] */
    size_t           *plan;  /* [d->n_cells] of each cell */
    size_t           *cell;  /* [d->n_cells] its index in that plan; NO_TEXTS */
    const tokenizer **toks;  /* [n_toks] different ones */
    size_t            n_toks;
    passage_ids      *passages; /* of the sample requested last */
    size_t            cap_passages;
    policy           *policy; /* opened last, for a cell */
    rule             *rule;
    target           *target;
    size_t            opened;    /* that cell, or NO_TEXTS */
    char             *no_policy; /* why it could not be opened */
    char             *missing;   /* the first reason for which a config has no texts */
} sweep_texts;

#define NO_TEXTS SIZE_MAX

/* Never fails because texts cannot be had: out->missing says why. Fills `view`, which belongs to `out`. Only memory
 * that runs out is an error. */
int  sweep_texts_open(sweep_texts *out, const store_data *d, const recorded_paths *from, report_texts *view, err *e);
void sweep_texts_close(sweep_texts *t);

/* ---- draft_replay.c: for sweep_texts.c ---- */

int  draft_replay(sweep_texts *t, const store_trial *of, const store_trial *plain, trial_drafts *out, err *e);
void draft_replay_close(sweep_texts *t);

/* The plan's sample of a recorded one, by id and digest; NULL when there is none. */
const sample *sweep_texts_sample(const sweep_texts *t, size_t cell, size_t sample);

#endif
