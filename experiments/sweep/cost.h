/* cost.h - a cost file: measured time of a verification pass over k tokens, for replay's modeled speed-up.
 *
 *     [cost]
 *     model   = llama-1.1b      ; free text
 *     threads = 2
 *     loaded  = no              ; whether other processes kept the processors busy
 *     [T]                       ; k = nanoseconds: the median, and the quartiles where they are known
 *     1  = 52000000 51700000 52900000
 *     16 = 61000000
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

typedef struct {
    char   *name, *text; /* the file's base name; all of it */
    char    sha256[DIGEST_HEX];
    size_t *k;       /* ascending, first is 1 */
    double *ns;      /* medians */
    double *q1, *q3; /* quartiles; the median where the file has none */
    size_t  n;
    bool    loaded; /* other processes kept the processors busy when these were measured */
} cost_model;

/* Refuses, with file and line: unknown sections and keys, k not ascending from 1, times that are not above 0, quartiles
 * that do not lie around their median. */
int  cost_read(const char *path, cost_model *out, err *e);
void cost_free(cost_model *c);

/* What `harness help cost-file` prints. */
extern const key_file cost_keys;

/* T(k) in ns, linear between measured points; NaN beyond the largest. */
double cost_pass(const cost_model *c, size_t k);

/* Whether the times look like noise: measured on a busy machine, quartiles over a tenth of the median apart, or a T
 * that falls from one k to a larger one by more than their quartiles allow. Then a text says what was found; size >=
 * 256 holds it whole. */
bool cost_doubtful(const cost_model *c, char *buf, size_t size);

/* What follows when they do; a sentence for the user. */
extern const char cost_advice[];

/* Modeled time of a trial's passes: the sum of T(1 + drafted) over the steps after the prompt's. Drafting is
 * not in it: its time is measured, and a model of the passes should be the same in every run.
 * NaN when a step is wider than the table. */
double cost_trial(const cost_model *c, const step_trace *steps, size_t n);

#endif
