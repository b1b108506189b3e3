/* cost.h - a cost file: T(m), the measured time of a pass over m tokens, for replay's modeled speed-up.
 *
 *     [cost]
 *     model   = llama-1.1b      ; free text
 *     threads = 2
 *     loaded  = no              ; whether other processes kept the processors busy
 *     [T]                       ; m = nanoseconds: the median, and the quartiles where they are known
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
    char   *name, *text; /* the file's base name; its whole text */
    char    sha256[DIGEST_HEX];
    size_t *k;       /* tokens of a pass: ascending, first is 1 */
    double *ns;      /* medians */
    double *q1, *q3; /* quartiles; the median where the file has none */
    size_t  n;
    bool    loaded; /* other processes kept the processors busy when these were measured */
} cost_model;

/* Refuses, with file and line: unknown sections and keys, k not ascending from 1, times that are not above 0, a median
 * that is not between its quartiles. */
int  cost_read(const char *path, cost_model *out, err *e);
void cost_free(cost_model *c);

/* Described by `harness help cost-file`. */
extern const key_file cost_keys;

/* T(m) in ns, linear between measured points; NaN beyond the largest. */
double cost_pass(const cost_model *c, size_t m);

/* Whether the times look like noise: measured on a busy machine, quartiles over a tenth of the median apart, or a T
 * that falls from one m to a larger one by more than their quartiles allow. If so, writes a text that says which; it
 * fits into size >= 256. */
bool cost_doubtful(const cost_model *c, char *buf, size_t size);

/* The advice for such times, a sentence for the user. */
extern const char cost_advice[];

/* Modeled time of a trial's passes: the sum of T(1 + d) over the steps after the prompt's, d the drafted tokens.
 * Drafting is not in it: its time is measured, and a model of the passes should be the same in every run. NaN when a
 * step is wider than the table. */
double cost_trial(const cost_model *c, const step_trace *steps, size_t n);

#endif
