#include "analysis/stats/holm.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

typedef struct {
    double p;
    size_t at;
} placed_p;

static int by_p(const void *a, const void *b) {
    double x = ((const placed_p *)a)->p, y = ((const placed_p *)b)->p;
    return (x > y) - (x < y);
}

int holm_adjust(const double *p, size_t n, double *adjusted, err *e) {
    placed_p *sorted = mem_new(n, sizeof *sorted, e);
    size_t    m = 0;
    double    most = 0;
    if (sorted == NULL) return -1;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(p[i])) sorted[m++] = (placed_p){p[i], i};
        adjusted[i] = p[i];
    }
    if (m > 0) qsort(sorted, m, sizeof *sorted, by_p);
    for (size_t i = 0; i < m; i++) {
        most = fmin(1, fmax(most, (double)(m - i) * sorted[i].p));
        adjusted[sorted[i].at] = most;
    }
    free(sorted);
    return 0;
}

size_t holm_records(size_t family) {
    size_t n = 1;
    while (ldexp((double)family, 1 - (int)n) >= HOLM_LEVEL) n++;
    return n;
}
