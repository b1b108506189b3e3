/* cost.h - a cost file: T(k, context), the measured time of a pass over k tokens with `context` tokens in the cache
 * before it, for the modeled speed-up.
 *
 *     [cost]
 *     model   = llama-1.1b      ; free text
 *     threads = 2
 *     rounds  = 11              ; how many measurements each median is of
 *     loaded  = no              ; whether other processes kept the processors busy
 *     [T 0]                     ; k = nanoseconds: the median, and the quartiles where they are known
 *     1  = 52000000 51700000 52900000
 *     16 = 61000000
 *     [T 2048]                  ; the same k in another context
 *     1  = 58000000
 *     16 = 83000000
 *
 * [T] is [T 0]. What holds between and beyond the sections is in pass_times.h.
 *
 * Times with quartiles were measured, and what counts is a smooth fit to them (cost_fit.h). Times without are taken as
 * they are: written by hand, or from a paper, for hardware that is not at hand.
 */
#ifndef EXPERIMENTS_COST_H
#define EXPERIMENTS_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"
#include "engine/decode.h"
#include "experiments/ini/keys.h"
#include "experiments/sweep/cost_fit.h"

typedef struct {
    char      *name, *text; /* the file's base name; its whole text */
    char       sha256[DIGEST_HEX];
    size_t    *k;        /* [n] tokens of a pass: ascending, first is 1 */
    size_t    *contexts; /* [n_contexts] tokens in the cache before it: ascending */
    double    *ns;       /* [n_contexts, n] medians */
    double    *q1, *q3;  /* quartiles; the median where the file has none */
    double    *fitted;   /* [n_contexts, n] what counts: the medians where no line has quartiles */
    bool       measured; /* some line has */
    size_t     n, n_contexts;
    size_t     rounds; /* measurements behind each median; 0: unknown */
    fit_errors errors; /* of `fitted` */
    bool       loaded; /* other processes kept the processors busy when these were measured */
} cost_model;

/* Refuses, with file and line: unknown sections and keys, k not ascending from 1, contexts not ascending or with
 * different k, times that are not above 0, a median that is not between its quartiles. */
int  cost_read(const char *path, cost_model *out, err *e);
void cost_free(cost_model *c);

/* Described by `harness help cost-file`. */
extern const key_file cost_keys;

/* The fitted times; none without a model. They are the model's. */
pass_times cost_times(const cost_model *c);

/* The standard error of a fitted time, as a share of it: that of a median of `rounds` normal values as far apart as the
 * quartiles say, sqrt(pi / 2) (q3 - q1) / 1.349 / sqrt(rounds); 0 where either is unknown. */
double cost_error(const cost_model *c, size_t i);

/* Whether the times look like noise: measured on a busy machine, quartiles over a tenth of the median apart, or a T
 * that falls from one k to a larger one, or from one context to a longer one, by more than their quartiles allow. If
 * so, writes a text that says which; it fits into size >= 256. */
bool cost_doubtful(const cost_model *c, char *buf, size_t size);

/* The advice for such times, a sentence for the user. */
extern const char cost_advice[];

/* Modeled time of a trial's passes after the prompt's: the sum of T(1 + d, n_prompt + i) over the steps, d the drafted
 * tokens and i the pending token's index in the output. The cache then holds the prompt and the output before that
 * token. Drafting is not in it: its time is measured, and a model of the passes should be the same in every run. NaN
 * when a step is wider than the table. */
double cost_trial(const cost_model *c, size_t n_prompt, const step_trace *steps, size_t n);

/* The same of plain decoding of n_output tokens: the sum of T(1, n_prompt + i) over all but the last one. */
double cost_plain(const cost_model *c, size_t n_prompt, size_t n_output);

#endif
