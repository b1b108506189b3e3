/* policy.h - drafting policies: what to propose next, from the context and the references.
 *
 * To add one: write engine/policies/NAME.c that defines `const policy_ops policy_NAME`, and add a line to
 * policies.def. Everything else (help, INI, checks, sweeps, the losslessness tests) follows from that.
 *
 * A policy lives in two spans. open to close is a cell: one setting of the parameters, many trials. begin to end is a
 * trial: one prompt. open builds what all prompts share (a datastore, a draft model), outside all timing; begin builds
 * what depends on a prompt and its references, and its time counts.
 *
 *     open ( begin ( propose observe )* end )* close
 *
 * A policy may learn: what it saw of earlier prompts and outputs then helps with later ones. What it learns is its
 * memory, and the parameter `memory` says how long it lives: a trial (none, unless said) or a cell. Trials that share a
 * memory run in order, one after the other.
 *
 * A policy is deterministic: the same calls give the same drafts. All randomness comes from input.noise.
 */
#ifndef ENGINE_POLICIES_POLICY_H
#define ENGINE_POLICIES_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/file.h"
#include "engine/base/param.h"
#include "engine/base/registry.h"
#include "engine/base/rng.h"
#include "engine/draft.h"
#include "engine/policies/pass_times.h"
#include "engine/tokenizer/stops.h"

typedef struct {
    const int32_t *ids;
    size_t         n;
} reference;

/* What a policy knows throughout a cell. */
typedef struct {
    param_values            params;  /* in the order of ops->params; policy_open copies them */
    size_t                  vocab;   /* ids are 0 to vocab - 1 */
    const struct tokenizer *tok;     /* may be NULL; outlives the policy */
    int                     threads; /* for a policy that runs a model; 0 is 1 */
    pass_times              times;   /* of the target's passes, for a policy that weighs them; outlive the policy */
} policy_spec;

/* What it knows about a trial. All pointers are valid until the trial's end. */
typedef struct {
    const int32_t   *prompt;
    size_t           n_prompt;
    const reference *references;
    size_t           n_references;
    /* The baseline's output for policies with NEEDS_TRUTH, not NULL even when empty; NULL for the others. */
    const int32_t *truth;
    size_t         n_truth;
    stops          stops; /* what ends the output; decode_run fills it in */
    noise          noise;
} policy_input;

enum {
    NEEDS_TRUTH = 1,
    READS_LOGITS = 2, /* of the passes: a target that gives none is refused */
    READS_TIMES = 4   /* of passes, where they are known: then it drafts for no longer pass */
};

/* A parameter of every policy that learns. */
#define PARAM_MEMORY                                                                                                   \
    PARAM_CHOICE("memory", policy_memories, MEMORY_NONE, "how long what it learned is kept: for a sample, or a cell")
enum { MEMORY_NONE, MEMORY_CELL };
extern const char *const policy_memories[];

/* The result of a step. */
typedef struct {
    const int32_t     *emitted; /* [n] tokens just added to the output, all of which begins at emitted - position */
    size_t             n;
    size_t             position; /* index in the output of the first of them */
    const draft       *draft;    /* what was proposed */
    const verdict     *verdict;  /* what was accepted: the emitted tokens are its path, then its own token */
    const struct rows *rows;     /* what the target said (rows.h) */
    bool               foreign;  /* the draft is not this policy's, which is part of a chain (chain.c) */
} step_view;

typedef struct policy policy;

typedef struct policy_stage policy_stage;

typedef struct {
    const char       *name, *help, *origin; /* origin: paper or code it follows */
    const char       *source;               /* the file it is in: __FILE__ */
    const param_spec *params;
    size_t            n_params;
    unsigned          needs;       /* policy_needs knows those of its stages, too */
    size_t            cell_bytes;  /* zeroed memory p->cell, given to open; 0 = none */
    size_t            trial_bytes; /* zeroed memory p->trial, given to each begin; 0 = none */
    /* Zeroed memory p->memory, of a policy that learns and has PARAM_MEMORY; 0 = none. It is given to each begin when
     * nothing is kept, else only to the first one after open or policy_forget. */
    size_t memory_bytes;
    /* A new cell; not timed. ERR_INPUT when, say, parameters do not fit the vocabulary. NULL: nothing to do, as in all
     * the functions below. */
    int (*open)(policy *p, err *e);
    /* A new trial. Builds indexes; its time counts as drafting time of step 0. */
    int (*begin)(policy *p, const policy_input *in, err *e);
    /* Called after each step. */
    int (*observe)(policy *p, const step_view *step, err *e);
    /* Fills d (given empty) with at most `limit` tokens, by draft_add or draft_extend; it may stay empty. */
    int (*propose)(policy *p, size_t limit, draft *d, err *e);
    /* Most tokens that a draft can have with these parameters. NULL where propose is, and where there are stages. */
    size_t (*longest)(const param_values *params);
    /* The policies that this one is made of (chain.c). NULL: none. What it needs, remembers and can draft follows. */
    const policy_stage *(*stages)(const param_values *params, size_t *n);
    int (*check_files)(const policy *p, err *e); /* policy_check_files of its stages; NULL without stages */
    void (*end)(policy *p);                      /* frees what p->trial holds, and nothing else */
    void (*forget)(policy *p);                   /* frees what p->memory holds; the last trial has ended */
    void (*close)(policy *p); /* frees what p->cell holds; the last trial has ended, and the memory is forgotten */
} policy_ops;

/* A policy inside another one. */
struct policy_stage {
    const policy_ops *ops;
    param_values      params;
    size_t            at_least; /* tokens: a shorter draft is not taken */
};

struct policy {
    const policy_ops *ops;
    policy_spec       spec;
    policy_input      in; /* of the trial */
    void             *cell, *trial, *memory;
    size_t            longest;          /* what these parameters give, */
    bool              remembers;        /* asked once */
    file_stamp        files[PARAM_MAX]; /* of the files among its parameters */
};

policy *policy_open(const policy_ops *ops, const policy_spec *spec, err *e);
void    policy_close(policy *p); /* NULL is allowed */

/* Whether the files among its parameters are still what was opened; asked before each trial, outside its timing.
 * ERR_RUN when one was written over. */
int policy_check_files(const policy *p, err *e);

int policy_begin(policy *p, const policy_input *in, err *e);
/* Frees what the last trial left, its memory included unless it is kept. begin and close do so too; a separate call
 * keeps it out of the timing. */
void policy_end(policy *p);
/* Ends the trial and forgets what was learned: the policy is as if just opened. */
void policy_forget(policy *p);
/* NEEDS_TRUTH, READS_LOGITS: its own and its stages'. */
unsigned policy_needs(const policy_ops *ops, const param_values *params);
/* Whether one trial can change the next one's drafts. */
bool policy_remembers(const policy_ops *ops, const param_values *params);
int  policy_observe(policy *p, const step_view *step, err *e);
/* Clears d first and checks the result (at most limit and longest, ids in the vocabulary, parents before their
 * children): a violation is an ERR_RUN, not a wrong result. */
int policy_propose(policy *p, size_t limit, draft *d, err *e);

/* Most tokens of a draft; 0 for a policy that never drafts. */
size_t policy_longest(const policy_ops *ops, const param_values *params);

extern const registry   policy_registry; /* Every policy in policies.def. */
extern const policy_ops policy_none;     /* Plain decoding, the baseline. */

#endif
