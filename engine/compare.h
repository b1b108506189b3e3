/* compare.h - is a trial's output the same as plain decoding, bit for bit? */
#ifndef ENGINE_COMPARE_H
#define ENGINE_COMPARE_H

#include "engine/decode.h"

enum { LOGITS_DIFFER = 0, LOGITS_EQUAL = 1, LOGITS_NONE = 2 };

typedef struct {
    bool    equal;                   /* same ids, same length */
    int     logits_equal;            /* LOGITS_*: bitwise, over all emitted positions */
    int64_t first_divergence;        /* first output index where ids differ or one output ends; else -1 */
    int64_t first_logits_divergence; /* first output index where the logits' hashes differ; else -1 */
    size_t  comparable;         /* positions, from the first, whose logits follow the same tokens in both outputs */
    double  max_abs_logit_diff; /* 0: equal; NaN: no logits, or not yet measured by compare_recompute */
} comparison;

/* The positions that one step emits. */
typedef struct {
    bool equal;        /* the output's ids up to the last of them are the baseline's */
    int  logits_equal; /* LOGITS_*: of those that are comparable; LOGITS_NONE where none is */
} step_comparison;

/* Compares ids and hashes only. */
void compare_traces(const trial_trace *trial, const int32_t *baseline, size_t n_baseline, const uint64_t *baseline_hash,
                    comparison *out);

/* Step i of the trial, after compare_traces with the same baseline. */
step_comparison compare_step(const trial_trace *trial, size_t i, const uint64_t *baseline_hash, const comparison *c);

/* After a mismatch: runs the trial again (same setup) beside plain decoding of the same tokens on `plain`,
 * a second target over the same weights, and reports the largest absolute logit difference over the
 * positions up to and including the first one where ids differ. */
int compare_recompute(const decode_setup *s, target *plain, comparison *c, err *e);

#endif
