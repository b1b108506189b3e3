/* pass_times.h - T(m, context): how long a pass over m tokens takes after `context` tokens in the KV cache, as measured
 * at some m in some contexts.
 *
 * Attention takes time in proportion to the context, so T is linear in it: between two measured contexts, and beyond
 * the last one as between the last two, but never below what was measured there. Below the first one, its time counts.
 * A single measured context says nothing about others: its times count for all.
 */
#ifndef ENGINE_POLICIES_PASS_TIMES_H
#define ENGINE_POLICIES_PASS_TIMES_H

#include <stddef.h>

typedef struct {
    const size_t *m;             /* [n] ascending; the first is 1 */
    const size_t *contexts;      /* [n_contexts] ascending */
    const double *ns;            /* [n_contexts, n] all above 0 */
    size_t        n, n_contexts; /* 0: nothing is known */
} pass_times;

/* A context among the measured ones: at `low`, and a share of the way to `high`; beyond the last one that is over 1. */
typedef struct {
    size_t low, high;
    double share;
} pass_place;

/* The largest m whose time is known; 0 when none is. */
size_t pass_times_largest(const pass_times *t);

/* T(m) in the i-th measured context, in ns, linear between measured m; NaN beyond the largest and for m = 0. */
double pass_times_measured(const pass_times *t, size_t i, size_t m);

/* Both indices are 0 where only one context is known, or none. */
pass_place pass_times_place(const pass_times *t, size_t context);

/* The time there of a pass that takes these times at `low` and at `high`. */
double pass_place_blend(pass_place at, double low, double high);

/* T(m, context) in ns; NaN where pass_times_measured is. */
double pass_times_at(const pass_times *t, size_t m, size_t context);

#endif
