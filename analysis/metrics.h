/* metrics.h - what a trial is measured by, as sums over the trials of a record: each metric is a ratio of two sums,
 * which is a micro mean over any number of records (stats/statistics.h).
 *
 *  M1  A trial that was not measured makes the metric missing for its cell: those that were are no fair sample.
 *  M2  A trial that has nothing to measure (its output, or plain decoding's, ends with the prompt's pass) adds nothing.
 */
#ifndef ANALYSIS_METRICS_H
#define ANALYSIS_METRICS_H

#include <stdbool.h>

#include "analysis/stats/statistics.h"
#include "engine/base/registry.h"
#include "store/store.h"

typedef struct {
    const char *name, *title, *help;
    bool        less;  /* is better */
    bool        timed; /* by a clock: numbers of two machines cannot be paired */
    int         decimals;

    /* Adds a trial to its record's sums; false when it was not measured (M1). */
    bool (*add)(const trial_row *t, ratio_sum *to);
} metric;

/* M2: whether a trial has something to measure. */
bool metric_applies(const trial_row *t);

extern const registry metric_registry;

extern const metric metric_time, metric_speedup, metric_modeled_speedup, metric_tokens_per_step, metric_acceptance;

#endif
