#include "engine/policies/pass_times.h"

#include <math.h>

size_t pass_times_largest(const pass_times *t) {
    return t->n > 0 ? t->m[t->n - 1] : 0;
}

double pass_times_measured(const pass_times *t, size_t i, size_t m) {
    if (m < 1 || m > pass_times_largest(t)) return NAN;
    const double *ns = t->ns + i * t->n;
    size_t        at = 0;
    while (t->m[at] < m) at++;
    if (t->m[at] == m) return ns[at];
    double share = (double)(m - t->m[at - 1]) / (double)(t->m[at] - t->m[at - 1]);
    return ns[at - 1] + share * (ns[at] - ns[at - 1]);
}

pass_place pass_times_place(const pass_times *t, size_t context) {
    size_t i = 0;
    if (t->n_contexts < 2 || context <= t->contexts[0]) return (pass_place){0, 0, 0};
    while (i + 1 < t->n_contexts && t->contexts[i] < context) i++;
    if (t->contexts[i] == context) return (pass_place){i, i, 0};
    size_t from = t->contexts[i - 1], to = t->contexts[i];
    return (pass_place){i - 1, i, (double)(context - from) / (double)(to - from)};
}

double pass_place_blend(pass_place at, double low, double high) {
    return at.share > 1 && high < low ? high : low + at.share * (high - low);
}

double pass_times_at(const pass_times *t, size_t m, size_t context) {
    pass_place at = pass_times_place(t, context);
    return pass_place_blend(at, pass_times_measured(t, at.low, m), pass_times_measured(t, at.high, m));
}
